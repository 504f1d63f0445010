"""Where sound lies in a recording."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.audio.two_sides import RATE_HZ, TwoSides
from antiphon.transports.rtp.jitter import Frame, JitterBuffer, Silence

MS = RATE_HZ // 1000
LOUD = 9_000


def tone(ms: int, level: int = LOUD) -> bytes:
    return np.full(ms * MS, level, "<i2").tobytes()


def sides(stereo: bytes) -> tuple[np.ndarray, np.ndarray]:
    both = np.frombuffer(stereo, "<i2").reshape(-1, 2)
    return both[:, 0], both[:, 1]


def spans(side: np.ndarray, level: int = LOUD) -> list[tuple[int, int]]:
    """From and to, in ms, of what is as loud as that."""
    loud = np.concatenate(([False], side == level, [False]))
    edges = np.flatnonzero(loud[1:] != loud[:-1])
    return [(int(a) // MS, int(b) // MS) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def test_the_user_is_where_he_arrived() -> None:
    both = TwoSides()
    for at in range(1_020, 2_020, 20):
        both.user.arrived(tone(20), at * MS)
    both.user.arrived(tone(20), 5_000 * MS)
    user, agent = sides(both.take(6_000 * MS))
    assert spans(user) == [(1_000, 2_000), (4_980, 5_000)]
    assert not agent.any()


def test_packets_that_jitter_join_without_a_gap() -> None:
    both = TwoSides()
    jitter = random.Random(1)
    arrivals = sorted(at + jitter.randrange(80) for at in range(20, 10_020, 20))
    for at in arrivals:
        both.user.arrived(tone(20), at * MS)
    [(begin, end)] = spans(sides(both.take(11_000 * MS))[0])
    assert begin < 80
    assert abs(end - 10_000) < 10, "it came in the end as early as its fastest packets"


@pytest.mark.parametrize("off_ppm", [-200, 0, 200])
def test_after_an_hour_a_microphone_with_a_clock_of_its_own_is_less_than_ten_ms_off(
    off_ppm: int,
) -> None:
    """Two per cent of its packets come as the silence that stands for them."""
    both, chance = TwoSides(), random.Random(7)
    skews = []
    for number in range(60 * 60 * 50):
        true_ms = 20 * (number + 1) * (1 + off_ppm / 1e6)
        late_ms = chance.expovariate(1 / 4)
        marked = number % 500 == 499
        pcm = tone(20, LOUD if marked else 700)
        is_lost = chance.random() < 0.02 and not marked
        both.user.arrived(bytes(len(pcm)) if is_lost else pcm, int((true_ms + late_ms) * MS))
        if number % 500 == 0:
            both.take(int(true_ms - 2_000) * MS)
        if marked:
            end = both.user.channel.end / MS
            skews.append(abs(end - true_ms))
    assert max(skews) < 10


def test_a_file_that_is_sent_at_once_is_as_long_as_it_is_and_pauses_catch_up() -> None:
    both = TwoSides()
    both.user.arrived(tone(3_000), 100 * MS)
    for at in range(120, 4_000, 20):
        both.user.arrived(tone(20, 0), at * MS)
    both.user.arrived(tone(20, 8_000), 5_000 * MS)
    user, _ = sides(both.take(6_000 * MS))
    assert spans(user)[0][1] - spans(user)[0][0] == 3_000
    assert spans(user, 8_000) == [(4_980, 5_000)]


def test_the_agent_is_played_in_real_time_and_no_further_than_it_was_heard() -> None:
    both = TwoSides()
    both.agent.given(tone(2_000), 1_000 * MS, "item_1")
    both.agent.given(tone(2_000, 8_000), 1_010 * MS, "item_2")
    both.agent.cut(3_500 * MS)
    both.agent.given(tone(500), 4_000 * MS, "item_3")
    _, agent = sides(both.take(8_000 * MS))
    assert spans(agent) == [(1_000, 3_000), (4_000, 4_500)]
    assert spans(agent, 8_000) == [(3_000, 3_500)]


def test_what_a_client_did_not_play_is_not_there() -> None:
    both = TwoSides()
    both.agent.given(tone(2_000), 1_000 * MS, "item_1")
    both.agent.given(tone(2_000, 8_000), 1_010 * MS, "item_2")
    both.agent.cut_item("item_2", 300 * MS)
    both.agent.cut_item("item_of_nobody", 0)
    _, agent = sides(both.take(8_000 * MS))
    assert spans(agent, 8_000) == [(3_000, 3_300)]


def test_what_waits_for_somebody_to_come_back_is_where_it_was_played_then() -> None:
    both = TwoSides()
    both.agent.given(tone(2_000), 1_000 * MS)
    both.agent.hold(1_500 * MS)
    both.agent.given(tone(500, 8_000), 2_000 * MS)
    both.agent.go_on(4_000 * MS)
    _, agent = sides(both.take(8_000 * MS))
    assert spans(agent) == [(1_000, 1_500), (4_000, 5_500)]
    assert spans(agent, 8_000) == [(5_500, 6_000)]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 400),
            st.integers(1, 300),
            st.sampled_from(["user", "agent", "cut", "take"]),
        )
    )
)
def test_whatever_comes_both_sides_are_as_long_as_what_was_taken(
    script: list[tuple[int, int, str]],
) -> None:
    both, now, taken = TwoSides(), 0, b""
    for wait_ms, length_ms, what in script:
        now += wait_ms * MS
        match what:
            case "user":
                both.user.arrived(tone(length_ms), now)
            case "agent":
                both.agent.given(tone(length_ms), now, str(length_ms % 3))
            case "cut":
                both.agent.cut(now)
            case _:
                taken += both.take(now)
                assert len(taken) == 4 * now


# --- A call ------------------------------------------------------------------------


class Numbered:
    """A decoder of packets that hold their number: each sounds at a level of its own."""

    def decode(self, payload: bytes) -> bytes:
        return tone(20, int.from_bytes(payload, "big"))

    def silence(self, samples: int) -> bytes:
        return bytes(2 * samples)

    def conceal(self, samples: int) -> bytes:
        return np.full(samples, 700, "<i2").tobytes()


SPEAKS_MS, IS_QUIET_MS = 4_000, 6_000
LEVELS = 30_000


class CallRecorded:
    """In virtual time: a network, a jitter buffer, a recording."""

    def __init__(self, seed: int, *, announces: bool, off_ppm: int) -> None:
        self._chance = random.Random(seed)
        self._announces, self._off = announces, 1 + off_ppm / 1e6
        self._both, self._decoder = TwoSides(), Numbered()
        self._buffer = JitterBuffer(RATE_HZ)
        self._number, self._taken_ms = 0, 0
        self.true_ms: list[float] = []
        """Where each packet belongs."""
        self.skew_ms: list[float] = []

    def run(self, minutes: float) -> None:
        coming: list[tuple[float, int, int, bool]] = []
        spoken = minutes * 60_000
        at_ms = 2_000.0
        while at_ms < spoken:
            for frame in range(0, SPEAKS_MS, 20):
                coming += self._sent(at_ms + frame, last=frame + 20 == SPEAKS_MS)
            at_ms += SPEAKS_MS + IS_QUIET_MS + self._chance.randrange(20)
        ticks = [(float(at), -1, 0, False) for at in range(20, int(spoken) + 5_000, 20)]
        self._buffer.start_clock(0)
        for when_ms, number, timestamp, pauses in sorted([*coming, *ticks]):
            if number >= 0:
                payload = (1_000 + number % LEVELS).to_bytes(2, "big")
                self._buffer.put(
                    number & 0xFFFF, timestamp, 20 * MS, payload, when_ms / 1000, pauses=pauses
                )
            self._hear(when_ms)
            if number < 0 and when_ms % 1_000 == 0:
                self._look(int(when_ms) - 2_000)

    def _sent(self, true_ms: float, *, last: bool) -> list[tuple[float, int, int, bool]]:
        """Nothing, where it is lost; it leaves once it was spoken."""
        number, self._number = self._number, self._number + 1
        self.true_ms.append(true_ms * self._off)
        if self._chance.random() < 0.02:
            return []
        when_ms = (true_ms + 20) * self._off + self._chance.expovariate(1 / 4)
        return [(when_ms, number, round(true_ms) * MS, last and self._announces)]

    def _hear(self, now_ms: float) -> None:
        for piece in self._buffer.take(now_ms / 1000):
            if isinstance(piece, Frame):
                pcm = self._decoder.decode(piece.payload)
            elif isinstance(piece, Silence):
                pcm = self._decoder.silence(piece.samples)
            else:
                pcm = self._decoder.conceal(piece.samples)
            self._both.user.arrived(pcm, int(now_ms) * MS)

    def _look(self, until_ms: int) -> None:
        user, _ = sides(self._both.take(max(until_ms, 0) * MS))
        edges = np.flatnonzero(np.diff(user, prepend=np.int16(0)))
        for at in edges[user[edges] >= 1_000]:
            if at > 0:  # Else the second before has begun it.
                found_ms = self._taken_ms + at / MS
                same_level = self.true_ms[int(user[at]) - 1_000 :: LEVELS]
                self.skew_ms.append(min((found_ms - true for true in same_level), key=abs))
        self._taken_ms = max(until_ms, 0)


@pytest.mark.parametrize(
    ("announces", "off_ppm", "minutes"), [(True, 0, 5), (False, -200, 5), (False, 200, 60)]
)
def test_in_a_call_that_loses_packets_and_pauses_all_words_are_in_their_place(
    *, announces: bool, off_ppm: int, minutes: int
) -> None:
    """Through the jitter buffer, from its first second on."""
    call = CallRecorded(3, announces=announces, off_ppm=off_ppm)
    call.run(minutes)
    assert len(call.skew_ms) > 1_000 * minutes
    assert max(map(abs, call.skew_ms)) < 10
