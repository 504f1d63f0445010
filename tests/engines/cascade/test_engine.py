from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import Any

import pytest

from antiphon.core.causes import (
    EngineCalled,
    EngineFailed,
    EngineFinished,
    EngineNews,
    EngineSaid,
    EngineSpoke,
    EngineThought,
    EngineWrote,
    PartFailed,
    TranscriptEnded,
    TranscriptFailed,
    TranscriptGrew,
    TurnJudged,
    Word,
)
from antiphon.core.effects import (
    Configure,
    Generate,
    Hear,
    InputDropped,
    StopGenerating,
    TurnBegan,
    TurnCommitted,
)
from antiphon.engines.cascade.completeness import COMPLETE, NOTHING_YET, UNDECIDED, UNFINISHED
from antiphon.engines.cascade.engine import CascadeEngine, CascadeSession, Manner
from antiphon.engines.cascade.news import MAX_WAITING
from antiphon.engines.cascade.parts import (
    CallTool,
    SayText,
    Speech,
    Thinking,
    Thought,
    Transcript,
)
from antiphon.engines.engine import Engine, GivesWay
from antiphon.engines.scripted import Script, ScriptedEngine, Speak
from antiphon.errors import EngineUnavailable
from antiphon.protocol.items import InputAudio, InputText, Message
from antiphon.protocol.session import Audio, AudioInput, Session, Transcription
from antiphon.runtime.hub import Hub
from antiphon.testing.parts import KnowingRecognizer, PlannedBrain, SilentSynthesizer, echo
from antiphon.testing.virtual_loop import run_in_virtual_time
from tests.engines.relay.caller import Caller

HELLO = Message(id="item_1", role="user", content=(InputText("hello"),))
SPOKEN = Message(id="item_1", role="user", content=(InputAudio(),))


class Cascade:
    """A cascade of known parts, and one session of it."""

    def __init__(
        self,
        brain: PlannedBrain | None = None,
        *texts: str | Transcript | EngineUnavailable,
        follows_language: bool = False,
    ) -> None:
        self.recognizer = KnowingRecognizer(*texts)
        self.brain = brain or PlannedBrain(echo)
        self.synthesizer = SilentSynthesizer()
        engine = CascadeEngine(
            "test",
            "For tests.",
            recognizer=self.recognizer,
            brain=self.brain,
            synthesizer=self.synthesizer,
            manner=Manner(follows_language=follows_language),
        )
        self.gave_way: list[GivesWay] = []
        self.thought_of: list[str] = []
        self.session: CascadeSession = engine.open("sess_1")
        self.session.send(Configure(Session(id="sess_1", model="m", expires_at=0)))

    async def news(self, until: type[EngineNews], count: int = 1) -> list[EngineNews]:
        found: list[EngineNews] = []
        async with asyncio.timeout(60):
            async for news in self.session:
                if isinstance(news, GivesWay):
                    self.gave_way.append(news)
                    continue
                if isinstance(news, EngineThought):
                    self.thought_of.append(news.response_id)
                    continue
                found.append(news)
                if sum(isinstance(n, until) for n in found) == count:
                    return found
        raise AssertionError(found)


async def test_a_written_question_gets_a_spoken_answer_with_its_words_marked() -> None:
    cascade = Cascade()
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,)))
    said, *spoke, finished = await cascade.news(EngineFinished)
    assert said == EngineSaid("resp_1", "You said: hello.")
    words = [word for piece in spoke if isinstance(piece, EngineSpoke) for word in piece.words]
    assert words == [Word(3, 2_400), Word(9, 4_800), Word(16, 7_200)]
    assert finished == EngineFinished("resp_1")


@pytest.mark.parametrize(("first", "waits"), [("Well, ", True), ("That is so. ", False)])
async def test_that_words_wait_to_be_a_clause_is_told_once(first: str, *, waits: bool) -> None:
    said = SayText(first), SayText("you "), SayText("are right. "), Thought()
    cascade = Cascade(PlannedBrain(lambda _: said))
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,)))
    await cascade.news(EngineFinished)
    assert cascade.thought_of == ["resp_1"] * waits


