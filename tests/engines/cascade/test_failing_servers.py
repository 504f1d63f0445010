"""Whatever becomes of a cascade's servers, a person hears of it within two seconds."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse

from antiphon.engines.cascade.apologies import HOLDING_AFTER_S
from antiphon.engines.cascade.engine import CascadeEngine, Manner
from antiphon.engines.cascade.llm.apis import APIS, ApiName
from antiphon.engines.cascade.llm.chat_client import ChatSettings
from antiphon.engines.cascade.llm.openai_chat import OpenAIChatBrain
from antiphon.engines.cascade.parts import Brain, Recognizer, SayText, Synthesizer, Thought
from antiphon.engines.cascade.stt.http_transcription import HttpRecognizer, TranscriptionSettings
from antiphon.engines.cascade.tts.fallback import TRY_AGAIN_AFTER_S, FallbackSynthesizer
from antiphon.engines.cascade.tts.http_speech import HttpSynthesizer, SpeechSettings
from antiphon.testing.openai_server import Answer, OpenAIServer, response_texts, text_chunks
from antiphon.testing.openai_server import events as sse
from antiphon.testing.parts import KnowingRecognizer, PlannedBrain, SilentSynthesizer, echo
from antiphon.testing.served import serving
from antiphon.testing.speech_answers import (
    CLOSED,
    HUNG,
    MP3,
    PAGE,
    refused,
    tone,
    transcribed_in_pieces,
)
from antiphon.testing.virtual_loop import run_in_virtual_time

WITHIN_S = 2.0
Events = list[tuple[float, dict[str, Any]]]
"""Each with the time since the turn was committed."""


@asynccontextmanager
async def in_conversation(engine: CascadeEngine) -> AsyncIterator[ClientWebSocketResponse]:
    async with (
        serving(engine) as server,
        server.client() as http,
        http.ws_connect("/v1/realtime?model=x") as ws,
    ):
        manual = {"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}}
        session = {"type": "realtime", "audio": manual}
        await ws.send_json({"type": "session.update", "session": session})
        yield ws


async def turn(ws: ClientWebSocketResponse) -> Events:
    """Say something, and hear what comes of it."""
    sound = base64.b64encode(tone(2.0)).decode()
    await ws.send_json({"type": "input_audio_buffer.append", "audio": sound})
    await ws.send_json({"type": "input_audio_buffer.commit"})
    await ws.send_json({"type": "response.create"})
    began_s = asyncio.get_running_loop().time()
    events: Events = []
    while not events or events[-1][1]["type"] != "response.done":
        event = await asyncio.wait_for(ws.receive_json(), 60)
        events.append((asyncio.get_running_loop().time() - began_s, event))
    return events


def first(events: Events, kind: str) -> tuple[float, dict[str, Any]]:
    return next((at_s, event) for at_s, event in events if event["type"] == kind)


def transcript(events: Events) -> str:
    kind = "response.output_audio_transcript.done"
    return "".join(event["transcript"] for _, event in events if event["type"] == kind)


def converse(
    server: OpenAIServer,
    *,
    ears: Recognizer | None = None,
    brain: Brain | None = None,
    voice: Synthesizer | None = None,
) -> Events:
    async def main() -> Events:
        async with server:
            engine = CascadeEngine(
                "test",
                "For tests.",
                recognizer=ears or KnowingRecognizer("hello"),
                brain=brain or PlannedBrain(echo),
                synthesizer=voice or SilentSynthesizer(),
                manner=Manner(holding_after_s=HOLDING_AFTER_S),
            )
            async with in_conversation(engine) as ws:
                return await turn(ws)

    return run_in_virtual_time(main())


class Placed(OpenAIServer):
    """One whose address is known before it is started."""

    @property
    def base_url(self) -> str:
        return "http://localhost/v1"

    def connector(self) -> Any:
        assert self.make_connector is not None
        return self.make_connector()


HALF = Answer(body=transcribed_in_pieces("Book ", done=False).body)
EARS = {
    "hung": HUNG,
    "slow": Answer(slow_s=9, body=b'{"text": "hello"}', content_type="application/json"),
    "closed": CLOSED,
    "a page": PAGE,
    "half": Answer(body=HALF.body, drops=True),
    "stuck": Answer(body=HALF.body, waits=True),
    "failed": refused(500, "internal error"),
    "key": refused(401, "no"),
}


@pytest.mark.parametrize("trouble", EARS)
def test_where_the_ears_fail_one_is_asked_to_say_it_again(trouble: str) -> None:
    server = Placed(EARS[trouble])
    settings = TranscriptionSettings(base_url=server.base_url, model="m")
    events = converse(server, ears=HttpRecognizer(settings, make_connector=server.connector))
    spoken_s, _ = first(events, "response.output_audio.delta")
    assert spoken_s < WITHIN_S
    assert transcript(events).startswith("I'm sorry, I couldn't hear you")
    _, failed = first(events, "conversation.item.input_audio_transcription.failed")
    assert failed["error"]["code"] == "engine_unavailable"
    assert failed["error"]["message"].startswith("the transcription server ")
    done = events[-1][1]["response"]
    assert done["status"] == "failed"
    assert done["status_details"]["error"]["code"] == "engine_unavailable"


VOICE = {
    "hung": HUNG,
    "slow": Answer(slow_s=9, body=tone(1.0), content_type="audio/pcm"),
    "closed": CLOSED,
    "a page": PAGE,
    "mp3": MP3,
    "half": Answer(body=tone(0.3), content_type="audio/pcm", cuts=(4_000,), drops=True),
    "failed": refused(500, "internal error"),
    "key": refused(401, "no"),
}


@pytest.mark.parametrize("trouble", VOICE)
def test_where_the_voice_fails_another_one_says_all(trouble: str) -> None:
    server = Placed(VOICE[trouble])
    settings = SpeechSettings(base_url=server.base_url, model="m")
    best = HttpSynthesizer(settings, make_connector=server.connector)
    events = converse(server, voice=FallbackSynthesizer(best, SilentSynthesizer()))
    spoken_s, _ = first(events, "response.output_audio.delta")
    assert spoken_s < WITHIN_S
    assert transcript(events) == "You said: hello."
    assert events[-1][1]["response"]["status"] == "completed"
    (failed,) = [event for _, event in events if event["type"] == "antiphon.part_failed"]
    assert (failed["part"], failed["code"]) == ("voice", "voice_replaced")
    assert failed["message"].startswith("engine 'm': the speech server ")
    assert failed["response_id"] == events[-1][1]["response"]["id"]


def test_that_another_voice_speaks_is_told_once_an_answer_and_not_once_it_is_back() -> None:
    server = Placed(VOICE["key"])
    settings = SpeechSettings(base_url=server.base_url, model="m")
    best = HttpSynthesizer(settings, make_connector=server.connector)

    async def main() -> list[int]:
        async with server:
            engine = CascadeEngine(
                "test",
                "For tests.",
                recognizer=KnowingRecognizer("hello", "hello", "hello"),
                brain=PlannedBrain(lambda _: [SayText("It is one. It is two. "), Thought()]),
                synthesizer=FallbackSynthesizer(best, SilentSynthesizer()),
            )
            told = []
            for pause_s in (0, 1, TRY_AGAIN_AFTER_S):
                await asyncio.sleep(pause_s)
                if pause_s > 1:
                    server.then(Answer(body=tone(0.3), content_type="audio/pcm"))
                async with in_conversation(engine) as ws:
                    kinds = [event["type"] for _, event in await turn(ws)]
                told.append(kinds.count("antiphon.part_failed"))
            return told

    assert run_in_virtual_time(main()) == [1, 1, 0]


SAID = sse(text_chunks("One two three four. ", "Five ", finish_reason=None), done=False)
MODEL = {
    "closed": CLOSED,
    "a page": PAGE,
    "half": Answer(body=SAID, drops=True),
    "failed": refused(500, "internal error"),
    "key": refused(401, "no"),
    "busy": refused(429, "slow down", retry_after="60"),
}


def with_model(answer: Answer, **settings: Any) -> Events:
    server = Placed(answer)
    given = ChatSettings(base_url=server.base_url, model="m", **settings)
    return converse(server, brain=OpenAIChatBrain(given, make_connector=server.connector))


HALF_A_RESPONSE = Answer(
    body=sse(response_texts("One two three four. ", "Five "), done=False), drops=True
)
FAILING_MODELS = [(trouble, api, answer) for trouble, answer in MODEL.items() for api in APIS]


@pytest.mark.parametrize(("trouble", "api", "answer"), FAILING_MODELS)
def test_where_the_language_model_fails_one_hears_an_apology(
    trouble: str, api: ApiName, answer: Answer
) -> None:
    in_api = HALF_A_RESPONSE if (trouble, api) == ("half", "responses") else answer
    events = with_model(in_api, api=api)
    spoken_s, _ = first(events, "response.output_audio.delta")
    assert spoken_s < WITHIN_S
    assert "I'm sorry, I can't answer just now." in transcript(events)
    assert transcript(events).startswith("One two three four." if trouble == "half" else "I'm")
    done = events[-1][1]["response"]
    assert done["status"] == "failed"
    assert "the language model's server " in done["status_details"]["error"]["message"]


def test_the_responses_api_fails_in_the_same_form() -> None:
    error = {"code": "server_error", "message": "The model is overloaded."}
    failed = {"type": "response.failed", "response": {"status": "failed", "error": error}}
    said = [*response_texts("One two three four. ", "Five "), failed]
    events = with_model(Answer(body=sse(said, done=False)), api="responses")
    assert transcript(events).startswith("One two three four. I'm sorry")
    told = events[-1][1]["response"]["status_details"]["error"]["message"]
    assert told.endswith(
        "the language model's server failed: The model is overloaded.; server_error"
    )


WAITING: dict[str, tuple[Answer, dict[str, Any]]] = {
    "hung": (HUNG, {}),
    "silent within": (
        Answer(body=b": still here\n\n", content_type="text/event-stream", waits=True),
        {},
    ),
    "hung, responses": (HUNG, {"api": "responses"}),
}


@pytest.mark.parametrize("trouble", WAITING)
def test_who_waits_for_the_language_model_is_asked_for_patience_and_told_at_the_end(
    trouble: str,
) -> None:
    answer, settings = WAITING[trouble]
    events = with_model(answer, **settings)
    spoken_s, _ = first(events, "response.output_audio.delta")
    assert spoken_s < WITHIN_S
    assert transcript(events) == (
        "One moment, please. Sorry, this is taking a little longer. "
        "I'm sorry, I can't answer just now. Please try again in a moment."
    )
    at_s, done = events[-1]
    assert 15 <= at_s < 20  # `first_token_timeout_s`, by default.
    assert done["response"]["status"] == "failed"


def test_a_slow_language_model_is_heard_after_all() -> None:
    slow = Answer(slow_s=4, body=sse(text_chunks("Here it is.")))
    assert transcript(with_model(slow)) == "One moment, please. Here it is."


def test_a_quick_language_model_asks_for_no_patience() -> None:
    quick = Answer(slow_s=1.5, body=sse(text_chunks("Here it is.")))
    assert transcript(with_model(quick)) == "Here it is."


def test_by_default_who_waits_for_a_language_model_that_hangs_knows_after_some_seconds() -> None:
    events = with_model(HUNG)
    assert first(events, "response.output_audio.delta")[0] < WITHIN_S
    assert [sentence.strip() for sentence in transcript(events).split(".")][:3] == [
        "One moment, please",
        "Sorry, this is taking a little longer",
        "I'm sorry, I can't answer just now",
    ]
    assert events[-1][0] < 20


def test_a_language_model_that_hangs_is_given_the_time_that_the_settings_say() -> None:
    events = with_model(HUNG, first_token_timeout_s=1.5)
    spoken_s, _ = first(events, "response.output_audio.delta")
    assert 1.5 <= spoken_s < WITHIN_S
    assert (
        "did not answer in time" in events[-1][1]["response"]["status_details"]["error"]["message"]
    )
