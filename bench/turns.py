"""Turns that feel human, or not: false stops, missed ones, delays, turns a sentence, felt silence.

    python bench/turns.py [--clips DIRECTORY ...] [--only KIND ...] [--by NAME ...] [--misses]
    python bench/turns.py --voice kal --voice alloy ...

Users are made of recordings with free licences (tests/data/speech, and each directory of
``--clips``) and of flite's voices, where that is installed (bench/turn_users.py).  Each is
heard by the API's defaults and by what the console and `antiphon talk` ask for (``ours``; ``waits``
is the same without answers that are begun early); in virtual time, with the real voice detection
and Whisper (bench/turn_call.py).  ``--by pipecat`` is
Pipecat's default strategy (bench/turn_rivals.py), where it is installed; ``--by melody`` is
ours with Smart Turn (``--smart-turn FILE``).  ``--voice``: users of those voices alone, flite's or
by the API's names espeak-ng's, who speak beside the assistant.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(ROOT))

from report import percentile  # noqa: E402
from turn_call import ANSWER_MS, Call, Outcome  # noqa: E402
from turn_users import Recordings, Scene, scenes  # noqa: E402

from antiphon.engines.cascade.end_of_turn.smart_turn_worker import Network  # noqa: E402
from antiphon.engines.cascade.stt.ears import find_ears  # noqa: E402
from antiphon.engines.cascade.stt.short_words import PHRASES, WATCHED  # noqa: E402
from antiphon.engines.cascade.stt.whisper_model import WhisperModel  # noqa: E402
from antiphon.protocol.session import Overlap, SemanticVad, ServerVad  # noqa: E402

Listener = Callable[[Scene], Outcome]
HARMLESS = ("backchannel", "noise", "echo")
WANT_THE_FLOOR = ("interruption", "one word", "answer")


BY = ("api", "ours", "waits", "melody", "pipecat")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=Path, action="append", default=[])
    parser.add_argument("--only", action="append")
    parser.add_argument("--voice", action="append", help="users of these voices alone")
    parser.add_argument("--smart-turn", type=Path, help="the network of --by melody")
    parser.add_argument("--by", action="append", choices=BY)
    parser.add_argument(
        "--answer-ms", type=int, default=ANSWER_MS, help="from a turn's words to the answer"
    )
    parser.add_argument("--misses", action="store_true", help="name what went wrong")
    options = parser.parse_args()
    recordings = Recordings([ROOT / "tests/data/speech", *options.clips])
    chosen = [
        scene
        for scene in scenes(recordings, options.voice)
        if not options.only or scene.kind in options.only
    ]
    for name in options.by or ("api", "ours"):
        listener = listener_of(name, options.answer_ms, options.smart_turn)
        print(f"\n== {name}", flush=True)
        report([(scene, listener(scene)) for scene in chosen], misses=options.misses)


def listener_of(name: str, answer_ms: int, smart_turn: Path | None) -> Listener:
    if name == "pipecat":
        from turn_rivals import pipecat_listener

        return pipecat_listener()
    folder = find_ears("whisper").model
    assert folder is not None
    model = WhisperModel(folder, watched=WATCHED, phrases=PHRASES)
    detection = ServerVad() if name == "api" else SemanticVad(overlap=Overlap())
    judge = Network(smart_turn).judge if name == "melody" and smart_turn is not None else None
    speculates = name in ("ours", "melody")
    return lambda scene: Call(
        scene, detection, model, judge=judge, answer_ms=answer_ms, speculates=speculates
    ).run()


def report(heard: list[tuple[Scene, Outcome]], *, misses: bool) -> None:
    by_kind: dict[str, list[tuple[Scene, Outcome]]] = defaultdict(list)
    for scene, outcome in heard:
        by_kind[scene.kind].append((scene, outcome))
    for kind, found in by_kind.items():
        if kind in HARMLESS:
            wrong = [one for one in found if one[1].stopped_ms or one[1].answered_ms]
            print(f"{kind}: {len(wrong)} of {len(found)} stopped it or were answered")
            held = [one for one in found if one[1].held_ms and not one[1].stopped_ms]
            print(f"  {len(held)} more were waited for in silence")
        elif kind in WANT_THE_FLOOR:
            wrong = [one for one in found if not (one[1].stopped_ms and one[1].answered_ms)]
            print(f"{kind}: {len(wrong)} of {len(found)} missed; from the word")
            times("  to the voice's first change (ducked or cut)", found, first_change)
            times("  to speech_started", found, lambda o: o.started_ms)
            times("  to silence", found, first_silence)
            after_end("  to silence, from the end of what was said", found, silences)
            times("  to the end of the answer", found, lambda o: o.stopped_ms)
        else:
            wrong = [one for one in found if items(one[1]) != 1]
            turns = sum(items(outcome) for _, outcome in found)
            joined = sum(outcome.joined for _, outcome in found)
            stood = sum(len(outcome.answered_ms) - outcome.withdrawn for _, outcome in found)
            print(f"{kind}: {turns} items of {len(found)}, {len(wrong)} cut or lost")
            print(f"  {joined} more were committed, and made one with what followed")
            print(f"  {stood} answers that stood; {spoken_into(found)} ms of others were heard")
            after_end("  to the end of the turn", found, lambda o: o.committed_ms[-1:])
            after_end("  to the first sound (felt silence)", found, lambda o: o.answered_ms[-1:])
        if misses:
            for scene, outcome in wrong:
                print(f"    {scene.name}: {outcome}")


def items(outcome: Outcome) -> int:
    """That stood."""
    return len(outcome.committed_ms) - outcome.joined


def spoken_into(found: list[tuple[Scene, Outcome]]) -> int:
    """What was heard of answers to those who had not said all, where that is known."""
    return sum(
        heard
        for scene, outcome in found
        for begun, heard in zip(outcome.answered_ms, outcome.heard_ms, strict=False)
        if begun < scene.ends_ms
    )


def first_change(outcome: Outcome) -> int | None:
    moments = [ms for ms in (outcome.ducked_ms, outcome.stopped_ms) if ms is not None]
    return min(moments, default=None)


def first_silence(outcome: Outcome) -> int | None:
    moments = [ms for ms in (outcome.held_ms, outcome.stopped_ms) if ms is not None]
    return min(moments, default=None)


def silences(outcome: Outcome) -> list[int]:
    return [] if (ms := first_silence(outcome)) is None else [ms]


def times(
    what: str, found: list[tuple[Scene, Outcome]], of: Callable[[Outcome], int | None]
) -> None:
    show(what, [ms - scene.begins_ms for scene, o in found if (ms := of(o)) is not None])


def after_end(
    what: str, found: list[tuple[Scene, Outcome]], of: Callable[[Outcome], list[int]]
) -> None:
    show(what, [ms - scene.ends_ms for scene, outcome in found for ms in of(outcome)])


def show(what: str, values: list[int]) -> None:
    if values:
        high = percentile(values, 95) or values[0]
        print(f"{what}: {statistics.median(values):.0f} ms, p95 {high:.0f} ms")


if __name__ == "__main__":
    main()
