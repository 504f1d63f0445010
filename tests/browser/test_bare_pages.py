"""Pages without an SDK: an RTCPeerConnection and JSON, in both dialects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import desk
from tests.arrangements import RELAYED, Arrangement
from tests.browser.site import Site
from tests.browser.visitor import NEEDS_CHROMIUM, microphone_file, visiting
from tests.server_process import KEY, ServerProcess

pytestmark = [*NEEDS_CHROMIUM]

BOOK_ROOM = {
    "type": "function",
    "name": "book_room",
    "description": "Book a meeting room.",
    "parameters": {"type": "object", "properties": {}},
}
SAID = "app.seen('response.output_audio_transcript.done').at(-1)?.transcript"


async def test_a_page_in_the_beta_style_talks_and_is_interrupted(site: Site) -> None:
    site.mints = {"instructions": desk.INSTRUCTIONS}
    async with visiting(f"{site.url}/bare.html") as visitor:
        await visitor.run("() => app.connectInBeta()")
        await visitor.until("() => app.seen('conversation.created').length")
        created = (await visitor.run("() => app.seen('session.created')"))[0]["session"]
        assert (created["voice"], created["modalities"]) == ("verse", ["text", "audio"])

        story = {"type": "message", "role": "user"}
        text = {"type": "input_text", "text": "Tell me a story."}
        create = {"type": "conversation.item.create", "item": {**story, "content": [text]}}
        await visitor.run("(event) => app.send(event)", create)
        await visitor.run("() => app.send({ type: 'response.create' })")
        await visitor.until("() => app.ear.loudSince_ms() > 1000")
        assert await visitor.run("() => app.seen('response.audio_transcript.delta').length")
        assert not await visitor.run("() => app.seen('response.audio.delta').length")

        await visitor.speak("cmd_today")
        await visitor.until("() => app.seen('output_audio_buffer.cleared').length")
        said = "() => app.seen('response.audio_transcript.done').at(-1).transcript"
        await visitor.until(f"{said} === 'Today it is.'")
        await visitor.until("() => app.seen('output_audio_buffer.stopped').length")
        assert not await visitor.run("() => app.seen('error')")
        await visitor.run("() => app.hangUp()")
        await site.until_nobody_is_there()


async def test_chromiums_own_microphone_is_heard_and_the_answer_sounds(
    site: Site, tmp_path: Path
) -> None:
    site.mints = {"session": desk.SESSION}
    recording = microphone_file(tmp_path, "cmd_today", before_s=2, after_s=30)
    async with visiting(f"{site.url}/bare.html", microphone=recording) as visitor:
        location = await visitor.run("() => app.connectInGa()")
        assert location.startswith("/v1/realtime/calls/rtc_")
        await visitor.until(f"() => {SAID} === 'Today it is.'")
        await visitor.until("() => app.seen('output_audio_buffer.stopped').length")
        assert await visitor.run("() => app.ear.loudSince_ms()") > 300
        # Browsers stop sending RTP when a track has nothing to send: the call goes on.
        await visitor.run("() => app.stopMicrophone()")
        await visitor.run("() => app.send({ type: 'response.create' })")
        await visitor.until("() => app.seen('output_audio_buffer.stopped').length === 2")


@pytest.mark.parametrize("arrangement", RELAYED, indirect=True)
async def test_a_page_whose_server_relays_is_answered_and_hangs_up(
    arrangement: Arrangement,
) -> None:
    async with (
        arrangement.relaying(hears=["today"], keys=[KEY]) as server,
        Site(server).open() as site,
        visiting(f"{site.url}/bare.html") as visitor,
    ):
        site.mints = {"session": desk.SESSION}
        await visitor.run("() => app.connectInGa()")
        await visitor.until("() => app.seen('session.created').length")
        await visitor.speak("cmd_today")
        await visitor.until(f"() => {SAID} === 'Today it is.'")
        await visitor.until("() => app.seen('output_audio_buffer.stopped').length")
        assert await visitor.run("() => app.ear.loudSince_ms()") > 300
        await visitor.run("() => app.hangUp()")
        await site.until_nobody_is_there()


async def test_what_was_silenced_is_not_heard_later(site: Site) -> None:
    site.mints = {"session": desk.SESSION}
    async with visiting(f"{site.url}/bare.html") as visitor:
        await visitor.run("() => app.connectInGa()")
        await visitor.until("() => app.seen('session.created').length")
        text = {"type": "input_text", "text": "Tell me a story."}
        item = {"type": "message", "role": "user", "content": [text]}
        create = {"type": "conversation.item.create", "item": item}
        await visitor.run("(event) => app.send(event)", create)
        await visitor.run("() => app.send({ type: 'response.create' })")
        await visitor.until("() => app.ear.loudSince_ms() > 500")
        await visitor.run("() => app.send({ type: 'output_audio_buffer.clear' })")
        await visitor.until("() => app.seen('output_audio_buffer.cleared').length")
        cleared = await visitor.run("() => app.seen('output_audio_buffer.cleared')[0].at_ms")
        # Two seconds that a busy browser may take to play what it had; the story has ten more.
        await visitor.until("(at) => performance.now() - at > 5000", cleared)
        assert await visitor.run("(at) => app.ear.loudSince_ms(at + 2000)", cleared) == 0


async def test_a_page_restarts_ice_and_talks_on(site: Site) -> None:
    site.mints = {"session": desk.SESSION}
    async with visiting(f"{site.url}/bare.html") as visitor:
        location = await visitor.run("() => app.connectInGa()")
        await visitor.until("() => app.seen('session.created').length")
        before = await visitor.run("() => app.way()")
        await visitor.run("(location) => app.restart(location)", location)
        await visitor.until(
            """async (before) => {
              const { candidate, state } = await app.way();
              const isUp = ["connected", "completed"].includes(state);
              return candidate && candidate !== before && isUp;
            }""",
            before["candidate"],
        )
        await visitor.speak("cmd_today")
        await visitor.until(f"() => {SAID} === 'Today it is.'")
        await visitor.until("() => app.seen('output_audio_buffer.stopped').length")
        assert await visitor.run("() => app.ear.loudSince_ms()") > 300


async def test_a_page_reads_why_it_may_not(site: Site) -> None:
    async with visiting(f"{site.url}/bare.html", complains=True) as visitor:
        assert await visitor.run("() => app.refusal('ek_forged')") == [401, "invalid_api_key"]
        assert await visitor.run("() => app.refusal('sk-wrong')") == [401, "invalid_api_key"]


async def test_the_backend_runs_the_pages_tools_over_a_sideband(
    site: Site, keyed_server: ServerProcess
) -> None:
    """The page learns of none, and may declare none: its secret sees to it."""
    from openai import AsyncOpenAI  # Three seconds of a processor, in each worker, for one test.

    limits = {"client_events": ["response.create"], "hides": ["tools", "instructions"]}
    site.mints = {"session": desk.SESSION, "antiphon": limits}
    backend = AsyncOpenAI(
        api_key=KEY,
        base_url=f"{keyed_server.url}/v1",
        websocket_base_url=f"{keyed_server.websocket_url}/v1",
    )
    async with visiting(f"{site.url}/bare.html") as visitor:
        location = await visitor.run("() => app.connectInGa()")
        await visitor.until("() => app.seen('session.created').length")
        call_id = location.rpartition("/")[2]
        async with backend, backend.realtime.connect(call_id=call_id) as sideband:
            await sideband.session.update(session={"type": "realtime", "tools": [BOOK_ROOM]})  # type: ignore[list-item]
            await visitor.until("() => app.seen('session.updated').length")
            await visitor.speak("cmd_two_people")
            async for event in sideband:
                if event.type == "response.output_item.done" and (
                    event.item.type == "function_call"
                ):
                    assert event.item.call_id
                    await sideband.conversation.item.create(
                        item={
                            "type": "function_call_output",
                            "call_id": event.item.call_id,
                            "output": "The old mill is yours.",
                        }
                    )
                elif event.type == "response.done":
                    break
            await sideband.response.create()
            await visitor.until(f"() => {SAID} === 'The old mill is yours.'")
            await visitor.until("() => app.ear.loudSince_ms() > 300")
            await visitor.run("() => app.send({ type: 'session.update', session: {} })")
            await visitor.until("() => app.seen('error').length")
            error = (await visitor.run("() => app.seen('error')"))[0]["error"]
            assert error["code"] == "event_not_allowed"
        seen = json.dumps(await visitor.run("() => app.events"))
        for hidden in ("book_room", "function_call", "antiphon-script"):
            assert hidden not in seen
