"""All the calls of a plan, each at its own time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from antiphon.bench.caller import Caller
from antiphon.bench.ear import Ear
from antiphon.bench.line import Line, LineFailed
from antiphon.bench.plan import Plan
from antiphon.bench.recording import CHUNK_MS, Recording
from antiphon.bench.result import CallResult

GRACE_MS = 15_000
"""After its time, a call may finish its turn; then it is hung up."""
CLOSE_TIMEOUT_S = 5


class _Call:
    """One call; what it is told, it tells ear, caller and result."""

    def __init__(self, result: CallResult, line: Line, caller: Caller, ear: Ear) -> None:
        self._result = result
        self._line = line
        self._caller = caller
        self._ear = ear
        self._is_dead = False

    # --- As a `Listener` ------------------------------------------------------------------

    def sound(self, pcm: bytes, reply: str = "") -> None:
        self._ear.sound(pcm, _now_ms(), reply)

    def stop(self) -> None:
        self._ear.stop(_now_ms())

    def answering(self, *, is_answering: bool) -> None:
        self._caller.is_answering = is_answering

    def failed(self, kind: str, detail: str = "") -> None:
        self._result.failed(kind, detail)

    def closed(self, kind: str, detail: str = "") -> None:
        if not self._is_dead and self._result.connect_ms is not None:
            self._result.failed(kind, detail)
        self._is_dead = True

    # --- The call -------------------------------------------------------------------------

    async def run(self, duration_ms: float) -> None:
        try:
            await self._line.open(self)
            self._result.connect_ms = _now_ms() - self._result.started_ms
            await self._line.begin()
            await self._talk(self._result.scheduled_ms + duration_ms)
        except LineFailed as error:
            self._result.failed(error.kind, str(error))
        finally:
            self._caller.hang_up()
            self._result.turns = self._caller.turns
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._line.close()

    async def _talk(self, until_ms: float) -> None:
        due_ms = _now_ms()
        while not self._is_dead:
            due_ms += CHUNK_MS
            if due_ms >= until_ms and self._caller.is_idle:
                return
            if due_ms >= until_ms + GRACE_MS:
                self._result.failed("unfinished", "a turn was under way when the call had to end")
                return
            await asyncio.sleep((due_ms - _now_ms()) / 1000)
            self._result.microphone_late_ms.append(max(0.0, _now_ms() - due_ms))
            await self._line.send(self._caller.next_chunk(due_ms))


async def run_calls(
    plan: Plan,
    recordings: Sequence[Recording],
    open_line: Callable[[], Line],
    *,
    on_end: Callable[[CallResult], None] | None = None,
) -> list[CallResult]:
    """Carry out a plan; times are those of the event loop's clock, from the first call's.

    Args:
        plan: When the calls come, and how callers are.
        recordings: What they say, in turn; each caller begins with another one.
        open_line: A line for each call, not yet open.
        on_end: Is told of each call.
    """
    origin_ms = _now_ms()
    results: list[CallResult] = []

    async def one(index: int, start_s: float) -> None:
        scheduled_ms = origin_ms + start_s * 1000
        await asyncio.sleep((scheduled_ms - _now_ms()) / 1000)
        result = CallResult(index, scheduled_ms, _now_ms())
        results.append(result)
        line = open_line()
        ear = Ear(line.is_live)
        first = index % len(recordings)
        said = [*recordings[first:], *recordings[:first]]
        caller = Caller(ear, said, plan, expects_answers=line.expects_answers)
        await _Call(result, line, caller, ear).run(plan.duration_s * 1000)
        if on_end is not None:
            on_end(result)

    async with asyncio.TaskGroup() as calls:
        for index, start_s in enumerate(plan.starts_s()):
            calls.create_task(one(index, start_s))
    for result in results:
        _since(result, origin_ms)
    return sorted(results, key=lambda result: result.index)


def _since(result: CallResult, origin_ms: float) -> None:
    """On a clock that begins with the run."""
    result.scheduled_ms -= origin_ms
    result.started_ms -= origin_ms
    for turn in result.turns:
        turn.began_ms -= origin_ms
        turn.speech_start_ms -= origin_ms
        turn.speech_end_ms -= origin_ms


def _now_ms() -> float:
    return asyncio.get_running_loop().time() * 1000
