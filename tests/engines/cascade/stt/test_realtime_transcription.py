from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import pytest

from antiphon.engines.cascade.parts import Grammar, Transcript
from antiphon.engines.cascade.stt.realtime_transcription import (
    LONGEST_S,
    RealtimeEarsSettings,
    RealtimeRecognizer,
)
from antiphon.engines.scripted import Hearing, Script, ScriptedEngine
from antiphon.errors import ConfigurationError
from antiphon.testing.check_recognizer import RECOGNIZER_CHECKS, check_recognizer_promise
from antiphon.testing.served import serving
from antiphon.testing.speech_answers import tone
from antiphon.testing.transcription_server import HeardTurn, TranscriptionServer
from antiphon.testing.virtual_loop import run_in_virtual_time

SPEECH = tone(2.0)
FINE = HeardTurn(pieces=("Book ", "a ", "room."))
GRAMMAR = Grammar("g", "#JSGF V1.0;\ngrammar g;\npublic <g> = book a room;\n")
Kind = Literal["openai", "vllm"]
KINDS: tuple[Kind, ...] = ("openai", "vllm")


def ears_of(server: TranscriptionServer, **settings: Any) -> RealtimeRecognizer:
    given = {"url": server.url, "model": "stt-x", **settings}
    return RealtimeRecognizer(RealtimeEarsSettings(**given), make_connector=server.make_connector)


async def heard(
    ears: RealtimeRecognizer,
    pcm: bytes = SPEECH,
    *,
    grammar: Grammar | None = None,
    language: str | None = None,
) -> list[Transcript]:
    """At the pace of speech; the final report comes last."""
    reports: list[Transcript] = []
    ended = asyncio.Event()

    def report(transcript: Transcript) -> None:
        reports.append(transcript)
        if transcript.final:
            ended.set()

    turn = ears.begin(report, grammar=grammar, language=language)
    for at in range(0, len(pcm), 4_800):
        turn.feed(pcm[at : at + 4_800])
        await asyncio.sleep(0.1)
    turn.finish()
    await ended.wait()
    await ears.aclose()
    return reports


