"""The jitter buffer in virtual time, over a network that we own."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from antiphon.transports.rtp.jitter import (
    MAX_HELD_PACKETS,
    MAX_QUIET_WAIT_S,
    MAX_REORDER_WAIT_S,
    Conceal,
    Frame,
    JitterBuffer,
    Piece,
    Recover,
    Silence,
)

RATE_HZ = 48_000
SAMPLES = 960


@dataclass
class Network:
    """Sends a packet each 20 ms, delays and loses some by seed; ticks the buffer's clock."""

    seed: int = 0
    loss: float = 0.0
    jitter_s: float = 0.0
    first_sequence: int = 0
    first_timestamp: int = 0
    buffer: JitterBuffer = field(default_factory=lambda: JitterBuffer(RATE_HZ))
    pieces: list[Piece] = field(default_factory=list)
    now_s: float = 1000.0
    most_behind_s: float = 0.0
    announces: bool = False
    """Whether what is sent last before a pause says so."""
    silent: frozenset[int] = frozenset()

    def send(self, count: int, *, silent: frozenset[int] = frozenset()) -> None:
        """``silent`` frames are not sent, nor numbered: DTX."""
        self.silent = silent
        dice = random.Random(self.seed)
        start = self.now_s
        self.buffer.start_clock(start)
        arrivals: list[tuple[float, int, int]] = []
        number = 0
        for i in range(count):
            if i in silent:
                continue
            if dice.random() >= self.loss:
                arrivals.append((start + i * 0.02 + dice.random() * self.jitter_s, number, i))
            number += 1
        ticks = [(start + 0.007 + i * 0.02, -1, -1) for i in range(count + 25)]
        for at, number, i in sorted(arrivals + ticks):
            self.now_s = at
            if number >= 0:
                self.put(number, i)
            self.pieces += self.buffer.take(at)
            self.most_behind_s = max(self.most_behind_s, at - start - self.given_s)

    def put(self, number: int, i: int) -> None:
        self.buffer.put(
            (self.first_sequence + number) & 0xFFFF,
            (self.first_timestamp + i * SAMPLES) & 0xFFFFFFFF,
            SAMPLES,
            i.to_bytes(4, "big"),
            self.now_s,
            pauses=self.announces and i + 1 in self.silent,
        )

    @property
    def frames(self) -> list[int]:
        return [int.from_bytes(p.payload, "big") for p in self.pieces if isinstance(p, Frame)]

    @property
    def given_s(self) -> float:
        samples = sum(SAMPLES if isinstance(p, Frame) else p.samples for p in self.pieces)
        return samples / RATE_HZ


def of(kind: type[Conceal | Recover | Silence], pieces: list[Piece]) -> int:
    return sum(p.samples for p in pieces if isinstance(p, kind))


def test_what_comes_in_order_is_let_through_at_once() -> None:
    buffer = JitterBuffer(RATE_HZ)
    for i in range(50):
        buffer.put(i, i * SAMPLES, SAMPLES, b"%d" % i, i * 0.02)
        assert buffer.take(i * 0.02) == [Frame(b"%d" % i)]


@pytest.mark.parametrize("first", [(0, 0), (65_530, 2**32 - 5 * SAMPLES)], ids=["", "wrapping"])
def test_overtaken_packets_are_put_in_order(first: tuple[int, int]) -> None:
    network = Network(seed=1, jitter_s=0.05, first_sequence=first[0], first_timestamp=first[1])
    network.send(500)
    # The first to arrive is the beginning, even if it overtook others.
    begin = network.frames[0]
    assert begin <= 2
    assert network.frames == list(range(begin, 500))
    assert network.buffer.lost == 0
    assert 0.005 < network.buffer.reception.jitter_s < 0.05


