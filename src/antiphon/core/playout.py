"""How much of the assistant's speech has been heard.

On WebSocket the client plays, and only it knows: it tells with
`conversation.item.truncate`.  On WebRTC and SIP we play: positions come with the causes
that need them, as the number of samples of speech that have left so far.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum, auto

from antiphon.core.lifecycle import Lifecycle


class Hearing(Enum):
    """The life of one response's sound."""

    QUEUED = auto()
    STARTED = auto()
    STOPPED = auto()
    CLEARED = auto()


class HearingMove(Enum):
    SOUND = auto()
    DRAIN = auto()
    CLEAR = auto()


HEARING = Lifecycle(
    "hearing",
    {
        (Hearing.QUEUED, HearingMove.SOUND): Hearing.STARTED,
        (Hearing.STARTED, HearingMove.SOUND): Hearing.STARTED,
        (Hearing.STARTED, HearingMove.DRAIN): Hearing.STOPPED,
        (Hearing.STARTED, HearingMove.CLEAR): Hearing.CLEARED,
    },
)


@dataclass(slots=True, eq=False)
class Sound:
    """One response's sound in the server's playout."""

    response_id: str
    phase: Hearing = Hearing.QUEUED
    end: int = 0
    """Where its queued sound ends, in samples played since the session began."""
    generated: bool = False
    """No more sound will come."""


@dataclass(slots=True, eq=False)
class Segment:
    """A stretch of the playout that belongs to one item."""

    response_id: str
    item_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Cleared:
    """What was silenced before it was heard."""

    response_ids: tuple[str, ...] = ()
    cut_items: tuple[tuple[str, int], ...] = ()
    """Items cut short, with the samples of each that were heard."""

    @property
    def unheard(self) -> Cleared:
        """As if nothing of what was cut short had been heard."""
        return Cleared(self.response_ids, tuple((item_id, 0) for item_id, _ in self.cut_items))


class Playout:
    """The playout that the server owns."""

    def __init__(self) -> None:
        self._segments: list[Segment] = []
        self._sounds: list[Sound] = []
        self._silenced: set[str] = set()
        """Responses that were cleared while there was more of them to come."""
        self._end = 0
        self._played = 0

    @property
    def is_sounding(self) -> bool:
        return bool(self._sounds)

    def takes(self, response_id: str) -> bool:
        """False: the response was cleared, so no more of it will be heard."""
        return response_id not in self._silenced

    def queue(self, response_id: str, item_id: str, samples: int) -> bool:
        """Sound was handed to the transport; True where it is the response's first."""
        sound = next((s for s in self._sounds if s.response_id == response_id), None)
        first = sound is None
        if sound is None:
            sound = Sound(response_id)
            self._sounds.append(sound)
        sound.phase = HEARING.next(sound.phase, HearingMove.SOUND)
        if self._segments and self._segments[-1].item_id == item_id:
            self._segments[-1].end += samples
        else:
            end = self._end + samples
            self._segments.append(Segment(response_id, item_id, self._end, end))
        self._end += samples
        sound.end = self._end
        return first

    def played(self, samples: int) -> None:
        """News of the position; it never goes back."""
        self._played = max(self._played, samples)

    def heard_samples(self, item_id: str) -> int:
        """How much of an item has been heard."""
        return sum(
            max(0, min(self._played, segment.end) - segment.start)
            for segment in self._segments
            if segment.item_id == item_id
        )

    def being_heard(self, played: int) -> dict[str, int]:
        """How much was heard of each item whose end was not, where ``played`` samples have left."""
        played, heard, whole = max(played, self._played), Counter[str](), Counter[str]()
        for segment in self._segments:
            heard[segment.item_id] += max(0, min(played, segment.end) - segment.start)
            whole[segment.item_id] += segment.end - segment.start
        return {item_id: heard[item_id] for item_id in whole if heard[item_id] < whole[item_id]}

    def generated(self, response_id: str) -> list[str]:
        """A response will bring no more sound: the responses whose sound stops with that."""
        self._silenced.discard(response_id)
        for sound in self._sounds:
            if sound.response_id == response_id:
                sound.generated = True
        return self.stopped()

    def stopped(self) -> list[str]:
        """The responses whose sound has been played out, in order; each is told once."""
        over = [s for s in self._sounds if s.generated and s.end <= self._played]
        for sound in over:
            sound.phase = HEARING.next(sound.phase, HearingMove.DRAIN)
            self._sounds.remove(sound)
        ids = [sound.response_id for sound in over]
        if ids:
            self._segments = [s for s in self._segments if s.response_id not in ids]
        return ids

    def samples_to_boundary(self) -> int | None:
        """How much is to be played until one response's sound ends and another's begins.

        None where no end is known but that of all sound, which the transport tells
        (`PlayoutDrained`).
        """
        ends = [s.end for s in self._sounds if s.generated and s.end < self._end]
        return max(0, min(ends) - self._played) if ends else None

    def clear(self) -> Cleared:
        """Drop what was not played."""
        cut = []
        for item_id in dict.fromkeys(segment.item_id for segment in self._segments):
            whole = sum(s.end - s.start for s in self._segments if s.item_id == item_id)
            heard = self.heard_samples(item_id)
            if heard < whole:
                cut.append((item_id, heard))
        for sound in self._sounds:
            sound.phase = HEARING.next(sound.phase, HearingMove.CLEAR)
        silenced = tuple(s.response_id for s in self._sounds)
        self._silenced |= {s.response_id for s in self._sounds if not s.generated}
        self._sounds.clear()
        self._segments.clear()
        self._end = self._played
        return Cleared(silenced, tuple(cut))
