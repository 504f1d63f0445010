from __future__ import annotations

import asyncio
import io
import logging
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from antiphon.engines.cascade.parts import Grammar, Transcript
from antiphon.engines.cascade.stt.http_transcription import (
    LONGEST_S,
    HttpRecognizer,
    TranscriptionSettings,
)
from antiphon.errors import ConfigurationError
from antiphon.testing.check_recognizer import RECOGNIZER_CHECKS, check_recognizer_promise
from antiphon.testing.openai_server import Answer, OpenAIServer
from antiphon.testing.speech_answers import (
    CLOSED,
    HUNG,
    PAGE,
    refused,
    tone,
    transcribed,
    transcribed_in_pieces,
)
from antiphon.testing.virtual_loop import run_in_virtual_time

SPEECH = tone(2.0)
FINE = transcribed_in_pieces("Book ", "a room.")
GRAMMAR = Grammar("g", "#JSGF V1.0;\ngrammar g;\npublic <g> = book a room | call [the] <who>;\n")


def ears_of(server: OpenAIServer, **settings: Any) -> HttpRecognizer:
    given: dict[str, Any] = {"base_url": server.base_url, "model": "stt-x", **settings}
    return HttpRecognizer(
        TranscriptionSettings(**given), make_connector=server.make_connector, draw=lambda: 0.5
    )


@asynccontextmanager
async def hearing(
    *answers: Answer, **settings: Any
) -> AsyncIterator[tuple[HttpRecognizer, OpenAIServer]]:
    async with OpenAIServer(*answers) as server:
        ears = ears_of(server, **settings)
        await ears.start()
        try:
            yield ears, server
        finally:
            await ears.aclose()


async def heard(
    ears: HttpRecognizer,
    pcm: bytes = SPEECH,
    *,
    grammar: Grammar | None = None,
    language: str | None = None,
) -> list[Transcript]:
    reports: list[Transcript] = []
    ended = asyncio.Event()

    def report(transcript: Transcript) -> None:
        reports.append(transcript)
        if transcript.final:
            ended.set()

    turn = ears.begin(report, grammar=grammar, language=language)
    for at in range(0, len(pcm), 4_800):
        turn.feed(pcm[at : at + 4_800])
    turn.finish()
    await ended.wait()
    return reports


def virtually(main: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await main()

    run_in_virtual_time(run())


# --- What is sent ---------------------------------------------------------------


def test_a_turn_is_sent_as_a_wav_file_with_what_is_known_of_it() -> None:
    async def main() -> None:
        async with hearing(FINE, api_key="k", prompt="Antiphon.") as (ears, server):
            await heard(ears, grammar=GRAMMAR, language="en-GB")
            (request,) = server.requests
            file = request.pop("file")
            assert request == {
                "model": "stt-x",
                "response_format": "json",
                "stream": "true",
                "prompt": "Antiphon. book a room call the",
                "language": "en",
            }
            assert server.paths == ["/v1/audio/transcriptions"]
            assert server.authorizations == ["Bearer k"]
            with wave.open(io.BytesIO(file)) as sent:
                assert (sent.getframerate(), sent.getnchannels(), sent.getsampwidth()) == (
                    16_000,
                    1,
                    2,
                )
                assert sent.getnframes() == 32_000

    virtually(main)


def test_what_is_not_known_is_not_sent() -> None:
    async def main() -> None:
        async with hearing(transcribed("Yes."), stream=False) as (ears, server):
            await heard(ears, language="no language at all")
            assert set(server.requests[0]) == {"model", "response_format", "file"}

    virtually(main)


def test_sound_too_short_for_a_word_is_not_sent() -> None:
    async def main() -> None:
        async with hearing(FINE) as (ears, server):
            assert await heard(ears, tone(0.05)) == [Transcript("", final=True)]
            assert server.requests == []

    virtually(main)


def test_of_an_endless_turn_the_newest_sound_is_kept() -> None:
    async def main() -> None:
        async with hearing(transcribed("Yes.")) as (ears, server):
            reports = await heard(ears, bytes(2 * 24_000 * (LONGEST_S + 5)))
            assert reports[-1].lost_s == pytest.approx(5, abs=0.01)
            with wave.open(io.BytesIO(server.requests[0]["file"])) as sent:
                assert sent.getnframes() == pytest.approx(16_000 * LONGEST_S, abs=2)

    virtually(main)


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"base_url": "127.0.0.1:8000"}, "stt.base_url '127.0.0.1:8000' must begin with http://"),
        ({"model": ""}, "stt.model is empty"),
        ({"api_key": "käse\n"}, "stt.api_key holds characters"),
    ],
)
def test_settings_that_cannot_be_right_are_refused(settings: dict[str, Any], wrong: str) -> None:
    given: dict[str, Any] = {"base_url": "http://a/v1", "model": "m", **settings}
    with pytest.raises(ConfigurationError, match=wrong):
        HttpRecognizer(TranscriptionSettings(**given))


# --- What comes -----------------------------------------------------------------


