"""How soon, at what cost and how clearly a voice with a model of its own speaks.

    python bench/voices.py kokoro [--model FOLDER] [--voice marin ...]

Ten sentences, one after the other, none twice: time to the first sound, seconds of work for each
second of speech (by the wall, and of the worker's CPU), memory (PSS), and how many words of it
Whisper tiny.en gets wrong, who knows English well.  Prints a row for docs/reference/engines.md.
Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time

from recognition import children_cpu_s, children_mb, word_errors

from antiphon.engines.cascade.parts import Synthesizer, Transcript
from antiphon.engines.cascade.stt.ears import find_ears
from antiphon.engines.cascade.stt.whisper import WhisperRecognizer
from antiphon.engines.cascade.tts.local_voice import LocalVoice
from antiphon.server.cascade_parts import choose_parts
from antiphon.server.cascade_settings import TtsSettings
from antiphon.server.settings import Config

SENTENCES = (
    "Yes, of course.",
    "Your table for two is booked for eight this evening.",
    "I am sorry, I did not understand that.",
    "The meeting is at half past nine in the billing department.",
    "Please tell me your name and your telephone number.",
    "It will be sunny in the morning, with some rain in the afternoon.",
    "Would you like to book another room?",
    "The train to Boston leaves from platform seven.",
    "You can say help at any time.",
    "Goodbye, and thank you for calling.",
)
RATE_HZ = 24_000
PATIENCE_S = 60.0
"""On a busy machine too all is measured."""
ROOM = bytes(2 * RATE_HZ // 2)
"""Silence around what is recognised."""


async def speak(voice: Synthesizer, text: str, name: str) -> tuple[bytes, float]:
    """What was said, and the seconds to its first sound."""
    begin_s = time.perf_counter()
    first_s, pcm = 0.0, b""
    async for piece in voice.speak(text, voice=name, speed=1):
        first_s = first_s or time.perf_counter() - begin_s
        pcm += piece.pcm
    return pcm, first_s


async def understood(ears: WhisperRecognizer, pcm: bytes) -> str:
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def report(transcript: Transcript) -> None:
        if transcript.final:
            ended.set_result(transcript.text)

    turn = ears.begin(report, grammar=None, language="en")
    turn.feed(ROOM + pcm + ROOM)
    turn.finish()
    return await ended


async def measure(arguments: argparse.Namespace) -> None:
    settings = TtsSettings(synthesizer=arguments.synthesizer, model=arguments.model)
    voice = choose_parts(Config(tts=settings)).voice.synthesizer
    assert voice is not None, "espeak is measured by bench/tts.py"
    if isinstance(voice, LocalVoice):
        voice.first_patience_s = voice.patience_s = PATIENCE_S
    begin_s = time.perf_counter()
    await voice.start()
    print(f"{arguments.synthesizer}: start {time.perf_counter() - begin_s:.1f} s")
    said: dict[str, list[bytes]] = {}
    for name in arguments.voice:
        cpu_s, begin_s, firsts = children_cpu_s(), time.perf_counter(), []
        for sentence in SENTENCES:
            pcm, first_s = await speak(voice, sentence, name)
            said.setdefault(name, []).append(pcm)
            firsts.append(first_s)
        wall_s, cpu_s = time.perf_counter() - begin_s, children_cpu_s() - cpu_s
        speech_s = sum(map(len, said[name])) / 2 / RATE_HZ
        print(
            f"  {name}: first sound {statistics.median(firsts):.2f} s, at most {max(firsts):.2f} s;"
            f" {wall_s / speech_s:.2f} s for a second of speech, {cpu_s / speech_s:.2f} s of CPU"
        )
    print(f"  memory {children_mb()}; load {os.getloadavg()[0]:.1f}")
    await voice.aclose()
    model = find_ears().model
    assert model is not None, "the extra 'speech' is not installed"
    ears = WhisperRecognizer(model, threads=1)
    await ears.start()
    for name, utterances in said.items():
        wrong = words = 0
        for sentence, pcm in zip(SENTENCES, utterances, strict=True):
            errors, count = word_errors(sentence, await understood(ears, pcm))
            wrong, words = wrong + errors, words + count
        print(f"  {name}: {wrong} of {words} words wrong")
    await ears.aclose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("synthesizer", choices=("kokoro", "piper", "sherpa", "http"))
    parser.add_argument("--model", help="as [tts] model")
    parser.add_argument("--voice", nargs="+", default=["marin"])
    asyncio.run(measure(parser.parse_args()))