async def test_what_is_said_in_another_language_is_spoken_in_it() -> None:
    said = SayText("Ich spreche nur Englisch. Das geht", "de"), SayText(" gut.", "de"), Thought()
    cascade = Cascade(PlannedBrain(lambda _: said))
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,)))
    await cascade.news(EngineFinished)
    assert cascade.synthesizer.languages == ["de", "de"]


async def test_marks_count_on_through_the_sentences_of_one_item() -> None:
    brain = PlannedBrain(lambda _: [SayText("This is one. "), SayText("And two."), Thought()])
    cascade = Cascade(brain)
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,)))
    news = await cascade.news(EngineFinished)
    words = [word for n in news if isinstance(n, EngineSpoke) for word in n.words]
    assert [word.text_end for word in words] == [4, 7, 12, 16, 21]
    assert words[-1].end_sample == 5 * 2_400


async def test_the_caption_shows_what_is_written_and_the_voice_says_what_a_person_would() -> None:
    texts = ["It costs **$3.50** now. ", "\U0001f600\n", "See [this](https://example.com), 5 km."]
    cascade = Cascade(PlannedBrain(lambda _: [*map(SayText, texts), Thought()]))
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,)))
    news = await cascade.news(EngineFinished)
    whole = "".join(texts)
    assert "".join(n.text for n in news if isinstance(n, EngineSaid)) == whole
    assert cascade.synthesizer.spoken == [
        "It costs three dollars and fifty cents now.",
        "See this, five kilometers.",
    ]
    words = [word for n in news if isinstance(n, EngineSpoke) for word in n.words]
    heard = [whole[: word.text_end] for word in words]
    assert heard[1:3] == ["It costs", "It costs **$3.50**"]
    assert heard[-2:] == [whole[: -len(" 5 km.")], whole]
    assert words[2].end_sample == 7 * 2_400, "all seven words so far are heard"


async def test_the_voice_speaks_the_language_of_the_session_or_of_the_script() -> None:
    brain = PlannedBrain(
        lambda _: [SayText("Guten Tag. Es regnet heute. 今天天气很好。"), Thought()]
    )
    cascade = Cascade(brain)
    audio = Audio(input=AudioInput(transcription=Transcription(model="x", language="de")))
    cascade.session.send(Configure(Session(id="sess_1", model="m", expires_at=0, audio=audio)))
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,)))
    await cascade.news(EngineFinished)
    assert cascade.synthesizer.languages == ["de", "de", "zh"]


GERMAN = Transcript("Wie ist das Wetter heute?", final=True, language="de")


@pytest.mark.parametrize(
    ("turns", "follows", "read_as"),
    [
        ([GERMAN], True, "de"),
        ([GERMAN], False, None),  # The brain answers in a language of its own.
        ([Transcript("Ja.", final=True, language="ja")], True, None),  # Too short to tell.
        ([GERMAN, Transcript("Okay.", final=True, language="cy")], True, "de"),
        ([GERMAN, Transcript("And what about tomorrow?", final=True, language="en")], True, "en"),
    ],
)
async def test_the_voice_follows_the_language_that_was_found(
    turns: list[Transcript], follows: bool, read_as: str | None
) -> None:
    brain = PlannedBrain(lambda _: [SayText("Guten Tag."), Thought()])
    cascade = Cascade(brain, *turns, follows_language=follows)
    for number in range(len(turns)):
        cascade.session.send(TurnCommitted(f"item_{number}", b"\x03\x00"))
    await cascade.news(TranscriptEnded, len(turns))
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,)))
    await cascade.news(EngineFinished)
    assert cascade.synthesizer.languages == [read_as]


@pytest.mark.parametrize(("overlaps", "words"), [(True, "Mm-hmm."), (False, "fun")])
async def test_what_a_sound_more_likely_was_counts_while_the_assistant_is_heard(
    overlaps: bool, words: str
) -> None:
    cascade = Cascade(None, Transcript("fun", final=True, aside="Mm-hmm."))
    cascade.session.send(TurnBegan("item_1", 0, b"\x03\x00", overlaps))
    cascade.session.send(TurnCommitted("item_1", b"\x03\x00"))
    [ended] = await cascade.news(TranscriptEnded)
    assert isinstance(ended, TranscriptEnded)
    assert ended.text == words


