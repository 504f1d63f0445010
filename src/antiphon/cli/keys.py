"""``antiphon keys``: API keys, in the store itself; the server may run or not."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from antiphon.errors import AntiphonError

if TYPE_CHECKING:
    from antiphon.server.access import KeyPlace

EPILOG = """\
examples:
  antiphon keys create shop                          a key that may everything
  antiphon keys create web --scope mint --scope call --tenant acme --limits gold
  antiphon keys create ci --days 90 > key.txt        the key alone goes to the file
  antiphon keys list
  antiphon keys revoke key_…                         its sessions end within a second

A key is shown once: only its hash is kept. A running server knows of it within a second.
"""
DAY_S = 24 * 60 * 60


def add_parser(subparsers: Any) -> None:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "keys",
        help="make, list and revoke API keys",
        description="Make, list and revoke the API keys of this server.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", metavar="FILE", help="default: antiphon.toml, if it is there")
    what = parser.add_subparsers(metavar="WHAT", dest="what", required=True)
    create = what.add_parser("create", help="make a key, and show it this once")
    create.add_argument("name", help="what you call it")
    create.add_argument("--tenant", default="default", help="whose it is (%(default)s)")
    create.add_argument("--user", metavar="ID", help="bind it to one end user")
    create.add_argument(
        "--scope",
        action="append",
        metavar="SCOPE",
        help="mint, call, sideband, read or operate; again for another (default: all)",
    )
    create.add_argument("--limits", metavar="PLAN", help="a plan of [limits.plans]")
    create.add_argument("--budget", metavar="PLAN", help="a plan of [budgets.plans]")
    create.add_argument(
        "--event", action="append", metavar="TYPE", help="a client event that it may send"
    )
    create.add_argument("--retention", help="none, items or items+audio")
    create.add_argument("--days", type=float, help="it ends after so many (default: never)")
    create.set_defaults(act=_create)
    listing = what.add_parser("list", help="one key per line, oldest first")
    listing.add_argument("--tenant", help="of one tenant only")
    listing.add_argument("--all", action="store_true", help="also those that are over")
    listing.set_defaults(act=_list)
    revoke = what.add_parser("revoke", help="let a key open nothing more")
    revoke.add_argument("id", help="as `list` shows it")
    revoke.set_defaults(act=_revoke)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from antiphon.server import config
    from antiphon.server.access import key_place

    place = key_place(config.kept_by_default(config.load(args.config).config))
    asyncio.run(_act(place, args))
    return 0


async def _act(place: KeyPlace, args: argparse.Namespace) -> None:
    async with place.audit.running(), place.keys.kept_up():
        await args.act(place, args)


async def _create(place: KeyPlace, args: argparse.Namespace) -> None:
    import msgspec

    from antiphon.identity.keys import KeyInvalid, KeyWish, new_key
    from antiphon.server.operator import checked

    said = {
        "name": args.name,
        "tenant": args.tenant,
        "user": args.user,
        "limits": args.limits,
        "budget": args.budget,
        "client_events": args.event,
        "retention": args.retention,
        "expires_at": None if args.days is None else int(time.time() + args.days * DAY_S),
    }
    if args.scope is not None:
        said["scopes"] = args.scope
    try:
        wish = checked(msgspec.convert(said, KeyWish))
    except msgspec.ValidationError as error:
        raise AntiphonError(f"No key can be that: {error}.") from None
    try:
        made = new_key(wish, now_s=time.time(), random_bytes=secrets.token_bytes)
    except KeyInvalid as error:
        raise AntiphonError(f"{error.param}: {error}") from None
    for section, named, plans in (
        ("limits", wish.limits, place.plans),
        ("budgets", wish.budget, place.budgets),
    ):
        if named is not None and named not in plans:
            known = ", ".join(plans) or "none"
            print(f"Mind: [{section}.plans] has no '{named}' (but: {known}).", file=sys.stderr)
    await place.keys.add(made.record)
    record = made.record
    about = {"id": record.id, "name": record.name, "tenant": record.tenant}
    place.audit.note("key.created", None, None, **about, by="antiphon keys")
    print(f"{record.id} in {place.keys.store.place}; the key, shown this once:", file=sys.stderr)
    print(made.value)


async def _list(place: KeyPlace, args: argparse.Namespace) -> None:
    from antiphon.identity.principal import ALL_SCOPES, SCOPES

    for record in place.keys.records:
        if args.tenant not in (None, record.tenant):
            continue
        if not args.all and not record.is_valid(time.time()):
            continue
        scopes = [scope for scope in SCOPES if scope in record.scopes]
        said = "all scopes" if record.scopes == ALL_SCOPES else ", ".join(scopes)
        if record.user is not None:
            said += f"; user {record.user}"
        if record.limits is not None:
            said += f"; limits {record.limits}"
        if record.budget is not None:
            said += f"; budget {record.budget}"
        state = ""
        if record.revoked_at is not None:
            state = f"  revoked {_time(record.revoked_at)}"
        elif record.expires_at is not None:
            state = f"  until {_time(record.expires_at)}"
        print(
            f"{record.id}  …{record.hint}  {_time(record.created_at)}  "
            f"{record.tenant}  {record.name}  ({said}){state}"
        )


async def _revoke(place: KeyPlace, args: argparse.Namespace) -> None:
    if not await place.keys.revoke(args.id):
        raise AntiphonError(
            f"{place.keys.store.place}: there is no key '{args.id}' that could be revoked."
        )
    place.audit.note("key.revoked", None, None, id=args.id, by="antiphon keys")
    print(f"{args.id}: revoked")


def _time(at_s: float) -> str:
    return datetime.fromtimestamp(at_s).astimezone().strftime("%Y-%m-%d %H:%M")
