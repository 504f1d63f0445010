"""`antiphon bench`: load a server of the Realtime API, and measure it by what callers hear."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from antiphon.errors import ConfigurationError

if TYPE_CHECKING:
    from antiphon.bench.line import Line
    from antiphon.bench.result import CallResult

EPILOG = """\
Calls begin at their own times, however the server does, and each lasts --duration.  A caller says
a recording, waits for the answer, listens, and interrupts every second one.  A turn without an
answer counts as one that took --timeout.

exit codes: 0 all went well; 1 something failed, or the command was wrong
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "bench",
        help="load a Realtime server and measure what callers hear",
        description="Load a server of the Realtime API, and measure it by what callers hear.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument("url", metavar="URL", help="the server: http, https, ws or wss")
    parser.add_argument("--model", help="the model, as in ?model=")
    parser.add_argument(
        "--key", help="API key (environment: ANTIPHON_API_KEY, or else OPENAI_API_KEY)"
    )
    parser.add_argument("--webrtc", action="store_true", help="call over WebRTC, as browsers do")
    load = parser.add_argument_group("load")
    load.add_argument("--calls", type=int, default=1, help="how many in all (%(default)s)")
    load.add_argument(
        "--rate", type=float, default=1.0, help="how many begin in a second (%(default)s)"
    )
    load.add_argument(
        "--duration", type=float, default=30.0, metavar="SECONDS", help="of a call (%(default)s)"
    )
    load.add_argument(
        "--wav",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.wav",
        help="what callers say, a turn each (repeatable; default: three sentences)",
    )
    load.add_argument(
        "--silence-ms",
        type=int,
        default=500,
        metavar="MS",
        help="the silence that ends a turn, asked of the server (%(default)s)",
    )
    load.add_argument(
        "--barge-in",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="interrupt so long after an answer is heard (%(default)s)",
    )
    load.add_argument("--no-barge-in", action="store_true", help="hear all answers out")
    load.add_argument(
        "--timeout",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="how long a caller waits for an answer (%(default)s)",
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="a row for each turn")
    remote = parser.add_argument_group("a server on another machine: both are needed")
    remote.add_argument("--allow-remote", action="store_true")
    remote.add_argument("--yes-this-costs-money", action="store_true")


def run(args: argparse.Namespace) -> int:
    from antiphon.bench.load import run_calls
    from antiphon.bench.place import check_place
    from antiphon.bench.plan import Plan
    from antiphon.bench.recording import built_in, read_recording
    from antiphon.bench.report import as_text, open_csv, summarize, write_csv
    from antiphon.talk.settings import endpoint

    plan = Plan(
        calls=args.calls,
        rate=args.rate,
        duration_s=args.duration,
        silence_ms=args.silence_ms,
        barge_in_ms=None if args.no_barge_in else args.barge_in * 1000,
        patience_ms=args.timeout * 1000,
    )
    recordings = [read_recording(path) for path in args.wav] or built_in()
    url = endpoint(args.url, args.model)
    check_place(url, allow_remote=args.allow_remote, yes_this_costs_money=args.yes_this_costs_money)
    open_line = _opener(args, url)
    file = None if args.csv is None else open_csv(args.csv)
    calls = "1 call" if plan.calls == 1 else f"{plan.calls} calls"
    rate = "" if plan.calls == 1 else f", {plan.rate:g} a second"
    print(f"{calls} of {plan.duration_s:g} s to {args.url}{rate}", flush=True)
    results = asyncio.run(run_calls(plan, recordings, open_line, on_end=_progress(plan.calls)))
    summary = summarize(results, plan)
    print(as_text(summary))
    if file is not None:
        with file:
            write_csv(file, results, plan)
    return 1 if summary.errors or not summary.answered else 0


def _progress(calls: int) -> Callable[[CallResult], None]:
    """A line for each tenth of the calls that are over: a long run is not silent."""
    over = failed = 0

    def tell(result: CallResult) -> None:
        nonlocal over, failed
        over += 1
        failed += bool(result.all_errors())
        if calls > 1 and over * 10 // calls > (over - 1) * 10 // calls:
            print(f"{over} of {calls} over, {failed} of them with errors", flush=True)

    return tell


def _opener(args: argparse.Namespace, url: str) -> Callable[[], Line]:
    from antiphon.bench.realtime import RealtimeLine
    from antiphon.upstream.websocket import WebSocketConnector

    key = args.key or os.environ.get("ANTIPHON_API_KEY") or os.environ.get("OPENAI_API_KEY")
    if not args.webrtc:
        return lambda: RealtimeLine(WebSocketConnector(url, key), silence_ms=args.silence_ms)
    try:
        from antiphon.bench.webrtc import WebRtcLine
        from antiphon.talk.webrtc import WebRtcConnector
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"--webrtc needs the package {error.name}: make setup installs it"
        ) from error
    return lambda: WebRtcLine(WebRtcConnector(url, key), silence_ms=args.silence_ms)