def test_a_lost_packet_is_recovered_from_the_next_one_and_costs_a_short_wait() -> None:
    buffer = JitterBuffer(RATE_HZ)
    buffer.put(1, 0, SAMPLES, b"one", 0.0)
    buffer.take(0.0)
    buffer.put(3, 2 * SAMPLES, SAMPLES, b"three", 0.04)
    assert buffer.take(0.04) == []
    assert buffer.take(0.07) == []
    assert buffer.take(0.081) == [Recover(b"three", SAMPLES), Frame(b"three")]
    assert buffer.lost == 1
    buffer.put(2, SAMPLES, SAMPLES, b"two", 0.09)
    assert buffer.take(0.09) == []
    assert buffer.late == 1


def test_a_longer_loss_is_concealed_for_a_while_and_then_silent() -> None:
    buffer = JitterBuffer(RATE_HZ)
    buffer.put(0, 0, SAMPLES, b"0", 0.0)
    buffer.take(0.0)
    buffer.put(11, 11 * SAMPLES, SAMPLES, b"11", 0.01)  # a burst after an outage
    buffer.take(0.01)
    pieces = buffer.take(0.068)
    assert pieces == [
        Conceal(5 * SAMPLES),
        Silence(4 * SAMPLES),
        Recover(b"11", SAMPLES),
        Frame(b"11"),
    ]


def test_duplicates_are_heard_once() -> None:
    buffer = JitterBuffer(RATE_HZ)
    for _ in range(3):
        buffer.put(5, 0, SAMPLES, b"x", 0.0)
    buffer.put(7, 2 * SAMPLES, SAMPLES, b"z", 0.0)
    buffer.put(7, 2 * SAMPLES, SAMPLES, b"z", 0.0)
    buffer.put(6, SAMPLES, SAMPLES, b"y", 0.0)
    assert buffer.take(0.0) == [Frame(b"x"), Frame(b"y"), Frame(b"z")]
    assert buffer.late == 3


def test_a_turn_ends_without_packets() -> None:
    network = Network()
    network.send(50)  # and half a second more of ticks
    silence = of(Silence, network.pieces)
    assert network.frames == list(range(50))
    assert 0.38 * RATE_HZ <= silence <= 0.5 * RATE_HZ


def test_a_pause_in_sending_takes_its_true_time() -> None:
    network = Network()
    network.send(200, silent=frozenset(range(50, 150)))
    pause = network.pieces[network.pieces.index(Frame((49).to_bytes(4, "big"))) + 1 :]
    pause = pause[: pause.index(Frame((150).to_bytes(4, "big")))]
    assert of(Silence, pause) == 100 * SAMPLES
    assert of(Conceal, pause) == of(Recover, pause) == 0


def test_nothing_ever_comes_and_the_clock_goes_on() -> None:
    buffer = JitterBuffer(RATE_HZ)
    assert buffer.take(5.0) == []
    buffer.start_clock(5.0)
    pieces: list[Piece] = []
    for i in range(100):
        pieces += buffer.take(5.0 + i * 0.02)
    assert 1.88 * RATE_HZ <= of(Silence, pieces) <= 1.98 * RATE_HZ


def test_a_long_silence_comes_in_larger_pieces_and_ends_without_delay() -> None:
    buffer = JitterBuffer(RATE_HZ)
    buffer.put(0, 0, SAMPLES, b"before", 0.0)
    pieces = [piece for i in range(251) for piece in buffer.take(i * 0.02)]
    assert len(pieces) < 1 + 100 + 80
    buffer.put(1, 250 * SAMPLES, SAMPLES, b"after", 5.0)
    pieces += buffer.take(5.0)
    assert pieces[-1] == Frame(b"after")
    assert of(Silence, pieces) == 249 * SAMPLES


