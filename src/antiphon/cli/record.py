"""`antiphon record`: writes down what passes between a client and a server."""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path
from typing import Any

EPILOG = """\
examples:
  antiphon record --upstream wss://api.openai.com/v1/realtime
  antiphon record --upstream ws://127.0.0.1:8080/v1/realtime --folder calls --keep-content

Point a client at it, with the key of the upstream:
  OPENAI_BASE_URL=http://127.0.0.1:8091/v1 OPENAI_API_KEY=sk-... python your_program.py

Then play one of the files:
  antiphon mock --recording recordings/0001.jsonl
"""
DEFAULT_PORT = 8091


def add_parser(subparsers: Any) -> None:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "record",
        help="write down what passes between a client and a Realtime server",
        description="Sits before any server of the Realtime API, and writes a file for each "
        "WebSocket. What was said is made unreadable, unless it is to be kept; keys are never "
        "written.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--upstream", required=True, metavar="URL", help="wss://…/v1/realtime")
    parser.add_argument(
        "--folder", type=Path, default=Path("recordings"), help="where the files go (recordings)"
    )
    parser.add_argument(
        "--key-env",
        metavar="NAME",
        help="variable with the upstream's key, in place of the client's",
    )
    parser.add_argument(
        "--keep-content", action="store_true", help="keep what was said, and its sound"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="default 8091; 0 takes a free one"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    asyncio.run(_record(args))
    return 0


async def _record(args: argparse.Namespace) -> None:
    from antiphon.errors import ConfigurationError
    from antiphon.mock import recording
    from antiphon.server.serve import StopSignals

    key = None
    if args.key_env is not None and not (key := os.environ.get(args.key_env)):
        raise ConfigurationError(f"--key-env: the environment variable {args.key_env} is not set.")
    stop = StopSignals()
    with stop.installed():
        async with recording(
            args.upstream,
            args.folder,
            key=key,
            keep_content=args.keep_content,
            host=args.host,
            port=args.port,
        ) as address:
            kept = "with what was said" if args.keep_content else "without what was said"
            print(f"Records on {address.url}, into {args.folder}, {kept}", flush=True)
            print(f"  clients  OPENAI_BASE_URL={address.url}/v1", flush=True)
            await stop.first.wait()
