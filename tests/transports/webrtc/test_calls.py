"""Whole calls, with an unpatched aiortc peer as the client."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from antiphon.audio.resample import Resampler
from antiphon.engines.vad.energy import EnergyDetector
from antiphon.errors import EngineUnavailable
from antiphon.protocol.session import AudioInputPatch, AudioPatch, SessionPatch
from antiphon.runtime.hub import Hub
from antiphon.transports.webrtc.calls import Calls, OfferError, TooManyCalls
from antiphon.transports.webrtc.settings import WebRtcSettings
from tests.recordings import at_24khz
from tests.transports.webrtc import hasty_callers
from tests.transports.webrtc.client import ALIKE, LOCALHOST, Client, SayingEngine, likeness, until
from tests.transports.webrtc.leftovers import leave_out_what_is_there, leftovers

BY_HAND = SessionPatch(
    type="realtime", audio=AudioPatch(input=AudioInputPatch(turn_detection=None))
)
GOODBYES_S = 5
MakeClient = Callable[..., Client]


@pytest.fixture
async def client(calls: Calls) -> AsyncIterator[MakeClient]:
    made: list[Client] = []

    def make(**options: Any) -> Client:
        made.append(Client(calls, **options))
        return made[-1]

    yield make
    for one in made:
        await one.hang_up()


def at_rate(pcm: bytes, rate_hz: int) -> np.ndarray[Any, np.dtype[np.int16]]:
    resampler = Resampler(24_000, rate_hz)
    return np.frombuffer(resampler.process(pcm) + resampler.flush(), "<i2")


@pytest.mark.parametrize(("codec", "rate_hz"), [("opus", 48_000), ("PCMU", 8_000), ("PCMA", 8_000)])
async def test_a_call_carries_audio_both_ways_and_events(
    client: MakeClient, engine: SayingEngine, speech: bytes, codec: str, rate_hz: int
) -> None:
    question = at_24khz("harvard_s2_4")
    caller = client(microphone=question, codec=codec)
    sdp = await caller.call(patch=BY_HAND)
    assert re.search(rf"a=rtpmap:\d+ {codec}/", sdp)
    assert sdp.count("a=rtpmap:") == 1

    assert (await caller.event("session.created"))["session"]["model"] == "test"
    caller.send("response.create")
    types = [e["type"] for e in await caller.events_until("output_audio_buffer.stopped")]
    assert types.index("output_audio_buffer.started") < types.index("response.done")
    assert types.index("response.done") < types.index("output_audio_buffer.stopped")
    assert "response.output_audio_transcript.delta" in types
    assert "response.output_audio.delta" not in types, "the track carries the audio"

    said = at_rate(speech, rate_hz)[: int(1.7 * rate_hz)]
    assert likeness(said, await caller.listen(said.size + rate_hz // 5), rate_hz) > ALIKE
    [session] = engine.sessions
    await until(lambda: len(session.heard) > len(question) + 4800)
    heard = np.frombuffer(bytes(session.heard), "<i2")
    assert likeness(np.frombuffer(question, "<i2"), heard, 24_000) > ALIKE


async def test_the_answer_says_all_that_a_browser_needs(client: MakeClient) -> None:
    offer_without_candidates = await client().offer()
    assert "a=candidate" not in offer_without_candidates
    sdp = await client().call()
    assert "a=candidate:" in sdp
    assert "a=end-of-candidates" in sdp
    assert "a=max-message-size:262144" in sdp
    assert re.search(r"a=group:BUNDLE 0 1\b", sdp)
    assert re.search(r"a=msid:\S+ \S+", sdp)
    assert re.search(r"a=fmtp:\d+ .*useinbandfec=1;usedtx=1", sdp)
    assert "a=setup:active" in sdp


async def test_clearing_silences_within_two_frames_and_cuts_at_what_was_heard(
    client: MakeClient, calls: Calls
) -> None:
    caller = client()
    await caller.call(patch=BY_HAND)
    await caller.event("session.created")
    caller.send("response.create")
    await caller.event("output_audio_buffer.started")
    call = calls.get(caller.call_id)
    assert call is not None
    await until(lambda: call.playback.played_samples > 12_000)

    caller.send("output_audio_buffer.clear")
    cleared = await caller.event("output_audio_buffer.cleared")
    assert cleared["response_id"].startswith("resp_")
    played = call.playback.played_samples
    truncated = await caller.event("conversation.item.truncated")
    assert truncated["audio_end_ms"] == played // 24

    # What still comes is what had left: no more than that, and then silence.
    await asyncio.sleep(0.3)
    assert call.playback.played_samples == played
    heard = caller.heard
    loud = np.flatnonzero(np.abs(heard.astype(np.int32)) > 300)
    assert loud[-1] / 48 <= played / 24 + 2 * 20 + 60  # 60 ms: silence sent before the speech


async def test_speaking_over_the_assistant_cuts_it_at_what_was_heard() -> None:
    engine = SayingEngine(at_24khz("harvard_s2_4") * 2)
    calls = Calls(
        Hub(lambda _: engine, detector=EnergyDetector()), WebRtcSettings(host_addresses=LOCALHOST)
    )
    quiet = bytes(2 * 24_000)
    caller = Client(calls, microphone=quiet + at_24khz("harvard_s1_1"))
    await caller.call()
    await caller.event("session.created")
    caller.send("response.create")
    call = calls.get(caller.call_id)
    assert call is not None
    item_id = (await caller.event("response.output_item.added"))["item"]["id"]

    await caller.event("input_audio_buffer.speech_started")
    await caller.event("output_audio_buffer.cleared")
    truncated = await caller.event("conversation.item.truncated")

    assert truncated["item_id"] == item_id
    assert 300 <= truncated["audio_end_ms"] <= 3500  # of four seconds
    assert truncated["audio_end_ms"] == call.playback.played_samples // 24
    assert not call.playback.queued_samples
    await caller.hang_up()
    await calls.aclose()


async def test_the_client_hangs_up(client: MakeClient, calls: Calls, hub: Hub) -> None:
    caller = client()
    await caller.call()
    await caller.event("session.created")
    assert len(calls.calls) == len(hub.sessions) == 1

    await caller.hang_up()

    await until(lambda: not calls.calls)
    assert not hub.sessions


async def test_the_server_hangs_up(client: MakeClient, calls: Calls, hub: Hub) -> None:
    caller = client()
    await caller.call()
    await caller.event("session.created")

    assert calls.hang_up(caller.call_id)

    await caller.until_closed()
    await until(lambda: not calls.calls)
    assert not hub.sessions
    assert not calls.hang_up(caller.call_id)


async def test_the_session_ends_the_call_when_its_last_events_have_arrived(
    client: MakeClient, calls: Calls, hub: Hub
) -> None:
    caller = client()
    await caller.call()
    await caller.event("session.created")
    [session] = hub.sessions

    caller.send("session.update", session={"type": "realtime", "instructions": "x" * 100_000})
    await until(lambda: bool(calls.get(caller.call_id) and caller.channel))
    await caller.event("session.updated")
    session.close(1000, "done")

    await caller.until_closed()
    await until(lambda: not calls.calls)


async def test_a_bad_message_is_one_error_and_a_long_event_is_shortened(
    client: MakeClient, calls: Calls
) -> None:
    caller = client()
    await caller.call(patch=BY_HAND)
    await caller.event("session.created")
    assert caller.channel is not None
    caller.channel.send("no json")
    assert (await caller.event("error"))["error"]["code"] == "invalid_event"

    # Six seconds are more than 262144 bytes as base64; the peer could not take them.
    audio = bytes(2 * 24_000)
    for _ in range(6):
        caller.send("input_audio_buffer.append", audio=base64.b64encode(audio).decode())
    caller.send("input_audio_buffer.commit")
    item = (await caller.event("conversation.item.added"))["item"]
    caller.send("conversation.item.retrieve", item_id=item["id"])
    retrieved = (await caller.event("conversation.item.retrieved"))["item"]
    assert retrieved["id"] == item["id"]
    assert "audio" not in retrieved["content"][0]
    assert calls.get(caller.call_id) is not None


class _Turnstile:
    """A `Throttle` that lets so many messages through."""

    def __init__(self, passes: int, refuses: int) -> None:
        self._left, self._refuses = passes, refuses

    @property
    def is_over(self) -> bool:
        return self._left <= -self._refuses

    def wait_s(self, size_bytes: int, *, can_wait: bool = True) -> float | None:
        assert size_bytes > 20
        assert not can_wait, "SCTP cannot be held back"
        self._left -= 1
        return 0.0 if self._left >= 0 else None


async def test_messages_that_come_too_fast_are_refused_by_name_and_at_last_end_the_call(
    client: MakeClient, calls: Calls
) -> None:
    caller = client()
    await caller.call(patch=BY_HAND, throttle=_Turnstile(passes=1, refuses=3))
    await caller.event("session.created")
    caller.send("input_audio_buffer.clear", event_id="first")
    await caller.event("input_audio_buffer.cleared")
    for name in ("second", "third"):
        caller.send("input_audio_buffer.clear", event_id=name)
        error = (await caller.event("error"))["error"]
        assert (error["code"], error["event_id"]) == ("rate_limit_exceeded", name)
    caller.send("input_audio_buffer.clear")
    await until(lambda: calls.get(caller.call_id) is None)


async def test_a_call_without_a_data_channel_is_a_call(
    client: MakeClient, calls: Calls, engine: SayingEngine
) -> None:
    caller = client(channel=False)
    await caller.call()
    call = calls.get(caller.call_id)
    assert call is not None
    await until(lambda: call.state == "connected")
    await until(lambda: len(engine.sessions[0].heard) > 4800)
    assert call.session is not None
    call.session.close(1000, "enough")
    await until(lambda: not calls.calls)


async def test_what_else_is_offered_is_declined(client: MakeClient) -> None:
    caller = client()
    caller.connection.addTransceiver("video", "sendrecv")
    caller.connection.addTransceiver("audio", "sendrecv")
    sdp = await caller.call()
    sections = sdp.split("m=")[1:]
    directions: dict[str, list[bool]] = {section.split()[0]: [] for section in sections}
    for section in sections:
        directions[section.split()[0]].append("a=inactive" in section)
    assert directions == {"audio": [False, True], "video": [True], "application": [False]}
    await caller.event("session.created")


async def test_a_client_that_only_listens_hears(client: MakeClient, engine: SayingEngine) -> None:
    caller = client()
    caller.connection.getTransceivers()[0].direction = "recvonly"
    sdp = await caller.call()
    assert "a=sendonly" in sdp
    await caller.event("session.created")
    caller.send("response.create")
    await caller.event("output_audio_buffer.stopped")
    assert np.abs(caller.heard).max() > 1000
    # There is no microphone, so nothing is heard but what may be appended.
    assert not engine.sessions[0].heard


async def test_many_calls_at_once(client: MakeClient, calls: Calls, hub: Hub) -> None:
    callers = [client() for _ in range(8)]
    await asyncio.gather(*(caller.call() for caller in callers))
    created = await asyncio.gather(*(caller.event("session.created") for caller in callers))
    assert len({event["session"]["id"] for event in created}) == 8
    assert len(hub.sessions) == 8


async def test_hanging_up_at_any_moment_leaves_nothing_behind(hub: Hub) -> None:
    loop = asyncio.get_running_loop()
    before = leave_out_what_is_there()
    # A client that leaves before DTLS is done cannot say so.
    calls = Calls(hub, WebRtcSettings(host_addresses=LOCALHOST, setup_timeout_s=1))
    callers = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", hasty_callers.__name__), stdin=PIPE, stdout=PIPE
    )
    assert callers.stdin is not None
    assert callers.stdout is not None
    for i in range(hasty_callers.CALLERS):
        offer = msgspec.json.decode(await callers.stdout.readline(), type=str)
        answer = await calls.answer(offer, model="test")
        callers.stdin.write(msgspec.json.encode(answer) + b"\n")
        if i % 2:  # From both sides, then.
            loop.call_later(i * hasty_callers.APART_S, calls.hang_up, answer.call_id)
    assert await callers.wait() == 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GOODBYES_S):
            while calls.calls:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    # Where the goodbye was lost, ICE would notice after half a minute.
    for call_id in [call.id for call in calls.calls]:
        calls.hang_up(call_id)
    await until(lambda: not calls.calls)
    assert not hub.sessions
    with contextlib.suppress(TimeoutError):
        await until(lambda: leftovers() <= before)
    assert not leftovers() - before


async def test_a_client_that_never_comes_is_given_up(hub: Hub, client: MakeClient) -> None:
    calls = Calls(hub, WebRtcSettings(host_addresses=LOCALHOST, setup_timeout_s=0.1))
    await calls.answer(await client().offer(), model="test")
    assert len(hub.sessions) == 1
    [call] = calls.calls
    async with asyncio.timeout(60):
        await call.ended()
    assert not calls.calls
    assert not hub.sessions


async def test_more_calls_than_allowed_are_refused(hub: Hub, client: MakeClient) -> None:
    calls = Calls(hub, WebRtcSettings(host_addresses=LOCALHOST, max_calls=0))
    with pytest.raises(TooManyCalls, match="0 calls"):
        await calls.answer(await client().offer(), model="test")


async def test_an_engine_that_cannot_serve_leaves_nothing_behind(client: MakeClient) -> None:
    def nobody(model: str) -> SayingEngine:
        raise EngineUnavailable(model, "is not there")

    hub = Hub(nobody)
    calls = Calls(hub, WebRtcSettings(host_addresses=LOCALHOST))
    with pytest.raises(EngineUnavailable):
        await calls.answer(await client().offer(), model="gone")
    await until(lambda: not calls.calls)


BAD_OFFERS: dict[str, Callable[[str], str]] = {
    "nothing": lambda _: "",
    "no SDP": lambda _: "hello",
    "half": lambda sdp: sdp[: len(sdp) // 3],
    "too large": lambda sdp: sdp + "a=x\r\n" * 20_000,
    "no audio": lambda sdp: sdp.replace("m=audio", "m=video"),
    "no ICE": lambda sdp: re.sub("a=ice-pwd.*\r\n", "", sdp),
    "no fingerprint": lambda sdp: re.sub("a=fingerprint.*\r\n", "", sdp),
    "no known codec": lambda sdp: sdp.replace("opus", "speex"),
    "only G.722": lambda sdp: sdp.replace("opus/48000/2", "G722/8000"),
    "inactive": lambda sdp: sdp.replace("a=sendrecv", "a=inactive"),
    "a bad candidate": lambda sdp: sdp + "a=candidate:nonsense\r\n",
    "a bad port": lambda sdp: re.sub(r"m=audio \d+", "m=audio nine", sdp),
    "no mux": lambda sdp: sdp.replace("a=rtcp-mux\r\n", ""),
}


@pytest.mark.parametrize("name", BAD_OFFERS)
async def test_a_bad_offer_is_refused_and_leaves_nothing_behind(
    client: MakeClient, calls: Calls, hub: Hub, name: str
) -> None:
    offer = await client().offer()
    bad = BAD_OFFERS[name](offer)
    assert bad != offer
    with pytest.raises(OfferError, match="offer"):
        await calls.answer(bad, model="test")
    await until(lambda: not calls.calls)
    assert not hub.sessions
