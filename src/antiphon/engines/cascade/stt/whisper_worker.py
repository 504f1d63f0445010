"""The process that runs Whisper for all sessions: the weights are in memory once.

Who has finished speaking goes first, then who pauses, then who still speaks; among equals
who has waited longest.  Words that are wanted while they are spoken may take a third of
the time of one thread, and never the last free one.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct

from antiphon.engines.cascade.spare_memory import give_memory_back
from antiphon.engines.cascade.stt.log_mel import LogMel
from antiphon.engines.cascade.stt.short_words import PHRASES, WATCHED, is_doubtful
from antiphon.engines.cascade.stt.whisper_model import Hypothesis, WhisperModel
from antiphon.engines.cascade.stt.whisper_turn import Need, Turn, Work
from antiphon.engines.cascade.stt.whisper_wire import Begin, Command
from antiphon.engines.cascade.stt.wire import Audio, Cancel, Finish, Trouble
from antiphon.engines.cascade.worker_wire import WorkerEnd

LIVE_REST = 2.0
"""After a look at a turn that goes on, none for so many times as long as it took."""

EARLY_MAX_S = 0.45
"""Where a decoding takes longer, a look in mid-word comes no sooner than the one after the word."""


WARMING_FRAMES = 100
"""A second: it costs a third of the shortest window that turns have."""


class Understood(Struct, frozen=True):
    """From a thread of ours: ``work`` is done."""

    work: Work
    hypothesis: Hypothesis
    took_s: float
    """Without the phrases that may have been compared."""
    problem: str = ""


class Worker:
    def __init__(self, model: WhisperModel, threads: int) -> None:
        self._model = model
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, "whisper")
        self._busy = 0
        self._wire: WorkerEnd[Command | Understood] = WorkerEnd(Command)
        self._turns: dict[int, Turn] = {}
        self._served: dict[int, int] = {}
        """When each turn was last served, counted in works."""
        self._works = 0
        self._next_live_s = 0.0
        self._took_s = 0.0
        """The last decoding."""

    def run(self) -> None:
        self._wire.ready()
        while True:
            if arrived := self._wire.receive():
                self._note(*arrived)
            for job, message in self._wire.arrived():
                self._note(job, message)
            self._tell_ends()
            while self._busy < self._threads and (urgent := self._next()) is not None:
                self._begin(urgent)

    def _note(self, job: int, message: Command | Understood) -> None:
        if isinstance(message, Begin):
            self._turns[job] = Turn(message.language, live=message.live)
            self._served[job] = self._works
        elif isinstance(message, Understood):
            self._done(job, message)
        elif turn := self._turns.get(job):
            match message:
                case Audio(pcm):
                    turn.hear(pcm)
                case Finish():
                    turn.finish()
                case Cancel():
                    self._forget(job)

    def _next(self) -> int | None:
        needs = [
            (need, self._served[job], job)
            for job, turn in self._turns.items()
            if (need := turn.need) is not None and self._may(need)
        ]
        return min(needs)[2] if needs else None

    def _may(self, need: Need) -> bool:
        """Whether there is the time: turns that go on can wait."""
        if need is Need.EARLY:
            return self._took_s <= EARLY_MAX_S
        return need is not Need.LIVE or self._may_look

    @property
    def _may_look(self) -> bool:
        """At turns that go on."""
        free = self._threads - self._busy
        return free > (self._threads > 1) and time.monotonic() >= self._next_live_s

    def _begin(self, job: int) -> None:
        self._works += 1
        self._served[job] = self._works
        self._busy += 1
        turn = self._turns[job]
        self._pool.submit(self._understand, job, turn.work(), turn.language)

    def _understand(self, job: int, work: Work, language: str) -> None:
        """On a thread of the pool, which has nobody to raise an error at."""
        begin_s = time.monotonic()
        hypothesis, problem, took_s = Hypothesis(""), "", 0.0

        def compares(found: Hypothesis) -> bool:
            nonlocal took_s
            took_s = time.monotonic() - begin_s
            return work.compares and is_doubtful(found)

        try:
            hypothesis = self._model.understand(
                work.features, work.heard_s, language, compares=compares
            )
        except Exception as error:
            problem = f"a part of a turn was not understood: {type(error).__name__}"
        took_s = took_s or time.monotonic() - begin_s
        self._wire.post(job, Understood(work, hypothesis, took_s, problem))

    def _done(self, job: int, understood: Understood) -> None:
        self._busy -= 1
        self._took_s = understood.took_s
        if not self._busy:
            give_memory_back()  # What a decoding took: 70 MB.
        if understood.work.need is Need.LIVE:
            self._next_live_s = time.monotonic() + LIVE_REST * understood.took_s
        turn = self._turns.get(job)
        if turn is None:  # Cancelled meanwhile.
            return
        if understood.problem:
            self._wire.send(job, Trouble(understood.problem))
        if heard := turn.done(understood.work, understood.hypothesis):
            self._wire.send(job, heard)

    def _tell_ends(self) -> None:
        for job in [job for job, turn in self._turns.items() if turn.over]:
            turn = self._turns[job]
            if turn.dropped_s:
                what = f"{turn.dropped_s:.1f} s of audio were dropped: too slow"
                self._wire.send(job, Trouble(what, turn.dropped_s))
            self._wire.send(job, turn.final())
            self._forget(job)

    def _forget(self, job: int) -> None:
        del self._turns[job], self._served[job]


def warmed(folder: Path, threads: int) -> WhisperModel:
    """Loaded, and used once: the first user shall not wait for it.  A short window touches all
    that a long one does.
    """
    model = WhisperModel(folder, threads=threads, watched=WATCHED, phrases=PHRASES)
    model.understand(LogMel().features(0, WARMING_FRAMES), 0.1)
    return model


if __name__ == "__main__":
    _threads = int(sys.argv[2])
    Worker(warmed(Path(sys.argv[1]), _threads), _threads).run()
