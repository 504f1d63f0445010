"""The real Kokoro, where it was pulled (antiphon models pull kokoro)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from antiphon.downloads.place import Place, models_folder
from antiphon.engines.cascade.stt.ears import find_ears
from antiphon.engines.cascade.stt.model_files import cache_folder
from antiphon.engines.cascade.stt.spoken_words import spoken_words
from antiphon.engines.cascade.stt.whisper import WhisperRecognizer
from antiphon.engines.cascade.tts.kokoro import kokoro
from antiphon.engines.cascade.tts.kokoro_files import KokoroFiles, find_kokoro
from antiphon.engines.cascade.tts.local_voice import LocalVoice
from antiphon.errors import ConfigurationError
from tests.engines.cascade.stt.test_sherpa import heard

PATIENCE_S = 60.0
"""For a machine that has other things to do."""


def _files() -> KokoroFiles | None:
    try:
        return find_kokoro(None, Place(models_folder()), cache_folder())
    except ConfigurationError:
        return None


FILES, EARS = _files(), find_ears().model
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(FILES is None, reason="Kokoro was not pulled"),
    pytest.mark.skipif(EARS is None, reason="the extra 'speech' is not installed"),
]
TEXT = "The meeting is in the billing department, and I can't be there. Would you go?"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def voice() -> AsyncIterator[LocalVoice]:
    assert FILES is not None
    voice = kokoro(FILES, first_patience_s=PATIENCE_S, patience_s=PATIENCE_S)
    await voice.start()
    yield voice
    await voice.aclose()


async def test_what_it_says_is_understood_word_by_word(voice: LocalVoice) -> None:
    assert EARS is not None
    ears = WhisperRecognizer(EARS, threads=1)
    await ears.start()
    pieces = [piece async for piece in voice.speak(TEXT, voice="marin", speed=1)]
    pcm = b"".join(piece.pcm for piece in pieces)
    words = [word for piece in pieces for word in piece.words]
    assert [TEXT[: word.text_end].split()[-1] for word in words] == TEXT.split()
    whole = await asyncio.wait_for(heard(ears, bytes(24_000) + pcm + bytes(24_000)), PATIENCE_S)
    assert spoken_words(whole[-1].text) == spoken_words(TEXT)
    # Cut where "department," ends: nothing of "and" is heard.
    [end] = [word for word in words if TEXT[: word.text_end].endswith("department, ")]
    cut = pcm[: 2 * end.end_sample]
    part = await asyncio.wait_for(heard(ears, bytes(24_000) + cut + bytes(24_000)), PATIENCE_S)
    assert spoken_words(part[-1].text) == spoken_words(TEXT[: end.text_end])
    await ears.aclose()
