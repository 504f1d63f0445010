"""``antiphon usage``: what was used and what it cost, from the store itself."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec

from antiphon.cli.kept import add_journal_arguments, opened_journal
from antiphon.errors import AntiphonError

if TYPE_CHECKING:
    from antiphon.journal.journal import Journal
    from antiphon.metering.bill import Total

EPILOG = """\
examples:
  antiphon usage                                 all of it, by day
  antiphon usage --by tenant,model               what each tenant spent on which model
  antiphon usage --user user-7 --from 2026-11-01 one user since a day (UTC)
  antiphon usage --format csv > november.csv     for a spreadsheet
  antiphon usage --lines --format jsonl          every line of the bill
"""
PAGE = 1_000


def add_parser(subparsers: Any) -> None:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "usage",
        help="show what was used and what it cost",
        description="Show what was used and what it cost, added up or line by line.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_journal_arguments(parser)
    parser.add_argument(
        "--by",
        default="day",
        metavar="NAMES",
        help="tenant, user, key, session, day, model, kind; several with commas (%(default)s)",
    )
    parser.add_argument("--lines", action="store_true", help="each line, not sums")
    parser.add_argument(
        "--format", choices=("table", "csv", "jsonl"), default="table", help="(%(default)s)"
    )
    for name, what in (
        ("tenant", "of one tenant only"),
        ("user", "of one end user"),
        ("key", "of one API key, by its name"),
        ("session", "of one session"),
        ("model", "only this model, as it is billed"),
        ("from", "from this day on (UTC), as 2026-11-29"),
        ("until", "until this day"),
    ):
        parser.add_argument(f"--{name}", dest=f"{name}_", metavar="X", help=what)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    asyncio.run(_print(args))
    return 0


async def _print(args: argparse.Namespace) -> None:
    async with opened_journal(args, for_lines=True) as journal:
        async for text in _lines(journal, args) if args.lines else _totals(journal, args):
            print(text)


async def _lines(journal: Journal, args: argparse.Namespace) -> AsyncIterator[str]:
    from antiphon.server.metering import csv_of, flat, told_line

    cursor: int | None = 0
    head = True
    while cursor is not None:
        page = await journal.lines(_wanted(args), after=cursor, limit=PAGE)
        rows = [told_line(line) for line in page.lines]
        if args.format == "csv":
            if rows:
                yield csv_of([flat(row) for row in rows], head=head).rstrip()
            head = False
        else:
            for row in rows:
                yield msgspec.json.encode(row).decode() if args.format == "jsonl" else _line(row)
        cursor = page.cursor


async def _totals(journal: Journal, args: argparse.Namespace) -> AsyncIterator[str]:
    from antiphon.metering.bill import NOTHING
    from antiphon.server.metering import csv_of, told_total

    by = _dimensions(args.by)
    found: list[tuple[tuple[str, ...], Total]] = []
    after: Sequence[str] | None = None
    while True:
        page = await journal.totals(_wanted(args), by, after=after, limit=PAGE)
        found += page.totals
        if not page.has_more:
            break
        after = page.totals[-1][0]
    rows = [told_total(dict(zip(by, of, strict=True)), total) for of, total in found]
    if args.format == "csv":
        yield csv_of(rows).rstrip()
    elif args.format == "jsonl":
        for row in rows:
            yield msgspec.json.encode(row).decode()
    else:
        for of, total in found:
            yield _row("  ".join(value or "-" for value in of) or "all", total)
        if len(found) != 1:
            yield _row("together", sum((total for _, total in found), NOTHING))


def _row(name: str, total: Total) -> str:
    from antiphon.metering.money import shown

    unpriced = f"  + {total.unpriced_lines} without a price" if total.unpriced_lines else ""
    tokens = (
        f"{total.input_tokens:,} in ({total.cached_tokens:,} cached), {total.output_tokens:,} out"
    )
    return f"{name:32} {shown(total.nano):>14}  {total.lines:,} lines, {tokens}{unpriced}"


def _line(row: dict[str, Any]) -> str:
    from antiphon.metering.money import shown

    cost = "no price" if row["unpriced"] else shown(row["nano_usd"])
    who = row["user"] or row["tenant"]
    return f"{row['day']}  {cost:>14}  {row['kind']:13} {row['billed_as']}  {who}  {row['id']}"


def _dimensions(text: str) -> list[Any]:
    from antiphon.metering.bill import DIMENSIONS

    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in DIMENSIONS or names.count(name) > 1:
            raise AntiphonError(f"--by: '{name}'; each once of: {', '.join(DIMENSIONS)}.")
    return names


def _wanted(args: argparse.Namespace) -> Any:
    from antiphon.journal.line_table import LinesWanted

    return LinesWanted(
        tenant=args.tenant_,
        user=args.user_,
        key=args.key_,
        session=args.session_,
        model=args.model_,
        from_day=_day("--from", args.from_),
        until_day=_day("--until", args.until_),
    )


def _day(flag: str, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise AntiphonError(f"{flag}: '{text}' is no day; write it as 2026-11-29.") from None
