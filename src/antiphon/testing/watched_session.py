"""A session of an engine, watched: its news is collected, and judged as it comes."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from antiphon.core.causes import (
    MEDIA_RATE_HZ,
    EngineBegan,
    EngineCalled,
    EngineCounted,
    EngineErred,
    EngineFailed,
    EngineFinished,
    EngineLost,
    EngineNews,
    EngineSaid,
    EngineSpoke,
    EngineThought,
    EngineWrote,
    PartFailed,
    RateLimitsChanged,
    Speculated,
    TranscriptEnded,
    TranscriptFailed,
    TranscriptGrew,
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
    Speculate,
    TurnBegan,
    TurnCommitted,
)
from antiphon.engines.engine import Engine, EngineSession, GivesWay
from antiphon.protocol.session import Session
from antiphon.testing.promises import SETTLE_S, Promise, PromiseBroken

CLOSE_WITHIN_S = 1.0
CHUNK_BYTES = 2 * MEDIA_RATE_HZ // 50


@dataclass
class Bench(Promise):
    """What a check works with."""

    check: str
    engine: Engine
    speech: bytes
    patience_s: float

    @property
    def subject(self) -> str:
        return f"engine '{self.engine.name}'"

    def open(self) -> Observed:
        return Observed(self)


# --- One session, watched -----------------------------------------------------


class Observed:
    """A session whose news is collected, and judged as it comes."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.news: list[tuple[float, EngineNews]] = []
        """With the loop's time at which each came."""
        self._judge = Judge(bench)
        self._came = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> Self:
        self._session: EngineSession = self._bench.engine.open("sess_check")
        self._reader = self._loop.create_task(self._read(), name="check_engine's reader")
        self._reader.add_done_callback(lambda _: self._came.set())
        self.send(Configure(Session(id="sess_check", model="check", expires_at=2**31)))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await asyncio.wait_for(self._session.aclose(), CLOSE_WITHIN_S)
            await asyncio.wait({self._reader}, timeout=CLOSE_WITHIN_S)
            if kind is None:
                self._require_end()
                self._raise_what_reading_raised()
                self._judge.sum_up()
        except TimeoutError:
            self._bench.late(f"aclose() takes longer than {CLOSE_WITHIN_S} s")
        finally:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    def send(self, command: EngineCommand) -> None:
        self._judge.on_command(command)
        with self._bench.at_once(f"send({type(command).__name__})"):
            self._session.send(command)

    async def until(self, come: Callable[[], bool], what: str) -> None:
        """Wait for news."""
        deadline = self._loop.time() + self._bench.patience_s
        while not come():
            self._raise_what_reading_raised()
            self._bench.require(
                not self._reader.done(), "iteration ended, though aclose() was not called"
            )
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), deadline - self._loop.time())
            except TimeoutError:
                self._bench.fail(f"{what} did not come in {self._bench.patience_s} s")

    async def answer(self, response_id: str = "resp_1") -> None:
        await self.until(lambda: self.has_ended(response_id), f"the end of {response_id}")

    async def settle(self) -> None:
        await asyncio.sleep(SETTLE_S)
        self._raise_what_reading_raised()

    async def microphone(self, pcm: bytes, at_sample: int) -> int:
        """An open microphone, as it comes; returns where it ends."""
        for at in range(0, len(pcm), CHUNK_BYTES):
            chunk = pcm[at : at + CHUNK_BYTES]
            self.send(Hear(chunk, at_sample))
            at_sample += len(chunk) // 2
            await asyncio.sleep(0)
        return at_sample

    async def turn(self, item_id: str, *, announced: bool = True) -> None:
        """A user's turn, as the core tells of it."""
        speech = self._bench.speech
        if announced:
            self.send(TurnBegan(item_id, 0))
            await self.microphone(speech, 0)
        self.send(TurnCommitted(item_id, speech))

    def has_ended(self, response_id: str) -> bool:
        return bool(self.of(response_id, EngineFinished | EngineFailed))

    def of(self, response_id: str, kind: Any = object) -> list[Any]:
        """The news of one response."""
        return [
            news
            for _, news in self.news
            if getattr(news, "response_id", None) == response_id and isinstance(news, kind)
        ]

    async def close_now(self) -> EngineSession:
        await self._session.aclose()
        await asyncio.wait({self._reader}, timeout=CLOSE_WITHIN_S)
        self._require_end()
        return self._session

    def _require_end(self) -> None:
        if not self._reader.done():
            self._bench.late(f"iteration goes on {CLOSE_WITHIN_S} s after aclose()")

    @property
    def reading_has_ended(self) -> bool:
        return self._reader.done()

    async def _read(self) -> None:
        async for news in self._session:
            if isinstance(news, GivesWay):
                continue  # Nobody is there who could take over.
            self.news.append((self._loop.time(), news))
            self._judge.on_news(news)
            self._came.set()

    def _raise_what_reading_raised(self) -> None:
        if not self._reader.done() or self._reader.cancelled():
            return
        error = self._reader.exception()
        if isinstance(error, PromiseBroken):
            raise error
        if error is not None:
            raise PromiseBroken(
                f"engine '{self._bench.engine.name}': {self._bench.check}: "
                f"iteration raised {error!r}"
            ) from error


