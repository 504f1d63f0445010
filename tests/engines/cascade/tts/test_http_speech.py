from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from antiphon.engines.cascade.parts import Speech, Synthesizer
from antiphon.engines.cascade.tts.fallback import FallbackSynthesizer
from antiphon.engines.cascade.tts.http_speech import (
    OPENAI_VOICES,
    HttpSynthesizer,
    SpeechSettings,
)
from antiphon.errors import ConfigurationError, EngineUnavailable
from antiphon.testing.check_synthesizer import SYNTHESIZER_CHECKS, check_synthesizer_promise
from antiphon.testing.openai_server import Answer, OpenAIServer
from antiphon.testing.parts import SilentSynthesizer
from antiphon.testing.speech_answers import CLOSED, HUNG, MP3, PAGE, refused, spoken, tone, wav
from antiphon.testing.virtual_loop import run_in_virtual_time

TEXT = "Your table for two is booked."
SECOND = tone(1.0)
FINE = spoken(SECOND)


def voice_of(server: OpenAIServer, **settings: Any) -> HttpSynthesizer:
    given: dict[str, Any] = {"base_url": server.base_url, "model": "tts-x", **settings}
    return HttpSynthesizer(
        SpeechSettings(**given), make_connector=server.make_connector, draw=lambda: 0.5
    )


@asynccontextmanager
async def speaking(
    *answers: Answer, **settings: Any
) -> AsyncIterator[tuple[HttpSynthesizer, OpenAIServer]]:
    async with OpenAIServer(*answers) as server:
        voice = voice_of(server, **settings)
        await voice.start()
        try:
            yield voice, server
        finally:
            await voice.aclose()


async def said(
    voice: Synthesizer, text: str = TEXT, *, name: str = "marin", speed: float = 1.0
) -> list[Speech]:
    return [piece async for piece in voice.speak(text, voice=name, speed=speed)]


def sound_of(pieces: list[Speech]) -> bytes:
    return b"".join(piece.pcm for piece in pieces)


def virtually(main: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await main()

    run_in_virtual_time(run())


# --- What is asked for ----------------------------------------------------------


def test_a_sentence_is_asked_for_and_played_while_it_comes() -> None:
    async def main() -> None:
        async with speaking(FINE, api_key="k", instructions="Be kind.") as (voice, server):
            pieces = await said(voice, speed=1.25)
            assert sound_of(pieces) == SECOND
            assert len(pieces) > 2
            ends = [word.text_end for piece in pieces for word in piece.words]
            assert ends == [4, 10, 14, 18, 21, 29]
            assert server.requests == [
                {
                    "model": "tts-x",
                    "input": TEXT,
                    "voice": "marin",
                    "response_format": "pcm",
                    "speed": 1.25,
                    "instructions": "Be kind.",
                }
            ]
            assert server.paths == ["/v1/audio/speech"]
            assert server.authorizations == ["Bearer k"]

    virtually(main)


@pytest.mark.parametrize(
    ("settings", "known", "asked"),
    [
        ({}, OPENAI_VOICES, ["marin", "shimmer"]),
        ({"voice": "af_heart"}, OPENAI_VOICES, ["af_heart", "af_heart"]),
        ({"voices": {"marin": "af_heart"}}, ("marin",), ["af_heart", "af_heart"]),
    ],
)
def test_voices_are_called_what_the_server_calls_them(
    settings: dict[str, Any], known: tuple[str, ...], asked: list[str]
) -> None:
    async def main() -> None:
        async with speaking(FINE, **settings) as (voice, server):
            assert voice.voices == known
            for name in ("marin", "nobody's"):
                await said(voice, name=name)
            found = [request["voice"] for request in server.requests]
            assert found[0] == asked[0]
            assert found[1] in (known if not settings else {asked[1]})

    virtually(main)


def test_fields_of_ones_own_overrule_ours() -> None:
    async def main() -> None:
        more = {"response_format": "wav", "lang_code": "a"}
        async with speaking(FINE, extra_body=more) as (voice, server):
            await said(voice)
            assert server.requests[0]["response_format"] == "wav"
            assert server.requests[0]["lang_code"] == "a"

    virtually(main)


def test_what_has_no_words_is_not_asked_for() -> None:
    async def main() -> None:
        async with speaking(FINE) as (voice, server):
            assert await said(voice, "…") == []
            assert server.requests == []

    virtually(main)


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"base_url": "127.0.0.1:8000"}, "tts.base_url '127.0.0.1:8000' must begin with http://"),
        ({"model": ""}, "tts.model is empty"),
        ({"api_key": "käse\n"}, "tts.api_key holds characters"),
    ],
)
def test_settings_that_cannot_be_right_are_refused(settings: dict[str, Any], wrong: str) -> None:
    given: dict[str, Any] = {"base_url": "http://a/v1", "model": "m", **settings}
    with pytest.raises(ConfigurationError, match=wrong):
        HttpSynthesizer(SpeechSettings(**given))


