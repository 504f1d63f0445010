"""A process for each session, as Pipecat's documentation has it; started before they are called."""

from __future__ import annotations

import subprocess
import sys


def as_many_as_asked() -> None:
    """With ``--processes N``, run the same script N times, and end when they have."""
    if "--processes" not in sys.argv:
        return
    at = sys.argv.index("--processes")
    script = [sys.executable, sys.argv[0], *sys.argv[1:at], *sys.argv[at + 2 :]]
    bots = [subprocess.Popen(script) for _ in range(int(sys.argv[at + 1]))]
    sys.exit(max(bot.wait() for bot in bots))
