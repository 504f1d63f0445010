"""`antiphon mock`: the Realtime API by script, and everything that can go wrong."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from antiphon.mock import Mock

EPILOG = """\
examples:
  antiphon mock                            on http://127.0.0.1:8090, any key, any model
  antiphon mock --script desk.toml         what it says, hears, and when it fails
  antiphon mock --fault rate_limited       the first response fails
  antiphon mock --faults                   list all faults
  antiphon mock --recording 0001.jsonl     play what `antiphon record` wrote

While it runs:
  curl -X POST http://127.0.0.1:8090/mock/faults -d '{"name": "session_expires", "ms": 0}'
"""
DEFAULT_PORT = 8090


def add_parser(subparsers: Any) -> None:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "mock",
        help="play the Realtime API from a script, with its faults",
        description="A Realtime server to test clients against: no models, no key, no cost.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="default 8090; 0 takes a free one"
    )
    parser.add_argument("--script", type=Path, metavar="FILE", help="TOML, or JSON")
    parser.add_argument(
        "--recording", type=Path, metavar="FILE", help="play what `antiphon record` wrote"
    )
    parser.add_argument("--seed", type=int, help="other ids and another jitter than the script's")
    parser.add_argument("--latency", help="instant, brisk, slow or mobile, whatever the script has")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME", help="strikes once; may be repeated"
    )
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="KEY",
        help="the only keys that it accepts; without any, it accepts all",
    )
    parser.add_argument(
        "--lenient", action="store_true", help="take unknown session fields, as OpenAI does not"
    )
    parser.add_argument(
        "--session-max-seconds", type=float, default=3600, help="a session's longest time"
    )
    parser.add_argument(
        "--stop-with-stdin",
        action="store_true",
        help="stop when standard input ends, and so with the program that holds it",
    )
    parser.add_argument("--faults", action="store_true", help="list all faults and exit")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.faults:
        _list_faults()
        return 0
    asyncio.run(_serve(args))
    return 0


async def _serve(args: argparse.Namespace) -> None:
    from msgspec.structs import replace

    from antiphon.mock import MockScript, mocking, read_script
    from antiphon.runtime.hub import SessionRules
    from antiphon.server.serve import StopSignals

    script = read_script(args.script) if args.script else MockScript()
    if args.seed is not None:
        script = replace(script, seed=args.seed)
    if args.latency is not None:
        script = replace(script, latency=args.latency)
    stop = StopSignals()
    if args.stop_with_stdin:
        _stop_with_stdin(stop)
    with stop.installed():
        async with mocking(
            script,
            faults=args.fault,
            recording=args.recording,
            keys=args.key,
            strict=not args.lenient,
            rules=SessionRules(session_max_ms=round(args.session_max_seconds * 1000)),
            host=args.host,
            port=args.port,
        ) as mock:
            _welcome(mock, args)
            await stop.first.wait()


def _stop_with_stdin(stop: Callable[[], None]) -> None:
    loop, stdin = asyncio.get_running_loop(), sys.stdin.fileno()

    def wait() -> None:
        while os.read(stdin, 4096):
            pass
        with suppress(RuntimeError):  # The loop has been closed.
            loop.call_soon_threadsafe(stop)

    # A daemon, so that nobody waits for standard input in the end.
    threading.Thread(target=wait, daemon=True).start()


def _welcome(mock: Mock, args: argparse.Namespace) -> None:
    keys = f"{len(args.key)}" if args.key else "any"
    lines = [
        f"A mock of the Realtime API listens on {mock.url}",
        f"  clients  OPENAI_BASE_URL={mock.url}/v1, or {mock.websocket_url}/v1/realtime",
        f"  keys     {keys}",
        f"  script   {args.recording or args.script or 'none: it says that it hears you'}",
        f"  faults   {len(mock.faults.armed)} armed; POST {mock.url}/mock/faults for more",
    ]
    print("\n".join(lines), flush=True)


def _list_faults() -> None:
    from antiphon.mock.faults import FAULTS, by_place

    width = max(map(len, FAULTS))
    for kind in by_place():
        sys.stdout.write(f"{kind.name:<{width}}  {kind.place:<10}  {kind.sentence}\n")