# --- What comes -----------------------------------------------------------------

ALL_THE_SAME = {
    "wav": spoken(wav(SECOND), content_type="audio/wav"),
    "wav of no known length": spoken(wav(SECOND, length=0xFFFFFFFF), content_type="audio/wav"),
    "wav that says pcm": spoken(wav(SECOND), content_type="audio/pcm"),
    "pcm that says mp3": spoken(SECOND, content_type="audio/mpeg"),
    "in one piece": spoken(SECOND, chunks=1),
    "byte by byte, nearly": spoken(SECOND, chunks=4_799),
}


@pytest.mark.parametrize("kind", ALL_THE_SAME)
def test_sound_is_played_whatever_it_is_called(kind: str) -> None:
    async def main() -> None:
        async with speaking(ALL_THE_SAME[kind]) as (voice, _):
            assert sound_of(await said(voice)) == SECOND

    virtually(main)


def test_another_rate_is_heard_in_the_header_or_in_the_settings() -> None:
    async def main() -> None:
        low = tone(1.0, rate_hz=16_000)
        for answer, settings in (
            (spoken(wav(low, rate_hz=16_000)), {}),
            (spoken(low), {"rate_hz": 16_000}),
            (spoken(low, content_type="audio/l16;rate=16000"), {}),
        ):
            async with speaking(answer, **settings) as (voice, _):
                assert len(sound_of(await said(voice))) == len(SECOND)

    virtually(main)


def test_the_pace_of_a_voice_is_learned() -> None:
    async def main() -> None:
        async with speaking(spoken(tone(2.9))) as (voice, _):
            first, second = await said(voice), await said(voice)

        def early(pieces: list[Speech]) -> int:
            return len([word for piece in pieces[:-1] for word in piece.words])

        assert early(second) <= early(first)
        ends = [word.end_sample for piece in second for word in piece.words]
        assert ends[0] == pytest.approx(5 / 29 * 2.9 * 24_000, rel=0.05)

    virtually(main)


# --- What goes wrong ------------------------------------------------------------

SLOW = Answer(body=SECOND, content_type="audio/pcm", slow_s=5)
STUCK = Answer(body=SECOND, content_type="audio/pcm", waits=True)
BROKEN_OFF = Answer(body=SECOND, content_type="audio/pcm", cuts=(8_000,), drops=True)

TROUBLE: dict[str, tuple[Answer, str]] = {
    "hung": (HUNG, "the speech server did not answer in time (tts.first_audio_timeout_s)"),
    "slow": (SLOW, "did not answer in time"),
    "head and then nothing": (
        Answer(waits=True, content_type="audio/pcm"),
        "did not answer in time",
    ),
    "closed": (CLOSED, "closed the connection"),
    "empty": (Answer(content_type="audio/pcm"), "sent what is no sound: it is empty"),
    "mp3": (MP3, "sent what is no sound: it is MP3; choose a server that can send pcm or wav"),
    "a page": (PAGE, "sent what is no sound: it is text"),
    "json": (Answer(body=b'{"detail": "no"}', content_type="application/json"), "it is text"),
    "key": (refused(401, "bad key"), "refused our key; the operator must check tts.api_key"),
    "quota": (refused(429, "You exceeded your current quota"), "quota is spent"),
    "busy": (refused(429, "slow down", retry_after="60"), "is busy; try again later"),
    "failed": (refused(500, "internal error"), "failed (HTTP 500)"),
    "unknown voice": (refused(400, "voice 'x' is invalid"), "refused the request (HTTP 400)"),
    "moved": (Answer(status=307, headers={"Location": "http://b/"}), "tts.base_url must be its"),
    "no address": (Answer(status=404), "check tts.base_url (it usually ends in /v1)"),
}


