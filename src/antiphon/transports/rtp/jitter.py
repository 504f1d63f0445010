"""What came in over the network, put in order and filled up, as a microphone would give it.

Nobody listens to this audio in real time: a voice detector and a recogniser do.  So a
packet that is in order is let through as it comes, with no delay at all.  Time is spent
only where something is missing: a hole in the numbering waits a little for the packets
that were overtaken, and is then concealed; where a sender falls silent (a muted microphone, a
dead network) the clock fills in, so that turns end without packets; at once where the sender
has announced its silence (DTX).

Pure: time comes in with each call, in seconds of any monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from antiphon.transports.rtp.packets import unwrap
from antiphon.transports.rtp.reception import Reception

FRAME_S: Final = 0.02
MIN_REORDER_WAIT_S: Final = 0.04
MAX_REORDER_WAIT_S: Final = 0.2
MIN_QUIET_WAIT_S: Final = 0.06
MAX_QUIET_WAIT_S: Final = 0.3
JITTERS_WAITED: Final = 4
"""A wait is this many times the measured jitter, within its bounds."""
ANNOUNCED_MS: Final = 10
"""A pause that was announced is given out as it passes, but in no smaller pieces."""
LONG_QUIET_S: Final = 2.0
LONG_PIECE_FRAMES: Final = 2
"""After so long a silence, or where nobody waits for it, it is given out in such pieces: no turn
ends there, and most calls are silent most of the time.  In longer ones several windows of voice
detection would come at once, which must be scored one after the other."""
MAX_CONCEALED_S: Final = 0.1
"""Longer than this, a guess at what was said is worse than silence."""
MAX_FILLED_S: Final = 1.0
"""More than this between two packets is no pause but a new timeline."""
MAX_HELD_PACKETS: Final = 64
"""Behind one hole; more, and the hole is given up at once."""
MAX_DROPOUT: Final = 3000
MAX_MISORDER: Final = 100
"""Packets ahead or behind; beyond, the sender has begun afresh (RFC 3550, A.1)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A payload to decode."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Recover:
    """Lost; the next packet's payload may hold a copy (in-band FEC)."""

    next_payload: bytes
    samples: int


