"""What the relay keeps of the user's sound, and where of it the upstream speaks."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator

from antiphon.core.causes import MEDIA_RATE_HZ
from antiphon.core.effects import Hear


def bytes_of_ms(ms: int) -> int:
    return 2 * ms * MEDIA_RATE_HZ // 1000


RECENT_BYTES = bytes_of_ms(500)
"""What an upstream hears first, after another: the onset of a word may lie before."""
UNHEARD_BYTES = bytes_of_ms(15_000)
"""What is kept for an upstream that is not there.  Overflow policy: the oldest goes."""
KEPT_TURNS = 2
KEPT_BYTES = bytes_of_ms(60_000)
"""Turns whose audio is kept, to tell another upstream.  Overflow policy: the oldest goes."""


class Ruler:
    """Positions in the upstream's audio to ours."""

    def __init__(self) -> None:
        self.upstream_samples = 0
        self._marks: deque[tuple[int, int]] = deque(maxlen=64)
        """From where on there, what is where here.  Overflow policy: the oldest goes."""

    def append(self, samples: int, at_sample: int | None) -> None:
        """``at_sample``: where that lies in what our session heard; None: nowhere."""
        if at_sample is not None:
            offset = at_sample - self.upstream_samples
            if not self._marks or self._marks[-1][1] != offset:
                self._marks.append((self.upstream_samples, offset))
        self.upstream_samples += samples

    def ours(self, upstream_ms: int) -> int | None:
        at = upstream_ms * MEDIA_RATE_HZ // 1000
        offset = None
        for start, found in self._marks:
            if offset is None or start <= at:
                offset = found
        return None if offset is None else max(0, at + offset)


class RecentSound:
    """What was heard last, for an upstream that comes."""

    def __init__(self) -> None:
        self._heard: deque[Hear] = deque()
        self._bytes = 0

    def __iter__(self) -> Iterator[Hear]:
        return iter(self._heard)

    def append(self, heard: Hear, *, is_heard: bool) -> None:
        """``is_heard``: there is an upstream, which has it too."""
        self._heard.append(heard)
        self._bytes += len(heard.pcm)
        self._trim(RECENT_BYTES if is_heard else UNHEARD_BYTES)

    def was_heard(self) -> None:
        """An upstream has it now: only what lies just before is still of use."""
        self._trim(RECENT_BYTES)

    def clear(self) -> None:
        self._heard.clear()
        self._bytes = 0

    def _trim(self, limit: int) -> None:
        while self._bytes > limit and len(self._heard) > 1:
            self._bytes -= len(self._heard.popleft().pcm)


class TurnAudio:
    """The last turns' sound, by their items' ids."""

    def __init__(self) -> None:
        self._turns: OrderedDict[str, bytes] = OrderedDict()

    def get(self, item_id: str) -> bytes | None:
        return self._turns.get(item_id)

    def keep(self, item_id: str, pcm: bytes) -> None:
        self._turns[item_id] = pcm
        while len(self._turns) > KEPT_TURNS or (
            len(self._turns) > 1 and sum(map(len, self._turns.values())) > KEPT_BYTES
        ):
            self._turns.popitem(last=False)
