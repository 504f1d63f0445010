"""What ears and a voice over HTTP cost on this side: a stand-in server answers at once.

    python bench/speech_servers.py [--turns 100]

Prints, for each adapter, the time from the question to the first of the answer (median, 90 %), CPU
seconds of this process for each (the stand-in's included), and the longest time that the event
loop stood still.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # As `antiphon serve` does.

from antiphon.engines.cascade.parts import Transcript
from antiphon.engines.cascade.stt.http_transcription import HttpRecognizer, TranscriptionSettings
from antiphon.engines.cascade.stt.realtime_transcription import (
    RealtimeEarsSettings,
    RealtimeRecognizer,
)
from antiphon.engines.cascade.tts.http_speech import HttpSynthesizer, SpeechSettings
from antiphon.testing.openai_server import OpenAIServer
from antiphon.testing.speech_answers import spoken, tone, transcribed, wav
from antiphon.testing.transcription_server import HeardTurn, TranscriptionServer

TURN = tone(5.0)
SENTENCE = "Your table for two is booked for eight this evening."


async def stalls(longest: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        longest.append(time.perf_counter() - began - 0.001)


async def measured(name: str, turns: int, once: Callable[[], Awaitable[float]]) -> None:
    await once()
    longest: list[float] = []
    watch = asyncio.create_task(stalls(longest))
    began_cpu = time.process_time()
    took = [await once() for _ in range(turns)]
    cpu_ms = (time.process_time() - began_cpu) / turns * 1000
    watch.cancel()
    p90 = statistics.quantiles(took, n=10)[-1]
    print(
        f"{name:32} {statistics.median(took) * 1000:6.1f} ms, {p90 * 1000:6.1f} ms; "
        f"CPU {cpu_ms:6.1f} ms; longest stall {max(longest) * 1000:5.1f} ms"
    )


async def hear(ears: HttpRecognizer | RealtimeRecognizer) -> float:
    """From the end of a turn of five seconds to its text."""
    final: asyncio.Future[Transcript] = asyncio.get_running_loop().create_future()

    def report(transcript: Transcript) -> None:
        if transcript.final:
            final.set_result(transcript)

    turn = ears.begin(report, grammar=None, language="en")
    for at in range(0, len(TURN), 4_800):
        turn.feed(TURN[at : at + 4_800])
        await asyncio.sleep(0.002)
    began = time.perf_counter()
    turn.finish()
    assert (await final).text
    return time.perf_counter() - began


async def speak(voice: HttpSynthesizer) -> float:
    """From a sentence to its first sound."""
    began = time.perf_counter()
    took = 0.0
    async with aclosing(voice.speak(SENTENCE, voice="marin", speed=1.0)) as pieces:
        async for _ in pieces:
            took = took or time.perf_counter() - began
    return took


async def main(turns: int) -> None:
    async with OpenAIServer(transcribed("Book a room.")) as server:
        ears = HttpRecognizer(TranscriptionSettings(base_url=server.base_url, model="m"))
        await ears.start()
        await measured("ears, /audio/transcriptions", turns, lambda: hear(ears))
        await ears.aclose()
    async with TranscriptionServer(HeardTurn(pieces=("Book a ", "room."))) as realtime:
        live = RealtimeRecognizer(RealtimeEarsSettings(url=realtime.url, model="m"))
        await measured("ears, a transcription session", turns, lambda: hear(live))
        await live.aclose()
    for name, body in (
        ("voice, pcm", tone(3.0)),
        ("voice, wav of 22,050 Hz", wav(tone(3.0, rate_hz=22_050), rate_hz=22_050)),
    ):
        async with OpenAIServer(spoken(body, chunks=1)) as server:
            voice = HttpSynthesizer(SpeechSettings(base_url=server.base_url, model="m"))
            await voice.start()
            await measured(name, turns, lambda voice=voice: speak(voice))  # type: ignore[misc]
            await voice.aclose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=100)
    asyncio.run(main(parser.parse_args().turns))
