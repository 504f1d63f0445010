"""The kit, on an engine that keeps its promises and on some that each break one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest
from msgspec import structs

from antiphon.core.causes import (
    EngineBegan,
    EngineCalled,
    EngineFinished,
    EngineNews,
    EngineSaid,
    EngineSpoke,
    EngineWrote,
    TranscriptEnded,
    TurnEnded,
    TurnFound,
    TurnJudged,
    Word,
)
from antiphon.core.effects import (
    EngineCommand,
    Generate,
    Hear,
    Speculate,
    StopGenerating,
    TurnCommitted,
)
from antiphon.engines.engine import Abilities, Engine, EngineSession
from antiphon.engines.scripted import (
    Beat,
    Call,
    Fail,
    Finish,
    Hearing,
    Player,
    Reply,
    Script,
    ScriptedEngine,
    ScriptedSession,
    Speak,
    Write,
)
from antiphon.testing import CHECKS, PromiseBroken, check_engine, check_promise, run_in_virtual_time
from antiphon.testing.duplex_engine import DuplexEngine

LONG: Reply = (Speak(ms=3000, text="one two three four five six", paced=True),)


@pytest.mark.parametrize(
    "script",
    [
        Script(),
        Script(replies=(LONG,)),
        Script(replies=((Speak(ms=90, text="Well."), Call(name="f"), Speak(ms=90, text="So.")),)),
        Script(hears=(Hearing(grows=("a ", "b"), text="a b", completeness=0.5),)),
    ],
)
def test_the_scripted_engine_keeps_its_promises(script: Script) -> None:
    run_in_virtual_time(check_engine(lambda: ScriptedEngine(script)))


def test_one_that_does_not_speak_keeps_them_too() -> None:
    script = Script(replies=((Write(text="Well, well."),),))
    run_in_virtual_time(check_engine(lambda: ScriptedEngine(script, speaks=False)))


def test_they_hold_in_real_time() -> None:
    script = Script(replies=((Speak(ms=200, text="one two", delta_ms=20, paced=True),),))
    asyncio.run(
        check_promise("StopGenerating is obeyed within 100 ms", lambda: ScriptedEngine(script))
    )


@pytest.mark.parametrize("begins", [False, True])
def test_an_engine_that_finds_turns_keeps_them(begins: bool) -> None:
    script = Script(hears=(Hearing(text="a b", completeness=0.9),))
    run_in_virtual_time(check_engine(lambda: DuplexEngine(ScriptedEngine(script), begins=begins)))


# --- Engines that break one promise each ----------------------------------------


class Session(ScriptedSession):
    """A scripted session that a test makes worse."""

    def __init__(self, script: Script) -> None:
        super().__init__(Player(script), Beat())
        self.sent: list[EngineCommand] = []

    def send(self, command: EngineCommand) -> None:
        self.sent.append(command)
        super().send(command)


class Broken(ScriptedEngine):
    def __init__(
        self, session: Callable[[Script], EngineSession], script: Script, **abilities: bool
    ) -> None:
        super().__init__(script, name="broken")
        self._open = session
        self._broken_script = script
        self._stated = Abilities(**abilities)  # type: ignore[arg-type]

    @property
    def abilities(self) -> Abilities:
        return self._stated

    def open(self, session_id: str) -> EngineSession:  # type: ignore[override]
        return self._open(self._broken_script)


SPECULATES = "what is begun early is told when it is asked for"


class TellsEarly(Session):
    """Answers a `Speculate` at once."""

    def send(self, command: EngineCommand) -> None:
        if isinstance(command, Speculate):
            command = structs.replace(command.request, response_id="resp_0")
        super().send(command)


@pytest.mark.parametrize(
    ("session", "complaint"),
    [
        (TellsEarly, "EngineSaid of a response nobody asked for"),
        (Session, "Speculated, as it was used, did not come"),
    ],
)
def test_an_engine_that_only_says_that_it_speculates_is_found(
    session: Callable[[Script], EngineSession], complaint: str
) -> None:
    async def check() -> None:
        engine = Broken(session, Script(replies=(LONG,)), speculates=True)
        with pytest.raises(PromiseBroken) as raised:
            await check_promise(SPECULATES, lambda: engine)
        assert complaint in str(raised.value)

    run_in_virtual_time(check())


def saying(*news: EngineNews, then: bool = True) -> type[Session]:
    """Says this at each Generate, and then what it should."""

    class Says(Session):
        async def __aiter__(self) -> AsyncIterator[EngineNews]:
            async for one in super().__aiter__():
                if isinstance(one, EngineFinished) and one.response_id == "resp_1":
                    for extra in news:
                        yield extra
                    if not then:
                        continue
                yield one

    return Says


class EndsTwice(Session):
    async def __aiter__(self) -> AsyncIterator[EngineNews]:
        async for news in super().__aiter__():
            yield news
            if isinstance(news, EngineFinished):
                yield news


class NeverEnds(Session):
    async def __aiter__(self) -> AsyncIterator[EngineNews]:
        async for news in super().__aiter__():
            if not isinstance(news, EngineFinished):
                yield news


class DoesNotStop(Session):
    def send(self, command: EngineCommand) -> None:
        if not isinstance(command, StopGenerating):
            super().send(command)


class GivesUpAfterAnAnswer(Session):
    async def __aiter__(self) -> AsyncIterator[EngineNews]:
        async for news in super().__aiter__():
            yield news
            if isinstance(news, EngineFinished):
                return


class StillIteratesAfterClose(Session):
    async def aclose(self) -> None:
        pass


class Raises(Session):
    def send(self, command: EngineCommand) -> None:
        if isinstance(command, Generate) and not command.items:
            raise ValueError("nothing to answer")
        super().send(command)


class RaisesWhileIterating(Session):
    async def __aiter__(self) -> AsyncIterator[EngineNews]:
        async for news in super().__aiter__():
            yield news
            raise ConnectionError("the model hung up")


class RaisesAfterClose(Session):
    closed = False

    def send(self, command: EngineCommand) -> None:
        if self.closed:
            raise RuntimeError("closed")
        super().send(command)

    async def aclose(self) -> None:
        self.closed = True
        await super().aclose()


class Blocks(Session):
    def send(self, command: EngineCommand) -> None:
        if isinstance(command, Generate):
            time.sleep(0.06)
        super().send(command)


class Deaf(Session):
    def send(self, command: EngineCommand) -> None:
        if not isinstance(command, TurnCommitted):
            super().send(command)


class HearsTwice(Session):
    async def __aiter__(self) -> AsyncIterator[EngineNews]:
        async for news in super().__aiter__():
            yield news
            if isinstance(news, TranscriptEnded):
                yield news


class JudgesWithoutSaying(Session):
    async def __aiter__(self) -> AsyncIterator[EngineNews]:
        async for news in super().__aiter__():
            if isinstance(news, TranscriptEnded):
                yield TurnJudged(news.item_id, 0.5)
            yield news


class IgnoresToolChoice(Session):
    def send(self, command: EngineCommand) -> None:
        if isinstance(command, Generate):
            command = Generate(
                response_id=command.response_id, items=command.items, modality=command.modality
            )
        super().send(command)


class OneAtATime(Session):
    """A second response drops the first."""

    def send(self, command: EngineCommand) -> None:
        if isinstance(command, Generate):
            for earlier in self.sent:
                if isinstance(earlier, Generate):
                    super().send(StopGenerating(earlier.response_id))
        super().send(command)


class Leaks(Session):
    tasks: set[asyncio.Task[None]] = set()  # noqa: RUF012 -- It leaks on purpose.

    def send(self, command: EngineCommand) -> None:
        if isinstance(command, Hear):
            task = asyncio.get_running_loop().create_task(asyncio.sleep(60), name="leaked")
            self.tasks.add(task)
        super().send(command)


ONE = "resp_1"
BROKEN: list[tuple[str, Callable[[Script], EngineSession], str]] = [
    ("each Generate ends exactly once", EndsTwice, "EngineFinished after resp_0 had ended"),
    ("each Generate ends exactly once", NeverEnds, "the end of resp_0 did not come in"),
    ("it answers as its abilities say", saying(EngineSpoke(ONE, b"abc")), "no whole samples"),
    (
        "it answers as its abilities say",
        saying(EngineSpoke(ONE, b"ab", (Word(99, 72_000),))),
        "a word mark at character 99 of",
    ),
    (
        "it answers as its abilities say",
        saying(EngineSpoke(ONE, b"ab", (Word(27, 10**9),))),
        "a word mark at sample 1000000000 of",
    ),
    (
        "it answers as its abilities say",
        saying(EngineSpoke(ONE, b"ab", (Word(3, 1), Word(2, 1)))),
        "word marks go back",
    ),
    ("it answers as its abilities say", saying(EngineSaid("resp_7", "x")), "nobody asked for"),
    (
        "it answers as its abilities say",
        saying(EngineCalled(ONE, "call_1", "f", "{", ended=True)),
        "are no JSON",
    ),
    (
        "it answers as its abilities say",
        saying(EngineCalled(ONE, "call/1", "f", "{}")),
        "call_id 'call/1'",
    ),
    (
        "it answers as its abilities say",
        saying(EngineCalled(ONE, "call_1", "f", "{", ended=False)),
        "call 'call_1' was never ended",
    ),
    (
        "it answers as its abilities say",
        saying(EngineCalled(ONE, "c", "f", "{}"), EngineCalled(ONE, "c", "f", "")),
        "goes on after its end",
    ),
    ("it answers as its abilities say", RaisesWhileIterating, "iteration raised ConnectionError"),
    ("StopGenerating is obeyed within 100 ms", DoesNotStop, "news more than 100 ms after"),
    (
        "iteration ends with aclose, and only then",
        GivesUpAfterAnAnswer,
        "iteration ended before aclose()",
    ),
    (
        "iteration ends with aclose, and only then",
        StillIteratesAfterClose,
        "iteration goes on 1.0 s after aclose()",
    ),
    ("iteration ends with aclose, and only then", RaisesAfterClose, "after aclose() raised"),
    ("send takes whatever a client may ask for", Raises, "send(Generate) raised ValueError"),
    ("each Generate ends exactly once", Blocks, "send(Generate) took"),
    ("each committed turn has one transcript", Deaf, "the transcript of item_1 did not come"),
    ("each committed turn has one transcript", HearsTwice, "had ended"),
    ("each committed turn has one transcript", JudgesWithoutSaying, "without the ability"),
    ("a forced tool is called", IgnoresToolChoice, "expected a call of"),
    ("responses and sessions run side by side", OneAtATime, "the end of resp_2 did not come"),
    ("nothing is left behind", Leaks, "these tasks of the session still run: ['leaked'"),
]


@pytest.mark.parametrize(
    ("promise", "session", "complaint"),
    BROKEN,
    ids=[f"{getattr(session, '__name__', '')}-{words[:24]}" for _, session, words in BROKEN],
)
def test_a_broken_promise_is_found(
    promise: str, session: Callable[[Script], EngineSession], complaint: str
) -> None:
    script = Script(replies=(LONG,))

    async def check() -> None:
        try:
            with pytest.raises(PromiseBroken, match="engine 'broken': ") as raised:
                await check_promise(promise, lambda: Broken(session, script))
            assert f": {promise}: " in str(raised.value)
            assert complaint in str(raised.value)
        finally:
            for task in Leaks.tasks:
                task.cancel()
            Leaks.tasks.clear()

    run_in_virtual_time(check())


def test_a_voice_that_was_not_announced_is_found() -> None:
    async def check() -> None:
        with pytest.raises(PromiseBroken, match=r"does not speak|modality is text"):
            await check_engine(lambda: Broken(SpeaksAnyway, Script(replies=(LONG,)), speaks=False))

    run_in_virtual_time(check())


class SpeaksAnyway(Session):
    async def __aiter__(self) -> AsyncIterator[EngineNews]:
        async for news in super().__aiter__():
            if isinstance(news, EngineWrote):
                yield EngineSpoke(news.response_id, b"ab")
            yield news


def test_a_failed_answer_is_no_answer() -> None:
    async def check() -> None:
        script = Script(replies=((Fail(message="no model"), Finish()),))
        with pytest.raises(PromiseBroken, match="a plain question failed"):
            await check_engine(lambda: ScriptedEngine(script))

    run_in_virtual_time(check())


FINDS_TURNS = "turns are found, and answered, as its abilities say"


class Finder(ScriptedEngine):
    """Finds turns, by its own account; ``news`` is all that comes of what it hears."""

    abilities = Abilities(finds_turns=True, full_duplex=True, takes_images=True)

    def __init__(self, *news: EngineNews) -> None:
        super().__init__(name="broken")
        self._session = saying_at_once(*news)

    def open(self, session_id: str) -> ScriptedSession:
        return self._session(Script())


def saying_at_once(*news: EngineNews) -> type[Session]:
    class Says(Session):
        def __init__(self, script: Script) -> None:
            super().__init__(script)
            self._spoken_to = asyncio.Event()

        def send(self, command: EngineCommand) -> None:
            super().send(command)
            if sum(isinstance(sent, Hear) for sent in self.sent) == 60:
                self._spoken_to.set()  # The second of silence before has 50.

        async def __aiter__(self) -> AsyncIterator[EngineNews]:
            await self._spoken_to.wait()
            for one in news:
                yield one
            async for one in super().__aiter__():
                yield one

    return Says


@pytest.mark.parametrize(
    ("engine", "complaint"),
    [
        (Finder(), "TurnFound, while the user speaks, did not come"),
        (Finder(TurnFound()), "TurnEnded, in the silence after, did not come"),
        (Finder(TurnEnded()), "TurnEnded of a turn that it had not found"),
        (Finder(TurnFound(), TurnFound()), "TurnFound twice: turns do not overlap"),
        (Finder(TurnFound(), TurnEnded()), "EngineBegan, after a turn, did not come"),
        (Finder(EngineBegan("a"), EngineBegan("a")), "another response has that name"),
        (
            Finder(TurnFound(), TurnEnded(), EngineBegan("a"), EngineFinished("b")),
            "nobody asked for: 'b'",
        ),
    ],
)
def test_turns_that_are_not_found_as_promised(engine: Engine, complaint: str) -> None:
    async def check() -> None:
        with pytest.raises(PromiseBroken) as raised:
            await check_promise(FINDS_TURNS, lambda: engine)
        assert complaint in str(raised.value)

    run_in_virtual_time(check())


@pytest.mark.parametrize("news", [TurnFound(), TurnEnded(), EngineBegan("theirs")])
def test_news_of_turns_needs_the_ability(news: EngineNews) -> None:
    async def check() -> None:
        with pytest.raises(PromiseBroken, match="without the ability"):
            await check_engine(lambda: Broken(saying(news), Script(replies=(LONG,))))

    run_in_virtual_time(check())


def test_every_check_finds_some_broken_engine() -> None:
    assert {promise for promise, _, _ in BROKEN} | {FINDS_TURNS, SPECULATES} == set(CHECKS)


def test_checks_can_be_left_out() -> None:
    async def check() -> None:
        engine: Callable[[], Engine] = lambda: Broken(  # noqa: E731
            IgnoresToolChoice, Script(replies=(LONG,))
        )
        await check_engine(engine, skip={"a forced tool is called"})

    run_in_virtual_time(check())
