"""Somebody says what no script expects: a recording in, its words out, over a real server."""

from __future__ import annotations

import pytest

from antiphon.engines.cascade.stt.ears import find_ears
from tests.clients.judged import judged
from tests.server_process import ServerProcess

pytestmark = pytest.mark.skipif(
    find_ears().model is None, reason="the extra 'speech' is not installed"
)
COMPLETED = "conversation.item.input_audio_transcription.completed"
DELTA = "conversation.item.input_audio_transcription.delta"


@pytest.mark.parametrize("model", ["whisper-1", "gpt-realtime-whisper"])
async def test_a_free_sentence_is_understood_and_its_deltas_make_it_up(
    offline_server: ServerProcess, model: str
) -> None:
    async with judged(offline_server) as session:
        await session.configure(audio={"input": {"transcription": {"model": model}}})
        await session.speak("harvard_birch")
        await session.reply()
        [completed] = session.seen(COMPLETED)
        assert completed.transcript == "The birch canoe slid on the smooth planks."
        assert "".join(event.delta for event in session.seen(DELTA)) == completed.transcript


async def test_noise_is_a_turn_without_words(offline_server: ServerProcess) -> None:
    async with judged(offline_server) as session:
        await session.configure(
            audio={"input": {"transcription": {"model": "whisper-1"}, "turn_detection": None}}
        )
        await session.append(b"".join([bytes(4_800)] * 10))
        await session.connection.input_audio_buffer.commit()
        assert (await session.until(COMPLETED)).transcript == ""
