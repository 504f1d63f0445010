"""Write the fixtures of the journal's formats: python -m tests.data.journal.make

Made once for each format, by the version that wrote it first; never again afterwards, as it
stands for what lies on users' disks.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from antiphon.journal.entries import LogEntry, encode
from tests.journal.logs import later_log, whole_log

FOLDER = Path(__file__).parent


def main() -> None:
    logs: dict[int, list[LogEntry]] = {1: whole_log(), 2: later_log()}
    for number, entries in logs.items():
        path = FOLDER / f"format_{number}.entries"
        if not path.exists():
            path.write_bytes(written(entries))


def written(entries: Iterable[LogEntry]) -> bytes:
    return b"".join(len(d).to_bytes(4, "little") + d for d in map(encode, entries))


if __name__ == "__main__":
    main()
