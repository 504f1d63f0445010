"""``antiphon conversations``: what is kept, from the store itself; the server may run or not."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from antiphon.cli.kept import add_journal_arguments, opened_journal
from antiphon.errors import AntiphonError

if TYPE_CHECKING:
    from antiphon.journal.entries import LogEntry
    from antiphon.journal.journal import Journal

EPILOG = """\
examples:
  antiphon conversations list                        the newest first
  antiphon conversations list --end-user user-7      those of one user
  antiphon conversations show conv_…                 who said what
  antiphon conversations export conv_… > conv.jsonl  every entry of its log, one a line
  antiphon conversations recording conv_… call.ogg   the sound of its last session
  antiphon conversations erase conv_…                nothing of it is left

To go on with one: antiphon talk --resume conv_…
"""


def add_parser(subparsers: Any) -> None:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "conversations",
        help="list, show, export and erase what was kept",
        description="List, show, export and erase the conversations that the server keeps.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_journal_arguments(parser)
    what = parser.add_subparsers(metavar="WHAT", dest="what", required=True)
    listing = what.add_parser("list", help="one conversation per line, newest first")
    listing.add_argument("--end-user", metavar="ID", help="of one user only")
    listing.add_argument("--model", help="only with this model")
    listing.add_argument("--limit", type=int, default=50, help="at most this many (%(default)s)")
    listing.set_defaults(act=_list)
    for name, act, purpose in (
        ("show", _show, "print who said what"),
        ("export", _export, "print its log as JSON lines"),
        ("erase", _erase, "erase it for good"),
    ):
        one = what.add_parser(name, help=purpose)
        one.add_argument("id", help="as `list` shows it")
        one.set_defaults(act=act)
    recording = what.add_parser("recording", help="write its sound to a file")
    recording.add_argument("id", help="as `list` shows it")
    recording.add_argument("file", type=Path, help="Opus in Ogg; the user left, the agent right")
    recording.add_argument("--session", metavar="ID", help="which session (default: the last)")
    recording.set_defaults(act=_recording)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    asyncio.run(_print(args))
    return 0


async def _print(args: argparse.Namespace) -> None:
    async with opened_journal(args) as journal:
        async for line in args.act(journal, args):
            print(line)


async def _list(journal: Journal, args: argparse.Namespace) -> AsyncIterator[str]:
    from antiphon.journal.journal import Wanted
    from antiphon.journal.transcript import told_time

    wanted = Wanted(end_user_id=args.end_user, model=args.model)
    page = await journal.listed(wanted, after=None, limit=args.limit)
    for kept in page.conversations:
        user = f"  {kept.end_user_id}" if kept.end_user_id else ""
        yield f"{kept.id}  {told_time(kept.began_at_s)}  {kept.model or kept.engine}{user}"
    if page.has_more:
        print(f"There are more than {args.limit}; raise --limit to see them.", file=sys.stderr)


async def _show(journal: Journal, args: argparse.Namespace) -> AsyncIterator[str]:
    from antiphon.journal.recall import Recalled
    from antiphon.journal.transcript import transcript

    recalled = Recalled(await _log(journal, args.id))
    for line in transcript(recalled):
        yield line
    if not recalled.whole:
        print("Entries are missing: this is not all that was said.", file=sys.stderr)


async def _export(journal: Journal, args: argparse.Namespace) -> AsyncIterator[str]:
    for entry in await _log(journal, args.id):
        yield msgspec.json.encode(entry).decode()


async def _recording(journal: Journal, args: argparse.Namespace) -> AsyncIterator[str]:
    from antiphon.journal.entries import Sounded

    pieces = await journal.read_apart(args.id, Sounded)
    session_id = args.session or (pieces[-1].session_id if pieces else None)
    sound = b"".join(piece.data for piece in pieces if piece.session_id == session_id)
    if not sound:
        raise AntiphonError(f"{journal.place}: nothing of '{args.id}' was recorded.")
    args.file.write_bytes(sound)
    yield f"{args.file}: the sound of {session_id}"


async def _erase(journal: Journal, args: argparse.Namespace) -> AsyncIterator[str]:
    if not await journal.erase(args.id):
        raise _not_found(journal, args.id)
    yield f"{args.id}: erased"


async def _log(journal: Journal, conversation_id: str) -> Sequence[LogEntry]:
    entries = await journal.read(conversation_id)
    if not entries:
        raise _not_found(journal, conversation_id)
    return entries


def _not_found(journal: Journal, conversation_id: str) -> AntiphonError:
    return AntiphonError(f"{journal.place}: there is no conversation '{conversation_id}'.")