def test_words_are_told_as_they_come() -> None:
    async def main() -> None:
        async with hearing(FINE) as (ears, _):
            assert await heard(ears) == [
                Transcript("Book ", final=False, stable_chars=5),
                Transcript("Book a room.", final=False, stable_chars=12),
                Transcript("Book a room.", final=True, stable_chars=12),
            ]

    virtually(main)


def test_what_repeats_itself_was_said_once() -> None:
    async def main() -> None:
        async with hearing(transcribed("book a room " * 13)) as (ears, _):
            assert (await heard(ears))[-1].text == "book a room"

    virtually(main)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("Unknown parameter: 'stream'", "stream"),
        ("prompt: Extra inputs are not permitted", "prompt"),
        ("language 'en' is not supported by this model", "language"),
    ],
)
def test_a_field_that_the_server_refuses_is_left_out_from_then_on(message: str, field: str) -> None:
    async def main() -> None:
        answers = (refused(400, message), transcribed("Yes."))
        async with hearing(*answers, prompt="Antiphon.") as (ears, server):
            for _ in range(2):
                assert (await heard(ears, language="en"))[-1].text == "Yes."
            assert [field in request for request in server.requests] == [True, False, False]

    virtually(main)


# --- What goes wrong ------------------------------------------------------------

TROUBLE: dict[str, tuple[Answer, str]] = {
    "hung": (HUNG, "the transcription server did not answer in time (stt.timeout_s)"),
    "slow": (
        Answer(slow_s=5, body=b'{"text": ""}', content_type="application/json"),
        "in time",
    ),
    "head and then nothing": (Answer(waits=True), "did not answer in time"),
    "stuck": (
        Answer(body=transcribed_in_pieces("Book ", done=False).body, waits=True),
        "stopped in the middle of the answer (stt.timeout_s)",
    ),
    "ended too soon": (transcribed_in_pieces("Book ", done=False), "broke the answer off"),
    "cut off": (
        Answer(body=transcribed_in_pieces("Book ", done=False).body, drops=True),
        "broke the answer off",
    ),
    "closed": (CLOSED, "closed the connection"),
    "a page": (PAGE, "is not an API at this address; check stt.base_url"),
    "no transcript": (
        Answer(body=b'{"task": "x"}', content_type="application/json"),
        "sent what is no transcript: it has no text",
    ),
    "key": (refused(401, "bad key"), "refused our key; the operator must check stt.api_key"),
    "failed": (refused(500, "internal error"), "failed (HTTP 500)"),
    "too large": (refused(413, "Maximum content size limit exceeded"), "(HTTP 413)"),
    "refused": (refused(400, "Audio file might be corrupted"), "refused the request (HTTP 400)"),
}


@pytest.mark.parametrize("kind", TROUBLE)
def test_ears_that_fail_say_why_within_two_seconds(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        answer, told = TROUBLE[kind]
        async with hearing(answer) as (ears, _):
            began_s = asyncio.get_running_loop().time()
            final = (await heard(ears))[-1]
            assert final.text == ""
            assert told in final.problem
            assert asyncio.get_running_loop().time() - began_s < 2

    with caplog.at_level(logging.WARNING):
        virtually(main)
    lines = [record.message for record in caplog.records if record.name.startswith("antiphon")]
    assert len(lines) == 1
    assert lines[0].startswith("nothing is understood in a turn: the transcription server ")


def test_a_long_turn_may_take_longer() -> None:
    async def main() -> None:
        slow = Answer(slow_s=2.2, body=b'{"text": "Yes."}', content_type="application/json")
        async with hearing(slow) as (ears, _):
            assert (await heard(ears, tone(2.0)))[-1].problem
            assert (await heard(ears, tone(20.0)))[-1].text == "Yes."

    virtually(main)


def test_what_may_pass_is_sent_again_in_time() -> None:
    async def main() -> None:
        for answer in (refused(503, "loading"), CLOSED):
            async with hearing(answer, FINE) as (ears, server):
                assert (await heard(ears))[-1].text == "Book a room."
                assert len(server.requests) == 2

    virtually(main)


def test_errors_hold_neither_the_key_nor_the_prompt() -> None:
    async def main() -> None:
        words = "key hunter2-abc refused for Antiphonia"
        settings = {"api_key": "hunter2-abc", "prompt": "Antiphonia"}
        async with hearing(refused(400, words), **settings) as (ears, _):
            problem = (await heard(ears))[-1].problem
            assert "hunter2" not in problem
            assert "Antiphonia" not in problem

    virtually(main)


def test_who_cancels_ends_the_work_there() -> None:
    async def main() -> None:
        async with hearing(HUNG) as (ears, server):
            reports: list[Transcript] = []
            turn = ears.begin(reports.append, grammar=None, language=None)
            turn.feed(SPEECH)
            turn.finish()
            await server.asked.wait()
            turn.cancel()
            await asyncio.wait_for(server.gone.wait(), 1)
            assert reports == []

    virtually(main)


@pytest.mark.parametrize("promise", RECOGNIZER_CHECKS)
def test_it_keeps_the_promises_of_a_recogniser(promise: str) -> None:
    async def main() -> None:
        async with OpenAIServer(FINE) as server:
            await check_recognizer_promise(promise, lambda: ears_of(server), words="book a room")

    virtually(main)