async def test_the_brain_knows_which_language_was_found() -> None:
    asked: list[str] = []

    def answer(request: Generate) -> list[Thinking]:
        asked.append(request.heard_language)
        return [SayText("Guten Tag."), Thought()]

    cascade = Cascade(PlannedBrain(answer), GERMAN)
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,)))
    await cascade.news(EngineFinished)
    cascade.session.send(TurnCommitted("item_1", b"\x03\x00"))
    await cascade.news(TranscriptEnded)
    cascade.session.send(Generate(response_id="resp_2", items=(HELLO,)))
    await cascade.news(EngineFinished)
    assert asked == ["", "de"]


async def test_a_language_that_the_session_names_is_not_overruled() -> None:
    brain = PlannedBrain(lambda _: [SayText("Bonjour."), Thought()])
    cascade = Cascade(brain, GERMAN, follows_language=True)
    audio = Audio(input=AudioInput(transcription=Transcription(model="x", language="fr")))
    cascade.session.send(Configure(Session(id="sess_1", model="m", expires_at=0, audio=audio)))
    cascade.session.send(TurnCommitted("item_1", b"\x03\x00"))
    await cascade.news(TranscriptEnded)
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,)))
    await cascade.news(EngineFinished)
    assert cascade.synthesizer.languages == ["fr"]


async def test_text_is_written_as_it_is_thought() -> None:
    cascade = Cascade()
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,), modality="text"))
    news = await cascade.news(EngineFinished)
    assert news[0] == EngineWrote("resp_1", "You said: hello.")
    assert cascade.synthesizer.spoken == []


async def test_a_turn_is_recognised_from_its_first_sound_and_then_answered() -> None:
    cascade = Cascade(None, "good morning")
    cascade.session.send(TurnBegan("item_1", 0, b"\x01\x00" * 10))
    cascade.session.send(Hear(b"\x02\x00" * 5, 10))
    cascade.session.send(TurnCommitted("item_1", b""))
    cascade.session.send(Generate(response_id="resp_1", items=(SPOKEN,)))
    news = await cascade.news(EngineFinished)
    assert news[0] == TranscriptEnded("item_1", "good morning")
    assert news[1] == EngineSaid("resp_1", "You said: good morning.")
    assert cascade.recognizer.begun[0].pcm == b"\x01\x00" * 10 + b"\x02\x00" * 5


async def test_a_turn_that_nobody_announced_is_recognised_from_its_commit() -> None:
    cascade = Cascade(None, "hi")
    cascade.session.send(TurnCommitted("item_1", b"\x03\x00" * 7))
    assert await cascade.news(TranscriptEnded) == [TranscriptEnded("item_1", "hi")]
    assert cascade.recognizer.begun[0].pcm == b"\x03\x00" * 7


async def test_a_turn_that_comes_whole_leaves_the_one_that_is_being_spoken_alone() -> None:
    cascade = Cascade(None, "spoken", "sent")
    cascade.session.send(TurnBegan("item_1", 0, b"\x01\x00"))
    cascade.session.send(TurnCommitted("item_2", b"\x03\x00" * 7))
    cascade.session.send(Hear(b"\x02\x00", 1))
    cascade.session.send(TurnCommitted("item_1", b""))
    assert await cascade.news(TranscriptEnded, 2) == [
        TranscriptEnded("item_2", "sent"),
        TranscriptEnded("item_1", "spoken"),
    ]
    assert cascade.recognizer.begun[0].pcm == b"\x01\x00\x02\x00"


async def test_a_dropped_turn_is_forgotten() -> None:
    cascade = Cascade(None, "never", "second")
    cascade.session.send(TurnBegan("item_1", 0))
    cascade.session.send(InputDropped())
    assert cascade.recognizer.begun[0].cancelled
    cascade.session.send(TurnCommitted("item_2", b"\0\0"))
    assert await cascade.news(TranscriptEnded) == [TranscriptEnded("item_2", "second")]


