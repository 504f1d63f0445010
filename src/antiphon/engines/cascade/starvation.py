"""How long a process could have run while others had the processor: that tells nothing of it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path


def queued_s(process: int | str = "self") -> dict[str, float]:
    """Of each of its threads, since that began; empty where the system does not tell (Linux does).

    Linux, Documentation/scheduler/sched-stats.rst: the second number is "time spent waiting on a
    runqueue (in nanoseconds)".
    """
    found = {}
    for path in Path(f"/proc/{process}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError, IndexError, ValueError):  # It may just have ended.
            found[path.parent.name] = int(path.read_bytes().split()[1]) / 1e9
    return found


def queued_since(before: Mapping[str, float], now: Mapping[str, float]) -> list[float]:
    """Of each thread, between two looks (`queued_s`)."""
    return [total_s - before.get(thread, 0) for thread, total_s in now.items()]
