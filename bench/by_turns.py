"""Two versions of the sources, pinned to one core, by turns: what the later one costs.

    git worktree add /tmp/before SOME_COMMIT
    python bench/by_turns.py /tmp/before . -- call_path.py --calls 40

Each runs its own bench of that name, which waits for a line before each piece of work and prints
what it took (`--turns`); see that both do the same work.  Pieces are short, so that what else the
machine does falls on both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path


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
