"""Servers that are to be killed: a process that has everything loaded forks one for each line.

Reads the paths of journals from standard input; answers each with the pid and the port of a
server that keeps its conversations there.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # No threads before the fork.

from antiphon.engines.scripted import Script, ScriptedEngine, Speak, Wait, Write
from antiphon.journal.sqlite import SqliteJournal
from antiphon.server.wiring import Parts
from antiphon.testing import serving
from antiphon.transports.webrtc import calls

LOADED = (calls,)
"""What a server would otherwise load once it starts, each time."""

SCRIPT = Script(
    replies=(
        (Write(text="One word."), Wait(ms=1), Write(text=" And another.")),
        (Speak(ms=100, text="Spoken words."),),
        (Write(text="At once."),),
    )
    * 100,
    when_used_up="repeat_last",
)


async def serve(path: Path) -> None:
    parts = Parts(journal=SqliteJournal(path))
    async with serving(ScriptedEngine(SCRIPT), parts=parts, in_memory=False) as server:
        sys.stdout.write(f"{os.getpid()} {server.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Nobody waits for those that were killed.
    for line in sys.stdin:
        if os.fork() == 0:
            sys.stdin.close()
            asyncio.run(serve(Path(line.strip())))
            os._exit(0)


if __name__ == "__main__":
    main()
