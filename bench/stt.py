"""How well and how soon speech is recognised.

    python bench/stt.py [--clips DIRECTORY] [--only commands|open|rejection]

Reads recordings of people and their manifest.json.  Prints:
* commands: how many are exactly right with the grammar of their state, and without;
  fed at the pace of speech, with the time from ``finish()`` to the final transcript and
  how long before that the sentence was reported complete;
* rejection: how many turns that are in none of the grammars are taken for a sentence of
  some grammar: every recording that is no command, with every grammar;
* open: word error rate of free speech, by recording.

The commands and grammars are those of tests/engines/cascade/stt/command_clips.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from antiphon.engines.cascade.parts import Grammar, Transcript  # noqa: E402
from antiphon.engines.cascade.stt.pocketsphinx import PocketSphinxRecognizer  # noqa: E402
from antiphon.engines.cascade.tts.espeak import EspeakSynthesizer  # noqa: E402
from tests.engines.cascade.stt.command_clips import COMMANDS, GRAMMARS, as_turn, command_turn, load  # noqa: E402

PACE_MS = 20
BYTES_PER_MS = 48
AT_ONCE = 2


class Result:
    def __init__(self) -> None:
        self.final = Transcript("", final=True)
        self.final_ms = 0.0
        self.complete_before_end_ms: float | None = None
        """Of the turn, of which 500 ms are silence."""
        self.taken_s = 0.0


async def recognise(
    recognizer: PocketSphinxRecognizer, pcm: bytes, grammar: Grammar | None, *, paced: bool
) -> Result:
    result = Result()
    done = asyncio.Event()
    complete_s: list[float] = []

    def report(transcript: Transcript) -> None:
        if transcript.final:
            result.final = transcript
            done.set()
        elif not transcript.complete:
            complete_s.clear()
        elif not complete_s:
            complete_s.append(time.perf_counter())

    turn = recognizer.begin(report, grammar=grammar, language="en")
    begin_s = time.perf_counter()
    step = PACE_MS * BYTES_PER_MS
    for n, at in enumerate(range(0, len(pcm), step), 1):
        turn.feed(pcm[at : at + step])
        if paced:
            await asyncio.sleep(begin_s + n * PACE_MS / 1e3 - time.perf_counter())
    finish_s = time.perf_counter()
    turn.finish()
    await done.wait()
    result.final_ms = (time.perf_counter() - finish_s) * 1e3
    result.taken_s = time.perf_counter() - begin_s
    if complete_s:
        result.complete_before_end_ms = (finish_s - complete_s[0]) * 1e3
    return result


async def all_of(jobs: Sequence[Coroutine[Any, Any, Result]]) -> list[Result]:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(job: Coroutine[Any, Any, Result]) -> Result:
        async with places:
            return await job

    return await asyncio.gather(*(one(job) for job in jobs))


def word_errors(wanted: str, got: str) -> tuple[int, int]:
    a, b = wanted.split(), got.split()
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        new = [i]
        for j, y in enumerate(b, 1):
            new.append(min(row[j] + 1, new[-1] + 1, row[j - 1] + (x != y)))
        row = new
    return row[-1], len(a)


def spread(name: str, values: list[float]) -> str:
    if not values:
        return f"{name}: none"
    ordered = sorted(values)
    p90 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.9))]
    return f"{name}: median {statistics.median(ordered):.0f} p90 {p90:.0f} max {ordered[-1]:.0f} ms"


async def commands(recognizer: PocketSphinxRecognizer, clips: Path) -> None:
    turns = [command_turn(clips, command) for command in COMMANDS]
    with_grammar = await all_of(
        [
            recognise(recognizer, pcm, GRAMMARS[command.grammar], paced=True)
            for pcm, command in zip(turns, COMMANDS, strict=True)
        ]
    )
    open_only = await all_of([recognise(recognizer, pcm, None, paced=True) for pcm in turns])
    right = sum(
        r.final.in_grammar and r.final.text == c.text
        for r, c in zip(with_grammar, COMMANDS, strict=True)
    )
    wrong = sum(
        r.final.in_grammar and r.final.text != c.text
        for r, c in zip(with_grammar, COMMANDS, strict=True)
    )
    right_open = sum(r.final.text == c.text for r, c in zip(open_only, COMMANDS, strict=True))
    n = len(COMMANDS)
    print(
        f"commands with a grammar: exact {right}/{n}, another sentence {wrong}/{n}, rejected "
        f"{n - right - wrong}/{n}; without: exact {right_open}/{n}"
    )
    for r, c in zip(with_grammar, COMMANDS, strict=True):
        if not (r.final.in_grammar and r.final.text == c.text):
            print(f"  {c.name}: {'' if r.final.in_grammar else 'rejected, '}{r.final.text!r}")
    print(spread("finish() to final, with a grammar", [r.final_ms for r in with_grammar]))
    print(spread("finish() to final, without", [r.final_ms for r in open_only]))
    for name, results in (("with", with_grammar), ("without", open_only)):
        slowest = sorted(zip(results, COMMANDS, strict=True), key=lambda rc: -rc[0].final_ms)[:3]
        print(f"  slowest {name}: " + ", ".join(f"{c.name} {r.final_ms:.0f}" for r, c in slowest))
    early = [r.complete_before_end_ms for r in with_grammar if r.complete_before_end_ms]
    print(
        f"complete was reported in {len(early)}/{n}; after the end of the speech by "
        + spread("", [500 - ms for ms in early]).lstrip(": ")
    )


async def rejection(
    recognizer: PocketSphinxRecognizer, clips: Path, manifest: list[dict[str, Any]]
) -> None:
    used = {command.clip for command in COMMANDS}
    room = load(clips, "noise_room")
    names = [m["file"][:-4] for m in manifest if m["file"][:-4] not in used]
    jobs, asked = [], []
    for name in names:
        pcm = as_turn(load(clips, name), room, speech_max_s=6)
        for grammar in GRAMMARS.values():
            asked.append((name, grammar.key))
            jobs.append(recognise(recognizer, pcm, grammar, paced=False))
    results = await all_of(jobs)
    taken = [
        (*ask, r.final.text) for ask, r in zip(asked, results, strict=True) if r.final.in_grammar
    ]
    print(
        f"rejection: {len(taken)}/{len(asked)} turns outside the grammar were accepted, of "
        f"{len({name for name, _, _ in taken})}/{len(names)} recordings"
    )
    for name, key, text in taken:
        print(f"  {name} as {key}: {text!r}")


async def free_speech(
    recognizer: PocketSphinxRecognizer, clips: Path, manifest: list[dict[str, Any]]
) -> None:
    room = load(clips, "noise_room")
    known = [m for m in manifest if m["lang"] == "en" and m["text"]]
    turns = [as_turn(load(clips, m["file"][:-4]), room) for m in known]
    # One after the other, for the real time factor.
    results = [await recognise(recognizer, pcm, None, paced=False) for pcm in turns]
    wrong = total = exact = 0
    for m, result in zip(known, results, strict=True):
        errors, words = word_errors(m["text"].replace("|", ""), result.final.text)
        wrong, total, exact = wrong + errors, total + words, exact + (errors == 0)
        print(f"  {m['file'][:-4]:28s} WER {errors / words:.2f}  {result.final.text!r}")
    audio_s = sum(map(len, turns)) / BYTES_PER_MS / 1e3
    print(
        f"free speech: WER {wrong / total:.3f}, exact {exact}/{len(known)}, "
        f"RTF {sum(r.taken_s for r in results) / audio_s:.3f}"
    )


def rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


async def main(clips: Path, only: str | None) -> None:
    manifest = json.loads((clips / "manifest.json").read_text())
    voice = EspeakSynthesizer(workers=1)
    recognizer = PocketSphinxRecognizer(workers=2, turns_per_worker=2, pronounce=voice.pronounce)
    begin_s = time.perf_counter()
    await asyncio.gather(voice.start(), recognizer.start())
    print(
        f"start {time.perf_counter() - begin_s:.2f} s, RSS of the workers "
        f"{[round(rss_mb(pid)) for pid in recognizer.pids]} MB"
    )
    if only in (None, "commands"):
        await commands(recognizer, clips)
    if only in (None, "rejection"):
        await rejection(recognizer, clips, manifest)
    if only in (None, "open"):
        await free_speech(recognizer, clips, manifest)
    print(f"RSS of the workers {[round(rss_mb(pid)) for pid in recognizer.pids]} MB")
    await recognizer.aclose()
    await voice.aclose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=Path, default=ROOT.parent / "shared/data/speech")
    parser.add_argument("--only", choices=["commands", "rejection", "open"])
    arguments = parser.parse_args()
    if not (arguments.clips / "manifest.json").exists():
        sys.exit(f"no manifest.json in {arguments.clips}: name the recordings with --clips")
    asyncio.run(main(arguments.clips, arguments.only))
