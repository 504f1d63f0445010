"""The kits of parts, on fakes that keep their promises and on some that each break one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing

import pytest

from antiphon.core.effects import Generate
from antiphon.engines.cascade.parts import (
    Brain,
    CallTool,
    Grammar,
    Mind,
    Recognizer,
    Report,
    SayText,
    Speech,
    SpokenWord,
    Synthesizer,
    Thinking,
    Thought,
    Transcript,
)
from antiphon.protocol.session import FunctionChoice, FunctionTool
from antiphon.testing import (
    PromiseBroken,
    check_brain,
    check_recognizer,
    check_synthesizer,
    run_in_virtual_time,
)
from antiphon.testing.parts import (
    KnowingRecognition,
    KnowingRecognizer,
    PlannedBrain,
    SilentSynthesizer,
)

# --- Recognisers ----------------------------------------------------------------


class Recognition(KnowingRecognition):
    """One that a test makes worse."""

    def __init__(self, report: Report, grammar: Grammar | None, text: str, *, live: bool) -> None:
        super().__init__(report, grammar, text, live=live)
        self.report = report


def recognizer_of(kind: type[Recognition], *, raises: bool = False) -> Callable[[], Recognizer]:
    class Broken(KnowingRecognizer):
        def begin(
            self,
            report: Report,
            *,
            grammar: Grammar | None,
            language: str | None,
            live: bool = False,
        ) -> KnowingRecognition:
            if raises and language not in (None, "en"):
                raise ValueError(language)
            text = "book a room" if live else ""
            return kind(report, grammar, text, live=live)

    return Broken


class NeverEnds(Recognition):
    def finish(self) -> None: ...


class EndsTwice(Recognition):
    def _end(self) -> None:
        super()._end()
        super()._end()


class EndsTooSoon(Recognition):
    def feed(self, pcm: bytes) -> None:
        self.report(Transcript("", final=True))


class TalksAfterCancel(Recognition):
    def cancel(self) -> None: ...


class ChangesItsMind(Recognition):
    def feed(self, pcm: bytes) -> None:
        text = "a b" if len(self.pcm) % 2 else "b"
        self.pcm += b"x"
        if not self.cancelled:
            self.partial(text, stable=text)


class HasAProblemAndWords(Recognition):
    def _end(self) -> None:
        self.report(Transcript("book a room", final=True, problem="the server is away"))


class HearsThingsInNothing(Recognition):
    def _end(self) -> None:
        if not self.cancelled:
            self.report(Transcript("thank you for watching", final=True))


class Waits(Recognition):
    def feed(self, pcm: bytes) -> None:
        time.sleep(0.06)


class Computes(Recognition):
    def feed(self, pcm: bytes) -> None:
        begun_s = time.thread_time()
        while time.thread_time() - begun_s < 0.06:
            pass


class LeavesTasks(Recognition):
    def finish(self) -> None:
        super().finish()
        self.task = asyncio.create_task(asyncio.sleep(1e6))


def test_a_recogniser_that_keeps_its_promises() -> None:
    run_in_virtual_time(check_recognizer(recognizer_of(Recognition), words="Book a room."))


@pytest.mark.parametrize(
    ("kind", "broken"),
    [
        (NeverEnds, "no final transcript within 10 s"),
        (EndsTwice, "a report came after the final one"),
        (EndsTooSoon, "the final report came before finish()"),
        (TalksAfterCancel, "a report came after cancel()"),
        (ChangesItsMind, "'b' was stable, and became 'a b'"),
        (HasAProblemAndWords, "a problem came with text"),
        (HearsThingsInNothing, "'book a room' was heard as 'thank you for watching'"),
        (Waits, "feed() took"),
        (Computes, "feed() took"),
        (LeavesTasks, "these tasks still run"),
    ],
)
def test_a_recogniser_that_breaks_one_is_found_out(kind: type[Recognition], broken: str) -> None:
    with pytest.raises(PromiseBroken) as found:
        run_in_virtual_time(check_recognizer(recognizer_of(kind), words="book a room"))
    assert broken in str(found.value)


def test_what_the_machine_did_once_is_not_the_recognisers_fault() -> None:
    stolen_s = [0.06, 0.06]

    class LosesTheProcessor(Recognition):
        def feed(self, pcm: bytes) -> None:
            if stolen_s:
                time.sleep(stolen_s.pop())
            super().feed(pcm)

    recognizer = recognizer_of(LosesTheProcessor)
    run_in_virtual_time(check_recognizer(recognizer, words="Book a room."))
    assert not stolen_s


def test_a_recogniser_that_raises_is_found_out() -> None:
    with pytest.raises(PromiseBroken, match=r"Broken: .*begin\(\) raised ValueError"):
        run_in_virtual_time(check_recognizer(recognizer_of(Recognition, raises=True)))


# --- Voices ---------------------------------------------------------------------


class Humming(SilentSynthesizer):
    """Keeps all promises: what it says can be heard."""

    def piece(self, piece: Speech) -> Speech:
        return Speech(b"\x01" * len(piece.pcm), piece.words)

    async def speak(
        self, text: str, *, voice: str, speed: float, language: str | None = None
    ) -> AsyncGenerator[Speech, None]:
        words = super().speak(text, voice=voice, speed=speed, language=language)
        async with aclosing(words) as pieces:
            async for piece in pieces:
                await asyncio.sleep(0.01)
                yield self.piece(piece)


class Silent(Humming):
    def piece(self, piece: Speech) -> Speech:
        return piece


class Unmarked(Humming):
    def piece(self, piece: Speech) -> Speech:
        return Speech(b"\x01" * len(piece.pcm))


class MarksTheFuture(Humming):
    def piece(self, piece: Speech) -> Speech:
        later = (SpokenWord(word.text_end, word.end_sample + 10**6) for word in piece.words)
        return Speech(b"\x01" * len(piece.pcm), tuple(later))


class MarksTwice(Humming):
    def piece(self, piece: Speech) -> Speech:
        return Speech(b"\x01" * len(piece.pcm), piece.words * 2)


class HalfASample(Humming):
    def piece(self, piece: Speech) -> Speech:
        return Speech(b"\x01" * (len(piece.pcm) - 1), piece.words)


class Endless(Humming):
    def piece(self, piece: Speech) -> Speech:
        return Speech(b"\x01" * len(piece.pcm) * 100, piece.words)


class OneSpeed(Humming):
    async def speak(
        self, text: str, *, voice: str, speed: float, language: str | None = None
    ) -> AsyncGenerator[Speech, None]:
        async with aclosing(super().speak(text, voice=voice, speed=1.0)) as pieces:
            async for piece in pieces:
                yield piece


class SlowToStop(Humming):
    async def speak(
        self, text: str, *, voice: str, speed: float, language: str | None = None
    ) -> AsyncGenerator[Speech, None]:
        try:
            async with aclosing(super().speak(text, voice=voice, speed=speed)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            await asyncio.sleep(0.2)


class Stuck(Humming):
    async def speak(
        self, text: str, *, voice: str, speed: float, language: str | None = None
    ) -> AsyncGenerator[Speech, None]:
        await asyncio.sleep(1e6)
        yield Speech(b"")


def test_a_voice_that_keeps_its_promises() -> None:
    run_in_virtual_time(check_synthesizer(Humming))


@pytest.mark.parametrize(
    ("kind", "broken"),
    [
        (Silent, "nothing is heard"),
        (Unmarked, "no word is marked"),
        (MarksTheFuture, "a word ends at"),
        (MarksTwice, "comes after"),
        (HalfASample, "half a sample"),
        (Endless, "took 100.0 s of speech"),
        (OneSpeed, "is not shorter"),
        (SlowToStop, "closing the iterator takes longer than 100 ms"),
        (Stuck, "was not spoken within 10 s"),
    ],
)
def test_a_voice_that_breaks_one_is_found_out(kind: Callable[[], Synthesizer], broken: str) -> None:
    with pytest.raises(PromiseBroken) as found:
        run_in_virtual_time(check_synthesizer(kind))
    assert broken in str(found.value)


# --- Brains ---------------------------------------------------------------------


def obedient(request: Generate) -> Iterable[Thinking]:
    """Calls what it must, and says two pieces otherwise."""
    choice = request.tool_choice
    named = [tool.name for tool in request.tools if isinstance(tool, FunctionTool)]
    if isinstance(choice, FunctionChoice):
        yield CallTool("call_1", choice.name, "{}")
    elif choice == "required" and named:
        yield CallTool("call_1", named[0], "{", ended=False)
        yield CallTool("call_1", named[0], "}")
    else:
        yield SayText("One, ")
        yield SayText("two.")
    yield Thought()


def without_end(request: Generate) -> Iterable[Thinking]:
    yield SayText("One.")


def silent(request: Generate) -> Iterable[Thinking]:
    yield Thought()


def disobedient(request: Generate) -> Iterable[Thinking]:
    yield SayText("No.")
    yield Thought()


def half_a_call(request: Generate) -> Iterable[Thinking]:
    yield SayText("One.")
    yield CallTool("call_1", "get_time", '{"a":')
    yield Thought()


def two_calls_at_once(request: Generate) -> Iterable[Thinking]:
    yield SayText("One.")
    yield CallTool("call_1", "get_time", "{", ended=False)
    yield CallTool("call_2", "get_time", "{}")
    yield Thought()


def stuck(request: Generate) -> Iterable[Thinking | asyncio.Event]:
    yield asyncio.Event()


class TwoGrammarsOneKey(PlannedBrain):
    made = 0

    def expects(self, request: Generate) -> Grammar | None:
        self.made += 1
        return Grammar("k", f"#JSGF V1.0;\ngrammar g{self.made};\n")


class SlowToClose(PlannedBrain):
    async def think(self, request: Generate) -> AsyncGenerator[Thinking, None]:
        try:
            async with aclosing(super().think(request)) as thoughts:
                async for thought in thoughts:
                    yield thought
        finally:
            await asyncio.sleep(0.2)


class KeepsATask(PlannedBrain):
    def open(self, session_id: str) -> PlannedBrain:
        self.task = asyncio.create_task(asyncio.sleep(1e6))
        return self


def test_a_brain_that_keeps_its_promises() -> None:
    run_in_virtual_time(check_brain(lambda: PlannedBrain(obedient)))


@pytest.mark.parametrize(
    ("brain", "broken"),
    [
        (PlannedBrain(without_end), "ends with one Thought"),
        (PlannedBrain(silent), "has no answer in audio"),
        (PlannedBrain(disobedient), "expected a call of"),
        (PlannedBrain(half_a_call), "are no JSON object"),
        (PlannedBrain(two_calls_at_once), "call_2 begins within call_1"),
        (PlannedBrain(stuck), "did not end within 10 s"),
        (TwoGrammarsOneKey(obedient), "two grammars have the key 'k'"),
        (SlowToClose(obedient), "closing the iterator takes longer than 100 ms"),
        (KeepsATask(obedient), "these tasks still run"),
    ],
)
def test_a_brain_that_breaks_one_is_found_out(brain: Brain, broken: str) -> None:
    with pytest.raises(PromiseBroken) as found:
        run_in_virtual_time(check_brain(lambda: brain))
    assert broken in str(found.value)


def test_the_fakes_are_parts() -> None:
    """For the type checker."""
    mind: Mind = PlannedBrain(obedient)
    assert isinstance(mind, PlannedBrain)
