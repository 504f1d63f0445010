"""`antiphon replay`: what happened in a recorded session, and whether it would again."""

from __future__ import annotations

import argparse
import base64
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, Struct

if TYPE_CHECKING:
    from antiphon.cli.turn_log import TurnLog
    from antiphon.journal.tape import Tape
    from antiphon.testing.replay import ReplayedStep

SAME, DIFFERENT, NO_TAPE = 0, 1, 2


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "replay",
        help="show what happened in a recorded session, and whether it would again",
        description="Print a recorded session, one line per turn, and the first effect that would "
        "differ today. Exit code: 0 same, 1 different, 2 not a tape.",
    )
    parser.add_argument(
        "tape",
        help="a file (serve --tape DIR writes one per session), or the id of a conversation of "
        "which a tape is kept ([journal] tapes)",
    )
    parser.add_argument("--session", metavar="ID", help="of a conversation (default: its last)")
    parser.add_argument("--config", metavar="FILE", help="default: antiphon.toml, if it is there")
    parser.add_argument("--path", type=Path, help="the journal's SQLite file")
    parser.add_argument(
        "--full", action="store_true", help="every cause and effect, including what was said"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per step")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from antiphon.cli.turn_log import TurnLog
    from antiphon.journal.tape import Tape, TapeError
    from antiphon.testing.replay import replay

    first = None
    steps = 0
    try:
        tape = _kept(args) if args.tape.startswith("conv_") else Tape(Path(args.tape))
        log = TurnLog(tape.terms)
        for step in replay(tape):
            steps += 1
            first = first or step.difference
            if args.json:
                _print_json(step, full=args.full)
            elif args.full:
                _print_lines(step)
            else:
                log.saw(step.now_ms, step.cause, step.effects)
    except TapeError as error:
        print(error, file=sys.stderr)
        return NO_TAPE
    if not args.json:
        for line in log.lines:
            print(line)
        print(f"First difference: {first}" if first else _as_recorded(log, steps, full=args.full))
    return SAME if first is None else DIFFERENT


def _kept(args: argparse.Namespace) -> Tape:
    """Raises:
    TapeError: the conversation has none.
    """
    import asyncio

    from antiphon.cli.kept import opened_journal
    from antiphon.journal.entries import Taped
    from antiphon.journal.tape import Tape, TapeError

    async def read() -> Sequence[Taped]:
        async with opened_journal(args) as journal:
            return await journal.read_apart(args.tape, Taped)

    pieces = asyncio.run(read())
    session_id = args.session or (pieces[-1].session_id if pieces else None)
    data = b"".join(piece.data for piece in pieces if piece.session_id == session_id)
    if not data:
        raise TapeError(f"{args.tape}: no tape of it is kept.")
    return Tape.of(data, f"{args.tape}, {session_id}")


def _as_recorded(log: TurnLog, steps: int, *, full: bool) -> str:
    counted = f"{steps} steps"
    if not full:
        counted = f"{log.turns} turn{'' if log.turns == 1 else 's'}, {counted}"
    return f"{counted}, all as recorded." + ("" if full else "  Every step: --full")


def _print_lines(step: ReplayedStep) -> None:
    from antiphon.cli.turn_log import clock

    print(f"{clock(step.now_ms)}  {_shown(step.cause)}")
    for effect in step.effects:
        print(f"            → {_shown(effect)}")


def _print_json(step: ReplayedStep, *, full: bool) -> None:
    record = {
        "step": step.number,
        "now_ms": step.now_ms,
        "cause": _plain(step.cause, audio=full),
        "effects": [_plain(effect, audio=full) for effect in step.effects],
        "difference": _plain(step.difference, audio=full),
    }
    print(msgspec.json.encode(record).decode())


def _shown(thing: Struct) -> str:
    return msgspec.json.encode(_plain(thing, audio=False)).decode()


def _plain(value: Any, *, audio: bool) -> Any:
    """Plain data; audio in base64, or its size."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode() if audio else f"<{len(value)} bytes>"
    if isinstance(value, Struct):
        config = value.__struct_config__
        fields = {
            n: _plain(v, audio=audio)
            for n in value.__struct_fields__
            if (v := getattr(value, n)) is not UNSET
        }
        return {config.tag_field: config.tag, **fields} if config.tag_field else fields
    if isinstance(value, list | tuple):
        return [_plain(v, audio=audio) for v in value]
    if isinstance(value, dict):
        return {key: _plain(v, audio=audio) for key, v in value.items()}
    return value
