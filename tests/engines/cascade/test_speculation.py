"""Answers of the cascade that are begun before they are asked for."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from antiphon.core.causes import (
    EngineCalled,
    EngineFailed,
    EngineFinished,
    EngineNews,
    EngineSaid,
    EngineSpoke,
    EngineThought,
    EngineWrote,
    Speculated,
)
from antiphon.core.effects import (
    Generate,
    Hear,
    Speculate,
    StopGenerating,
    StopSpeculating,
    TurnBegan,
    TurnCommitted,
)
from antiphon.engines.cascade.draft import MAX_HELD_SAMPLES
from antiphon.engines.cascade.engine import CascadeEngine, CascadeSession, Manner
from antiphon.engines.cascade.llm.offline.brain import OfflineBrain
from antiphon.engines.cascade.parts import CallTool, Mind, SayText, Thinking, Thought
from antiphon.engines.engine import SessionNews
from antiphon.errors import EngineUnavailable
from antiphon.protocol.items import InputAudio, InputText, Message
from antiphon.testing import check_promise, run_in_virtual_time
from antiphon.testing.parts import (
    KnowingRecognizer,
    PlannedBrain,
    SilentSynthesizer,
    echo,
    last_words,
)

HELLO = "What time is it?"


def said(words: str | None, item_id: str = "item_1") -> Message:
    return Message(id=item_id, status="completed", role="user", content=(InputAudio(words),))


def typed(words: str) -> Message:
    return Message(id="item_0", status="completed", role="user", content=(InputText(words),))


def ahead(words: str, **fields: object) -> Speculate:
    return Speculate(Generate(response_id="", items=(said(words),), **fields))  # type: ignore[arg-type]


class Session:
    """One session of a cascade that speculates, and all that it told."""

    def __init__(self, brain: PlannedBrain | None = None, *heard: str) -> None:
        self.brain = brain or PlannedBrain(echo)
        self.voice = SilentSynthesizer()
        engine = CascadeEngine(
            "test",
            "For tests.",
            recognizer=KnowingRecognizer(*heard),
            brain=self.brain,
            synthesizer=self.voice,
            manner=Manner(speculates=True),
        )
        assert engine.abilities.speculates
        self.session: CascadeSession = engine.open("sess_1")
        self.told: list[SessionNews] = []
        self._reading = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        async for news in self.session:
            self.told.append(news)

    async def user_said(self, item_id: str = "item_1") -> None:
        self.session.send(TurnBegan(item_id, 0))
        self.session.send(Hear(bytes(4_800), 0))
        self.session.send(TurnCommitted(item_id, bytes(4_800)))

    async def rests(self) -> None:
        await asyncio.sleep(1)

    async def close(self) -> None:
        await self.session.aclose()
        await self._reading
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left

    def of(self, *kinds: type[EngineNews]) -> list[EngineNews]:
        return [news for news in self.told if isinstance(news, kinds)]

    @property
    def answer(self) -> list[SessionNews]:
        """But for that its words waited to be a clause."""
        return [
            news
            for news in self.told
            if hasattr(news, "response_id") and not isinstance(news, EngineThought)
        ]


def test_what_was_prepared_is_given_when_it_is_asked_for() -> None:
    async def story() -> None:
        one = Session(None, HELLO)
        one.session.send(ahead(HELLO))
        await one.rests()
        assert one.told == []
        assert one.voice.spoken == [f"You said: {HELLO}."]
        await one.user_said()
        one.session.send(Generate(response_id="resp_1", items=(said(None),)))
        await one.rests()
        assert one.of(Speculated) == [Speculated(used=True)]
        assert one.answer[0] == EngineSaid("resp_1", f"You said: {HELLO}.")
        assert one.answer[-1] == EngineFinished("resp_1")
        assert {news.response_id for news in one.answer} == {"resp_1"}  # type: ignore[union-attr]
        assert len(one.voice.spoken) == 1, "it was made once"
        await one.close()

    run_in_virtual_time(story())


@pytest.mark.parametrize(
    "asked",
    [
        Generate(response_id="resp_1", items=(said("What time is it in Rome?"),)),
        Generate(response_id="resp_1", items=(said(HELLO),), instructions="Be brief."),
        Generate(response_id="resp_1", items=(typed("Hi."), said(HELLO))),
    ],
)
def test_what_was_prepared_for_something_else_is_never_heard(asked: Generate) -> None:
    async def story() -> None:
        one = Session(None)
        one.session.send(ahead(HELLO))
        await one.rests()
        one.session.send(asked)
        await one.rests()
        [thrown] = one.of(Speculated)
        assert isinstance(thrown, Speculated)
        assert not thrown.used
        assert thrown.output_tokens > 0
        assert one.answer[0] == EngineSaid("resp_1", f"You said: {last_words(asked)}.")
        assert len(one.voice.spoken) == 2
        await one.close()

    run_in_virtual_time(story())


def test_the_user_goes_on_and_it_is_gone() -> None:
    async def story() -> None:
        counted = Thought(input_tokens=70, output_tokens=9)
        one = Session(PlannedBrain(lambda _: [SayText("It is two."), counted]))
        one.session.send(ahead(HELLO))
        await one.rests()
        one.session.send(StopSpeculating())
        await one.rests()
        assert one.told == [Speculated(used=False, input_tokens=70, output_tokens=9)]
        one.session.send(StopSpeculating())
        await one.rests()
        assert len(one.told) == 1
        await one.close()

    run_in_virtual_time(story())


def test_half_a_thought_is_stopped_at_once_and_estimated() -> None:
    async def story() -> None:
        never = asyncio.Event()
        brain = PlannedBrain(lambda _: [SayText("It is two. "), never, Thought()])
        one = Session(brain)
        one.session.send(ahead(HELLO))
        await one.rests()
        one.session.send(StopSpeculating())
        await one.rests()
        assert one.told == [Speculated(used=False, output_tokens=3)]
        assert brain.closed_thoughts == 1
        await one.close()

    run_in_virtual_time(story())


def test_a_tool_is_called_only_once_it_is_asked_for() -> None:
    async def story() -> None:
        brain = PlannedBrain(lambda _: [CallTool("call_1", "open_door", "{}"), Thought()])
        one = Session(brain)
        one.session.send(ahead("Open the door."))
        await one.rests()
        assert one.told == []
        one.session.send(Generate(response_id="resp_1", items=(said("Open the door."),)))
        await one.rests()
        assert one.of(EngineCalled) == [EngineCalled("resp_1", "call_1", "open_door", "{}")]
        await one.close()

    run_in_virtual_time(story())


def test_an_answer_that_failed_unasked_is_tried_again() -> None:
    async def story() -> None:
        tries: list[str] = []

        def plan(_: Generate) -> Iterable[Thinking]:
            tries.append("")
            if len(tries) == 1:
                raise EngineUnavailable("model", "it is busy")
            return [SayText("Two."), Thought()]

        one = Session(PlannedBrain(plan))
        one.session.send(ahead(HELLO))
        await one.rests()
        one.session.send(Generate(response_id="resp_1", items=(said(HELLO),)))
        await one.rests()
        assert one.of(EngineFailed) == []
        assert one.of(EngineSaid) == [EngineSaid("resp_1", "Two.")]
        await one.close()

    run_in_virtual_time(story())


def test_a_fault_of_ours_in_it_is_told_to_those_who_asked() -> None:
    async def story() -> None:
        wait = asyncio.Event()

        def plan(_: Generate) -> Iterable[Thinking | asyncio.Event]:
            yield wait
            raise ZeroDivisionError

        one = Session(PlannedBrain(plan))
        one.session.send(ahead(HELLO))
        one.session.send(Generate(response_id="resp_1", items=(said(HELLO),)))
        await one.rests()
        wait.set()
        await one.rests()
        [failed] = one.of(EngineFailed)
        assert isinstance(failed, EngineFailed)
        assert failed.response_id == "resp_1"
        await one.close()

    run_in_virtual_time(story())


def test_no_more_is_spoken_ahead_than_is_kept() -> None:
    async def story() -> None:
        sentence = " ".join(["word"] * 30) + ". "
        one = Session(PlannedBrain(lambda _: [SayText(sentence * 10), Thought()]))
        one.session.send(ahead(HELLO))
        await one.rests()
        assert len(one.voice.spoken) == 1, "three seconds each, two are kept"
        one.session.send(Generate(response_id="resp_1", items=(said(HELLO),)))
        await one.rests()
        spoken = sum(len(n.pcm) // 2 for n in one.of(EngineSpoke) if isinstance(n, EngineSpoke))
        assert spoken == 10 * 30 * 2_400 > MAX_HELD_SAMPLES
        await one.close()

    run_in_virtual_time(story())


def test_a_given_answer_stops_like_any_other() -> None:
    async def story() -> None:
        never = asyncio.Event()
        brain = PlannedBrain(lambda _: [SayText("It is two. "), never, Thought()])
        one = Session(brain)
        one.session.send(ahead(HELLO))
        await one.rests()
        one.session.send(Generate(response_id="resp_1", items=(said(HELLO),)))
        await one.rests()
        one.session.send(StopGenerating("resp_1"))
        await one.rests()
        told = len(one.told)
        assert brain.closed_thoughts == 1
        never.set()
        await one.rests()
        assert len(one.told) == told
        assert one.of(Speculated) == [Speculated(used=True)]
        await one.close()

    run_in_virtual_time(story())


def test_an_answer_that_is_stopped_before_its_words_are_known_takes_the_draft_along() -> None:
    async def story() -> None:
        one = Session(None, HELLO)
        one.session.send(ahead(HELLO))
        one.session.send(Generate(response_id="resp_1", items=(said(HELLO),)))
        one.session.send(StopGenerating("resp_1"))
        await one.rests()
        [thrown] = one.told
        assert isinstance(thrown, Speculated)
        assert not thrown.used
        await one.close()

    run_in_virtual_time(story())


def test_an_answer_beside_the_conversation_leaves_it_alone() -> None:
    async def story() -> None:
        one = Session(None)
        one.session.send(ahead(HELLO))
        beside = Generate(
            response_id="resp_0", items=(said(HELLO),), modality="text", out_of_band=True
        )
        one.session.send(beside)
        await one.rests()
        assert one.of(Speculated) == []
        assert len(one.of(EngineWrote)) == 1
        one.session.send(Generate(response_id="resp_1", items=(said(HELLO),)))
        await one.rests()
        assert one.of(Speculated) == [Speculated(used=True)]
        await one.close()

    run_in_virtual_time(story())


def test_a_session_that_closes_leaves_nothing_of_it() -> None:
    async def story() -> None:
        one = Session(PlannedBrain(lambda _: [SayText("Two. "), asyncio.Event()]))
        one.session.send(ahead(HELLO))
        await one.rests()
        await one.close()

    run_in_virtual_time(story())


Script = Sequence[tuple[str, bool, bool]]
"""For each turn: what is said, whether its words were foreseen, whether the user went on first."""


async def _heard(script: Script, *, speculates: bool) -> list[SessionNews]:
    one = Session(None)
    for turn, (words, foreseen, goes_on) in enumerate(script):
        item_id = f"item_{turn}"
        guess = words if foreseen else f"{words} or"
        if speculates:
            one.session.send(Speculate(Generate(response_id="", items=(said(guess, item_id),))))
            await asyncio.sleep(0.01)
        if speculates and goes_on:
            one.session.send(StopSpeculating())
        request = Generate(response_id=f"resp_{turn}", items=(said(words, item_id),))
        one.session.send(request)
        await one.rests()
    await one.close()
    return one.answer


@settings(max_examples=40, derandomize=True, deadline=None, database=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["Yes.", "One. Two.", "No."]), st.booleans(), st.booleans()),
        max_size=4,
    )
)
def test_what_is_heard_is_the_same_with_it_and_without(script: Script) -> None:
    ahead_ = run_in_virtual_time(_heard(script, speculates=True))
    assert ahead_ == run_in_virtual_time(_heard(script, speculates=False))


def test_it_keeps_the_promises_of_one_that_speculates() -> None:
    def cascade() -> CascadeEngine:
        return CascadeEngine(
            "test",
            "For tests.",
            recognizer=KnowingRecognizer(),
            brain=PlannedBrain(echo),
            synthesizer=SilentSynthesizer(),
            manner=Manner(speculates=True),
        )

    for promise in (
        "what is begun early is told when it is asked for",
        "send takes whatever a client may ask for",
        "nothing is left behind",
    ):
        run_in_virtual_time(check_promise(promise, cascade))


async def _thoughts(mind: Mind, *words: str) -> list[Thinking]:
    """Of the last of ``words``, all of them of one and the same turn."""
    thoughts: list[Thinking] = []
    for text in words:
        request = Generate(response_id="", items=(said("Hello.", "item_0"), said(text)))
        thoughts = [thought async for thought in mind.think(request)]
    return thoughts


@pytest.mark.parametrize(
    ("guess", "words"),
    [
        ("Can you", "Can you hear me?"),
        ("Set a timer for five minutes.", "Set a timer for five minutes and ten seconds."),
        ("My name is", "My name is Ada."),
        ("Tell me a joke.", "Tell me a joke about cats."),
    ],
)
async def test_the_offline_brain_forgets_what_it_thought_of_half_a_turn(
    guess: str, words: str
) -> None:
    def mind() -> Mind:
        return OfflineBrain(new_random=lambda: random.Random(3)).open("sess_1")

    assert await _thoughts(mind(), guess, words) == await _thoughts(mind(), words)


def test_another_draft_takes_the_place_of_the_first() -> None:
    async def story() -> None:
        one = Session(None)
        one.session.send(ahead("What time"))
        one.session.send(ahead(HELLO))
        await one.rests()
        one.session.send(replace(ahead(HELLO).request, response_id="resp_1"))
        await one.rests()
        used = [news.used for news in one.of(Speculated) if isinstance(news, Speculated)]
        assert used == [False, True]
        await one.close()

    run_in_virtual_time(story())
