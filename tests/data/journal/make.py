"""Write the fixture of the journal's format: python -m tests.data.journal.make

Made once for each format, by the version that wrote it first; never again afterwards, as it
stands for what lies on users' disks.  A kind of entry that came later has a file of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from antiphon.journal.entries import FORMAT, LogEntry, encode
from tests.journal.logs import timed, whole_log

FOLDER = Path(__file__).parent


def main() -> None:
    logs: dict[str, list[LogEntry]] = {"": whole_log(), ".timed": [timed()]}
    for name, entries in logs.items():
        path = FOLDER / f"format_{FORMAT}{name}.entries"
        if not path.exists():
            path.write_bytes(written(entries))


def written(entries: Iterable[LogEntry]) -> bytes:
    return b"".join(len(d).to_bytes(4, "little") + d for d in map(encode, entries))


if __name__ == "__main__":
    main()
