"""A call that is recorded, with a peer of its own, over a network that loses packets."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.audio.ogg_opus import OggOpus
from antiphon.journal.entries import Sounded
from antiphon.journal.sqlite import SqliteJournal
from antiphon.protocol.session import AudioInputPatch, AudioPatch, SessionPatch
from antiphon.runtime.hub import Hub
from antiphon.runtime.keeping import Keeping
from antiphon.transports.webrtc.calls import Calls
from antiphon.transports.webrtc.settings import WebRtcSettings
from tests.journal.test_journals import traces
from tests.transports.webrtc.bad_network import Conditions, bad_network
from tests.transports.webrtc.client import LOCALHOST, Client, SayingEngine, until

RATE_HZ = 24_000
RECORDED_HZ = 48_000
SIGNALS = 10
SIGNAL_MS = 300
"""Long enough to be found where a packet of it was lost."""
SETTLED = 4
"""By then the jitter buffer has found its depth; as that grows, the user is heard later."""
LOSS = 0.02
WHOLE = 0.98
"""A signal that lacks one packet is like itself by 0.91, a whole one by 0.99 and more."""
SKEW_MAX_MS = 10
CALLS = 4
"""One of them on a machine that stands still seldom enough: a shift by the loss is in each."""
BY_HAND = SessionPatch(
    type="realtime", audio=AudioPatch(input=AudioInputPatch(turn_detection=None))
)
CARD = re.compile(r"\d{8,}")


def sweep(low_hz: int, high_hz: int, rate_hz: int) -> NDArray[np.float64]:
    """A tone that rises: where it lies in a sound can be told to a millisecond."""
    seconds = SIGNAL_MS / 1000
    at = np.arange(int(rate_hz * seconds)) / rate_hz
    return np.sin(2 * np.pi * (low_hz * at + (high_hz - low_hz) * at**2 / (2 * seconds)))


def signals(low_hz: int, high_hz: int) -> bytes:
    """One each second."""
    one = np.zeros(RATE_HZ)
    one[: int(RATE_HZ * SIGNAL_MS / 1000)] = sweep(low_hz, high_hz, RATE_HZ) * 9_000
    return np.tile(one, SIGNALS).astype("<i2").tobytes()


class Found(NamedTuple):
    at_ms: float
    is_whole: bool
    """Nothing of it was concealed: neither lost, nor late on a busy machine."""


def found(side: NDArray[np.float32], low_hz: int, high_hz: int) -> list[Found]:
    """When the signals begin: the best place in each second, from the first one on."""
    signal = sweep(low_hz, high_hz, RECORDED_HZ)
    size = 1 << (len(side) + len(signal)).bit_length()
    products = np.fft.irfft(np.fft.rfft(side, size) * np.conj(np.fft.rfft(signal, size)), size)
    products = np.abs(products[: len(side)])
    first = int(np.argmax(products > 0.5 * products.max()))
    first += int(np.argmax(products[first : first + RECORDED_HZ // 10]))
    places = []
    for number in range(SIGNALS):
        begin = max(0, first + number * RECORDED_HZ - RECORDED_HZ // 4)
        at = begin + int(np.argmax(products[begin : begin + RECORDED_HZ // 2]))
        energy = np.linalg.norm(side[at : at + len(signal)]) * np.linalg.norm(signal)
        likeness = products[at] / max(float(energy), 1e-9)
        places.append(Found(at * 1000 / RECORDED_HZ, likeness > WHOLE))
    return places


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal(tmp_path / "conversations.sqlite3")
    await journal.start()
    yield journal
    await journal.aclose()


@pytest.fixture
async def calls(journal: SqliteJournal) -> AsyncIterator[Calls]:
    engine = SayingEngine(signals(1_500, 3_000), finds_turns=True)
    keeping = Keeping(
        journal=journal,
        retention="items+audio",
        encoding=OggOpus,
        redact=lambda text: CARD.sub("#", text),
    )
    hub = Hub(lambda _: engine, keeping=keeping)
    calls = Calls(hub, WebRtcSettings(host_addresses=LOCALHOST))
    yield calls
    await calls.aclose()
    await hub.aclose()


async def sound_of(journal: SqliteJournal, conversation_id: str) -> bytes:
    """Once no more is added: its end is encoded while the session goes."""
    size = -1
    while True:
        sound = b"".join(piece.data for piece in await journal.read_apart(conversation_id, Sounded))
        if len(sound) == size:
            return sound
        size = len(sound)
        await asyncio.sleep(0.5)


async def recorded(calls: Calls) -> str:
    """The name of a conversation in which both sides gave their signals over a bad network."""
    async with bad_network(Conditions(loss=LOSS, delay_ms=20, jitter_ms=5)) as network:
        caller = Client(calls, microphone=signals(400, 1_200), way=network)
        await caller.call(patch=BY_HAND)
        created = await caller.event("session.created")
        assert created["session"]["antiphon"]["recording"] is True
        said = [{"type": "input_text", "text": "My card is 4111111111111111."}]
        caller.send(
            "conversation.item.create", item={"type": "message", "role": "user", "content": said}
        )
        caller.send("response.create")
        done = await caller.event("response.done")
        await caller.event("output_audio_buffer.stopped")
        await asyncio.sleep(1)
        tally = await network.become(loss=0.0)
        assert tally.lost, "the network was bad"
        await caller.hang_up()
        await until(lambda: not calls.calls)  # The network stays until the goodbye has come.
    return str(done["response"]["conversation_id"])


def are_together(user: NDArray[np.float32], agent: NDArray[np.float32]) -> bool:
    """Whether most signals of the two are as far apart as each other.

    Where this process stands still its caller speaks late, and is heard later from then on; what
    each lost packet would shift leaves no two beside each other.
    """
    both = list(zip(found(user, 400, 1_200), found(agent, 1_500, 3_000), strict=True))[SETTLED:]
    apart = [its.at_ms - his.at_ms for his, its in both if his.is_whole and its.is_whole]
    together = [sum(one <= other < one + SKEW_MAX_MS for other in apart) for one in apart]
    return 2 * len(apart) >= len(both) and max(together) > len(apart) / 2


async def test_both_sides_lie_in_one_file_where_they_were_heard_and_are_erased_with_it(
    calls: Calls, journal: SqliteJournal, tmp_path: Path
) -> None:
    for _ in range(CALLS):
        name = await recorded(calls)
        sound = await sound_of(journal, name)
        assert sound.startswith(b"OggS")
        with av.open(io.BytesIO(sound), "r") as file:
            assert file.streams.audio[0].codec_context.name == "opus"
            frames = [frame.to_ndarray() for frame in file.decode(audio=0)]
        user, agent = np.concatenate(frames, axis=1)
        if are_together(user, agent):
            break
        await journal.erase(name)
    else:
        raise AssertionError("in no call did both sides lie where they were heard")

    entries = repr(await journal.read(name))
    assert "My card is #." in entries
    assert "4111111111111111" not in entries
    assert await journal.erase(name)
    assert await journal.read_apart(name, Sounded) == []
    assert traces(tmp_path, b"OggS", name.encode(), b"4111111111111111") == []
