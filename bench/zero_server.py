"""The server as `antiphon serve` wires it, with an engine that costs next to nothing.

Prints its port once it listens; SIGTERM ends it.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
from urllib.parse import urlsplit

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # As the command line does.

from zero_engine import ZeroEngine

from antiphon.server import logs, wiring
from antiphon.server.secret import Secret
from antiphon.server.settings import (
    Config,
    EngineSettings,
    JournalSettings,
    LimitSettings,
    ServerSettings,
    WebRtcOptions,
)


def zero_config(journal: JournalSettings, *api_keys: Secret, max_lateness_ms: float = 0) -> Config:
    """Without limits, if not told otherwise: what is too much is found by measuring, with other
    work on the machine or without.
    """
    return Config(
        server=ServerSettings(
            port=0,
            max_sessions=10_000,
            drain_seconds=0,
            log_level="error",
            api_keys=api_keys,
        ),
        engine=EngineSettings(default=ZeroEngine.name),
        webrtc=WebRtcOptions(host_addresses=("127.0.0.1",)),
        journal=journal,
        limits=LimitSettings(max_lateness_ms=max_lateness_ms),
    )


def serve(wired: wiring.Wired) -> None:
    """Until SIGTERM."""
    wiring.run(wired, on_ready=lambda url: print(urlsplit(url).port, flush=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delta-ms", type=int, default=20)
    parser.add_argument("--reply-ms", type=int, default=4_000)
    parser.add_argument("--lead-ms", type=int, default=0)
    parser.add_argument("--journal", help="keep conversations in this file")
    parser.add_argument(
        "--max-lateness-ms",
        type=float,
        default=0,
        help="refuse sessions above it; 0: what is too much is found by measuring",
    )
    parser.add_argument("--profile", action="store_true", help="print where time went, at the end")
    args = parser.parse_args()
    config = zero_config(JournalSettings(path=args.journal), max_lateness_ms=args.max_lateness_ms)
    logs.configure(config.server.log_level)
    engine = ZeroEngine(delta_ms=args.delta_ms, reply_ms=args.reply_ms, lead_ms=args.lead_ms)
    wired = wiring.wire(config, wiring.Parts(engines=[engine]))
    profile = cProfile.Profile() if args.profile else None
    if profile is not None:
        profile.enable()
    serve(wired)
    if profile is not None:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    main()
