"""``antiphon memory``: what users agreed to have remembered, from the store itself."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from antiphon.cli.kept import add_journal_arguments, opened_journal
from antiphon.errors import AntiphonError
from antiphon.identity.principal import DEFAULT_TENANT

if TYPE_CHECKING:
    from antiphon.journal.journal import Journal

EPILOG = """\
examples:
  antiphon memory show user-7            consent and facts
  antiphon memory forget user-7 fact_3   one fact
  antiphon memory forget user-7          all of it, the consent too

The server may run or not; live sessions see what was forgotten here in their next conversation.
"""


def add_parser(subparsers: Any) -> None:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "memory",
        help="show and forget what is remembered of a user",
        description="Show and forget what users agreed to have remembered.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_journal_arguments(parser)
    what = parser.add_subparsers(metavar="WHAT", dest="what", required=True)
    showing = what.add_parser("show", help="print consent and facts")
    showing.set_defaults(act=_show)
    forgetting = what.add_parser("forget", help="forget a fact, or everything")
    forgetting.set_defaults(act=_forget)
    for one in (showing, forgetting):
        one.add_argument("user", help="as the application calls them")
        one.add_argument(
            "--tenant", default=DEFAULT_TENANT, help="whose user; default: %(default)s"
        )
    forgetting.add_argument("fact", nargs="*", help="as `show` names it; none: all of it")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    asyncio.run(_print(args))
    return 0


async def _print(args: argparse.Namespace) -> None:
    async with opened_journal(args) as journal:
        async for line in args.act(journal, args):
            print(line)


async def _show(journal: Journal, args: argparse.Namespace) -> AsyncIterator[str]:
    from antiphon.profiles.profiles import Profiles

    profile = await Profiles(journal).read(_owner(args))
    if profile.consent is None:
        yield f"{args.user}: nothing is remembered."
        return
    yield f"{args.user} agreed {_time(profile.consent.at)} ({profile.consent.by})"
    for fact in profile.facts:
        yield f"{fact.id:10} {_time(fact.at)}  {fact.text}"


async def _forget(journal: Journal, args: argparse.Namespace) -> AsyncIterator[str]:
    from antiphon.profiles.profiles import Profiles

    profiles = Profiles(journal)
    if args.fact:
        await profiles.change(_owner(args), lambda profile: profile.without(args.fact))
        yield f"{args.user}: forgotten: {', '.join(args.fact)}"
        return
    named = await journal.disown_lines(args.tenant, args.user)
    if await profiles.erase(_owner(args)) or named:
        yield f"{args.user}: all is forgotten"
    else:
        raise AntiphonError(f"Nothing is remembered of '{args.user}'.")


def _owner(args: argparse.Namespace) -> str:
    from antiphon.profiles.profiles import owner_of

    return owner_of(args.tenant, args.user)


def _time(at: int) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")
