"""The parts that come with Antiphon keep the promises of parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from antiphon.engines.cascade.llm.apis import ApiName
from antiphon.engines.cascade.llm.chat_client import ChatSettings
from antiphon.engines.cascade.llm.offline.brain import OfflineBrain
from antiphon.engines.cascade.llm.openai_chat import OpenAIChatBrain
from antiphon.engines.cascade.parts import Recognizer
from antiphon.engines.cascade.stt.ears import find_ears
from antiphon.engines.cascade.stt.paired import PairedRecognizer
from antiphon.engines.cascade.stt.pocketsphinx import PocketSphinxRecognizer
from antiphon.engines.cascade.stt.whisper import WhisperRecognizer
from antiphon.engines.cascade.tts.espeak import EspeakSynthesizer
from antiphon.testing.check_brain import BRAIN_CHECKS, check_brain_promise
from antiphon.testing.check_recognizer import RECOGNIZER_CHECKS, check_recognizer_promise
from antiphon.testing.check_synthesizer import SYNTHESIZER_CHECKS, check_synthesizer_promise
from antiphon.testing.openai_server import (
    Answer,
    OpenAIServer,
    call_piece,
    delta_chunk,
    events,
    response_call,
    response_ends,
    response_texts,
    text_chunks,
)
from tests.engines.lent import LEAVES_NOTHING, lending
from tests.recordings import at_24khz

MODEL = find_ears().model


def whisper() -> Recognizer:
    if MODEL is None:
        pytest.skip("the extra 'speech' is not installed")
    return WhisperRecognizer(MODEL, threads=1)


def pocketsphinx() -> Recognizer:
    return PocketSphinxRecognizer(workers=1)


def paired() -> Recognizer:
    return PairedRecognizer(whisper(), PocketSphinxRecognizer(workers=1, grammars_only=True))


RECOGNIZERS = [whisper, pocketsphinx, paired]
MakeRecognizer = Callable[[], Recognizer]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=RECOGNIZERS)
async def recognizer(
    request: pytest.FixtureRequest,
) -> AsyncIterator[tuple[MakeRecognizer, Recognizer]]:
    """One started, and how it was made."""
    async with lending(request.param()) as started:
        yield request.param, started


async def keeps(promise: str, kind: MakeRecognizer, make: MakeRecognizer) -> None:
    words = None if kind is pocketsphinx else "book a room"
    speech = at_24khz("cmd_book_a_room")
    await check_recognizer_promise(promise, make, speech=speech, words=words, patience_s=60)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("promise", [name for name in RECOGNIZER_CHECKS if name != LEAVES_NOTHING])
async def test_recognisers(promise: str, recognizer: tuple[MakeRecognizer, Recognizer]) -> None:
    kind, started = recognizer
    await keeps(promise, kind, lambda: started)


@pytest.mark.parametrize("make", RECOGNIZERS)
async def test_recognisers_leave_nothing_behind(make: MakeRecognizer) -> None:
    await keeps(LEAVES_NOTHING, make, make)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def espeak() -> AsyncIterator[EspeakSynthesizer]:
    async with lending(EspeakSynthesizer(workers=1)) as espeak:
        yield espeak


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("promise", SYNTHESIZER_CHECKS)
async def test_espeak(promise: str, espeak: EspeakSynthesizer) -> None:
    await check_synthesizer_promise(promise, lambda: espeak)


@pytest.mark.parametrize("promise", BRAIN_CHECKS)
async def test_the_offline_brain(promise: str) -> None:
    await check_brain_promise(promise, OfflineBrain)


def chat_answers(promise: str) -> list[Answer]:
    if promise != "a forced tool is called":
        return [Answer(body=events(text_chunks("One, ", "two.")))]
    return [
        Answer(body=events([delta_chunk({"tool_calls": [call]}, "tool_calls")]))
        for call in (
            call_piece(0, "{}", call_id="c1", name="get_time"),
            call_piece(0, "{}", call_id="c2", name="get_weather"),
        )
    ]


def responses_answers(promise: str) -> list[Answer]:
    if promise != "a forced tool is called":
        said = [*response_texts("One, ", "two."), response_ends()]
        return [Answer(body=events(said, done=False))]
    return [
        Answer(
            body=events([*response_call(0, name, "{}", call_id="c"), response_ends()], done=False)
        )
        for name in ("get_time", "get_weather")
    ]


@pytest.mark.parametrize(
    ("api", "answers"), [("chat", chat_answers), ("responses", responses_answers)]
)
@pytest.mark.parametrize("promise", BRAIN_CHECKS)
async def test_a_language_model(
    promise: str, api: ApiName, answers: Callable[[str], list[Answer]]
) -> None:
    async with OpenAIServer(*answers(promise)) as server:
        settings = ChatSettings(base_url=server.base_url, model="m", api=api)
        await check_brain_promise(promise, lambda: OpenAIChatBrain(settings))
        path = {"chat": "/v1/chat/completions", "responses": "/v1/responses"}[api]
        assert set(server.paths) <= {path}
