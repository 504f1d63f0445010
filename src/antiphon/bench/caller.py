"""When a caller speaks, waits, listens and interrupts.  Pure: it is asked for each 20 ms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from antiphon.bench.ear import Ear
from antiphon.bench.plan import Plan
from antiphon.bench.recording import CHUNK_MS, SILENCE, Recording
from antiphon.bench.result import Turn

State = Literal["pausing", "speaking", "waiting", "listening"]
SETTLE_MS = 400
"""Quiet for so long after all of an answer has come, it is over."""
UNTOLD_SETTLE_MS = 1_000
"""The same where nobody tells that all has come."""
LONGEST_ANSWER_MS = 60_000


class Caller:
    """One caller's turns.

    Attributes:
        turns: Those that have begun.
        is_answering: The server is about to say more; None: it does not tell.
    """

    def __init__(
        self,
        ear: Ear,
        recordings: Sequence[Recording],
        plan: Plan,
        *,
        expects_answers: bool = True,
    ) -> None:
        self.turns: list[Turn] = []
        self.is_answering: bool | None = None
        self._ear = ear
        self._recordings = recordings
        self._plan = plan
        self._expects_answers = expects_answers
        self._state: State = "pausing"
        self._resume_ms = float("-inf")
        self._chunk = 0
        self._heard_ms = 0.0

    @property
    def is_idle(self) -> bool:
        """Between turns: a call may end."""
        return self._state == "pausing"

    def next_chunk(self, at_ms: float) -> bytes:
        """What the microphone gives of the 20 ms that end now."""
        match self._state:
            case "pausing" if at_ms >= self._resume_ms:
                self._begin(at_ms - CHUNK_MS, interrupts=False)
            case "waiting":
                self._wait(at_ms)
            case "listening":
                self._listen(at_ms)
            case _:
                pass
        return self._speak() if self._state == "speaking" else SILENCE

    def hang_up(self) -> None:
        """The call is over, in whatever state; who was waiting then has waited in vain."""
        if not self.turns:
            return
        turn = self.turns[-1]
        turn.lateness_ms += self._ear.take_lateness_ms()
        if self._state == "waiting" and self._expects_answers and not turn.errors:
            turn.errors.append("no_answer")

    def _begin(self, began_ms: float, *, interrupts: bool) -> None:
        number = len(self.turns)
        said = self._recordings[number % len(self._recordings)]
        if self.turns:
            self.turns[-1].lateness_ms += self._ear.take_lateness_ms()
        self._ear.forget_before(began_ms - SETTLE_MS)
        self.turns.append(
            Turn(
                number,
                began_ms,
                began_ms + said.speech_start_ms,
                began_ms + said.speech_end_ms,
                interrupts=interrupts,
            )
        )
        self._state, self._chunk = "speaking", 0

    def _speak(self) -> bytes:
        chunks = self._recordings[self.turns[-1].number % len(self._recordings)].chunks
        chunk = chunks[self._chunk]
        self._chunk += 1
        if self._chunk == len(chunks):
            self._state = "waiting"
            if self._expects_answers:
                self._ear.mark()
        return chunk

    def _wait(self, at_ms: float) -> None:
        turn = self.turns[-1]
        if not self._expects_answers:
            self._pause(turn.speech_end_ms + self._plan.pause_ms)
            return
        heard_ms = self._ear.first_after(turn.speech_end_ms)
        if heard_ms is not None and heard_ms <= at_ms:
            self._judge(turn)
            if not turn.errors:
                turn.answer_ms = heard_ms - turn.speech_end_ms
            self._state, self._heard_ms = "listening", heard_ms
        elif at_ms - turn.speech_end_ms >= self._plan.patience_ms:
            self._judge(turn)
            if not turn.errors:
                turn.errors.append("no_answer")
            self._pause(at_ms + self._plan.pause_ms)

    def _judge(self, turn: Turn) -> None:
        """What was heard while the caller spoke."""
        end_ms = self._ear.end_of_what_began_before(turn.speech_end_ms)
        if not turn.interrupts:
            if end_ms is not None and end_ms > turn.began_ms:
                turn.errors.append("spoke_over_caller")  # What comes now answers a part of it.
        elif end_ms is None or end_ms >= turn.speech_end_ms:
            turn.errors.append("not_interrupted")
        else:
            turn.silence_ms = max(0.0, end_ms - turn.speech_start_ms)

    def _listen(self, at_ms: float) -> None:
        interrupt_ms = self._plan.barge_in_ms
        turn = self.turns[-1]
        if (
            interrupt_ms is not None
            and turn.number % 2 == 0
            and at_ms >= self._heard_ms + interrupt_ms
            and self._ear.sounds_at(at_ms)
        ):
            self._begin(at_ms - CHUNK_MS, interrupts=True)
            return
        settle_ms = UNTOLD_SETTLE_MS if self.is_answering is None else SETTLE_MS
        is_quiet = at_ms - self._ear.audible_until_ms() >= settle_ms
        if is_quiet and not self.is_answering:
            self._pause(self._ear.audible_until_ms() + settle_ms + self._plan.pause_ms)
        elif at_ms - self._heard_ms >= LONGEST_ANSWER_MS:
            turn.errors.append("endless_answer")
            self._pause(at_ms)

    def _pause(self, until_ms: float) -> None:
        self._state, self._resume_ms = "pausing", until_ms
