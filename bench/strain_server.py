"""The server as `antiphon serve` wires it, which counts what it holds when it is asked.

Prints its port once it listens.  Each line on standard input is answered with one of JSON: what
lives in the process after its garbage was collected.  SIGTERM ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # As the command line does.

from zero_engine import ZeroEngine
from zero_server import serve, zero_config

from antiphon.server import logs, wiring
from antiphon.server.secret import Secret
from antiphon.server.settings import JournalSettings


class CountingEngine(ZeroEngine):
    """It is started on the server's event loop, and there it listens to standard input."""

    answer: Callable[[str], dict[str, object]]

    async def start(self) -> None:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._asked)

    async def aclose(self) -> None:
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())

    def _asked(self) -> None:
        asked = os.read(sys.stdin.fileno(), 4096).decode()
        if asked:
            print(json.dumps(self.answer(asked)), flush=True)
        else:  # Whoever started it is gone.
            os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journal", help="keep conversations in this file")
    parser.add_argument("--linger-s", type=float, default=2.0)
    parser.add_argument("--key", default="bench-key")
    args = parser.parse_args()
    journal = JournalSettings(path=args.journal, linger_s=args.linger_s)
    config = zero_config(journal, Secret(args.key))
    logs.configure(config.server.log_level)
    engine = CountingEngine(delta_ms=100, reply_ms=2_000)
    wired = wiring.wire(config, wiring.Parts(engines=[engine]))

    def answer(asked: str) -> dict[str, object]:
        engine.opened.clear()  # The engine's own list of all that ever were.
        sessions = len(wired.hub.sessions)
        if asked.strip() == "sessions":
            return {"sessions": sessions}
        gc.collect()
        kinds = Counter(type(one).__name__ for one in gc.get_objects())
        return {
            "sessions": sessions,
            "tasks": len(asyncio.all_tasks()),
            "objects": kinds.total(),
            "kinds": dict(kinds.most_common(60)),
        }

    engine.answer = answer
    serve(wired)


if __name__ == "__main__":
    main()