async def test_stable_words_grow_and_the_words_tell_whether_they_are_all() -> None:
    cascade = Cascade()
    cascade.session.send(TurnBegan("item_1", 0))
    turn = cascade.recognizer.begun[0]
    turn.partial("book a", stable="book")
    turn.partial("book a room", stable="book a", complete=True)
    turn.partial("book the room", stable="book the")  # What was told is not taken back.
    assert await cascade.news(TurnJudged, 3) == [
        TranscriptGrew("item_1", "book"),
        TurnJudged("item_1", UNFINISHED, "book a"),
        TranscriptGrew("item_1", " a"),
        TurnJudged("item_1", COMPLETE, "book a room"),
        TurnJudged("item_1", UNDECIDED, "book the room"),
    ]


async def test_a_full_stop_after_half_a_sentence_ends_nothing() -> None:
    cascade = Cascade()
    cascade.session.send(TurnBegan("item_1", 0))
    turn = cascade.recognizer.begun[0]
    turn.partial("I would like to book a room and.")
    turn.partial("I would like to book a room.")
    assert await cascade.news(TurnJudged, 2) == [
        TurnJudged("item_1", UNFINISHED, "I would like to book a room and."),
        TurnJudged("item_1", UNDECIDED, "I would like to book a room."),
    ]


async def test_what_may_be_an_interruption_is_listened_to_while_it_goes_on() -> None:
    cascade = Cascade()
    cascade.session.send(TurnBegan("item_1", 0, overlaps=True))
    turn = cascade.recognizer.begun[0]
    assert turn.live
    turn.partial("")
    assert await cascade.news(TurnJudged) == [TurnJudged("item_1", NOTHING_YET, "")]


@pytest.mark.parametrize(
    ("transcription", "live"),
    [(None, False), ("whisper-1", False), ("gpt-realtime-whisper", True), ("antiphon-live", True)],
)
async def test_words_are_wanted_while_spoken_by_who_shows_them_then(
    transcription: str | None, live: bool
) -> None:
    cascade = Cascade()
    wanted = Transcription(model=transcription) if transcription else None
    audio = Audio(input=AudioInput(transcription=wanted))
    session = Session(id="sess_1", model="m", expires_at=0, audio=audio)
    cascade.session.send(Configure(session))
    cascade.session.send(TurnBegan("item_1", 0))
    assert cascade.recognizer.begun[0].live is live


async def test_a_function_call_comes_after_what_was_said_before_it() -> None:
    call = CallTool("call_1", "look", '{"at": "moon"}')
    brain = PlannedBrain(lambda _: [SayText("Let me look"), call, SayText("Done."), Thought()])
    cascade = Cascade(brain)
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,)))
    news = [n for n in await cascade.news(EngineFinished) if not isinstance(n, EngineSpoke)]
    assert news == [
        EngineSaid("resp_1", "Let me look"),
        EngineCalled("resp_1", "call_1", "look", '{"at": "moon"}'),
        EngineSaid("resp_1", "Done."),
        EngineFinished("resp_1"),
    ]


async def test_marks_begin_anew_after_a_function_call() -> None:
    call = CallTool("call_1", "look", "{}")
    brain = PlannedBrain(lambda _: [SayText("One two"), call, SayText("Done."), Thought()])
    cascade = Cascade(brain)
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,)))
    spoke = [n for n in await cascade.news(EngineFinished) if isinstance(n, EngineSpoke)]
    assert spoke[-1].words == (Word(5, 2_400),)


async def test_stopping_ends_thought_and_speech_and_all_news_of_them() -> None:
    never = asyncio.Event()

    def long(_: object) -> Iterable[Thinking | asyncio.Event]:
        yield SayText("word " * 50)
        yield never

    brain = PlannedBrain(long)
    cascade = Cascade(brain)
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,)))
    await cascade.news(EngineSpoke, 3)
    cascade.session.send(StopGenerating("resp_1"))
    cascade.session.send(TurnCommitted("item_2", b"\0\0"))
    assert await cascade.news(TranscriptEnded) == [TranscriptEnded("item_2", "")]
    assert brain.closed_thoughts == 1
    await cascade.session.aclose()


