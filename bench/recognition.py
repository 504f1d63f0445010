"""How well, how soon and at what cost speech is recognised: the default beside pocketsphinx.

    python bench/recognition.py [--clips DIRECTORY ...] [--ears NAME ...] [--sessions 10]

Each directory holds recordings and a manifest.json (file, kind, lang, text).  Turns come
at the pace of speech, one after the other, as voice detection cuts them: 300 ms before the
speech, 500 ms after it.  For each of the two:
* free speech: word error rate (numbers as they are spoken), exact turns, CPU seconds of a
  turn in the worker processes, and the time from the end of the turn to its final text;
* noise: how many recordings of none are taken for words;
* commands (tests/engines/cascade/stt/command_clips.py): how many are exactly right with
  the grammar of their state, and how many other recordings are taken for a sentence of
  some grammar;
* memory of the worker processes (PSS: what they share counts once);
* many sessions that talk all the time: from the end of a turn to its text.
Prints a row for docs/reference/engines.md.  Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from report import percentile  # noqa: E402

from antiphon.engines.cascade.offline import grammar_ears  # noqa: E402
from antiphon.engines.cascade.parts import Grammar, Recognizer, Transcript  # noqa: E402
from antiphon.engines.cascade.stt.ears import find_ears  # noqa: E402
from antiphon.engines.cascade.stt.paired import PairedRecognizer  # noqa: E402
from antiphon.engines.cascade.stt.pocketsphinx import PocketSphinxRecognizer  # noqa: E402
from antiphon.engines.cascade.stt.spoken_words import spoken_words  # noqa: E402
from antiphon.engines.cascade.stt.whisper import WhisperRecognizer  # noqa: E402
from antiphon.engines.cascade.tts.espeak import EspeakSynthesizer  # noqa: E402
from tests.engines.cascade.stt.command_clips import (  # noqa: E402
    COMMANDS,
    GRAMMARS,
    as_turn,
    command_turn,
    load,
)

PACE_MS = 20
STEP = PACE_MS * 48
TURN_MAX_S = 20
"""Longer recordings are no turns."""


class Turn(Struct):
    heard: Transcript
    after_end_ms: float
    cpu_s: float = 0.0


class Clip(Struct):
    name: str
    kind: str
    text: str | None
    pcm: bytes


class Result(Struct):
    name: str
    wer: dict[str, float] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        print(f"[{self.name}] {line}", flush=True)
        self.lines.append(line)


# --- What is heard -----------------------------------------------------------


def clips_of(folder: Path) -> list[Clip]:
    room = load(ROOT / "tests/data/speech", "noise_room")
    found = []
    for entry in json.loads((folder / "manifest.json").read_text()):
        name = entry["file"].removesuffix(".wav")
        if entry["lang"] == "en" and entry["seconds"] < TURN_MAX_S:
            text = entry["text"] and entry["text"].replace("|", "")
            found.append(Clip(name, entry["kind"], text, as_turn(load(folder, name), room)))
    return found


async def recognise(
    recognizer: Recognizer,
    pcm: bytes,
    grammar: Grammar | None = None,
    *,
    paced: bool = True,
    live: bool = False,
) -> Turn:
    final: asyncio.Future[Transcript] = asyncio.get_running_loop().create_future()

    def report(transcript: Transcript) -> None:
        if transcript.final:
            final.set_result(transcript)

    turn = recognizer.begin(report, grammar=grammar, language="en", live=live)
    begin_s, cpu_s = time.perf_counter(), children_cpu_s()
    for n, at in enumerate(range(0, len(pcm), STEP), 1):
        turn.feed(pcm[at : at + STEP])
        if paced:
            await asyncio.sleep(begin_s + n * PACE_MS / 1e3 - time.perf_counter())
    end_s = time.perf_counter()
    turn.finish()
    heard = await final
    return Turn(heard, (time.perf_counter() - end_s) * 1e3, children_cpu_s() - cpu_s)


# --- What it costs -----------------------------------------------------------


def children() -> list[int]:
    pid = os.getpid()
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def children_cpu_s() -> float:
    ticks = 0
    for pid in children():
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def children_mb() -> str:
    parts = []
    for pid in children():
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        pss_kb = next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
        parts.append(round(pss_kb / 1024))
    return f"{sum(parts)} MB ({' + '.join(map(str, parts))})"


# --- How good it is ----------------------------------------------------------


def word_errors(wanted: str, got: str) -> tuple[int, int]:
    a, b = (
        ["zero" if word == "oh" else word for word in spoken_words(text)] for text in (wanted, got)
    )
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        new = [i]
        for j, y in enumerate(b, 1):
            new.append(min(row[j] + 1, new[-1] + 1, row[j - 1] + (x != y)))
        row = new
    return row[-1], len(a)


def spread(values: Sequence[float], unit: str = "ms") -> str:
    ordered = sorted(values)
    return (
        f"p50 {percentile(ordered, 50):.3g}, p90 {percentile(ordered, 90):.3g}, "
        f"max {ordered[-1]:.3g} {unit}"
    )


async def free_speech(
    recognizer: Recognizer, clips: list[Clip], where: str, result: Result
) -> None:
    wrong = total = exact = 0
    turns: list[Turn] = []
    known = [clip for clip in clips if clip.text]
    for clip in known:
        turn = await recognise(recognizer, clip.pcm)
        turns.append(turn)
        errors, words = word_errors(clip.text or "", turn.heard.text)
        wrong, total, exact = wrong + errors, total + words, exact + (errors == 0)
        if errors:
            print(f"  {clip.name:26} {clip.text!r}: {turn.heard.text!r}")
    result.wer[where] = wrong / total
    cpu_s = [turn.cpu_s for turn in turns]
    seconds = sum(len(clip.pcm) for clip in known) / 48_000 / len(known)
    result.say(
        f"{where}: WER {wrong / total:.3f}, exact {exact}/{len(known)}; CPU "
        f"{sum(cpu_s) / len(cpu_s):.2f} s a turn of {seconds:.1f} s ({spread(cpu_s, 's')}); "
        f"end of turn to text {spread([turn.after_end_ms for turn in turns])}"
    )


async def noise(recognizer: Recognizer, clips: list[Clip], where: str, result: Result) -> None:
    noises = [clip for clip in clips if clip.kind == "noise"]
    invented = []
    for clip in noises:
        heard = (await recognise(recognizer, clip.pcm, paced=False)).heard.text
        if heard:
            invented.append(f"{clip.name} {heard!r}")
    result.say(f"{where}: words in {len(invented)}/{len(noises)} noises {', '.join(invented)}")


async def live(recognizer: Recognizer, clips: list[Clip], result: Result) -> None:
    turns = [await recognise(recognizer, c.pcm, live=True) for c in clips if c.text][:20]
    cpu_s = [turn.cpu_s for turn in turns]
    result.say(f"with words while spoken: CPU {sum(cpu_s) / len(cpu_s):.2f} s a turn")


async def commands(recognizer: Recognizer, folder: Path, result: Result) -> None:
    turns = []
    for command in COMMANDS:
        pcm = command_turn(folder, command)
        turns.append(await recognise(recognizer, pcm, GRAMMARS[command.grammar]))
    pairs = list(zip(turns, COMMANDS, strict=True))
    right = sum(turn.heard.text == command.text for turn, command in pairs)
    for turn, command in pairs:
        if turn.heard.text != command.text:
            print(f"  {command.name}: {turn.heard}")
    result.say(
        f"commands with a grammar: exact {right}/{len(pairs)}; end of turn to text "
        f"{spread([turn.after_end_ms for turn in turns])}"
    )


async def rejection(recognizer: Recognizer, clips: list[Clip], result: Result) -> None:
    used = {command.clip for command in COMMANDS}
    others = [clip for clip in clips if clip.name not in used]
    taken = []
    for clip in others:
        for grammar in GRAMMARS.values():
            heard = (await recognise(recognizer, clip.pcm, grammar, paced=False)).heard
            if heard.in_grammar:
                taken.append(f"{clip.name} {heard.text!r}")
    result.say(
        f"outside the grammar: {len(taken)}/{len(others) * len(GRAMMARS)} accepted "
        f"{', '.join(taken)}"
    )


async def many(recognizer: Recognizer, clips: list[Clip], sessions: int, result: Result) -> None:
    """A turn of each after the other, with a second between, for everybody at once; always
    with a grammar, as beside the offline brain.
    """
    known = [clip for clip in clips if clip.text]
    grammar = GRAMMARS["booking"]
    turns: list[Turn] = []

    async def talk(first: int) -> None:
        await asyncio.sleep(0.4 * first)
        for n in range(5):
            pcm = known[(first * 7 + n) % len(known)].pcm
            turns.append(await recognise(recognizer, pcm, grammar))
            await asyncio.sleep(1)

    late_ms = 0.0

    async def watch() -> None:
        nonlocal late_ms
        while True:
            asked_s = time.perf_counter()
            await asyncio.sleep(0.01)
            late_ms = max(late_ms, (time.perf_counter() - asked_s) * 1e3 - 10)

    watching = asyncio.create_task(watch())
    begin_s, cpu_s = time.perf_counter(), children_cpu_s()
    await asyncio.gather(*(talk(n) for n in range(sessions)))
    watching.cancel()
    cores = (children_cpu_s() - cpu_s) / (time.perf_counter() - begin_s)
    result.say(
        f"{sessions} sessions: end of turn to text {spread([t.after_end_ms for t in turns])}; "
        f"{cores:.2f} cores; event loop late by {late_ms:.0f} ms at most"
    )


# --- The two -----------------------------------------------------------------


def make(name: str, voice: EspeakSynthesizer) -> Recognizer:
    if name == "pocketsphinx":
        return PocketSphinxRecognizer(pronounce=voice.pronounce)
    ears = find_ears("whisper")
    assert ears.model is not None
    return PairedRecognizer(WhisperRecognizer(ears.model), grammar_ears(voice.pronounce))


async def measure(name: str, arguments: Any) -> None:
    result = Result(name)
    voice = EspeakSynthesizer(workers=1)
    await voice.start()
    # It pronounces rare words of grammars, and shall not be counted.
    recognizer = make(name, voice)
    begin_s = time.perf_counter()
    await recognizer.start()
    result.say(f"start {time.perf_counter() - begin_s:.2f} s, load {os.getloadavg()[0]:.1f}")
    sets = {folder.name: clips_of(folder) for folder in arguments.clips}
    if not arguments.only_sessions:
        await alone(recognizer, sets, arguments.clips[0], result)
    await many(recognizer, next(iter(sets.values())), arguments.sessions, result)
    result.say(f"memory after all, with espeak's process: {children_mb()}")
    await recognizer.aclose()
    await voice.aclose()


async def alone(
    recognizer: Recognizer, sets: dict[str, list[Clip]], commands_in: Path, result: Result
) -> None:
    """One turn at a time."""
    for where, clips in sets.items():
        await free_speech(recognizer, clips, where, result)
        await noise(recognizer, clips, where, result)
    first = next(iter(sets.values()))
    result.say(f"memory, with espeak's process: {children_mb()}")
    await live(recognizer, first, result)
    await commands(recognizer, commands_in, result)
    await rejection(recognizer, first, result)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--clips", type=Path, nargs="+", default=[ROOT.parent / "shared/data/speech"]
    )
    parser.add_argument(
        "--ears",
        nargs="+",
        default=["pocketsphinx", "default"],
        choices=["pocketsphinx", "default"],
    )
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--only-sessions", action="store_true", help="only many sessions")
    arguments = parser.parse_args()
    for folder in arguments.clips:
        if not (folder / "manifest.json").exists():
            sys.exit(f"no manifest.json in {folder}: name the recordings with --clips")
    for name in arguments.ears:
        asyncio.run(measure(name, arguments))


if __name__ == "__main__":
    main()
