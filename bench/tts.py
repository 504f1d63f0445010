"""How soon, how fast and how obedient speech synthesis is.

    python bench/tts.py [--rounds 200]

Prints, for one warm worker: time from ``speak()`` to the first piece, the same while
other sessions speak long texts, seconds of work per second of speech, the time until a
cancelled worker has the next utterance's first piece, and memory.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from pathlib import Path

from antiphon.engines.cascade.tts.espeak import EspeakSynthesizer

SHORT = "Certainly, I can help you with that."
LONG = "The quick brown fox jumps over the lazy dog, and then it runs away. " * 20


async def first_ms(synthesizer: EspeakSynthesizer, voice: str = "alloy") -> float:
    begin_s = time.perf_counter()
    speech = synthesizer.speak(SHORT, voice=voice, speed=1)
    await anext(speech)
    taken_ms = (time.perf_counter() - begin_s) * 1e3
    async for _ in speech:
        pass
    return taken_ms


async def speak_all(synthesizer: EspeakSynthesizer, text: str) -> float:
    samples = 0
    async for piece in synthesizer.speak(text, voice="alloy", speed=1):
        samples += len(piece.pcm) // 2
    return samples / 24_000


async def abort_ms(synthesizer: EspeakSynthesizer) -> float:
    speech = synthesizer.speak(LONG, voice="alloy", speed=1)
    await anext(speech)
    begin_s = time.perf_counter()
    await speech.aclose()
    async for _ in synthesizer.speak("Yes.", voice="alloy", speed=1):
        return (time.perf_counter() - begin_s) * 1e3
    raise AssertionError("no speech")


def show(name: str, values_ms: list[float]) -> None:
    cuts = statistics.quantiles(values_ms, n=100)
    print(
        f"{name:44s} p50 {cuts[49]:6.2f} ms   p99 {cuts[98]:6.2f} ms   max {max(values_ms):6.2f} ms"
    )


def rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


async def main(rounds: int) -> None:
    synthesizer = EspeakSynthesizer(workers=1)
    begin_s = time.perf_counter()
    await synthesizer.start()
    print(f"start of one worker {(time.perf_counter() - begin_s) * 1e3:.0f} ms")

    show("first audio", [await first_ms(synthesizer) for _ in range(rounds)])
    voices = synthesizer.voices
    changing = [await first_ms(synthesizer, voices[n % len(voices)]) for n in range(rounds)]
    show("first audio, another voice each time", changing)
    show(
        "after an abort, first audio of the next",
        [await abort_ms(synthesizer) for _ in range(rounds)],
    )

    begin_s = time.perf_counter()
    spoken_s = sum([await speak_all(synthesizer, LONG) for _ in range(5)])
    print(f"RTF {(time.perf_counter() - begin_s) / spoken_s:.4f} ({spoken_s:.0f} s of speech)")

    others = [asyncio.create_task(speak_all(synthesizer, LONG * 4)) for _ in range(8)]
    busy = []
    while not all(task.done() for task in others):
        busy.append(await first_ms(synthesizer))
    show("first audio beside 8 long texts", busy)

    print(f"RSS of the worker {rss_mb(synthesizer.pids[0]):.0f} MB")
    await synthesizer.aclose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=200)
    asyncio.run(main(parser.parse_args().rounds))
