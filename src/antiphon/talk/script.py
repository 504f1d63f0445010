"""A run without a microphone: files and texts, each sent when its time has come."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.talk.playback import BYTES_PER_MS

TICK_MS = 20
TICK_BYTES = TICK_MS * BYTES_PER_MS
SETTLE_MS = 1000
"""After a file ended, the server may still find that someone spoke at its end."""


@dataclass(frozen=True)
class Speech:
    """Sound to send in real time, 24 kHz 16-bit mono.

    Attributes:
        speech_end_byte: Where the speech in it ends.
    """

    name: str
    pcm: bytes
    speech_end_byte: int


@dataclass(frozen=True)
class Typed:
    text: str


Step = Speech | Typed


@dataclass(frozen=True)
class Standing:
    """What the script must know of the conversation.

    Attributes:
        news_ms: When the server was last heard of, or a reply last sounded.
        reply_began_ms: When the reply that is being heard began to sound.
    """

    is_ready: bool
    is_idle: bool
    replies_done: int
    news_ms: float
    reply_began_ms: float | None


@dataclass(frozen=True)
class Move:
    """What to do in these 20 ms.

    Attributes:
        sound: To send as the microphone's; empty for none.
        speech_ended: The last sound of speech is in it.
        ends_turn: The file has ended: in manual turns the turn is over.
        begins: A new file begins with it: in manual turns it interrupts.
        unanswered: Nothing came in time; the script goes on.
    """

    sound: bytes = b""
    text: str | None = None
    speech_ended: bool = False
    begins: bool = False
    ends_turn: bool = False
    unanswered: str | None = None


SILENCE = bytes(TICK_BYTES)


class Script:
    """Sends the steps, one after another; a step is over when its reply was heard.

    Args:
        barge_in_ms: Start the next step so long after a reply began to sound.
        patience_ms: How long nothing may happen before a step counts as unanswered.
        is_manual: Between files nothing is sent, not even silence.
    """

    def __init__(
        self,
        steps: tuple[Step, ...],
        *,
        barge_in_ms: float | None = None,
        patience_ms: float = 30_000,
        is_manual: bool = False,
    ) -> None:
        self._steps = steps
        self._barge_in_ms = barge_in_ms
        self._patience_ms = patience_ms
        self._silence = b"" if is_manual else SILENCE
        self._at = 0
        self._position = 0
        self._began_ms: float | None = None
        self._sent_ms: float | None = None
        self._replies_before = 0

    @property
    def is_over(self) -> bool:
        return self._at >= len(self._steps)

    @property
    def name(self) -> str | None:
        """What is being sent now."""
        if self.is_over or self._began_ms is None or self._sent_ms is not None:
            return None
        step = self._steps[self._at]
        return step.name if isinstance(step, Speech) else None

    def restart_step(self) -> None:
        """What was being sent is lost; send it again."""
        self._position = 0
        self._began_ms = self._sent_ms = None

    def tick(self, standing: Standing, now_ms: float) -> Move:
        """The next 20 ms."""
        if self.is_over or not standing.is_ready:
            return Move(self._silence)
        unanswered = None
        if self._sent_ms is not None and self._has_waited(standing, now_ms):
            unanswered = self._unanswered(standing)
            self._at += 1
            self.restart_step()
            if self.is_over or unanswered:
                return Move(self._silence, unanswered=unanswered)
        if self._sent_ms is not None:
            return Move(self._silence)
        begins = self._began_ms is None
        if begins:
            self._began_ms = now_ms
            self._replies_before = standing.replies_done
        step = self._steps[self._at]
        if isinstance(step, Typed):
            self._sent_ms = now_ms
            return Move(self._silence, text=step.text)
        return self._speak(step, now_ms, begins=begins)

    def _speak(self, step: Speech, now_ms: float, *, begins: bool) -> Move:
        start, self._position = self._position, self._position + TICK_BYTES
        ends = self._position >= len(step.pcm)
        if ends:
            self._sent_ms = now_ms
        return Move(
            step.pcm[start : self._position].ljust(TICK_BYTES, b"\0"),
            begins=begins,
            speech_ended=start < step.speech_end_byte <= self._position,
            ends_turn=ends,
        )

    def _has_waited(self, standing: Standing, now_ms: float) -> bool:
        if self._sent_ms is None or self._began_ms is None:
            return False
        began_ms = standing.reply_began_ms
        if (
            self._barge_in_ms is not None
            and self._at + 1 < len(self._steps)
            and began_ms is not None
            and began_ms >= self._began_ms
        ):
            return now_ms >= began_ms + self._barge_in_ms and now_ms > self._sent_ms
        settle_ms = SETTLE_MS if isinstance(self._steps[self._at], Speech) else 0
        is_answered = standing.is_idle and standing.replies_done > self._replies_before
        if is_answered and now_ms - self._sent_ms >= settle_ms:
            return True
        return now_ms - max(self._sent_ms, standing.news_ms) > self._patience_ms

    def _unanswered(self, standing: Standing) -> str | None:
        if standing.replies_done > self._replies_before or standing.reply_began_ms is not None:
            return None
        step = self._steps[self._at]
        return step.name if isinstance(step, Speech) else step.text
