"""Another call to the same session, where the first one was lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.audio.resample import Resampler
from antiphon.protocol.session import AudioInputPatch, AudioPatch, SessionPatch
from antiphon.runtime.hub import Hub, SessionRules
from antiphon.transports.webrtc.calls import Answer, Calls
from antiphon.transports.webrtc.settings import WebRtcSettings
from tests.transports.webrtc.client import ALIKE, LOCALHOST, Client, SayingEngine, likeness, until

BY_HAND = SessionPatch(
    type="realtime", audio=AudioPatch(input=AudioInputPatch(turn_detection=None))
)


class Again:
    """Answers an offer with a call to a session that there is."""

    def __init__(
        self, calls: Calls, hub: Hub, token: str, after: str, *, played: int | None = None
    ) -> None:
        self._calls, self._hub, self._token, self._after = calls, hub, token, after
        self._played = played

    async def answer(self, offer_sdp: str, *, model: str) -> Answer:
        [session] = self._hub.sessions
        return await self._calls.go_on(
            offer_sdp, session, token=self._token, after=self._after, played=self._played
        )


@pytest.fixture
def hub(engine: SayingEngine) -> Hub:
    return Hub(lambda _: engine, rules=SessionRules(linger_ms=30_000))


@pytest.fixture
async def calls(hub: Hub) -> AsyncIterator[Calls]:
    calls = Calls(hub, WebRtcSettings(host_addresses=LOCALHOST))
    yield calls
    await calls.aclose()
    await hub.aclose()


def token_of(created: dict[str, Any]) -> str:
    token: str = created["session"]["antiphon"]["resume"]["token"]
    return token


async def test_what_one_call_did_not_play_the_next_one_does(
    calls: Calls, hub: Hub, speech: bytes
) -> None:
    first = Client(calls)
    await first.call(patch=BY_HAND)
    created = await first.event("session.created")
    first.send("response.create")
    started = await first.event("output_audio_buffer.started")
    done = await first.event("response.done")
    await first.listen(int(0.6 * 48_000))
    [session] = hub.sessions

    second = Client(Again(calls, hub, token_of(created), done["event_id"]))
    await second.call()
    back = await second.event("session.created")
    assert back["session"]["id"] == created["session"]["id"]
    assert back["session"]["antiphon"]["resume"]["continues"] == "session"
    stopped = await second.event("output_audio_buffer.stopped")
    assert stopped["response_id"] == started["response_id"]
    await first.until_closed()
    assert [session] == list(hub.sessions)
    assert second.silent_ms() < 1_000, "it goes on at once, and waits for nothing of the first"
    rest = at_48khz(speech)[int(1.1 * 48_000) : int(1.7 * 48_000)]
    assert likeness(rest, second.heard, 48_000) > ALIKE
    await second.hang_up()
    await until(lambda: not hub.sessions)
    await first.hang_up()


async def test_what_was_played_to_nobody_is_played_again(
    calls: Calls, hub: Hub, speech: bytes
) -> None:
    first = Client(calls)
    await first.call(patch=BY_HAND)
    created = await first.event("session.created")
    first.send("response.create")
    done = await first.event("output_audio_buffer.stopped")
    nothing = first.heard_samples  # A timestamp that none of its packets had.
    token = token_of(created)
    second = Client(Again(calls, hub, token, done["event_id"], played=nothing))
    await second.call()
    await second.event("session.created")
    await second.listen(int(1.8 * 48_000))
    assert likeness(at_48khz(speech)[: int(1.5 * 48_000)], second.heard, 48_000) > 0.9
    await second.hang_up()
    await until(lambda: not hub.sessions)
    await first.hang_up()


async def test_a_call_that_is_lost_is_waited_for_and_one_that_is_hung_up_is_not(
    calls: Calls, hub: Hub
) -> None:
    caller = Client(calls)
    await caller.call(patch=BY_HAND)
    created = await caller.event("session.created")
    call = calls.get(caller.call_id)
    assert call is not None
    call.on_lost("ICE or DTLS failed")
    await until(lambda: not calls.calls)
    [session] = hub.sessions
    assert session.connection_roles == {}
    again = Client(Again(calls, hub, token_of(created), created["event_id"]))
    await again.call()
    await again.event("session.created")
    await again.hang_up()
    await until(lambda: not hub.sessions)
    await caller.hang_up()


@pytest.mark.parametrize("lingers", [True, False])
async def test_a_page_that_is_loaded_anew_says_no_goodbye(
    calls: Calls, hub: Hub, *, lingers: bool
) -> None:
    caller = Client(calls)
    await caller.call(patch=BY_HAND)
    created = await caller.event("session.created")
    call = calls.get(caller.call_id)
    assert call is not None
    call.lingers = lingers
    await caller.hang_up()  # The whole connection at once, as a browser that leaves a page.
    await until(lambda: not calls.calls)
    assert len(hub.sessions) == lingers
    if not lingers:
        return
    again = Client(Again(calls, hub, token_of(created), created["event_id"]))
    await again.call()
    back = await again.event("session.created")
    assert back["session"]["id"] == created["session"]["id"]
    call = calls.get(again.call_id)
    assert call is not None
    call.lingers = True
    assert again.channel is not None
    again.channel.close()
    await until(lambda: not hub.sessions)
    await again.hang_up()


def at_48khz(pcm: bytes) -> NDArray[np.int16]:
    resampler = Resampler(24_000, 48_000)
    return np.frombuffer(resampler.process(pcm) + resampler.flush(), "<i2")
