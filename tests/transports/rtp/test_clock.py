"""One clock for many calls: when it sends, and that nothing is heard otherwise for it."""

from __future__ import annotations

import asyncio
import random

import pytest

from antiphon.testing import in_virtual_time
from antiphon.transports.rtp.clock import (
    FEW,
    MAX_CATCH_UP_SLOTS,
    MAX_FILED,
    PHASES,
    SLOT_S,
    Clock,
    MediaClock,
    Schedule,
)
from antiphon.transports.rtp.codec import Encoder
from antiphon.transports.rtp.coders import decoder, encoder
from antiphon.transports.rtp.incoming import Found, IncomingStream, give_out
from antiphon.transports.rtp.packets import pack_rtp

STEP_S = SLOT_S / PHASES


def test_each_step_is_due_once_and_in_time() -> None:
    schedule = Schedule(100.0)
    steps: list[int] = []
    while len(steps) < 1000:
        steps += schedule.due(schedule.next_s)
    assert steps == list(range(len(steps)))
    assert schedule.next_s == pytest.approx(100.0 + len(steps) * STEP_S)


def test_waking_a_little_early_does_not_spin() -> None:
    schedule = Schedule(0.0)
    schedule.due(0.0)
    assert list(schedule.due(STEP_S - 0.0005)) == [1]
    assert list(schedule.due(STEP_S)) == []


def test_a_short_stall_is_caught_up_a_long_one_is_skipped() -> None:
    schedule = Schedule(0.0)
    schedule.due(0.0)
    assert len(schedule.due(0.06)) == 3 * PHASES
    late = schedule.due(10.0)
    assert len(late) == MAX_CATCH_UP_SLOTS * PHASES
    assert late[-1] == round(10.0 / STEP_S)
    assert schedule.next_s > 10.0


class Member:
    def __init__(self, *, fails: bool = False) -> None:
        self.slots: list[int] = []
        self._fails = fails
        self.ticked = asyncio.Event()

    def send_due(self, slot: int) -> None:
        self.slots.append(slot)
        if len(self.slots) == 3:
            self.ticked.set()
        if self._fails:
            raise RuntimeError("a bug")

    def take_in(self, packet: bytes, now_s: float, found: Found) -> None:
        raise AssertionError((packet, now_s, found))

    def fill(self, now_s: float, found: Found, *, all_silence: bool = False) -> None: ...

    def encode_ahead(self) -> None: ...


async def test_the_clock_runs_while_it_has_members_and_outlives_their_bugs() -> None:
    clock = MediaClock()
    good, bad = [Member() for _ in range(5)], Member(fails=True)
    assert not clock.is_running
    clock.join(bad)
    for member in good:
        clock.join(member)
    assert clock.is_running
    async with asyncio.timeout(5):
        await asyncio.gather(*(member.ticked.wait() for member in good))
    assert len(bad.slots) == 1
    for member in good:
        clock.leave(member)
    assert not clock.is_running
    for member in good:
        assert member.slots == list(range(member.slots[0], member.slots[0] + len(member.slots)))
    # The next call's slots come after those of the last.
    late = Member()
    clock.join(late)
    async with asyncio.timeout(5):
        await late.ticked.wait()
    assert late.slots[0] >= max(member.slots[-1] for member in good)
    clock.leave(late)


# --- What comes in ------------------------------------------------------------

PAYLOAD_TYPE = 0
FRAME = 160


class Microphone:
    """Of a call that sends nothing; what it hears it writes into a list that all share."""

    def __init__(self, number: int, log: list[tuple[int, bytes]] | None = None) -> None:
        self.heard = bytearray()
        self.heard_s: list[float] = []
        self.log = log
        self.number = number
        self.stream = IncomingStream(PAYLOAD_TYPE, decoder("PCMU"), 8000, self._hear)

    def _hear(self, pcm: bytes) -> None:
        self.heard += pcm
        self.heard_s.append(asyncio.get_running_loop().time())
        if self.log is not None:
            self.log.append((self.number, pcm))

    def send_due(self, slot: int) -> None: ...

    def take_in(self, packet: bytes, now_s: float, found: Found) -> None:
        self.stream.put(packet, now_s, found)

    def fill(self, now_s: float, found: Found, *, all_silence: bool = False) -> None:
        self.stream.tick(now_s, found, all_silence=all_silence)

    def encode_ahead(self) -> None: ...