@dataclass(frozen=True, slots=True)
class Conceal:
    """Lost: continue what was heard before."""

    samples: int


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing was sent."""

    samples: int


Piece = Frame | Recover | Conceal | Silence


class _Held(NamedTuple):
    arrived_s: float
    timestamp: int
    samples: int
    payload: bytes
    pauses: bool


class _Timeline:
    """How far the audio that was given out reaches by the clock, and what silence fills it.

    All counts are of samples, in the stream's RTP clock.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._filled = 0
        """Silence since the last packet, on the sender's timeline."""
        self._quiet = 0
        """The same since the last packet that held sound."""
        self._ahead = 0
        """Given out before its time: taken off the next silence."""
        self._pausing = False
        """The sender said that it sends nothing until it has sound again."""
        self._up_to_s: float | None = None
        """When the audio that was given out so far would have ended, had it come live."""
        self._packet_s = FRAME_S

    def start(self, now_s: float) -> None:
        if self._up_to_s is None:
            self._up_to_s = now_s

    def begin(self) -> None:
        """The sender has begun afresh."""
        self._filled = 0

    def go_on(self, samples: int, now_s: float, *, pauses: bool) -> bool:
        """`give`, of a packet that is played as it comes, right behind the last one; False, and
        nothing done, where silence has been filled in since.
        """
        if self._filled:
            return False
        self._quiet = self._quiet + samples if pauses else 0
        self._pausing = pauses
        self._up_to_s = now_s
        self._packet_s = samples / self._rate_hz
        return True

    def is_full(self, now_s: float) -> bool:
        """Whether no silence can be due: by far the most ticks."""
        return self._up_to_s is None or (
            now_s - self._up_to_s < MIN_QUIET_WAIT_S + FRAME_S and not self._pausing
        )

    def give(self, held: _Held, distance: int) -> int:
        """A packet is given out, so far behind the end of the last one.

        Returns the silence that belongs before it.
        """
        pause = distance - self._filled
        silence = 0
        if abs(pause) <= MAX_FILLED_S * self._rate_hz:
            if pause < 0:
                self._ahead -= pause
            else:
                silence = self._be_silent(pause)
        self._filled = 0
        self._quiet = self._quiet + held.samples if held.pauses else 0
        self._pausing = held.pauses
        self._up_to_s = held.arrived_s  # Not when it was let go, behind a hole.
        self._packet_s = held.samples / self._rate_hz
        return silence

    def missing(self, distance: int) -> int:
        """What a hole lacks that lasts so long; 0 where it is none but a new timeline."""
        missing = distance - self._filled
        self._filled = 0
        if abs(missing) > MAX_FILLED_S * self._rate_hz:
            return 0
        self._ahead += max(0, -missing)
        return max(0, missing)

    def fill(self, now_s: float, jitter_s: float, *, awaited: bool) -> int:
        """The silence that is due: whole frames, as late as packets may come that are only
        delayed; whole milliseconds of a pause that was announced.
        """
        if self._up_to_s is None:
            return 0
        in_long_pieces = not awaited or self._quiet >= LONG_QUIET_S * self._rate_hz
        if self._pausing:
            passed_ms = int((now_s - self._up_to_s) * 1000 + 1e-6)
            long_ms = LONG_PIECE_FRAMES * FRAME_S * 1000
            if passed_ms >= (long_ms if in_long_pieces else ANNOUNCED_MS):
                return self._pass(passed_ms / 1000, self._up_to_s)
            return 0
        least = max(MIN_QUIET_WAIT_S, self._packet_s + MIN_REORDER_WAIT_S)
        wait = _bounded(JITTERS_WAITED * jitter_s, least, MAX_QUIET_WAIT_S)
        frames = int((now_s - self._up_to_s - wait) / FRAME_S)
        if frames >= (LONG_PIECE_FRAMES if in_long_pieces else 1):
            return self._pass(frames * FRAME_S, self._up_to_s)
        return 0

    def _pass(self, seconds: float, up_to_s: float) -> int:
        samples = round(seconds * self._rate_hz)
        self._filled += samples
        self._up_to_s = up_to_s + seconds
        return self._be_silent(samples)

    def _be_silent(self, samples: int) -> int:
        self._quiet += samples
        early = min(self._ahead, samples)
        self._ahead -= early
        return samples - early


