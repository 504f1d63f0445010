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
from antiphon.core.effects import Effect, TurnCommitted
from antiphon.core.history import History
from antiphon.core.ids import Ids
from antiphon.core.items import HeardPart, MessageEntry, samples_to_ms
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
    content_index: int = 0
    """Once committed: which part of the item its words are."""
    sent: str = ""
    unsent: str = ""


class Transcripts:
    def __init__(self, ids: Ids, history: History) -> None:
        self._ids = ids
        self._history = history
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

    def commit(self, item_id: str, content_index: int, out: list[Effect]) -> None:
        """The turn is an item now; that part of it is what its words will be written into."""
        spoken = self._spoken.setdefault(item_id, _Spoken())
        spoken.phase = KNOWING.next(spoken.phase, KnowingMove.COMMIT)
        spoken.content_index = content_index
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
        committed = spoken.phase is Knowing.COMMITTED
        if early or (committed and self._place(news.item_id, spoken)[1].shows_transcript):
            self._send_grown(news.item_id, spoken, out)

    def on_ended(self, news: TranscriptEnded, out: list[Effect]) -> None:
        spoken = self._spoken.get(news.item_id)
        if spoken is None or spoken.phase is not Knowing.COMMITTED:
            return
        del self._spoken[news.item_id]
        spoken.phase = KNOWING.next(spoken.phase, KnowingMove.END)
        entry, part = self._place(news.item_id, spoken)
        self._history.transcribe(entry, part, news.text, out)
        if not part.shows_transcript:
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
                usage=news.usage or TranscriptionUsage(seconds=samples_to_ms(part.samples) / 1000),
                logprobs=news.logprobs if self._with_logprobs else None,
            )
        )

    def on_failed(self, news: TranscriptFailed, out: list[Effect]) -> None:
        spoken = self._spoken.get(news.item_id)
        if spoken is None or spoken.phase is not Knowing.COMMITTED:
            return
        del self._spoken[news.item_id]
        spoken.phase = KNOWING.next(spoken.phase, KnowingMove.FAIL)
        entry, part = self._place(news.item_id, spoken)
        self._history.transcribe(entry, part, None, out)
        if not part.shows_transcript:
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

    def resume(self, out: list[Effect]) -> None:
        """Ask for the words of turns that an earlier engine was still to tell."""
        for entry in self._history:
            for index, part in enumerate(entry.parts if isinstance(entry, MessageEntry) else ()):
                if isinstance(part, HeardPart) and part.awaits_transcript:
                    out.append(TurnCommitted(entry.id, bytes(part.pcm)))
                    self.commit(entry.id, index, out)

    def ask_again(self, out: list[Effect]) -> None:
        """Another engine is there: ask it for the words that the one before had not told, and
        for those that nobody but an engine wants to know.
        """
        for entry in self._history:
            for index, part in enumerate(entry.parts if isinstance(entry, MessageEntry) else ()):
                if not isinstance(part, HeardPart) or part.transcript is not None:
                    continue
                if not part.awaits_transcript and (part.shows_transcript or not part.pcm):
                    continue
                part.awaits_transcript = True
                out.append(TurnCommitted(entry.id, bytes(part.pcm)))
                if entry.id not in self._spoken:
                    self.commit(entry.id, index, out)

    def _place(self, item_id: str, spoken: _Spoken) -> tuple[MessageEntry, HeardPart]:
        """Where the words of a committed turn belong; a deleted item's are dropped before."""
        entry = self._history.get(item_id)
        assert isinstance(entry, MessageEntry), item_id
        part = entry.parts[spoken.content_index]
        assert isinstance(part, HeardPart), item_id
        return entry, part

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