def packets(count: int, coder: Encoder, dice: random.Random) -> list[bytes]:
    """All different, so that nothing that is lost or turned round goes unnoticed."""
    payloads = [coder.encode(dice.randbytes(960)) for _ in range(count)]
    return [
        pack_rtp(PAYLOAD_TYPE, i, i * FRAME, 7, payload, marker=False)
        for i, payload in enumerate(payloads)
    ]


@in_virtual_time
async def test_calls_hear_by_rounds_what_they_would_hear_packet_by_packet() -> None:
    """Some packets are lost, some overtaken, some come late; each call's to the sample."""
    loop, dice = asyncio.get_running_loop(), random.Random(3)
    clock = MediaClock(clock=Clock(loop.time, loop.time))
    pairs = [(Microphone(i), Microphone(i)) for i in range(2 * FEW)]
    arrivals: list[tuple[float, int, bytes]] = []
    for i, pair in enumerate(pairs):
        for microphone in pair:
            microphone.stream.start(loop.time())
        clock.join(pair[0])
        phase_s = dice.random() * SLOT_S
        for at, packet in enumerate(packets(50, encoder("PCMU"), dice)):
            if dice.random() > 0.05:
                delay_s = 0.03 * dice.random() if dice.random() < 0.2 else 0.0
                arrivals.append((loop.time() + phase_s + at * SLOT_S + delay_s, i, packet))
    for at_s, i, packet in sorted(arrivals):
        await asyncio.sleep(at_s - loop.time())
        by_round, by_packet = pairs[i]
        clock.file(by_round, packet)
        found: Found = []
        by_packet.take_in(packet, loop.time(), found)
        give_out(found)
    clock.catch_up()
    for by_round, by_packet in pairs:
        clock.leave(by_round)
        # What was missing the one has filled in by its ticks, the other by its next packet.
        assert len(by_round.heard) >= len(by_packet.heard) > 40 * 960
        assert by_round.heard[: len(by_packet.heard)] == by_packet.heard


@in_virtual_time
async def test_no_packet_waits_longer_than_a_round() -> None:
    loop, dice = asyncio.get_running_loop(), random.Random(4)
    clock = MediaClock(clock=Clock(loop.time, loop.time))
    calls = [Microphone(i) for i in range(2 * FEW)]
    for call in calls:
        clock.join(call)
    waits: list[float] = []
    for packet in packets(100, encoder("PCMU"), dice):
        await asyncio.sleep(SLOT_S + dice.random() * STEP_S)
        filed_s, before = loop.time(), len(calls[0].heard_s)
        clock.file(calls[0], packet)
        await asyncio.sleep(SLOT_S)
        waits.append(calls[0].heard_s[before] - filed_s)
    assert max(waits) <= STEP_S + 0.001
    assert max(waits) > STEP_S / 2, "it is a round that is waited for"
    for call in calls:
        clock.leave(call)


@in_virtual_time
async def test_where_calls_are_few_packets_are_heard_as_they_come() -> None:
    loop, dice = asyncio.get_running_loop(), random.Random(5)
    clock = MediaClock(clock=Clock(loop.time, loop.time))
    call = Microphone(0)
    clock.join(call)
    for packet in packets(20, encoder("PCMU"), dice):
        await asyncio.sleep(SLOT_S + dice.random() * STEP_S)
        filed_s, before = loop.time(), len(call.heard_s)
        clock.file(call, packet)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert call.heard_s[before] == filed_s
    clock.leave(call)


