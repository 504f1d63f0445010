"""The pieces of one utterance: the user pauses, an answer begins, they go on.

Where nothing of that answer was heard, and it is certain (where we play, or nothing was made of it
yet), the pieces become one item: the last, with the sound of all of them.  It takes the place of
the others once it is whole; until then nothing is lost where the user's turn comes to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.core.causes import Ms
from antiphon.core.items import Entry, MessageEntry, SpokenPart, ms_to_samples
from antiphon.core.overlap import HARDLY_HEARD_MS
from antiphon.core.stage import Stage
from antiphon.core.turns import GOES_ON_MS
from antiphon.protocol.session import Overlap

MAX_PIECE_SAMPLES = ms_to_samples(30_000)
"""Its sound is kept for two seconds, and is recognised once more with what follows.  Overflow
policy: what is longer stays an item of its own."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A turn that was committed just now."""

    item_id: str
    from_sample: int
    pcm: bytes

    @property
    def end_sample(self) -> int:
        return self.from_sample + len(self.pcm) // 2


class LastTurn:
    """The one that was committed last, if we found where it began and ended."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.is_ours = False
        self.piece: Piece | None = None
        """It, as long as the next one may go on with it."""
        self._voice_ended = 0

    @property
    def held_bytes(self) -> int:
        return 0 if self.piece is None else len(self.piece.pcm)

    def ended(self, piece: Piece, voice_ended: int) -> None:
        self.is_ours, self._voice_ended = True, voice_ended
        is_kept = self._is_told_of_joins and len(piece.pcm) // 2 <= MAX_PIECE_SAMPLES
        self.piece = piece if is_kept else None

    def forget(self) -> None:
        self.is_ours, self.piece = False, None

    def may_go_on(self, at_sample: int) -> bool:
        """With a voice that begins there; what lies between is wanted then."""
        if at_sample - self._voice_ended > ms_to_samples(GOES_ON_MS):
            self.piece = None
        return self.piece is not None

    def pause_before(self, onset: int, now_ms: Ms) -> int | None:
        """Between it and what begins now, where they may be one; else None."""
        pause = onset - self._voice_ended
        if not self.is_ours or pause > ms_to_samples(GOES_ON_MS):
            return None
        history, sounding = self._stage.history, self._stage.sounding
        is_heard, spoken = sounding.is_heard(now_ms), history.last_spoken
        if spoken is None or spoken[0] != history.last_id:
            return None if is_heard else pause  # There is no answer to the last turn yet.
        item_id, part = spoken
        if not is_heard:  # It was heard whole, or will never be.
            return None if part.transcript and part.samples else pause
        heard = sounding.heard_samples(item_id, part.samples, now_ms)
        return pause if heard <= ms_to_samples(HARDLY_HEARD_MS) else None

    def replaced_by_all(self, piece: Piece) -> tuple[str, ...]:
        """What the whole utterance takes the place of: ``piece``, and answers of which nothing was
        heard.  Empty: something else was said or done since.
        """
        found: list[str] = []
        for entry in reversed(list(self._stage.history)):
            found.append(entry.id)
            if entry.id == piece.item_id:
                return tuple(found)
            if not _is_unheard(entry):
                break
        return ()

    @property
    def _is_told_of_joins(self) -> bool:
        """By clients that know of overlaps; no other expects that an item goes."""
        detection = self._stage.session.audio.input.turn_detection
        return (
            detection is not None
            and isinstance(detection.overlap, Overlap)
            and detection.interrupt_response
            and detection.create_response
        )


def _is_unheard(entry: Entry) -> bool:
    return (
        isinstance(entry, MessageEntry)
        and entry.role == "assistant"
        and all(
            isinstance(part, SpokenPart) and not part.transcript and not part.samples
            for part in entry.parts
        )
    )
