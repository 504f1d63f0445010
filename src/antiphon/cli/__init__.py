"""The command line.

Each command is a module of this package with two functions, and a name in `COMMANDS`:
``add_parser(subparsers)`` describes it and sets ``run``; ``run(args)`` does it and
returns the exit code.  What a command needs it imports in ``run``, so that ``--help``
stays quick.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from antiphon.errors import AntiphonError

LOADING_OBJECTS = 50_000
"""So many young objects before the collector looks: what is loaded to start is no garbage."""

COMMANDS = (
    "serve",
    "check",
    "talk",
    "bench",
    "mock",
    "record",
    "replay",
    "conversations",
    "memory",
    "usage",
    "keys",
    "certificate",
    "models",
)

EPILOG = """\
examples:
  antiphon serve                     serve this machine on http://127.0.0.1:8080
  antiphon check                     show the configuration that would run
  antiphon serve --help              all about one command

Settings: antiphon.toml and ANTIPHON_* variables, see docs/reference/configuration.md.
"""


class _Version(argparse.Action):
    """Looked up where it is asked for: that takes longer than all else here."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(nargs=0, help="show program's version number and exit", **settings)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"antiphon {version('antiphon')}")
        parser.exit()


def make_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Of all commands, or of the one that is called: the others need not be loaded for it."""
    parser = argparse.ArgumentParser(
        prog="antiphon",
        description="A self-hosted realtime voice server that speaks the OpenAI Realtime API.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, dest=argparse.SUPPRESS)
    subparsers = parser.add_subparsers(metavar="COMMAND", dest="command")
    for name in (command,) if command in COMMANDS else COMMANDS:
        import_module(f"antiphon.cli.{name}").add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    # Before numpy is loaded: with more, voice detection is five times slower (bench/vad.py).
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(LOADING_OBJECTS)
    given = sys.argv[1:] if argv is None else argv
    parser = make_parser(given[0] if given else None)
    args = parser.parse_args(given)
    if args.command is None:
        parser.print_help()
        return 2
    try:
        code: int = args.run(args)
    except AntiphonError as error:
        for line in str(error).splitlines():
            print(f"antiphon: {line}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code
