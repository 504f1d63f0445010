"""``antiphon conversations``: what is kept, from the file itself; the server may run or not."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from antiphon.errors import AntiphonError
from antiphon.protocol.items import FunctionCall, FunctionCallOutput, Item, Message

if TYPE_CHECKING:
    from antiphon.journal.sqlite_file import JournalFile

EPILOG = """\
examples:
  antiphon conversations list                        the newest first
  antiphon conversations list --end-user user-7      those of one user
  antiphon conversations show conv_…                 who said what
  antiphon conversations export conv_… > conv.jsonl  every entry of its log, one a line
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
    parser.add_argument("--config", metavar="FILE", help="default: antiphon.toml, if it is there")
    parser.add_argument("--path", type=Path, help="the file (default: that of the configuration)")
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
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from antiphon.journal.sqlite_file import JournalFile
    from antiphon.server import config

    path = args.path
    if path is None:
        loaded = config.kept_by_default(config.load(args.config).config)
        path = Path(loaded.journal.path or "").expanduser()
    file = JournalFile(path, create=False)
    try:
        for line in args.act(file, args):
            print(line)
    finally:
        file.close()
    return 0


def _list(file: JournalFile, args: argparse.Namespace) -> Iterator[str]:
    from antiphon.journal.journal import Wanted

    wanted = Wanted(end_user_id=args.end_user, model=args.model)
    page = file.listed(wanted, after=None, limit=args.limit)
    for kept in page.conversations:
        user = f"  {kept.end_user_id}" if kept.end_user_id else ""
        yield f"{kept.id}  {_time(kept.began_at_s)}  {kept.model or kept.engine}{user}"
    if page.has_more:
        print(f"There are more than {args.limit}; raise --limit to see them.", file=sys.stderr)


def _show(file: JournalFile, args: argparse.Namespace) -> Iterator[str]:
    from antiphon.journal.recall import Recalled

    recalled = Recalled(_log(file, args.id))
    for opened in recalled.sessions:
        yield f"{_time(opened.at_s)}  {opened.model or opened.kind} on {opened.engine}"
    yield ""
    for item in recalled.items:
        yield _line(item)
    if not recalled.whole:
        print("Entries are missing: this is not all that was said.", file=sys.stderr)


def _export(file: JournalFile, args: argparse.Namespace) -> Iterator[str]:
    for entry in _log(file, args.id):
        yield msgspec.json.encode(entry).decode()


def _erase(file: JournalFile, args: argparse.Namespace) -> Iterator[str]:
    if not file.erase(name=args.id):
        raise _not_found(file, args.id)
    yield f"{args.id}: erased"


def _log(file: JournalFile, conversation_id: str) -> list[Any]:
    entries = file.read(conversation_id)
    if not entries:
        raise _not_found(file, conversation_id)
    return entries


def _not_found(file: JournalFile, conversation_id: str) -> AntiphonError:
    return AntiphonError(f"{file.path}: there is no conversation '{conversation_id}'.")


def _time(at_s: float) -> str:
    return datetime.fromtimestamp(at_s).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _line(item: Item) -> str:
    match item:
        case Message(role=role, content=content):
            words = [
                getattr(part, "text", None) or getattr(part, "transcript", None) or "(no words)"
                for part in content
            ]
            cut = " (interrupted)" if item.status == "incomplete" else ""
            return f"{role:10} {' '.join(words)}{cut}"
        case FunctionCall(name=name, arguments=arguments):
            return f"{'call':10} {name}({arguments})"
        case FunctionCallOutput(output=output):
            return f"{'result':10} {output}"
    return f"{'item':10} {item.id}"