@pytest.mark.parametrize("kind", TROUBLE)
def test_a_voice_that_fails_says_why_within_two_seconds(kind: str) -> None:
    async def main() -> None:
        answer, told = TROUBLE[kind]
        async with speaking(answer) as (voice, _):
            began_s = asyncio.get_running_loop().time()
            with pytest.raises(EngineUnavailable) as failed:
                await said(voice)
            assert told in str(failed.value)
            assert asyncio.get_running_loop().time() - began_s < 2

    virtually(main)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (BROKEN_OFF, "broke the answer off"),
        (STUCK, "stopped in the middle of the answer"),
    ],
)
def test_a_voice_that_breaks_off_is_heard_as_far_as_it_came(answer: Answer, told: str) -> None:
    async def main() -> None:
        async with speaking(answer) as (voice, _):
            pieces: list[Speech] = []

            async def listen() -> None:
                async for piece in voice.speak(TEXT, voice="marin", speed=1.0):
                    pieces.append(piece)

            with pytest.raises(EngineUnavailable, match=told):
                await listen()
            assert pieces

    virtually(main)


def test_sound_that_never_ends_is_cut() -> None:
    async def main() -> None:
        endless = spoken(bytes(100 * len(SECOND)), chunks=200)
        async with speaking(endless) as (voice, _):
            with pytest.raises(EngineUnavailable, match="after 20 s it goes on"):
                await said(voice, "Half a minute? No.  ")

    virtually(main)


def test_what_may_pass_is_asked_for_again_in_time() -> None:
    async def main() -> None:
        for answer in (refused(503, "loading"), CLOSED, refused(429, "busy", retry_after="1")):
            async with speaking(answer, FINE) as (voice, server):
                assert sound_of(await said(voice)) == SECOND
                assert len(server.requests) == 2
        async with speaking(refused(503, "loading"), FINE, retries=0) as (voice, server):
            with pytest.raises(EngineUnavailable):
                await said(voice)
            assert len(server.requests) == 1

    virtually(main)


def test_errors_hold_neither_the_key_nor_what_was_said() -> None:
    async def main() -> None:
        words = "key hunter2-abc refused for input: Your table for two is booked."
        async with speaking(refused(400, words), api_key="hunter2-abc") as (voice, _):
            with pytest.raises(EngineUnavailable) as failed:
                await said(voice)
            assert "hunter2" not in str(failed.value)
            assert "table" not in str(failed.value)

    virtually(main)
    assert "hunter2" not in repr(SpeechSettings(base_url="http://a", model="m", api_key="hunter2"))


def test_who_stops_listening_ends_the_work_there() -> None:
    async def main() -> None:
        async with speaking(STUCK) as (voice, server):
            async with aclosing(voice.speak(TEXT, voice="marin", speed=1.0)) as pieces:
                await anext(pieces)
            await asyncio.wait_for(server.gone.wait(), 1)

    virtually(main)


# --- Kept promises --------------------------------------------------------------


@pytest.mark.parametrize("promise", SYNTHESIZER_CHECKS)
def test_it_keeps_the_promises_of_a_voice(promise: str) -> None:
    class Speaking(OpenAIServer):
        """As long as the text is, and as fast as it was asked to be."""

        async def _stream(self, request: Any, answer: Answer) -> Any:
            asked = self.requests[-1]
            seconds = 0.06 * len(asked["input"]) / asked.get("speed", 1.0)
            return await super()._stream(request, spoken(wav(tone(seconds))))

    async def main() -> None:
        async with Speaking(FINE) as server:
            await check_synthesizer_promise(promise, lambda: voice_of(server))

    virtually(main)


def test_where_it_fails_another_voice_says_the_rest_within_two_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        for answer in (
            *[answer for answer, _ in TROUBLE.values()],
            BROKEN_OFF,
            STUCK,
        ):
            async with OpenAIServer(answer) as server:
                voice = FallbackSynthesizer(voice_of(server), SilentSynthesizer())
                await voice.start()
                began_s = asyncio.get_running_loop().time()
                pieces = await said(voice)
                assert asyncio.get_running_loop().time() - began_s < 2
                words = [word for piece in pieces for word in piece.words]
                assert words[-1].text_end == len(TEXT)
                await voice.aclose()

    with caplog.at_level(logging.WARNING):
        virtually(main)
    told = [record.message for record in caplog.records if record.name.startswith("antiphon")]
    assert len(told) == len(TROUBLE) + 2
    assert all("another voice speaks in its place" in line for line in told)