class JitterBuffer:
    """One stream.  `put` what arrives; `take`, after each `put` and on each tick of a clock.

    Samples and timestamps count in the stream's RTP clock, ``rate_hz``.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._held: dict[int, _Held] = {}
        self._next_sequence: int | None = None
        self._next_timestamp = 0
        self._afresh: int | None = None
        """What must come next for a jump in the numbering to be believed."""
        self._timeline = _Timeline(rate_hz)
        self.reception = Reception(rate_hz)
        self.lost = 0
        """Given up, since the call began."""
        self.late = 0
        """Came after they were given up, or twice."""

    def start_clock(self, now_s: float) -> None:
        """From now on silence is filled in, even if no packet ever comes."""
        self._timeline.start(now_s)

    def restart(self, now_s: float) -> None:
        """Another stream takes the place of this one; what was held of it is dropped."""
        self._held.clear()
        self._next_sequence = self._afresh = None
        self._timeline = _Timeline(self._rate_hz)
        self._timeline.start(now_s)
        self.reception = Reception(self._rate_hz)

    def put(
        self,
        sequence: int,
        timestamp: int,
        samples: int,
        payload: bytes,
        now_s: float,
        *,
        pauses: bool = False,
    ) -> None:
        """A packet as it arrived; ``samples`` is what its payload decodes to.  One that
        ``pauses`` is the last before a silence of which nothing is sent.
        """
        if self._next_sequence is None:
            self._begin(sequence, timestamp)
        assert self._next_sequence is not None
        number = unwrap(sequence, self._next_sequence, 16)
        ahead = number - self._next_sequence
        if not -MAX_MISORDER <= ahead < MAX_DROPOUT:
            if sequence != self._afresh:  # Two in a row, then it is believed.
                self._afresh = (sequence + 1) & 0xFFFF
                return
            self._begin(sequence, timestamp)
            number, ahead = sequence, 0
        self._afresh = None
        self.reception.count(timestamp, now_s)
        if ahead < 0 or number in self._held:
            self.late += 1
            return
        self.reception.highest_sequence = max(self.reception.highest_sequence, number)
        self._held[number] = _Held(now_s, timestamp, samples, payload, pauses)

    def passes(
        self, sequence: int, timestamp: int, samples: int, now_s: float, *, pauses: bool
    ) -> bool:
        """`put` and `take` in one, for nearly all packets: one that nothing is missing before, and
        behind which nothing waits, can be heard at once.  False: it is none, and was not taken.
        """
        expected = self._next_sequence
        if (
            expected is None
            or self._held
            or sequence != expected & 0xFFFF
            or timestamp != self._next_timestamp & 0xFFFFFFFF
            or not self._timeline.go_on(samples, now_s, pauses=pauses)
        ):
            return False
        self._afresh = None
        reception = self.reception
        reception.count(timestamp, now_s)
        if expected > reception.highest_sequence:
            reception.highest_sequence = expected
        self._next_sequence = expected + 1
        self._next_timestamp = timestamp + samples
        return True

    def is_full(self, now_s: float) -> bool:
        """Whether there is nothing to `take`: by far the most ticks."""
        return not self._held and self._timeline.is_full(now_s)

    def take(self, now_s: float, *, silence_awaited: bool = True) -> list[Piece]:
        """What can be said by now, in order; silence that nobody waits for in long pieces."""
        pieces: list[Piece] = []
        while self._held:
            assert self._next_sequence is not None
            held = self._held.pop(self._next_sequence, None)
            if held is not None:
                self._give(held, pieces)
            elif self._waits_for_the_missing(now_s):
                break
            else:
                self._give_up_hole(pieces)
        if not self._held and (
            samples := self._timeline.fill(now_s, self.reception.jitter_s, awaited=silence_awaited)
        ):
            pieces.append(Silence(samples))
        return pieces

    def _begin(self, sequence: int, timestamp: int) -> None:
        self._held.clear()
        self._next_sequence = sequence
        self._next_timestamp = timestamp
        self._timeline.begin()
        self.reception.begin(sequence)

    def _give(self, held: _Held, pieces: list[Piece]) -> None:
        assert self._next_sequence is not None
        if silence := self._timeline.give(held, self._since_last(held.timestamp)):
            pieces.append(Silence(silence))
        pieces.append(Frame(held.payload))
        self._next_sequence += 1
        self._next_timestamp = held.timestamp + held.samples

    def _since_last(self, timestamp: int) -> int:
        return unwrap(timestamp, self._next_timestamp, 32) - self._next_timestamp

    def _waits_for_the_missing(self, now_s: float) -> bool:
        """Counted from when the hole could be seen: no packet is held longer than that."""
        since = min(held.arrived_s for held in self._held.values())
        wait = JITTERS_WAITED * self.reception.jitter_s
        wait = _bounded(wait, MIN_REORDER_WAIT_S, MAX_REORDER_WAIT_S)
        return now_s - since < wait and len(self._held) < MAX_HELD_PACKETS

    def _give_up_hole(self, pieces: list[Piece]) -> None:
        assert self._next_sequence is not None
        found = min(self._held)
        after = self._held[found]
        self.lost += found - self._next_sequence
        self._next_sequence = found
        missing = self._timeline.missing(self._since_last(after.timestamp))
        self._next_timestamp = after.timestamp
        recoverable = min(missing, after.samples)
        concealed = min(missing - recoverable, int(MAX_CONCEALED_S * self._rate_hz))
        silent = missing - recoverable - concealed
        if concealed:
            pieces.append(Conceal(concealed))
        if silent:
            pieces.append(Silence(silent))
        if recoverable:
            pieces.append(Recover(after.payload, recoverable))


def _bounded(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
