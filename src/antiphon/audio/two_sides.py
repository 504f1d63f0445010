"""Both sides of a call on one timeline: the user where he arrived, the agent where it was played.

Pure; positions are samples at 24 kHz since the recording began.
"""

from __future__ import annotations

from typing import Final

import numpy as np

RATE_HZ: Final = 24_000
BYTES_PER_SAMPLE: Final = 2

GAP_SAMPLES: Final = RATE_HZ // 5
"""Sound that comes this much after the end of what came before begins anew, at its own time."""
DRIFT_SAMPLES: Final = RATE_HZ // 200
"""5 ms: this far a microphone's clock may be off before it is set right."""
DRIFT_WINDOW_SAMPLES: Final = 2 * RATE_HZ
"""So long is looked for the piece that came with the least delay: the true offset."""
MOVED_SAMPLES: Final = RATE_HZ // 1_000
"""By less it is not worth to move what was put down."""
QUIET_PEAK: Final = 500
"""Below, samples may go or come without being missed: -36 dB."""
MAX_AHEAD_SAMPLES: Final = 10 * 60 * RATE_HZ
"""Sound that lies further ahead than that is not kept."""


class Channel:
    """One side, from what was taken on."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._start = 0

    @property
    def end(self) -> int:
        return self._start + len(self._pending) // BYTES_PER_SAMPLE

    def put(self, pcm: bytes, at: int) -> None:
        """At ``at``, or where the last piece ends if that is later."""
        if at > self.end:
            self._pending += bytes((at - self.end) * BYTES_PER_SAMPLE)
        self._pending += pcm

    def cut(self, at: int) -> bytes:
        """Nothing was there from ``at`` on; what was taken stays.

        Returns:
            What was there.
        """
        keep = max(at - self._start, 0) * BYTES_PER_SAMPLE
        rest = bytes(self._pending[keep:])
        del self._pending[keep:]
        return rest

    def pull(self, at: int, samples: int) -> int:
        """What lies from ``at`` on comes so much earlier, over what lies before it.

        Returns:
            How much earlier: what was taken stays.
        """
        pulled = max(min(samples, at - self._start), 0)
        place = (at - self._start) * BYTES_PER_SAMPLE
        del self._pending[place - pulled * BYTES_PER_SAMPLE : place]
        return pulled

    def take(self, until: int) -> bytes:
        """What lies before ``until``, silence included."""
        size = max(until - self._start, 0) * BYTES_PER_SAMPLE
        taken = bytes(self._pending[:size]).ljust(size, b"\0")
        del self._pending[:size]
        self._start = max(until, self._start)
        return taken


class UserSide:
    """A microphone: its pieces join, and its clock is held to ours.

    Digital silence has no place of its own.  Where nothing was sent, a jitter buffer makes it up,
    later than it was; so what sounds after a pause is put where it came, and is moved once a piece
    shows that it all belongs earlier.
    """

    def __init__(self) -> None:
        self.channel = Channel()
        self._is_open = False
        self._silence = 0
        """Digital silence that came last, not put down yet."""
        self._begun = self._free_from = 0
        """Where what sounds now begins; nothing sounds between that and the end of what was
        before."""
        self._least_delay: int | None = None
        self._window_ends = 0

    def arrived(self, pcm: bytes, now: int) -> None:
        """The last sample of ``pcm`` came now."""
        samples = len(pcm) // BYTES_PER_SAMPLE
        if not pcm.strip(b"\0"):
            self._silence += samples
            return
        silence, self._silence = self._silence, 0
        delay = now - samples - silence - self.channel.end
        if not self._is_open or silence > GAP_SAMPLES or delay > GAP_SAMPLES:
            self._begin(pcm, now)
            return
        self.channel.put(bytes(silence * BYTES_PER_SAMPLE), 0)
        if delay < -GAP_SAMPLES:
            # It came faster than it was spoken.  Pauses make up for it.
            if not _is_quiet(pcm) and -delay < MAX_AHEAD_SAMPLES:
                self.channel.put(pcm, 0)
            return
        if delay <= -MOVED_SAMPLES:
            delay += self._move_back(-delay)
        self._least_delay = delay if self._least_delay is None else min(delay, self._least_delay)
        if now >= self._window_ends:
            pcm = self._set_right(pcm, self._least_delay)
        self.channel.put(pcm, 0)

    def _begin(self, pcm: bytes, now: int) -> None:
        self._is_open = True
        self._begin_window(now)
        self._free_from = self.channel.end
        self._begun = max(now - len(pcm) // BYTES_PER_SAMPLE, self._free_from)
        self.channel.put(pcm, self._begun)

    def _move_back(self, samples: int) -> int:
        """All that sounds since the last pause, as far as that is still here.  Returns how far."""
        moved = self.channel.pull(self._begun, min(samples, self._begun - self._free_from))
        self._begun -= moved
        if self._least_delay is not None:
            self._least_delay += moved
        return moved

    def _set_right(self, pcm: bytes, off: int) -> bytes:
        self._begin_window(self._window_ends)
        if abs(off) <= DRIFT_SAMPLES:
            return pcm
        if off > 0:
            return bytes(off * BYTES_PER_SAMPLE) + pcm
        return pcm[min(-off * BYTES_PER_SAMPLE, len(pcm)) :]

    def _begin_window(self, now: int) -> None:
        self._least_delay = None
        self._window_ends = now + DRIFT_WINDOW_SAMPLES


class AgentSide:
    """A voice that comes faster than it is played, and may be cut off."""

    def __init__(self) -> None:
        self.channel = Channel()
        self._began: dict[str, int] = {}
        self._held: bytearray | None = None
        """What waits for somebody to play it to; None: somebody is there."""

    def given(self, pcm: bytes, now: int, item_id: str = "") -> None:
        """To be played behind what was given before, or now."""
        if self._held is not None:
            room = MAX_AHEAD_SAMPLES * BYTES_PER_SAMPLE - len(self._held)
            self._held += pcm[: max(room, 0)]
            return
        begin = max(self.channel.end, now)
        if begin - now > MAX_AHEAD_SAMPLES:
            return
        if item_id not in self._began:
            while len(self._began) >= 8:
                del self._began[next(iter(self._began))]
            self._began[item_id] = begin
        self.channel.put(pcm, begin)

    def cut(self, now: int) -> None:
        """It falls silent now."""
        if self._held is not None:
            self._held.clear()
        self.channel.cut(now)

    def hold(self, now: int) -> None:
        """Nobody is there: what was not played waits."""
        if self._held is None:
            self._held = bytearray(self.channel.cut(now))

    def go_on(self, now: int) -> None:
        """Somebody is there again."""
        held, self._held = self._held, None
        if held:
            self.channel.put(bytes(held), max(self.channel.end, now))

    def cut_item(self, item_id: str, heard_samples: int) -> None:
        """So much of the item was played, and nothing after it."""
        if item_id in self._began:
            self.channel.cut(self._began[item_id] + heard_samples)


class TwoSides:
    def __init__(self) -> None:
        self.user = UserSide()
        self.agent = AgentSide()

    def take(self, until: int) -> bytes:
        """Stereo from where the last one ended: the user left, the agent right."""
        sides = [side.channel.take(until) for side in (self.user, self.agent)]
        return np.column_stack([np.frombuffer(side, "<i2") for side in sides]).tobytes()


def _is_quiet(pcm: bytes) -> bool:
    samples = np.frombuffer(pcm, "<i2")
    return not samples.size or int(np.abs(samples.astype(np.int32)).max()) < QUIET_PEAK
