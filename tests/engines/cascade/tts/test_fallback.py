from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from msgspec.structs import replace

from antiphon.engines.cascade.parts import Speech, SpokenWord, Synthesizer
from antiphon.engines.cascade.tts.fallback import TRY_AGAIN_AFTER_S, FallbackSynthesizer
from antiphon.errors import EngineUnavailable
from antiphon.testing.parts import SilentSynthesizer
from antiphon.testing.virtual_loop import run_in_virtual_time

TEXT = "one two three four"


class Failing(SilentSynthesizer):
    """Fails before the word ``at`` of each sentence; never, if it is None."""

    def __init__(self, at: int | None = 0, *, starts: bool = True) -> None:
        super().__init__()
        self.at = at
        self.starts = starts

    async def start(self) -> None:
        if not self.starts:
            raise EngineUnavailable("best", "its model is missing")

    async def speak(
        self, text: str, *, voice: str, speed: float, language: str | None = None
    ) -> AsyncGenerator[Speech, None]:
        words = super().speak(text, voice=voice, speed=speed, language=language)
        async with aclosing(words) as pieces:
            count = 0
            async for piece in pieces:
                if count == self.at:
                    raise EngineUnavailable("best", "it broke off")
                count += 1
                yield piece


async def said(synthesizer: Synthesizer) -> list[Speech]:
    return [piece async for piece in synthesizer.speak(TEXT, voice="marin", speed=1.0)]


def words_of(pieces: list[Speech]) -> list[SpokenWord]:
    return [word for piece in pieces for word in piece.words]


@pytest.mark.parametrize("at", [0, 1, 3])
def test_where_a_voice_fails_another_says_the_rest(at: int) -> None:
    async def main() -> None:
        plain = SilentSynthesizer()
        whole = await said(SilentSynthesizer())
        pieces = await said(FallbackSynthesizer(Failing(at), plain))
        assert [replace(piece, problem="") for piece in pieces] == whole
        problems = ["" if n != at else "engine 'best': it broke off" for n in range(len(whole))]
        assert [piece.problem for piece in pieces] == problems
        assert plain.spoken == [TEXT[words_of(whole)[at - 1].text_end :] if at else TEXT]

    run_in_virtual_time(main())


def test_a_voice_that_fails_is_left_alone_for_a_while_and_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        best, plain = Failing(), SilentSynthesizer()
        voice = FallbackSynthesizer(best, plain)
        for _ in range(3):
            await said(voice)
        assert (len(best.spoken), len(plain.spoken)) == (1, 3)
        await asyncio.sleep(TRY_AGAIN_AFTER_S)
        await said(voice)
        assert (len(best.spoken), len(plain.spoken)) == (2, 4)
        best.at = None
        await asyncio.sleep(TRY_AGAIN_AFTER_S)
        await said(voice)
        assert (len(best.spoken), len(plain.spoken)) == (3, 4)

    with caplog.at_level(logging.WARNING):
        run_in_virtual_time(main())
    assert caplog.messages == [
        "engine 'best': it broke off; another voice speaks in its place until it answers",
        "the voice answers again",
    ]


def test_a_voice_that_does_not_start_is_never_asked() -> None:
    async def main() -> None:
        best, plain = Failing(None, starts=False), SilentSynthesizer()
        voice = FallbackSynthesizer(best, plain)
        await voice.start()
        await said(voice)
        await voice.aclose()
        assert (best.spoken, plain.spoken) == ([], [TEXT])

    run_in_virtual_time(main())


def test_who_stops_listening_stops_the_voice_that_speaks() -> None:
    async def main() -> None:
        best, plain = SilentSynthesizer(), SilentSynthesizer()
        async with aclosing(
            FallbackSynthesizer(best, plain).speak(TEXT, voice="marin", speed=1.0)
        ) as pieces:
            await anext(pieces)
        assert (best.aborted, plain.spoken) == (1, [])

    run_in_virtual_time(main())


@pytest.mark.parametrize(
    ("language", "speaks"),
    [(None, "best"), ("en", "best"), ("en-GB", "best"), ("DE_de", "best"), ("fr", "plain")],
)
def test_each_language_has_the_voice_that_speaks_it(language: str | None, speaks: str) -> None:
    async def main() -> None:
        voices = {"best": SilentSynthesizer(), "plain": SilentSynthesizer()}
        both = FallbackSynthesizer(voices["best"], voices["plain"], languages=("en", "de"))
        speech = both.speak(TEXT, voice="marin", speed=1.0, language=language)
        assert [piece async for piece in speech]
        assert [name for name, voice in voices.items() if voice.spoken] == [speaks]

    run_in_virtual_time(main())
