"""`zero_server.py` as several processes: prints its port once it listens; SIGTERM ends it.

Run by another program with files of its bus, it is one of those processes.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # As the command line does.

from antiphon.server import config, logs, wiring

REPLY_MS = "BENCH_REPLY_MS"
OVERRIDES = {
    "server.port": 0,
    "server.max_sessions": 10_000,
    "server.drain_seconds": 0,
    "server.log_level": "error",
    "engine.default": "zero",
    "webrtc.host_addresses": ("127.0.0.1",),
    "journal.retention": "none",
    "metering.keep_always": False,
}


def process() -> int:
    from zero_engine import ZeroEngine

    from antiphon.processes.worker import main

    reply_ms = int(os.environ[REPLY_MS])
    return main(lambda url, _: [url], [ZeroEngine(delta_ms=20, reply_ms=reply_ms, lead_ms=0)])


def main() -> None:
    from antiphon.processes.supervisor import Supervisor

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--reply-ms", type=int, default=4_000)
    args = parser.parse_args()
    os.environ[REPLY_MS] = str(args.reply_ms)
    asked = OVERRIDES | {"server.processes": args.processes}
    settings = config.load(os.devnull, overrides=asked).config
    logs.configure("error")
    supervisor = Supervisor(
        settings,
        processes=settings.server.processes,
        program=[sys.executable, str(Path(__file__))],
        config_path=os.devnull,
        overrides=asked,
        on_ready=lambda lines: print(urlsplit(lines[0]).port, flush=True),
    )
    with wiring.runner() as runner:
        runner.run(supervisor.run())


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1].isdecimal():
        sys.exit(process())
    main()