async def test_an_answer_waits_while_nobody_reads_the_news() -> None:
    brain = PlannedBrain(lambda _: [SayText("word " * 500), Thought()])
    cascade = Cascade(brain)
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,)))
    for _ in range(1_000):
        await asyncio.sleep(0)
    spoken_words = sum(len(text.split()) for text in cascade.synthesizer.spoken)
    assert spoken_words <= MAX_WAITING + 50
    assert isinstance((await cascade.news(EngineFinished))[-1], EngineFinished)


UNABLE = EngineUnavailable("llm", "the model is not loaded", code="not_loaded")


def unable_after(*said: Thinking) -> PlannedBrain:
    def unable(_: object) -> Iterable[Thinking]:
        yield from said
        raise UNABLE

    return PlannedBrain(unable)


def said(news: list[EngineNews]) -> str:
    return "".join(n.text for n in news if isinstance(n, EngineSaid))


async def test_a_brain_that_cannot_serve_apologises_and_says_why() -> None:
    cascade = Cascade(unable_after())
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,)))
    news = await cascade.news(EngineFailed)
    assert said(news) == "I'm sorry, I can't answer just now. Please try again in a moment."
    assert any(isinstance(n, EngineSpoke) for n in news)
    assert cascade.gave_way == [GivesWay("resp_1", str(UNABLE), "not_loaded")]
    assert news[-1] == EngineFailed("resp_1", str(UNABLE), code="not_loaded")


async def test_what_was_thought_before_the_failure_is_said_and_no_half_sentence() -> None:
    cascade = Cascade(unable_after(SayText("One two three. Four five ")))
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,)))
    assert said(await cascade.news(EngineFailed)).startswith("One two three. I'm sorry")


@pytest.mark.parametrize(("language", "sorry"), [("de-AT", "Entschuldigung"), ("ja", "I'm sorry")])
async def test_the_apology_is_in_the_language_of_the_session(language: str, sorry: str) -> None:
    cascade = Cascade(unable_after())
    transcription = Transcription(language=language)
    session = Session(
        id="sess_1",
        model="m",
        expires_at=0,
        audio=Audio(input=AudioInput(transcription=transcription)),
    )
    cascade.session.send(Configure(session))
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,)))
    assert said(await cascade.news(EngineFailed)).startswith(sorry)
    assert cascade.synthesizer.languages == ["de" if language == "de-AT" else "en"]


@pytest.mark.parametrize("unheard", [{"modality": "text"}, {"out_of_band": True}])
async def test_who_does_not_listen_is_told_by_the_error_alone(unheard: dict[str, Any]) -> None:
    cascade = Cascade(unable_after())
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,), **unheard))
    (failed,) = await cascade.news(EngineFailed)
    assert isinstance(failed, EngineFailed)
    assert "the model is not loaded" in failed.message
    assert failed.code == "not_loaded"


@pytest.mark.parametrize("already_said", [(), (SayText("One two three. Four five "),)])
def test_nobody_apologises_where_another_engine_answers(already_said: tuple[SayText, ...]) -> None:
    async def main() -> str:
        cascade = CascadeEngine(
            "first",
            "For tests.",
            recognizer=KnowingRecognizer(),
            brain=unable_after(*already_said),
            synthesizer=SilentSynthesizer(),
        )
        other: Engine = ScriptedEngine(Script(replies=((Speak(ms=400, text="Hello."),),)))
        hub = Hub(lambda _: cascade, fallbacks_for=lambda _: [other])
        caller = Caller(hub.open(kind="realtime", model="m"))
        caller.types_text("Hi.")
        while (await caller.until("response.done"))["response"]["status"] != "completed":
            pass
        await hub.aclose()
        said = caller.of_type("response.output_audio_transcript.delta")
        return "".join(event["delta"] for event in said)

    heard = run_in_virtual_time(main())
    assert heard == "".join(text.text[:15] for text in already_said) + "Hello."


