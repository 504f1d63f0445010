"""Two versions of the sources, pinned to one core, by turns: what the later one costs.

    git worktree add /tmp/before SOME_COMMIT
    python bench/by_turns.py /tmp/before . -- call_path.py --calls 40

Each runs its own bench of that name, which waits for a line before each piece of work and prints
what it took (`--turns`); see that both do the same work.  Pieces are short, so that what else the
machine does falls on both.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

PIECE_S = 0.5


async def ms_per_second(share: int, seconds: float, *, turns: bool) -> float | None:
    """What the loop's thread takes for each second of one of ``share``, piece by piece; None: each
    piece waited to be told, and was told of by itself.
    """
    gc.collect()
    gc.freeze()
    total_s = 0.0
    if turns:
        print("ready", flush=True)
    for _ in range(int(seconds / PIECE_S)):
        if turns:
            sys.stdin.readline()
        began_s = time.thread_time()
        await asyncio.sleep(PIECE_S)
        took_s = time.thread_time() - began_s
        total_s += took_s
        if turns:
            print(took_s * 1000 / share / PIECE_S, flush=True)
    return None if turns else total_s * 1000 / share / seconds


class Version:
    def __init__(self, tree: Path, bench: list[str]) -> None:
        environment = dict(os.environ, PYTHONPATH=str(tree.resolve() / "src"))
        self._process = subprocess.Popen(
            [sys.executable, *bench, "--turns"],
            cwd=tree.resolve() / "bench",
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def says(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def turn(self) -> float | None:
        """What it took; None once all is done."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return None
        return float(said) if (said := self.says()) else None

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


def pairs(before: Version, after: Version) -> list[tuple[float, float]]:
    """The one that begins changes each time."""
    found: list[tuple[float, float]] = []
    while True:
        order = (before, after) if len(found) % 2 else (after, before)
        took = {version: version.turn() for version in order}
        first, second = took[before], took[after]
        if first is None or second is None:
            return found
        found.append((first, second))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("bench", nargs="*", default=["call_path.py"])
    args = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    before, after = Version(args.before, args.bench), Version(args.after, args.bench)
    try:
        for version in (before, after):
            assert version.says() == "ready", "the bench cannot be told its turn"
        found = pairs(before, after)
    finally:
        before.stop()
        after.stop()
    low, middle, high = statistics.quantiles([b / a for a, b in found], n=4)
    print(
        f"before {statistics.median(a for a, _ in found):.2f},"
        f" after {statistics.median(b for _, b in found):.2f};"
        f" ratio {middle:.3f} (quartiles {low:.3f} to {high:.3f}; {len(found)} pairs)"
    )


if __name__ == "__main__":
    main()
