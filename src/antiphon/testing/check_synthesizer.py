"""A kit that checks the promises of a `Synthesizer`, for authors of voices.

async def test_my_voice_keeps_its_promises() -> None:
    await check_synthesizer(MyVoice)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass

from antiphon.core.causes import MEDIA_RATE_HZ
from antiphon.engines.cascade.parts import Speech, SpokenWord, Synthesizer
from antiphon.errors import EngineUnavailable
from antiphon.testing.promises import Promise, in_time

STOPS_WITHIN_S = 0.1
SENTENCE = "Your table for two is booked for eight this evening."
LONG = f"{SENTENCE} We look forward to seeing you. {SENTENCE} Please call us if you are late."
WORD_S = (0.04, 1.2)
"""A word is spoken no faster and no slower, with its share of the pauses."""


async def check_synthesizer(
    make_synthesizer: Callable[[], Synthesizer],
    *,
    patience_s: float = 10.0,
    skip: Collection[str] = (),
) -> None:
    """Check one promise after the other, each on a fresh voice.

    Args:
        make_synthesizer: a new one; the kit starts and closes it.
        patience_s: how long the whole of a sentence may take.
        skip: names of checks, as in `SYNTHESIZER_CHECKS`.

    Raises:
        PromiseBroken: the first one found.
    """
    for name in SYNTHESIZER_CHECKS:
        if name not in skip:
            await check_synthesizer_promise(name, make_synthesizer, patience_s=patience_s)


async def check_synthesizer_promise(
    name: str, make_synthesizer: Callable[[], Synthesizer], *, patience_s: float = 10.0
) -> None:
    """One check of `SYNTHESIZER_CHECKS`; for a test of each."""
    await in_time(lambda: _check(name, make_synthesizer, patience_s))


async def _check(name: str, make_synthesizer: Callable[[], Synthesizer], patience_s: float) -> None:
    before = asyncio.all_tasks()
    synthesizer = make_synthesizer()
    bench = _Bench(name, synthesizer, patience_s)
    await synthesizer.start()
    try:
        await SYNTHESIZER_CHECKS[name](bench)
    finally:
        await synthesizer.aclose()
    left = await bench.tasks_besides(before)
    bench.require(not left, f"after aclose() these tasks still run: {left}")


@dataclass
class _Bench(Promise):
    check: str
    synthesizer: Synthesizer
    patience_s: float

    @property
    def subject(self) -> str:
        return type(self.synthesizer).__name__

    async def spoken(
        self,
        text: str,
        *,
        voice: str | None = None,
        speed: float = 1.0,
        language: str | None = None,
    ) -> list[Speech]:
        """A whole utterance, judged."""
        pieces = []
        speech = self.synthesizer.speak(
            text, voice=voice or self.synthesizer.voices[0], speed=speed, language=language
        )
        try:
            async with asyncio.timeout(self.patience_s), aclosing(speech) as coming:
                async for piece in coming:
                    pieces.append(piece)
        except TimeoutError:
            self.fail(f"{text[:40]!r} was not spoken within {self.patience_s:g} s")
        except EngineUnavailable as error:
            self.fail(f"{text[:40]!r} was not spoken: {error}")
        self._judge(text, pieces)
        return pieces

    def _judge(self, text: str, pieces: list[Speech]) -> None:
        samples = 0
        last = SpokenWord(0, 0)
        for piece in pieces:
            self.require(len(piece.pcm) % 2 == 0, "a piece holds half a sample")
            samples += len(piece.pcm) // 2
            for word in piece.words:
                self.require(
                    last.text_end < word.text_end <= len(text), f"{word} comes after {last}"
                )
                self.require(last.end_sample <= word.end_sample, f"{word} comes after {last}")
                last = word
        self.require(
            last.end_sample <= samples, f"a word ends at {last.end_sample} of {samples} samples"
        )


# --- The checks -----------------------------------------------------------------


async def _speaks(bench: _Bench) -> None:
    bench.require(bool(bench.synthesizer.voices), "there is no voice")
    for text in (SENTENCE, LONG, "Yes."):
        pieces = await bench.spoken(text)
        seconds = sum(len(piece.pcm) for piece in pieces) / 2 / MEDIA_RATE_HZ
        words = len(text.split())
        fastest, slowest = (words * limit for limit in WORD_S)
        bench.require(
            fastest < seconds < slowest + 1, f"{words} words took {seconds:.1f} s of speech"
        )
        bench.require(any(any(piece.pcm) for piece in pieces), "it speaks, and nothing is heard")


async def _marks_words(bench: _Bench) -> None:
    for text in (SENTENCE, LONG):
        pieces = await bench.spoken(text)
        words = [word for piece in pieces for word in piece.words]
        bench.require(bool(words), "no word is marked")
        unmarked = text[words[-1].text_end :]
        bench.require(
            not any(c.isalnum() for c in unmarked), f"{unmarked!r} at the end is not marked"
        )
        known = len(words) * 2 >= len(text.split())
        bench.require(known, f"{len(text.split())} words have {len(words)} marks")


async def _stops(bench: _Bench) -> None:
    voice = bench.synthesizer.voices[0]
    for pieces_heard in (1, 0):
        known = asyncio.all_tasks()
        speech = bench.synthesizer.speak(LONG, voice=voice, speed=1.0)
        if pieces_heard:
            try:
                await asyncio.wait_for(anext(speech), bench.patience_s)
            except TimeoutError:
                bench.fail(f"nothing was spoken within {bench.patience_s:g} s")
        else:
            first = asyncio.ensure_future(anext(speech))
            await asyncio.sleep(0)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
        try:
            await asyncio.wait_for(speech.aclose(), STOPS_WITHIN_S)
        except TimeoutError:
            bench.late(f"closing the iterator takes longer than {STOPS_WITHIN_S * 1000:.0f} ms")
        left = await bench.tasks_besides(known)
        bench.require(not left, f"after closing the iterator these tasks still run: {left}")
    await bench.spoken(SENTENCE)


async def _takes_anything(bench: _Bench) -> None:
    for voice in (*bench.synthesizer.voices, "nobody's"):
        await bench.spoken("Hello.", voice=voice)
    for language in ("en", "en-GB", "de", "xx", "no language at all"):
        await bench.spoken("Hello.", language=language)
    for speed in (0.25, 1.5):
        await bench.spoken("Hello.", speed=speed)
    for text in ("…", "😀", "a\x00b", "  Hello ,  you  ", "Wörter, слова, 言葉。"):
        await bench.spoken(text)


async def _changes_speed(bench: _Bench) -> None:
    slow, fast = [
        sum(len(piece.pcm) for piece in await bench.spoken(LONG, speed=speed))
        for speed in (0.75, 1.5)
    ]
    bench.require(fast < 0.8 * slow, "at twice the speed the speech is not shorter")


async def _side_by_side(bench: _Bench) -> None:
    voice = bench.synthesizer.voices[0]
    stopped = bench.synthesizer.speak(LONG, voice=voice, speed=1.0)
    speaking = [asyncio.ensure_future(bench.spoken(SENTENCE)) for _ in range(3)]
    try:
        await asyncio.wait_for(anext(stopped), bench.patience_s)
        await stopped.aclose()
        spoken = await asyncio.gather(*speaking)
    finally:
        for task in speaking:
            task.cancel()
        await asyncio.gather(*speaking, return_exceptions=True)
    for pieces in spoken:
        bench.require(any(piece.pcm for piece in pieces), "one of three was not spoken")


SYNTHESIZER_CHECKS: dict[str, Callable[[_Bench], Awaitable[None]]] = {
    "it speaks": _speaks,
    "it tells where each word ends": _marks_words,
    "closing the iterator ends the work at once": _stops,
    "it takes whatever may be said": _takes_anything,
    "it speaks as fast as it is told": _changes_speed,
    "utterances run side by side": _side_by_side,
}
