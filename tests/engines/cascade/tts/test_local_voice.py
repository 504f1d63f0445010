"""What all voices in worker processes share, with Kokoro's real library and a tiny network."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest
import pytest_asyncio

from antiphon.engines.cascade.parts import Speech
from antiphon.engines.cascade.tts.kokoro import kokoro
from antiphon.engines.cascade.tts.local_voice import LocalVoice
from antiphon.errors import EngineUnavailable
from antiphon.testing.check_synthesizer import SYNTHESIZER_CHECKS, check_synthesizer_promise
from tests.engines.cascade.tts.tiny_voices import KINDS, TINY_KOKORO, tiny_voice
from tests.engines.lent import lending

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KINDS)
async def lent(request: pytest.FixtureRequest) -> AsyncIterator[LocalVoice]:
    async with lending(tiny_voice(request.param)) as voice:
        yield voice


@pytest.mark.parametrize("promise", SYNTHESIZER_CHECKS)
async def test_each_keeps_the_promises_of_a_voice(lent: LocalVoice, promise: str) -> None:
    await check_synthesizer_promise(promise, lambda: lent)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def voice() -> AsyncIterator[LocalVoice]:
    voice = tiny_voice("kokoro")
    await voice.start()
    yield voice
    await voice.aclose()


async def spoken(
    voice: LocalVoice, text: str, *, name: str = "marin", speed: float = 1
) -> list[Speech]:
    return [piece async for piece in voice.speak(text, voice=name, speed=speed)]


async def test_words_end_where_their_phonemes_do(voice: LocalVoice) -> None:
    text = "Good day, my friend."
    words = [word for piece in await spoken(voice, text) for word in piece.words]
    assert [text[: word.text_end].rsplit(" ", 1)[-1] for word in words] == text.split()
    assert [word.text_end for word in words][-1] == len(text)
    # The tiny network takes 75 ms for each phoneme, a space and a comma among them.
    phonemes = [(b.end_sample - a.end_sample) / 1800 for a, b in pairwise(words)]
    assert phonemes[:2] == [4, 4], "' dˈA', and ', mI'"


async def test_what_was_said_once_is_not_made_again(voice: LocalVoice) -> None:
    [pid] = voice.pids
    first = await spoken(voice, "Welcome to our clinic.")
    os.kill(pid, signal.SIGSTOP)
    try:
        assert await asyncio.wait_for(spoken(voice, "Welcome to our clinic."), 5) == first
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(spoken(voice, "Something else."), 0.1)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert await spoken(voice, "Welcome to our clinic.", name="cedar")


async def test_a_worker_that_dies_is_an_unavailable_voice_and_comes_back(
    voice: LocalVoice,
) -> None:
    [pid] = voice.pids
    os.kill(pid, signal.SIGSTOP)
    speaking = asyncio.ensure_future(spoken(voice, "This will not be heard."))
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(EngineUnavailable, match="kokoro"):
        await speaking
    for _ in range(400):
        if voice.pids:
            break
        await asyncio.sleep(0.05)
    voice.first_patience_s = 30  # It has a network to load.
    assert await spoken(voice, "Here I am again.")


async def test_who_waits_too_long_hears_another_voice_and_the_worker_is_replaced() -> None:
    voice = kokoro(TINY_KOKORO, threads=1, first_patience_s=0.2)
    await voice.start()
    [pid] = voice.pids
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(EngineUnavailable, match=r"is not spoken within 0\.2 s"):
        await spoken(voice, "This takes too long.")
    async with asyncio.timeout(60):
        while voice.pids == [pid]:  # noqa: ASYNC110 - The pool announces no restart.
            await asyncio.sleep(0.01)
    await voice.aclose()


async def test_a_worker_that_may_be_busy_with_others_is_not_replaced() -> None:
    voice = kokoro(TINY_KOKORO, threads=1, first_patience_s=60)
    await voice.start()
    [pid] = voice.pids
    os.kill(pid, signal.SIGSTOP)
    other = asyncio.ensure_future(spoken(voice, "I wait for long.", speed=0.5))
    await asyncio.sleep(0)
    voice.first_patience_s = 0.1
    with pytest.raises(EngineUnavailable, match=r"is not spoken within 0\.1 s"):
        await spoken(voice, "This takes too long.")
    assert voice.pids == [pid]
    os.kill(pid, signal.SIGCONT)
    assert await other
    await voice.aclose()


async def test_a_voice_that_is_not_there_does_not_start(tmp_path: Path) -> None:
    voice = LocalVoice(
        "kokoro",
        "antiphon.engines.cascade.tts.kokoro_worker",
        (str(tmp_path / "none.onnx"), str(tmp_path), "1"),
        voices={"marin": "af_heart"},
    )
    with pytest.raises(EngineUnavailable, match="its worker does not start: FileNotFoundError"):
        await voice.start()
    await voice.aclose()