@in_virtual_time
async def test_what_must_not_be_overtaken_is_heard_first_and_too_much_at_once_too() -> None:
    loop, dice = asyncio.get_running_loop(), random.Random(6)
    clock = MediaClock(clock=Clock(loop.time, loop.time))
    calls = [Microphone(i) for i in range(2 * FEW)]
    for call in calls:
        clock.join(call)
    await asyncio.sleep(1.25 * STEP_S)
    first, *rest = packets(1 + MAX_FILED, encoder("PCMU"), dice)
    clock.file(calls[0], first)
    assert not calls[0].heard
    clock.catch_up()
    assert len(calls[0].heard_s) == 1
    for packet in rest:
        clock.file(calls[0], packet)
    assert len(calls[0].heard_s) == 1 + MAX_FILED
    for call in calls:
        clock.leave(call)


@in_virtual_time
async def test_sealed_packets_are_opened_in_their_round_and_refused_ones_are_not_heard() -> None:
    loop, dice = asyncio.get_running_loop(), random.Random(8)
    clock = MediaClock(clock=Clock(loop.time, loop.time))
    calls = [Microphone(i) for i in range(2 * FEW)]
    for call in calls:
        clock.join(call)
    await asyncio.sleep(1.25 * STEP_S)
    opened: list[bytes] = []

    def open_it(datagram: bytes) -> bytes | None:
        opened.append(datagram)
        return None if datagram.startswith(b"forged") else datagram.removeprefix(b"sealed")

    first, second, third = packets(3, encoder("PCMU"), dice)
    clock.file(calls[0], b"sealed" + first, open_it)
    clock.file(calls[0], b"forged" + second, open_it)
    clock.file(calls[1], third)
    clock.file(calls[0], b"sealed" + second, open_it)
    assert not opened, "it waits for the round"
    await asyncio.sleep(STEP_S)
    assert [datagram[:6] for datagram in opened] == [b"sealed", b"forged", b"sealed"]
    assert 960 < len(calls[0].heard) <= 2 * 960, "two packets, but for what the filter holds"
    assert 0 < len(calls[1].heard) <= 960
    for call in calls:
        clock.leave(call)


@in_virtual_time
async def test_a_bug_of_one_call_deafens_no_other() -> None:
    class Bug(Exception): ...

    class Broken(Microphone):
        def _hear(self, pcm: bytes) -> None:
            raise Bug

    loop, dice = asyncio.get_running_loop(), random.Random(7)
    clock = MediaClock(clock=Clock(loop.time, loop.time))
    calls = [Broken(0), *(Microphone(i) for i in range(1, 2 * FEW))]
    for call in calls:
        clock.join(call)
    (packet,) = packets(1, encoder("PCMU"), dice)
    for call in calls:
        clock.file(call, packet)
    clock.catch_up()
    assert [bool(call.heard) for call in calls] == [False] + [True] * (len(calls) - 1)
    for call in calls:
        clock.leave(call)


@in_virtual_time
async def test_calls_go_on_where_nobody_can_score_them(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise RuntimeError("a bug")

    loop = asyncio.get_running_loop()
    clock = MediaClock(fail, Clock(loop.time, loop.time))
    member = Member()
    clock.join(member)
    async with asyncio.timeout(5):
        await member.ticked.wait()
    assert "voice detection failed" in caplog.text
    clock.leave(member)


@in_virtual_time
async def test_once_all_is_heard_it_is_scored_in_the_same_round() -> None:
    loop, dice = asyncio.get_running_loop(), random.Random(8)
    scored: list[tuple[float, int]] = []
    log: list[tuple[int, bytes]] = []
    clock = MediaClock(lambda: scored.append((loop.time(), len(log))), Clock(loop.time, loop.time))
    calls = [Microphone(i, log) for i in range(2 * FEW)]
    for call in calls:
        clock.join(call)
    await asyncio.sleep(1.25 * STEP_S)
    (packet,) = packets(1, encoder("PCMU"), dice)
    for call in calls:
        clock.file(call, packet)
    await asyncio.sleep(STEP_S)
    at_s, heard = scored[-1]
    assert heard == len(calls)
    assert at_s == calls[0].heard_s[0]
    for call in calls:
        clock.leave(call)
