"""Where a command finds what the server keeps; the server may run or not."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from antiphon.errors import AntiphonError

if TYPE_CHECKING:
    from antiphon.journal.journal import Journal


def add_journal_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="default: antiphon.toml, if it is there")
    parser.add_argument("--path", type=Path, help="an SQLite file (default: as configured)")


@asynccontextmanager
async def opened_journal(
    args: argparse.Namespace, *, for_lines: bool = False
) -> AsyncIterator[Journal]:
    """The one at ``args.path``, or as ``args.config`` says.

    Args:
        args: With the arguments above.
        for_lines: Lines of the bill are looked for; these are kept where conversations are not.

    Raises:
        AntiphonError: there is none.
    """
    from antiphon.server import config
    from antiphon.server.keeping import make_journal

    if args.path is not None:
        from antiphon.journal.sqlite import SqliteJournal

        journal: Journal | None = SqliteJournal(args.path, create=False)
    else:
        loaded = config.kept_by_default(config.load(args.config).config)
        journal = make_journal(loaded, create=False, for_lines=for_lines)
    if journal is None:
        why = "has neither path nor url" if for_lines else 'has retention = "none"'
        raise AntiphonError(f"Nothing is kept: [journal] {why}.")
    await journal.start()
    try:
        yield journal
    finally:
        await journal.aclose()