# --- What holds for all news, always -------------------------------------------


@dataclass
class _Spoken:
    """The spoken item that is open in a response."""

    characters: int = 0
    samples: int = 0
    text_end: int = 0
    end_sample: int = 0


class _Answer:
    """What came of one response."""

    def __init__(self, command: Generate) -> None:
        self.command = command
        self.ended = False
        self.spoken = _Spoken()
        self.calls: dict[str, list[EngineCalled]] = {}


class Judge:
    """Watches the news of one session."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._answers: dict[str, _Answer] = {}
        self._turns: dict[str, Literal["begun", "committed", "known"]] = {}
        self._in_turn: bool | None = False
        """The engine has found that the user speaks; None: a commit of ours may have crossed."""
        self._speculations = 0
        """Begun, and not told what became of them."""

    def on_command(self, command: EngineCommand) -> None:
        match command:
            case Generate():
                self._answers[command.response_id] = _Answer(command)
            case TurnBegan():
                self._turns[command.item_id] = "begun"
            case TurnCommitted():
                self._turns[command.item_id] = "committed"
                self._in_turn = None
            case InputDropped():
                self._in_turn = None
            case Speculate():
                self._speculations += 1
            case _:
                pass

    def on_news(self, news: EngineNews) -> None:
        match news:
            case TranscriptGrew() | TranscriptEnded() | TranscriptFailed() | TurnJudged():
                self._on_turn(news)
            case TurnFound() | TurnEnded():
                self._on_found(isinstance(news, TurnFound))
            case EngineBegan():
                self._on_beginning(news)
            case Speculated():
                self._speculations -= 1
                self._bench.require(self._speculations >= 0, "Speculated, and nothing was begun")
            case (
                RateLimitsChanged()
                | EngineErred()
                | EngineCounted()
                | EngineThought()
                | PartFailed()
            ):
                pass  # At any time, and nothing ends with it.
            case EngineLost():
                self._bench.fail(f"the engine was lost: {news.message}")
            case _:
                self._on_answer(news)

    def sum_up(self) -> None:
        """At the end of a session that had time to say all."""
        for answer in self._answers.values():
            if answer.ended:  # One that was stopped may have marked words it never spoke.
                self._check_words(answer)

    def _on_turn(
        self, news: TranscriptGrew | TranscriptEnded | TranscriptFailed | TurnJudged
    ) -> None:
        require, name = self._bench.require, type(news).__name__
        state = self._turns.get(news.item_id)
        require(state is not None, f"{name} of a turn that never was: '{news.item_id}'")
        if isinstance(news, TurnJudged):
            require(0 <= news.completeness <= 1, f"completeness {news.completeness} is not 0 to 1")
            judges = self._bench.engine.abilities.judges_turns
            require(judges, "TurnJudged from an engine without the ability judges_turns")
            return
        require(state != "known", f"{name} after the transcript of '{news.item_id}' had ended")
        if not isinstance(news, TranscriptGrew):
            require(state == "committed", f"{name} of '{news.item_id}', which is not committed")
            self._turns[news.item_id] = "known"

    def _on_found(self, begins: bool) -> None:
        require, name = self._bench.require, "TurnFound" if begins else "TurnEnded"
        finds = self._bench.engine.abilities.finds_turns
        require(finds, f"{name} from an engine without the ability finds_turns")
        if self._in_turn is not None:
            require(not (begins and self._in_turn), "TurnFound twice: turns do not overlap")
            require(begins or self._in_turn, "TurnEnded of a turn that it had not found")
        self._in_turn = begins

    def _on_beginning(self, news: EngineBegan) -> None:
        require, name = self._bench.require, news.response_id
        duplex = self._bench.engine.abilities.full_duplex
        require(duplex, "EngineBegan from an engine without the ability full_duplex")
        require(name not in self._answers, f"EngineBegan('{name}'): another response has that name")
        modality: Literal["audio", "text"] = (
            "audio" if self._bench.engine.abilities.speaks else "text"
        )
        self._answers[name] = _Answer(Generate(response_id=name, items=(), modality=modality))

    def _on_answer(
        self,
        news: EngineSaid | EngineSpoke | EngineWrote | EngineCalled | EngineFinished | EngineFailed,
    ) -> None:
        require, name = self._bench.require, type(news).__name__
        answer = self._answers.get(news.response_id)
        if answer is None:
            self._bench.fail(f"{name} of a response nobody asked for: '{news.response_id}'")
            return
        require(not answer.ended, f"{name} after {news.response_id} had ended")
        match news:
            case EngineFinished() | EngineFailed():
                answer.ended = True
                for call_id, pieces in answer.calls.items():
                    done = pieces[-1].ended or isinstance(news, EngineFailed) or news.reason
                    require(bool(done), f"call '{call_id}' was never ended")
            case EngineSpoke():
                self._on_speech(answer, news)
            case EngineSaid():
                self._check_may_speak(answer, name)
                answer.spoken.characters += len(news.text)
            case EngineWrote():
                self._check_words(answer)
            case EngineCalled():
                self._check_words(answer)
                self._on_call(answer, news)

    def _on_speech(self, answer: _Answer, news: EngineSpoke) -> None:
        require, spoken = self._bench.require, answer.spoken
        self._check_may_speak(answer, "EngineSpoke")
        text_only = answer.command.modality == "text"
        require(not text_only, "EngineSpoke in a response whose modality is text")
        require(len(news.pcm) % 2 == 0, f"{len(news.pcm)} bytes of pcm are no whole samples")
        spoken.samples += len(news.pcm) // 2
        for word in news.words:
            forward = word.text_end >= spoken.text_end and word.end_sample >= spoken.end_sample
            require(
                forward,
                f"word marks go back: {word} after ({spoken.text_end}, {spoken.end_sample})",
            )
            spoken.text_end, spoken.end_sample = word.text_end, word.end_sample

    def _check_may_speak(self, answer: _Answer, name: str) -> None:
        speaks = self._bench.engine.abilities.speaks
        voiced = answer.command.modality == "audio"
        self._bench.require(speaks or not voiced, f"{name} from an engine that does not speak")

    def _check_words(self, answer: _Answer) -> None:
        """The spoken item is over: its marks must lie within it."""
        spoken, answer.spoken = answer.spoken, _Spoken()
        self._bench.require(
            spoken.text_end <= spoken.characters,
            f"a word mark at character {spoken.text_end} of {spoken.characters}",
        )
        self._bench.require(
            spoken.end_sample <= spoken.samples,
            f"a word mark at sample {spoken.end_sample} of {spoken.samples}",
        )

    def _on_call(self, answer: _Answer, news: EngineCalled) -> None:
        require = self._bench.require
        pieces = answer.calls.setdefault(news.call_id, [])
        valid = re.fullmatch(r"[A-Za-z0-9_-]{1,32}", news.call_id)
        require(valid is not None, f"call_id '{news.call_id}' is not 1 to 32 of A-Za-z0-9_-")
        require(not pieces or not pieces[-1].ended, f"call '{news.call_id}' goes on after its end")
        same = not pieces or pieces[0].name == news.name
        require(same, f"call '{news.call_id}' changes its name to '{news.name}'")
        pieces.append(news)
        if news.ended:
            arguments = "".join(piece.arguments for piece in pieces)
            try:
                json.loads(arguments)
            except ValueError:
                self._bench.fail(f"the arguments of '{news.name}' are no JSON: {arguments!r}")
