"""The official SDK as a sideband: it runs the tools of a session that somebody else holds."""

from __future__ import annotations

from typing import Any

from openai import AsyncOpenAI

from antiphon.transports.webrtc.calls import Answer
from tests.clients.judged import JudgedSession, judged, sdk
from tests.recordings import at_24khz
from tests.server_process import ServerProcess
from tests.transports.webrtc.client import Client

BOOK_ROOM = {
    "type": "function",
    "name": "book_room",
    "description": "Book a meeting room.",
    "parameters": {"type": "object", "properties": {}},
}


CALLED = "response.function_call_arguments.done"
ATTEMPTS = 4


async def order(caller: Client, sideband: JudgedSession) -> Any:
    """Say it until it is understood: a machine that stands still makes gaps in what is heard."""
    for _ in range(ATTEMPTS):
        caller.microphone.say(at_24khz("cmd_book_a_room"))
        while (event := await sideband.next()).type not in (CALLED, "response.done"):
            assert event.type != "error", event
        if event.type == CALLED:
            return event
    raise AssertionError("it was not understood")


async def answer_the_call(sideband: JudgedSession, call: Any) -> None:
    assert (call.name, call.arguments) == ("book_room", "{}")
    await sideband.until("response.done")
    await sideband.connection.conversation.item.create(
        item={
            "type": "function_call_output",
            "call_id": call.call_id,
            "output": "The old mill is yours.",
        }
    )
    await sideband.connection.response.create()


async def test_it_answers_the_function_call_of_a_websocket_session(
    offline_server: ServerProcess,
) -> None:
    async with judged(offline_server) as page:
        session_id = page.events[0].session.id
        async with judged(offline_server, call_id=session_id) as sideband:
            assert sideband.events[0].session.id == session_id
            await sideband.configure(tools=[BOOK_ROOM])
            await page.speak("cmd_book_a_room")
            await answer_the_call(sideband, await sideband.until(CALLED))
            await page.until("response.function_call_arguments.done")
            await page.until("response.done")
            said = await page.reply()
            assert said.transcript == "The old mill is yours."
            assert len(said.pcm) > 24_000
            assert (await sideband.reply()).transcript == said.transcript


class SdkCalls:
    """Calls as the SDK opens them."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client

    async def answer(self, offer_sdp: str, *, model: str) -> Answer:
        answered = await self._client.realtime.calls.create(
            sdp=offer_sdp, session={"type": "realtime", "model": model}
        )
        location = answered.response.headers["Location"]
        return Answer(location.rpartition("/")[2], answered.text)


async def test_it_answers_the_function_call_of_a_spoken_call_and_hangs_up(
    offline_server: ServerProcess, local_calls: None
) -> None:
    async with sdk(offline_server) as client:
        caller = Client(SdkCalls(client))
        await caller.call()
        assert caller.call_id.startswith("rtc_")
        async with judged(offline_server, call_id=caller.call_id) as sideband:
            await sideband.configure(tools=[BOOK_ROOM])
            await answer_the_call(sideband, await order(caller, sideband))
            said = await sideband.until("response.output_audio_transcript.done")
            assert said.transcript == "The old mill is yours."
            # The server plays: it knows when the last of it has been heard.
            await sideband.until("output_audio_buffer.stopped")
            assert caller.heard.astype(float).std() > 100
            assert not sideband.seen("response.output_audio.delta")
            await client.realtime.calls.hangup(caller.call_id)
            await caller.until_closed()
        await caller.hang_up()
