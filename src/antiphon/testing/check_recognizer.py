"""A kit that checks the promises of a `Recognizer`, for authors of recognisers.

async def test_my_recogniser_keeps_its_promises() -> None:
    await check_recognizer(MyRecognizer, speech=pcm_of("book a room"), words="book a room")
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from antiphon.core.causes import MEDIA_RATE_HZ
from antiphon.engines.cascade.parts import Grammar, Recognition, Recognizer, Transcript
from antiphon.testing.check_engine import ONE_SECOND
from antiphon.testing.promises import SETTLE_S, Promise, in_time

CHUNK_S = 0.1
_CHUNK_BYTES = int(2 * MEDIA_RATE_HZ * CHUNK_S)
GRAMMAR = Grammar("check", "#JSGF V1.0;\ngrammar check;\npublic <check> = yes | no;\n")


async def check_recognizer(
    make_recognizer: Callable[[], Recognizer],
    *,
    speech: bytes = ONE_SECOND,
    words: str | None = None,
    patience_s: float = 10.0,
    skip: Collection[str] = (),
) -> None:
    """Check one promise after the other, each on a fresh recogniser.

    Args:
        make_recognizer: a new one; the kit starts and closes it.
        speech: a turn of a user, 16-bit mono at 24 kHz.
        words: what is said in it, to be understood; None: nobody knows.
        patience_s: how long the final transcript may take, from the end of the turn.
        skip: names of checks, as in `RECOGNIZER_CHECKS`.

    Raises:
        PromiseBroken: the first one found.
    """
    for name in RECOGNIZER_CHECKS:
        if name not in skip:
            await check_recognizer_promise(
                name, make_recognizer, speech=speech, words=words, patience_s=patience_s
            )


async def check_recognizer_promise(
    name: str,
    make_recognizer: Callable[[], Recognizer],
    *,
    speech: bytes = ONE_SECOND,
    words: str | None = None,
    patience_s: float = 10.0,
) -> None:
    """One check of `RECOGNIZER_CHECKS`; for a test of each."""
    await in_time(lambda: _check(name, make_recognizer, speech, words, patience_s))


async def _check(
    name: str,
    make_recognizer: Callable[[], Recognizer],
    speech: bytes,
    words: str | None,
    patience_s: float,
) -> None:
    before = asyncio.all_tasks()
    recognizer = make_recognizer()
    bench = _Bench(name, recognizer, speech, words, patience_s)
    await recognizer.start()
    try:
        await RECOGNIZER_CHECKS[name](bench)
    finally:
        await recognizer.aclose()
    left = await bench.tasks_besides(before)
    bench.require(not left, f"after aclose() these tasks still run: {left}")


@dataclass
class _Bench(Promise):
    check: str
    recognizer: Recognizer
    speech: bytes
    words: str | None
    patience_s: float

    @property
    def subject(self) -> str:
        return type(self.recognizer).__name__

    def begin(
        self, *, grammar: Grammar | None = None, language: str | None = None, live: bool = False
    ) -> _Turn:
        return _Turn(self, grammar=grammar, language=language, live=live)


class _Turn:
    """A turn whose reports are collected, and judged as they come."""

    def __init__(
        self, bench: _Bench, *, grammar: Grammar | None, language: str | None, live: bool
    ) -> None:
        self.reports: list[Transcript] = []
        self._bench = bench
        self._finished = self._cancelled = False
        self._ended = asyncio.Event()
        self._broken: list[str] = []
        with bench.at_once("begin()"):
            self._recognition: Recognition = bench.recognizer.begin(
                self._report, grammar=grammar, language=language, live=live
            )

    def _report(self, transcript: Transcript) -> None:
        if self._cancelled:
            self._broken.append("a report came after cancel()")
        if self._ended.is_set():
            self._broken.append("a report came after the final one")
        if transcript.final and not self._finished:
            self._broken.append("the final report came before finish()")
        if not 0 <= transcript.stable_chars <= len(transcript.text):
            self._broken.append("stable_chars is beyond the text")
        if transcript.problem and (transcript.text or not transcript.final):
            self._broken.append("a problem came with text, or before the end")
        before = self.reports[-1] if self.reports else Transcript("", final=False)
        stable = before.text[: before.stable_chars]
        # The end of a turn may overrule what was shown before; nothing else may.
        if not transcript.final and not transcript.text.startswith(stable):
            self._broken.append(f"{stable!r} was stable, and became {transcript.text!r}")
        self.reports.append(transcript)
        if transcript.final:
            self._ended.set()

    def feed(self, pcm: bytes) -> None:
        for at in range(0, len(pcm), _CHUNK_BYTES):
            with self._bench.at_once("feed()"):
                self._recognition.feed(pcm[at : at + _CHUNK_BYTES])

    async def speak(self, pcm: bytes) -> None:
        """Feed at the pace of speech."""
        for at in range(0, len(pcm), _CHUNK_BYTES):
            self.feed(pcm[at : at + _CHUNK_BYTES])
            await asyncio.sleep(CHUNK_S)

    def finish(self) -> None:
        self._finished = True
        with self._bench.at_once("finish()"):
            self._recognition.finish()

    def cancel(self) -> None:
        self._cancelled = True
        with self._bench.at_once("cancel()"):
            self._recognition.cancel()

    async def final(self) -> Transcript:
        try:
            await asyncio.wait_for(self._ended.wait(), self._bench.patience_s)
        except TimeoutError:
            self._bench.fail(f"no final transcript within {self._bench.patience_s:g} s")
        self.judge()
        return self.reports[-1]

    def judge(self) -> None:
        self._bench.require(not self._broken, "; ".join(self._broken))

    async def settle(self) -> None:
        """What should not come is found here."""
        await asyncio.sleep(SETTLE_S)
        self.judge()


# --- The checks -----------------------------------------------------------------


async def _ends_once(bench: _Bench) -> None:
    for live in (False, True):
        turn = bench.begin(live=live)
        turn.feed(bench.speech)
        turn.finish()
        await turn.final()
        turn.finish()
        turn.feed(bench.speech[:_CHUNK_BYTES])  # Too late, and no harm.
        await turn.settle()


async def _understands(bench: _Bench) -> None:
    turn = bench.begin(live=True)
    await turn.speak(bench.speech)
    turn.finish()
    final = await turn.final()
    bench.require(not final.problem, f"a plain turn failed: {final.problem}")
    if bench.words is not None:
        heard, said = _plain(final.text), _plain(bench.words)
        bench.require(heard == said, f"{said!r} was heard as {heard!r}")


async def _cancels(bench: _Bench) -> None:
    early, late = bench.begin(live=True), bench.begin()
    early.feed(bench.speech)
    early.cancel()
    early.cancel()
    early.feed(bench.speech[:_CHUNK_BYTES])
    early.finish()
    late.feed(bench.speech)
    late.finish()
    late.cancel()
    await asyncio.sleep(min(2.0, bench.patience_s))
    early.judge()
    late.judge()


async def _takes_anything(bench: _Bench) -> None:
    for language in (None, "en", "en-GB", "xx", "no language at all"):
        turn = bench.begin(grammar=GRAMMAR, language=language)
        turn.feed(bench.speech)
        turn.finish()
        await turn.final()
    empty = bench.begin()
    empty.finish()
    final = await empty.final()
    bench.require(not final.text, f"{final.text!r} was heard in nothing")
    short = bench.begin()
    short.feed(b"\x01\x02")
    short.finish()
    await short.final()


async def _side_by_side(bench: _Bench) -> None:
    turns = [bench.begin() for _ in range(3)]
    for at in range(0, len(bench.speech), _CHUNK_BYTES):
        for turn in turns:
            turn.feed(bench.speech[at : at + _CHUNK_BYTES])
    turns[1].cancel()
    for turn in (turns[0], turns[2]):
        turn.finish()
    await turns[0].final()
    await turns[2].final()
    await turns[1].settle()


async def _leaves_nothing(bench: _Bench) -> None:
    async def one() -> None:
        turn, cancelled = bench.begin(live=True), bench.begin()
        turn.feed(bench.speech)
        cancelled.feed(bench.speech)
        cancelled.cancel()
        turn.finish()
        await turn.final()

    await one()  # What all turns share may begin with the first.
    known = asyncio.all_tasks()
    await one()
    left = await bench.tasks_besides(known)
    bench.require(not left, f"after their turns these tasks still run: {left}")
    open_turn = bench.begin()  # Closed with it.
    open_turn.feed(bench.speech)


RECOGNIZER_CHECKS: dict[str, Callable[[_Bench], Awaitable[None]]] = {
    "each turn ends in one final transcript": _ends_once,
    "it understands what is said": _understands,
    "a cancelled turn reports nothing": _cancels,
    "it takes whatever a turn may be": _takes_anything,
    "turns run side by side": _side_by_side,
    "nothing is left behind": _leaves_nothing,
}


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
