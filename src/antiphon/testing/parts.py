"""Parts of a cascade that need no model: for tests of cascades, and of what is built on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable

from antiphon.core.causes import MEDIA_RATE_HZ
from antiphon.core.effects import Generate
from antiphon.engines.cascade.parts import (
    Grammar,
    Report,
    SayText,
    Speech,
    SpokenWord,
    Thinking,
    Thought,
    Transcript,
)
from antiphon.errors import EngineUnavailable
from antiphon.protocol.items import InputAudio, InputText, Message

WORD_MS = 100


class KnowingRecognizer:
    """Understands what it was told beforehand, turn by turn; reports when a turn is finished.

    An `EngineUnavailable` among it is what goes wrong in that turn; a `Transcript` is told whole.
    """

    def __init__(self, *texts: str | Transcript | EngineUnavailable) -> None:
        self._texts = list(texts)
        self.begun: list[KnowingRecognition] = []

    async def start(self) -> None: ...

    def begin(
        self,
        report: Report,
        *,
        grammar: Grammar | None,
        language: str | None,  # noqa: ARG002
        live: bool = False,
    ) -> KnowingRecognition:
        recognition = KnowingRecognition(
            report, grammar, self._texts.pop(0) if self._texts else "", live=live
        )
        self.begun.append(recognition)
        return recognition

    async def aclose(self) -> None: ...


class KnowingRecognition:
    def __init__(
        self,
        report: Report,
        grammar: Grammar | None,
        text: str | Transcript | EngineUnavailable,
        *,
        live: bool = False,
    ) -> None:
        self._report = report
        self._text = text
        self.grammar = grammar
        self.live = live
        self.pcm = b""
        self.cancelled = False
        self._finished = False

    def feed(self, pcm: bytes) -> None:
        self.pcm += pcm

    def partial(self, text: str, *, stable: str = "", complete: bool = False) -> None:
        """Report what would have been understood so far."""
        self._report(Transcript(text, final=False, stable_chars=len(stable), complete=complete))

    def finish(self) -> None:
        if not self._finished:
            self._finished = True
            asyncio.get_running_loop().call_soon(self._end)

    def cancel(self) -> None:
        self.cancelled = True

    def _end(self) -> None:
        if self.cancelled:
            return
        if isinstance(self._text, Transcript):
            self._report(self._text)
        elif isinstance(self._text, str):
            self._report(Transcript(self._text, final=True, stable_chars=len(self._text)))
        else:
            self._report(Transcript("", final=True, problem=str(self._text)))


def last_words(request: Generate) -> str:
    """What the user said last in a request's context."""
    for item in reversed(request.items):
        if isinstance(item, Message) and item.role == "user":
            for part in item.content:
                if isinstance(part, InputText):
                    return part.text
                if isinstance(part, InputAudio):
                    return part.transcript or ""
    return ""


class PlannedBrain:
    """Thinks what a function of the request says."""

    name = "planned"

    def __init__(self, plan: Callable[[Generate], Iterable[Thinking | asyncio.Event]]) -> None:
        self._plan = plan
        self.closed_thoughts = 0

    async def start(self) -> None: ...

    def open(self, session_id: str) -> PlannedBrain:  # noqa: ARG002
        return self

    async def think(self, request: Generate) -> AsyncGenerator[Thinking, None]:
        """An event among the thoughts is waited for."""
        finished = False
        try:
            for thought in self._plan(request):
                if isinstance(thought, asyncio.Event):
                    await thought.wait()
                else:
                    finished = isinstance(thought, Thought)
                    yield thought
        finally:
            self.closed_thoughts += not finished

    def expects(self, request: Generate) -> Grammar | None:  # noqa: ARG002
        return None

    async def aclose(self) -> None: ...


def echo(request: Generate) -> Iterable[Thinking]:
    """A plan for `PlannedBrain`: repeats what the user said."""
    yield SayText(f"You said: {last_words(request)}.")
    yield Thought()


class SilentSynthesizer:
    """Speaks silence, `WORD_MS` for each word at normal speed."""

    voices = ("marin", "cedar")

    def __init__(self) -> None:
        self.spoken: list[str] = []
        self.languages: list[str | None] = []
        self.aborted = 0

    async def start(self) -> None: ...

    async def speak(
        self,
        text: str,
        *,
        voice: str,  # noqa: ARG002
        speed: float,
        language: str | None = None,
    ) -> AsyncGenerator[Speech, None]:
        self.spoken.append(text)
        self.languages.append(language)
        samples = int(WORD_MS * MEDIA_RATE_HZ / 1000 / speed)
        at_char = at_sample = 0
        finished = False
        try:
            for word in text.split():
                at_char = text.index(word, at_char) + len(word)
                at_sample += samples
                yield Speech(bytes(2 * samples), (SpokenWord(at_char, at_sample),))
            finished = True
        finally:
            self.aborted += not finished

    async def aclose(self) -> None: ...
