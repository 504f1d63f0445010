"""Smart Turn v3: whether a turn is over, by its melody; a small network, in a worker process.

https://github.com/pipecat-ai/smart-turn (BSD-2).  It hears how something is said, and knows no
words: `completeness` weighs both.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from antiphon.engines.cascade.end_of_turn.smart_turn_wire import Judged, News
from antiphon.engines.cascade.stt.wire import Audio, Cancel
from antiphon.engines.cascade.workers import Job, WorkerPool
from antiphon.errors import ConfigurationError, EngineUnavailable

_NAME = "smart-turn"
_WORKER = "antiphon.engines.cascade.end_of_turn.smart_turn_worker"
TURNS_MAX = 256
"""At the same time; a turn too many is judged by its words alone."""


class SmartTurn:
    """An `EndOfTurnHint`; ``network`` is the file of its weights."""

    def __init__(self, network: Path) -> None:
        self._pool: WorkerPool[News] = WorkerPool(
            _NAME,
            _WORKER,
            News,
            workers=1,
            jobs_per_worker=TURNS_MAX,
            arguments=(str(network),),
        )

    @property
    def pids(self) -> list[int]:
        return self._pool.pids

    async def start(self) -> None:
        await self._pool.start()

    async def aclose(self) -> None:
        await self._pool.aclose()

    def open(self, report: Callable[[float], None]) -> SmartTurnStream:
        def judged(news: Judged) -> None:
            report(news.probability)

        try:
            return SmartTurnStream(self._pool.open(judged, lambda _: None))
        except EngineUnavailable:
            return SmartTurnStream(None)


class SmartTurnStream:
    """One turn; without a job nothing is ever said of it."""

    def __init__(self, job: Job[News] | None) -> None:
        self._job = job

    def feed(self, pcm: bytes) -> None:
        # What a slow worker misses makes a hint worse, no more.
        if self._job is not None and not self._job.congested:
            self._job.send(Audio(pcm))

    def close(self) -> None:
        if self._job is not None:
            self._job.send(Cancel())
            self._job.close()
            self._job = None


def find_smart_turn(model: Path) -> Path:
    """The network's file: ``model`` itself, or the only one in that folder.

    Raises:
        ConfigurationError: there is none.
    """
    found = [model] if model.is_file() else sorted(model.glob("*.onnx"))
    if len(found) != 1:
        raise ConfigurationError(f"{model} must be a network of Smart Turn, or a folder with one.")
    return found[0]