def test_packets_of_120_ms_are_not_taken_for_pauses() -> None:
    buffer = JitterBuffer(RATE_HZ)
    pieces: list[Piece] = []
    for i in range(100):
        now_s = i * 0.02
        if i % 6 == 0:
            buffer.put(i // 6, i * SAMPLES, 6 * SAMPLES, b"long", now_s)
        pieces += buffer.take(now_s)
    assert of(Silence, pieces) == 0


def test_a_jump_of_the_timestamp_is_no_pause() -> None:
    buffer = JitterBuffer(RATE_HZ)
    buffer.put(0, 0, SAMPLES, b"0", 0.0)
    buffer.take(0.0)
    for timestamp in (3600 * RATE_HZ, 5):
        buffer.put(buffer.reception.highest_sequence + 1, timestamp, SAMPLES, b"next", 0.02)
        assert buffer.take(0.02) == [Frame(b"next")]


def test_a_sender_that_begins_afresh_is_believed_at_its_second_packet() -> None:
    buffer = JitterBuffer(RATE_HZ)
    buffer.put(1000, 0, SAMPLES, b"old", 0.0)
    buffer.take(0.0)
    buffer.put(30_000, 77, SAMPLES, b"stray", 0.02)
    assert buffer.take(0.02) == []
    buffer.put(1001, SAMPLES, SAMPLES, b"still", 0.02)
    assert buffer.take(0.02) == [Frame(b"still")]
    buffer.put(40_000, 5, SAMPLES, b"first", 0.04)
    buffer.put(40_001, 5 + SAMPLES, SAMPLES, b"second", 0.06)
    assert buffer.take(0.06) == [Frame(b"second")]


def test_a_full_buffer_waits_no_longer() -> None:
    buffer = JitterBuffer(RATE_HZ)
    buffer.put(0, 0, SAMPLES, b"", 0.0)
    buffer.take(0.0)
    for i in range(2, MAX_HELD_PACKETS + 1):
        buffer.put(i, i * SAMPLES, SAMPLES, b"", 0.0)
        assert buffer.take(0.0) == []
    buffer.put(MAX_HELD_PACKETS + 1, (MAX_HELD_PACKETS + 1) * SAMPLES, SAMPLES, b"", 0.0)
    assert len(buffer.take(0.0)) == MAX_HELD_PACKETS + 1


def test_a_pause_that_was_announced_is_given_out_as_it_passes() -> None:
    network = Network(announces=True)
    network.send(100, silent=frozenset({*range(20, 60), 100}))
    assert network.most_behind_s < 0.02 + 0.02
    passed_s = network.now_s - 1000.0
    assert passed_s - 0.001 <= network.given_s < passed_s + 0.021, "a frame ahead at most"


def test_silence_ahead_of_its_time_is_taken_off_the_next() -> None:
    buffer = JitterBuffer(RATE_HZ)
    buffer.put(0, 0, SAMPLES, b"0", 0.0, pauses=True)
    pieces = buffer.take(0.0) + buffer.take(0.015)
    buffer.put(1, SAMPLES, SAMPLES, b"1", 0.02, pauses=True)  # So there was no pause at all.
    pieces += buffer.take(0.02) + buffer.take(0.035) + buffer.take(0.055)
    assert pieces == [
        Frame(b"0"),
        Silence(15 * RATE_HZ // 1000),
        Frame(b"1"),
        Silence(20 * RATE_HZ // 1000),
    ]


def test_a_long_announced_pause_comes_in_larger_pieces() -> None:
    buffer = JitterBuffer(RATE_HZ)
    buffer.start_clock(0.0)
    pieces: list[Piece] = []
    for i in range(300):  # With a sign of life each 400 ms, as libopus gives it.
        if i % 20 == 0:
            buffer.put(i // 20, i * SAMPLES, SAMPLES, b"", i * 0.02, pauses=True)
        pieces += buffer.take(i * 0.02 + 0.001)
    silences = [piece for piece in pieces if isinstance(piece, Silence)]
    assert len(silences) < 100 + 4 * 25 + 20
    assert abs(of(Silence, pieces) - (300 - 15) * SAMPLES) <= 5 * SAMPLES


@settings(max_examples=60, deadline=None)
@example(
    announces=False,
    seed=1_835_231_374,  # A packet's wait behind a hole counted as sound that was heard.
    loss=0.9,
    jitter_s=0.25,
    silent=frozenset({32, 64, 40, 136, 144}),
    sequence=13_271,
    timestamp=1_426_991_377,
)
@given(
    announces=st.booleans(),
    seed=st.integers(0, 2**32),
    loss=st.sampled_from([0.0, 0.02, 0.2, 0.9]),
    jitter_s=st.sampled_from([0.0, 0.01, 0.06, 0.25]),
    silent=st.frozensets(st.integers(0, 149)),
    sequence=st.integers(0, 65_535),
    timestamp=st.integers(0, 2**32 - 1),
)
def test_over_any_network(
    announces: bool,
    seed: int,
    loss: float,
    jitter_s: float,
    silent: frozenset[int],
    sequence: int,
    timestamp: int,
) -> None:
    network = Network(seed, loss, jitter_s, sequence, timestamp, announces=announces)
    network.send(150, silent=silent)
    frames, buffer = network.frames, network.buffer
    assert frames == sorted(set(frames)), "in order, and each once"
    assert len(frames) + buffer.late == buffer.reception.received
    # Live: never further behind than the waits allow, and at the end all is there.
    slack = 0.02 + jitter_s
    assert network.most_behind_s <= MAX_QUIET_WAIT_S + MAX_REORDER_WAIT_S + 0.04 + slack
    assert network.given_s >= 150 * 0.02 - slack


_JUMPS = st.sampled_from([1, 1, 1, 1, 1, 1, 0, 2, 3, -1, -2, 150, 4000])
_ARRIVALS = st.lists(
    st.tuples(
        _JUMPS,  # of the sequence, from the packet before
        st.sampled_from([0, 0, 0, 0, 960, -960, 48_000 * 3]),  # of the timestamp, beside that
        st.sampled_from([0.0, 0.001, 0.02, 0.02, 0.02, 0.05, 0.2, 2.5]),  # of the clock
        st.booleans(),  # whether a pause is announced
        st.booleans(),  # whether a clock ticks after it
    ),
    max_size=60,
)


@given(_ARRIVALS, st.sampled_from([0, 65_530]), st.sampled_from([0, 2**32 - 3000]))
def test_what_passes_is_what_would_have_been_put_and_taken(
    arrivals: list[tuple[int, int, float, bool, bool]], sequence: int, timestamp: int
) -> None:
    quick, plain = JitterBuffer(RATE_HZ), JitterBuffer(RATE_HZ)
    now_s = 1000.0
    for buffer in (quick, plain):
        buffer.start_clock(now_s)
    for jump, drift, wait_s, pauses, ticks in arrivals:
        now_s += wait_s
        sequence = (sequence + jump) & 0xFFFF
        timestamp = (timestamp + jump * SAMPLES + drift) & 0xFFFFFFFF
        payload = b"%d %d" % (sequence, timestamp)
        plain.put(sequence, timestamp, SAMPLES, payload, now_s, pauses=pauses)
        expected = plain.take(now_s)
        if quick.passes(sequence, timestamp, SAMPLES, now_s, pauses=pauses):
            assert expected == [Frame(payload)]
        else:
            quick.put(sequence, timestamp, SAMPLES, payload, now_s, pauses=pauses)
            assert quick.take(now_s) == expected
        if ticks:
            now_s += 0.1
            assert quick.take(now_s) == plain.take(now_s)
        assert vars(quick.reception) == vars(plain.reception)
        assert (quick.lost, quick.late) == (plain.lost, plain.late)


def test_packets_in_order_pass() -> None:
    buffer = JitterBuffer(RATE_HZ)
    buffer.put(65_534, 0, SAMPLES, b"first", 1000.0)
    assert buffer.take(1000.0) == [Frame(b"first")]
    for i in range(1, 5):
        at_s = 1000 + i * 0.02
        assert buffer.passes((65_534 + i) & 0xFFFF, i * SAMPLES, SAMPLES, at_s, pauses=False)
    assert not buffer.passes(4, 6 * SAMPLES, SAMPLES, 1000.12, pauses=False), "one is missing"