async def test_that_a_part_of_a_turn_was_not_heard_is_told() -> None:
    cascade = Cascade(None, Transcript("lo", final=True, lost_s=1.25))
    cascade.session.send(TurnCommitted("item_1", bytes(4_800)))
    lost, ended = await cascade.news(TranscriptEnded)
    what = "1.2 s of this turn were not heard: too much to do."
    assert lost == PartFailed("recognizer", "input_lost", what, item_id="item_1")
    assert ended == TranscriptEnded("item_1", "lo")


async def test_a_voice_that_cannot_serve_fails_the_response() -> None:
    class Mute(SilentSynthesizer):
        async def speak(self, text: str, **_: Any) -> AsyncGenerator[Speech, None]:
            raise EngineUnavailable("voice", "it is hoarse")
            yield

    cascade = Cascade()
    cascade.session = CascadeEngine(
        "test",
        "For tests.",
        recognizer=cascade.recognizer,
        brain=cascade.brain,
        synthesizer=Mute(),
    ).open("sess_1")
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,)))
    failed = (await cascade.news(EngineFailed))[-1]
    assert failed == EngineFailed(
        "resp_1", "engine 'voice': it is hoarse", code="engine_unavailable", is_unavailable=True
    )


async def test_with_another_brain_it_answers_in_the_same_manner() -> None:
    brain = PlannedBrain(lambda _: [SayText("Guten Tag."), Thought()])
    cascade = Cascade(None, GERMAN)
    engine = CascadeEngine(
        "test",
        "For tests.",
        recognizer=cascade.recognizer,
        brain=cascade.brain,
        synthesizer=cascade.synthesizer,
        manner=Manner(follows_language=True, speculates=True),
    ).with_brain(brain, name="other")
    assert engine.abilities.speculates
    cascade.session = engine.open("sess_1")
    cascade.session.send(Configure(Session(id="sess_1", model="m", expires_at=0)))
    cascade.session.send(TurnCommitted("item_1", b"\x03\x00"))
    await cascade.news(TranscriptEnded)
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,)))
    await cascade.news(EngineFinished)
    assert cascade.synthesizer.languages == ["de"]


async def test_a_turn_that_was_not_recognised_is_told_and_asked_for_again() -> None:
    deaf = EngineUnavailable("ears", "the server is away")
    cascade = Cascade(None, deaf, "hello")
    cascade.session.send(TurnCommitted("item_1", bytes(960)))
    cascade.session.send(Generate(response_id="resp_1", items=(SPOKEN,)))
    news = await cascade.news(EngineFailed)
    failed = TranscriptFailed("item_1", "engine_unavailable", "engine 'ears': the server is away")
    assert news[0] == failed
    assert said(news) == "I'm sorry, I couldn't hear you just now. Please say that again."
    assert news[-1] == EngineFailed("resp_1", failed.message, code="engine_unavailable")
    # The next turn is answered, though the lost one stands before it.
    later = Message(id="item_2", role="user", content=(InputAudio(),))
    cascade.session.send(TurnCommitted("item_2", bytes(960)))
    cascade.session.send(Generate(response_id="resp_2", items=(SPOKEN, later)))
    assert said(await cascade.news(EngineFinished)) == "You said: hello."


async def test_a_bug_in_a_part_fails_the_response_without_its_details() -> None:
    def broken(_: object) -> Iterable[Thinking]:
        raise ZeroDivisionError("secret")
        yield

    cascade = Cascade(PlannedBrain(broken))
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,)))
    (failed,) = await cascade.news(EngineFailed)
    assert isinstance(failed, EngineFailed)
    assert "secret" not in failed.message


async def test_iteration_ends_with_the_session() -> None:
    cascade = Cascade()
    cascade.session.send(Generate(response_id="resp_1", items=(HELLO,)))
    await cascade.session.aclose()
    assert [news async for news in cascade.session] == []