def virtually(main: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await main()

    run_in_virtual_time(run())


@pytest.mark.parametrize("kind", KINDS)
def test_words_come_while_they_are_spoken(kind: Kind) -> None:
    async def main() -> None:
        async with TranscriptionServer(FINE, kind=kind) as server:
            texts = [(report.text, report.final) for report in await heard(ears_of(server))]
            assert texts == [
                ("Book ", False),
                ("Book a ", False),
                ("Book a room.", False),
                ("Book a room.", True),
            ]

    virtually(main)


def test_a_session_is_asked_for_in_the_words_of_the_api() -> None:
    async def main() -> None:
        async with TranscriptionServer(FINE) as server:
            await heard(ears_of(server, prompt="Antiphon."), grammar=GRAMMAR, language="en-GB")
            first, *sound, last = server.received
            assert first["session"]["audio"]["input"] == {
                "format": {"type": "audio/pcm", "rate": 24_000},
                "transcription": {
                    "model": "stt-x",
                    "prompt": "Antiphon. book a room",
                    "language": "en",
                },
                "turn_detection": None,
            }
            assert b"".join(base64.b64decode(event["audio"]) for event in sound) == SPEECH
            assert last == {"type": "input_audio_buffer.commit"}

    virtually(main)


def test_vllm_is_told_where_the_sound_begins_and_ends_at_16_khz() -> None:
    async def main() -> None:
        async with TranscriptionServer(FINE, kind="vllm") as server:
            await heard(ears_of(server, api_key="k"))
            update, begin, *sound, end = server.received
            assert update == {"type": "session.update", "model": "stt-x"}
            assert (begin["final"], end["final"]) == (False, True)
            samples = sum(len(base64.b64decode(event["audio"])) // 2 for event in sound)
            assert samples == pytest.approx(32_000, abs=40)
            assert server.authorizations == ["Bearer k"]

    virtually(main)


def test_another_antiphon_is_such_a_server() -> None:
    async def main() -> None:
        script = Script(hears=(Hearing(grows=("book ", "a room"), text="book a room"),))
        async with serving(ScriptedEngine(script)) as served:
            url = "ws://localhost/v1/realtime?intent=transcription"
            settings = RealtimeEarsSettings(url=url, model="whisper-1")
            ears = RealtimeRecognizer(settings, make_connector=served.make_connector)
            assert (await heard(ears))[-1].text == "book a room"

    virtually(main)


def test_of_an_endless_turn_the_newest_sound_is_kept() -> None:
    async def main() -> None:
        async with TranscriptionServer(HeardTurn(closes=True), FINE) as server:
            reports: list[Transcript] = []
            ears = ears_of(server)
            turn = ears.begin(reports.append, grammar=None, language=None)
            turn.feed(bytes(2 * 24_000 * (LONGEST_S + 5)))
            turn.finish()
            await asyncio.sleep(1)
            assert reports[-1].final
            assert reports[-1].lost_s == 5
            sent = [event for event in server.received if "audio" in event]
            seconds = sum(len(base64.b64decode(event["audio"])) for event in sent) / 48_000
            assert LONGEST_S <= seconds < LONGEST_S + 5
            await ears.aclose()

    virtually(main)


def test_settings_that_cannot_be_right_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="model is empty"):
        RealtimeRecognizer(RealtimeEarsSettings(url="ws://x", model=""))


TROUBLE: dict[str, tuple[HeardTurn, str]] = {
    "hung": (HeardTurn(silent=True), "did not answer in time (stt.timeout_s)"),
    "slow": (HeardTurn(pieces=("x",), slow_s=9), "did not answer in time (stt.timeout_s)"),
    "no greeting": (HeardTurn(greets=False), "did not answer in time (stt.timeout_s)"),
    "closed": (HeardTurn(closes=True), "closed the connection (1011)"),
    "key": (HeardTurn(status=401), "cannot be used: localhost does not accept the key"),
    "no such API": (HeardTurn(status=404), "cannot be used: localhost has no Realtime API"),
    "busy": (HeardTurn(status=503), "cannot be used: localhost is busy (HTTP 503)"),
    "error": (HeardTurn(error="The model is overloaded."), "refused the turn: The model is"),
    "nonsense": (HeardTurn(nonsense="<html>"), "sent what is no event"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trouble", TROUBLE)
def test_ears_that_fail_say_why_within_two_seconds(
    trouble: str, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        turn, told = TROUBLE[trouble]
        async with TranscriptionServer(turn, kind=kind) as server:
            began_s = asyncio.get_running_loop().time()
            final = (await heard(ears_of(server)))[-1]
            assert final.text == ""
            assert final.problem.startswith(f"the transcription server {told}")
            assert asyncio.get_running_loop().time() - began_s - 2.0 < 2

    with caplog.at_level(logging.WARNING):
        virtually(main)
    lines = [record.message for record in caplog.records if record.name.startswith("antiphon")]
    assert len(lines) == 1


@pytest.mark.parametrize("first", [HeardTurn(closes=True), HeardTurn(status=503)])
def test_a_connection_that_breaks_is_opened_again_and_told_all(first: HeardTurn) -> None:
    async def main() -> None:
        async with TranscriptionServer(first, FINE) as server:
            assert (await heard(ears_of(server)))[-1].text == "Book a room."

    virtually(main)


def test_errors_hold_neither_the_key_nor_what_was_said() -> None:
    async def main() -> None:
        turn = HeardTurn(error="hunter2-abc refused Antiphonia")
        async with TranscriptionServer(turn) as server:
            ears = ears_of(server, api_key="hunter2-abc", prompt="Antiphonia")
            problem = (await heard(ears))[-1].problem
            assert "hunter2" not in problem
            assert "Antiphonia" not in problem

    virtually(main)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("promise", RECOGNIZER_CHECKS)
def test_it_keeps_the_promises_of_a_recogniser(promise: str, kind: Kind) -> None:
    async def main() -> None:
        async with TranscriptionServer(FINE, kind=kind) as server:
            await check_recognizer_promise(promise, lambda: ears_of(server), words="book a room")

    virtually(main)
