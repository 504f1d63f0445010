"""An engine that finds the user's turns itself, and answers them without being told to.

What upstream servers and full-duplex models do, around any engine that does neither: for tests
of what sits in front of such engines.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator

from msgspec.structs import replace

from antiphon.core.causes import (
    EngineBegan,
    EngineFailed,
    EngineFinished,
    EngineNews,
    TurnEnded,
    TurnFound,
    TurnJudged,
)
from antiphon.core.effects import (
    Configure,
    EngineCommand,
    Generate,
    Hear,
    InputDropped,
    StopGenerating,
    TurnCommitted,
)
from antiphon.core.turns import TurnDetector, TurnStarted
from antiphon.engines.engine import Abilities, Engine, EngineSession, GivesWay
from antiphon.engines.vad.energy import EnergyDetector
from antiphon.protocol.session import AnySession, Session, TurnDetection


class DuplexEngine:
    """Args:
    inner: What understands and answers.
    begins: Whether turns are answered without a `Generate`.
    """

    def __init__(self, inner: Engine, *, begins: bool = True) -> None:
        self._inner = inner
        self._begins = begins

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def description(self) -> str:
        return f"Finds turns itself. {self._inner.description}"

    @property
    def abilities(self) -> Abilities:
        return replace(
            self._inner.abilities, finds_turns=True, full_duplex=self._begins, judges_turns=False
        )

    async def start(self) -> None:
        await self._inner.start()

    def open(self, session_id: str) -> DuplexSession:
        return DuplexSession(self._inner.open(session_id), begins=self._begins)

    async def aclose(self) -> None:
        await self._inner.aclose()


class DuplexSession:
    def __init__(self, inner: EngineSession, *, begins: bool) -> None:
        self._inner = inner
        self._answers = _OwnAnswers() if begins else None
        self._turns = _TurnFinder()
        self._found: deque[EngineNews] = deque()
        # As long as the audio that is appended between two looks: its windows, at most.
        self._wake = asyncio.Event()
        self._closed = False

    def send(self, command: EngineCommand) -> None:
        match command:
            case Configure():
                self._turns.configure(command.session.audio.input.turn_detection)
            case Hear():
                self._found.extend(self._turns.hear(command.pcm, command.at_sample))
            case InputDropped():
                self._turns.reset()
            case TurnCommitted():
                self._turns.committed()
        if self._answers is not None:
            self._answers.on_command(command)
        self._inner.send(command)
        self._begin_answer()
        self._wake.set()

    async def __aiter__(self) -> AsyncIterator[EngineNews]:
        news_of_inner = aiter(self._inner)
        coming = asyncio.ensure_future(anext(news_of_inner))
        try:
            while not self._closed:
                while self._found:
                    yield self._take(self._found.popleft())
                if coming.done():
                    try:
                        news = coming.result()
                    except StopAsyncIteration:
                        return
                    coming = asyncio.ensure_future(anext(news_of_inner))
                    if isinstance(news, TurnJudged):
                        self._turns.judge(news.completeness)
                    elif not isinstance(news, GivesWay):
                        yield self._take(news)
                    continue
                self._wake.clear()
                woken = asyncio.ensure_future(self._wake.wait())
                await asyncio.wait({coming, woken}, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
        finally:
            coming.cancel()

    async def aclose(self) -> None:
        self._closed = True
        self._wake.set()
        await self._inner.aclose()

    def _take(self, news: EngineNews) -> EngineNews:
        if self._answers is not None:
            self._answers.on_news(news)
            self._begin_answer()
        return news

    def _begin_answer(self) -> None:
        if self._answers is not None and (generate := self._answers.next()) is not None:
            self._found.append(EngineBegan(generate.response_id))
            self._inner.send(generate)


class _TurnFinder:
    """The rules of the core, over the level of the sound."""

    def __init__(self) -> None:
        self._detector: TurnDetector | None = None
        self._stream = EnergyDetector().open(self._on_score)
        self._found: list[EngineNews] = []
        self._ended = 0
        """Turns that are over, and whose commit has not come back yet."""

    def configure(self, detection: TurnDetection | None) -> None:
        if detection is None:
            self._detector = None
        elif self._detector is None:
            self._detector = TurnDetector(detection)
            self._stream.reset()
        else:
            self._detector.detection = detection

    def hear(self, pcm: bytes, at_sample: int) -> list[EngineNews]:
        self._stream.feed(pcm, at_sample)
        found, self._found = self._found, []
        return found

    def judge(self, completeness: float) -> None:
        if self._detector is not None:
            self._detector.completeness = completeness

    def committed(self) -> None:
        if self._ended:
            self._ended -= 1
        else:
            self.reset()  # The client's own commit.

    def reset(self) -> None:
        self._stream.reset()
        if self._detector is not None:
            self._detector.reset()

    def _on_score(self, at_sample: int, probability: float) -> None:
        if self._detector is None:
            return
        event = self._detector.score(at_sample, probability)
        if isinstance(event, TurnStarted):
            self._found.append(TurnFound(event.at_sample))
        elif event is not None:
            self._ended += 1
            self._found.append(TurnEnded(event.at_sample))


class _OwnAnswers:
    """When a turn is answered of itself: once it is over, and nothing else is being said."""

    def __init__(self) -> None:
        self._session: AnySession | None = None
        self._running: set[str] = set()
        self._waits = False
        self._numbers = itertools.count(1)

    def on_command(self, command: EngineCommand) -> None:
        match command:
            case Configure():
                self._session = command.session
            case Generate(response_id=response_id, out_of_band=False):
                self._running.add(response_id)
            case StopGenerating(response_id):
                self._running.discard(response_id)

    def on_news(self, news: EngineNews) -> None:
        session = self._session
        detection = None if session is None else session.audio.input.turn_detection
        match news:
            case EngineFinished(response_id) | EngineFailed(response_id):
                self._running.discard(response_id)
            case TurnFound() if detection is not None and detection.interrupt_response:
                self._waits = False
            case TurnEnded() if detection is not None and detection.create_response:
                self._waits = isinstance(session, Session)

    def next(self) -> Generate | None:
        """The answer that begins now, if one does."""
        if not self._waits or self._running or not isinstance(self._session, Session):
            return None
        self._waits = False
        name = f"own_{next(self._numbers)}"
        self._running.add(name)
        return Generate(
            response_id=name,
            items=(),
            instructions=self._session.instructions,
            tools=self._session.tools,
            tool_choice=self._session.tool_choice,
            modality=self._session.output_modalities[0],
        )
