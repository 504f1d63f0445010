"""What the user said, as it becomes known.

A transcript grows only by words that are final; the end adds what had not grown yet, so
that the deltas make up the transcript, or overrules what grew.  Models that stream while
audio arrives show their words at once, the others from the commit on
(docs/reference/protocol.md, "Input transcription").
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from antiphon.core.causes import TranscriptEnded, TranscriptFailed, TranscriptGrew
from antiphon.core.effects import Effect
from antiphon.core.ids import Ids
from antiphon.core.items import Part, samples_to_ms
from antiphon.core.lifecycle import Lifecycle
from antiphon.protocol.server import (
    TranscriptionCompleted,
    TranscriptionDelta,
    TranscriptionError,
    TranscriptionFailed,
    TranscriptionUsage,
)
from antiphon.protocol.session import (
    STREAMS_WHILE_SPOKEN,
    AnySession,
    Transcription,
    TranscriptionSession,
)


class Knowing(Enum):
    SPOKEN = auto()
    COMMITTED = auto()
    COMPLETED = auto()
    FAILED = auto()
    DROPPED = auto()


class KnowingMove(Enum):
    COMMIT = auto()
    END = auto()
    FAIL = auto()
    DROP = auto()


KNOWING = Lifecycle(
    "transcript",
    {
        (Knowing.SPOKEN, KnowingMove.COMMIT): Knowing.COMMITTED,
        (Knowing.SPOKEN, KnowingMove.DROP): Knowing.DROPPED,
        (Knowing.COMMITTED, KnowingMove.END): Knowing.COMPLETED,
        (Knowing.COMMITTED, KnowingMove.FAIL): Knowing.FAILED,
        (Knowing.COMMITTED, KnowingMove.DROP): Knowing.DROPPED,
    },
)


@dataclass(slots=True, eq=False)
class _Spoken:
    """One turn's transcript in the making."""

    phase: Knowing = Knowing.SPOKEN
    part: Part | None = None
    content_index: int = 0
    sent: str = ""
    unsent: str = ""


class Transcripts:
    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._spoken: dict[str, _Spoken] = {}
        self._wanted: Transcription | None = None
        self._with_logprobs = False

    def configure(self, session: AnySession) -> None:
        self._wanted = session.audio.input.transcription
        if isinstance(session, TranscriptionSession) and self._wanted is None:
            self._wanted = Transcription()
        self._with_logprobs = bool(session.include)

    @property
    def wanted(self) -> bool:
        return self._wanted is not None

    def begin(self, item_id: str) -> None:
        self._spoken[item_id] = _Spoken()

    def commit(self, item_id: str, part: Part, content_index: int, out: list[Effect]) -> None:
        """The turn is an item now; ``part`` is what its words will be written into."""
        spoken = self._spoken.setdefault(item_id, _Spoken())
        spoken.phase = KNOWING.next(spoken.phase, KnowingMove.COMMIT)
        spoken.part, spoken.content_index = part, content_index
        part.shows_text = self.wanted
        if self.wanted:
            self._send_grown(item_id, spoken, out)

    def drop(self, item_id: str) -> None:
        """Nobody wants to know any more: the turn was cleared, the item deleted."""
        spoken = self._spoken.pop(item_id, None)
        if spoken is not None:
            spoken.phase = KNOWING.next(spoken.phase, KnowingMove.DROP)

    def on_grew(self, news: TranscriptGrew, out: list[Effect]) -> None:
        spoken = self._spoken.get(news.item_id)
        if spoken is None:
            return
        spoken.unsent += news.delta
        early = self._wanted is not None and self._wanted.model in STREAMS_WHILE_SPOKEN
        if early or (spoken.part is not None and spoken.part.shows_text):
            self._send_grown(news.item_id, spoken, out)

    def on_ended(self, news: TranscriptEnded, out: list[Effect]) -> None:
        spoken = self._spoken.get(news.item_id)
        if spoken is None or spoken.part is None:
            return
        del self._spoken[news.item_id]
        spoken.phase = KNOWING.next(spoken.phase, KnowingMove.END)
        spoken.part.text = news.text
        if not spoken.part.shows_text:
            return
        if news.text.startswith(spoken.sent):
            spoken.unsent = news.text[len(spoken.sent) :]
            self._send_grown(news.item_id, spoken, out)
        out.append(
            TranscriptionCompleted(
                event_id=self._ids.event(),
                item_id=news.item_id,
                content_index=spoken.content_index,
                transcript=news.text,
                usage=TranscriptionUsage(seconds=samples_to_ms(spoken.part.samples) / 1000),
                logprobs=news.logprobs if self._with_logprobs else None,
            )
        )

    def on_failed(self, news: TranscriptFailed, out: list[Effect]) -> None:
        spoken = self._spoken.get(news.item_id)
        if spoken is None or spoken.part is None:
            return
        del self._spoken[news.item_id]
        spoken.phase = KNOWING.next(spoken.phase, KnowingMove.FAIL)
        if not spoken.part.shows_text:
            return
        out.append(
            TranscriptionFailed(
                event_id=self._ids.event(),
                item_id=news.item_id,
                content_index=spoken.content_index,
                error=TranscriptionError("transcription_error", news.code, news.message),
            )
        )

    def fail_all(self, code: str, message: str, out: list[Effect]) -> None:
        """The engine is gone, and with it all that it had not said yet."""
        for item_id, spoken in list(self._spoken.items()):
            if spoken.phase is Knowing.COMMITTED:
                self.on_failed(TranscriptFailed(item_id, code, message), out)

    def _send_grown(self, item_id: str, spoken: _Spoken, out: list[Effect]) -> None:
        if spoken.unsent:
            out.append(
                TranscriptionDelta(
                    event_id=self._ids.event(),
                    item_id=item_id,
                    content_index=spoken.content_index,
                    delta=spoken.unsent,
                )
            )
            spoken.sent += spoken.unsent
            spoken.unsent = ""
