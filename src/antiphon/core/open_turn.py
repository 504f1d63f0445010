"""A turn of the user while it is being spoken: what is told of it, and what becomes of it."""

from __future__ import annotations

from antiphon.core.effects import Effect, Hear, InputDropped, TurnBegan, TurnCommitted
from antiphon.core.input_buffer import InputBuffer
from antiphon.core.items import HeardPart, MessageEntry, samples_to_ms
from antiphon.core.overlap import OverlapWatch
from antiphon.core.pieces import Piece
from antiphon.core.stage import Stage
from antiphon.core.turns import ONSET_WINDOWS
from antiphon.protocol.server import (
    InputAudioBufferCommitted,
    OverlapChanged,
    OverlapState,
    SpeechStarted,
    SpeechStopped,
)


class OpenTurn:
    """A turn that has begun and is neither committed nor dropped.

    Args:
        buffer: Where its sound is.
        from_sample: Where it begins there.
    """

    __slots__ = (
        "_buffer",
        "_is_announced",
        "_stage",
        "earlier",
        "from_sample",
        "goes_on",
        "item_id",
        "replaces",
        "told_to",
        "understood",
        "voice_windows",
        "watch",
    )

    def __init__(self, stage: Stage, buffer: InputBuffer, from_sample: int) -> None:
        self._stage = stage
        self._buffer = buffer
        self.from_sample = from_sample
        self.item_id = stage.new_item_id()
        self.told_to: int | None = None
        """How far the engine has heard it; None: it was not told of it yet."""
        self._is_announced = False
        """Clients know that somebody speaks."""
        self.watch: OverlapWatch | None = None
        """While it may prove to be no interruption."""
        self.understood = ""
        """What was understood of it in the pause that it makes."""
        self.goes_on = False
        """With the turn before, of whose answer hardly anything was heard."""
        self.earlier = b""
        """The sound of that one, where both are one utterance..."""
        self.replaces: tuple[str, ...] = ()
        """... and the items of which its item takes the place."""
        self.voice_windows = 0
        """In a row, of what was scored last."""
        stage.history.reserve(self.item_id)
        stage.transcripts.begin(self.item_id)

    @property
    def is_settled(self) -> bool:
        """It is a turn, and one voice window more changes nothing of that."""
        return self.watch is None and self.voice_windows >= ONSET_WINDOWS

    def note_voice(self, is_voice: bool) -> None:
        """One window alone is a click; then somebody goes on, and more words will come."""
        self.voice_windows = self.voice_windows + 1 if is_voice else 0
        if self.voice_windows >= ONSET_WINDOWS:
            self.understood = ""

    # --- What is told --------------------------------------------------------

    def begin(self, heard_to: int, out: list[Effect], *, watch: OverlapWatch | None = None) -> None:
        """The engine is told of it, and of its sound until there.  ``watch``: it may prove to be
        no interruption.
        """
        self.told_to, self.watch = heard_to, watch
        so_far = self._buffer.peek(self.from_sample, heard_to)
        out.append(TurnBegan(self.item_id, self.from_sample, so_far, overlaps=watch is not None))

    def tell_engine(self, end: int, out: list[Effect]) -> None:
        """Let the engine hear it up to there, where it knows of it."""
        if self.told_to is not None and end > self.told_to:
            out.append(Hear(self._buffer.peek(self.told_to, end), self.told_to))
            self.told_to = end

    def announce(self, out: list[Effect]) -> None:
        """Tell clients that somebody speaks, once."""
        if self._is_announced:
            return
        self._is_announced = True
        out.append(
            SpeechStarted(
                event_id=self._stage.ids.event(),
                audio_start_ms=samples_to_ms(self.from_sample),
                item_id=self.item_id,
            )
        )

    def tell_stopped(self, end: int, out: list[Effect]) -> None:
        """Those who know that somebody spoke."""
        if self._is_announced:
            out.append(
                SpeechStopped(
                    event_id=self._stage.ids.event(),
                    audio_end_ms=samples_to_ms(end),
                    item_id=self.item_id,
                )
            )

    def tell_overlap(self, state: OverlapState, out: list[Effect]) -> None:
        out.append(
            OverlapChanged(event_id=self._stage.ids.event(), item_id=self.item_id, state=state)
        )

    # --- What becomes of it --------------------------------------------------

    def join(self, piece: Piece, replaces: tuple[str, ...], out: list[Effect]) -> None:
        """It goes on with the turn before, and its item takes the place of those items."""
        assert self.told_to is not None, "the engine knows of it"
        self.replaces = replaces
        self.earlier, self.from_sample = piece.pcm, piece.from_sample
        self._stage.transcripts.begin(self.item_id)
        so_far = piece.pcm + self._buffer.peek(piece.end_sample, self.told_to)
        out += (InputDropped(), TurnBegan(self.item_id, piece.from_sample, so_far))

    def commit(self, end: int, out: list[Effect]) -> bytes:
        """It is an item now.  Returns its sound."""
        self.tell_engine(end, out)
        pcm = self.earlier + self._buffer.take(self.from_sample, end)
        self._take_back(out)
        history, transcripts = self._stage.history, self._stage.transcripts
        part = HeardPart(
            shows_transcript=transcripts.wanted,
            awaits_transcript=True,
            pcm=bytearray(pcm),
            samples=len(pcm) // 2,
        )
        entry = MessageEntry(self.item_id, "user", parts=[part])
        history.release(self.item_id)
        out.append(
            InputAudioBufferCommitted(
                event_id=self._stage.ids.event(),
                previous_item_id=history.last_id,
                item_id=entry.id,
            )
        )
        history.add_whole(entry, out)
        out.append(TurnCommitted(entry.id, pcm))
        transcripts.commit(entry.id, 0, out)
        return pcm

    def drop(self, out: list[Effect]) -> None:
        """It comes to nothing."""
        self._stage.transcripts.drop(self.item_id)
        self._stage.history.release(self.item_id)
        out.append(InputDropped())

    def _take_back(self, out: list[Effect]) -> None:
        """Of the items that it replaces those that a client has not deleted meanwhile."""
        for item_id in self.replaces:
            if self._stage.history.get(item_id) is not None:
                self._stage.transcripts.drop(item_id)
                self._stage.history.delete(item_id, out)
