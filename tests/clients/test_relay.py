"""The official Python SDK through a relay to another server: two processes, and real sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.judged import BYTES_PER_MS, judged
from tests.clients.test_openai_sdk import BOOK_ROOM, TRANSCRIBED, TRANSCRIPTION
from tests.server_process import ServerProcess


@pytest.fixture(scope="module", params=["ours", "theirs", "duplex"])
def relay(
    request: pytest.FixtureRequest,
    offline_server: ServerProcess,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServerProcess]:
    with ServerProcess(
        tmp_path_factory.mktemp("relay"),
        ANTIPHON_RELAY_URL=f"{offline_server.websocket_url}/v1/realtime",
        ANTIPHON_RELAY_MODELS="*",
        ANTIPHON_RELAY_TURN_DETECTION=request.param,
    ) as server:
        yield server


async def test_a_typed_turn_is_answered_in_text(relay: ServerProcess) -> None:
    async with judged(relay) as session:
        await session.configure(output_modalities=["text"])
        await session.type("What is six times ten?")
        await session.connection.response.create()
        done = (await session.until("response.done")).response
        [text] = session.seen("response.output_text.done")
        assert done.status == "completed"
        assert "sixty" in text.text


async def test_a_spoken_turn_is_transcribed_and_answered_aloud(relay: ServerProcess) -> None:
    async with judged(relay) as session:
        await session.configure(audio={"input": {"transcription": TRANSCRIPTION}})
        await session.speak("laptop_yes")
        reply = await session.reply()
        [started] = session.seen("input_audio_buffer.speech_started")
        [heard] = session.seen(TRANSCRIBED)
        assert (heard.item_id, heard.transcript) == (started.item_id, "yes")
        assert reply.transcript == "Good. What would you like to do?"
        assert 1000 < len(reply.pcm) / BYTES_PER_MS < 10_000


async def test_a_spoken_order_calls_a_function_and_its_result_is_told(
    relay: ServerProcess,
) -> None:
    async with judged(relay) as session:
        await session.configure(
            tools=[BOOK_ROOM], audio={"input": {"transcription": TRANSCRIPTION}}
        )
        await session.speak("cmd_book_a_room")
        asked = await session.reply()
        [call] = asked.response.output
        assert (call.type, call.name, call.status) == ("function_call", "book_room", "completed")
        await session.connection.conversation.item.create(
            item={
                "type": "function_call_output",
                "call_id": call.call_id,
                "output": "The old mill is yours.",
            }
        )
        await session.connection.response.create()
        told = await session.reply()
        assert told.transcript == "The old mill is yours."
        assert told.pcm
