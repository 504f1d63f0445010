"""`antiphon replay FILE`: what happened in a recorded session, and whether it would again."""

from __future__ import annotations

import argparse
import base64
import sys
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from antiphon.journal.tape import Tape, TapeError
from antiphon.testing.replay import ReplayedStep, replay

SAME, DIFFERENT, NO_TAPE = 0, 1, 2
SHORT_FIELDS = (
    "connection",
    "event_id",
    "item_id",
    "response_id",
    "previous_item_id",
    "at_sample",
    "from_sample",
    "probability",
    "completeness",
    "on",
    "code",
    "reason",
    "audio_start_ms",
    "audio_end_ms",
)
"""What a line shows of a cause or an effect: ids and numbers, never what was said."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "replay",
        help="replay a session's tape and show where the conversation behaves differently now",
        description="Print what happened in a recorded session, one line a cause or effect, and "
        "the first effect that is different now. Exit code: 0 the same, 1 different, 2 no tape.",
    )
    parser.add_argument("file", type=Path, help="a tape, as a session writes it")
    parser.add_argument("--full", action="store_true", help="print whole causes and effects")
    parser.add_argument("--json", action="store_true", help="print one JSON object a step")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    first = None
    steps = 0
    try:
        for step in replay(Tape(args.file)):
            steps += 1
            first = first or step.difference
            if args.json:
                _print_json(step, full=args.full)
            else:
                _print_lines(step, full=args.full)
    except TapeError as error:
        print(error, file=sys.stderr)
        return NO_TAPE
    if not args.json:
        print(f"First difference: {first}" if first else f"{steps} steps, all as recorded.")
    return SAME if first is None else DIFFERENT


def _print_lines(step: ReplayedStep, *, full: bool) -> None:
    minutes, ms = divmod(step.now_ms, 60_000)
    print(f"{minutes:3}:{ms / 1000:06.3f}  {_shown(step.cause, full=full)}")
    for effect in step.effects:
        print(f"            → {_shown(effect, full=full)}")


def _print_json(step: ReplayedStep, *, full: bool) -> None:
    record = {
        "step": step.number,
        "now_ms": step.now_ms,
        "cause": _plain(step.cause, audio=full),
        "effects": [_plain(effect, audio=full) for effect in step.effects],
        "difference": _plain(step.difference, audio=full),
    }
    print(msgspec.json.encode(record).decode())


def _shown(thing: Struct, *, full: bool) -> str:
    if full:
        return msgspec.json.encode(_plain(thing, audio=False)).decode()
    words = [str(thing.__struct_config__.tag)]
    event = getattr(thing, "event", None)
    if isinstance(event, Struct):
        words.append(_shown(event, full=False))
    for name in SHORT_FIELDS:
        value = getattr(thing, name, None)
        if value not in (None, UNSET, "") and not (event is not None and name == "event_id"):
            words.append(f"{name}={value}")
    for name, value in ((n, getattr(thing, n)) for n in thing.__struct_fields__):
        if isinstance(value, bytes):
            words.append(f"{name}=<{len(value)} bytes>")
        elif name in ("item", "response", "error") and isinstance(value, Struct):
            words.append(_noun(value))
    return " ".join(words)


def _noun(value: Struct) -> str:
    """Of an item, a response or an error in an event."""
    parts = [getattr(value, name, None) for name in ("role", "id", "status", "code")]
    kind = value.__struct_config__.tag
    return " ".join(str(p) for p in [kind, *parts] if p not in (None, UNSET))


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
