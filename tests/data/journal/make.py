"""Write the fixture of the journal's format: python -m tests.data.journal.make

Made once for each format, by the version that wrote it first; never again afterwards, as it
stands for what lies on users' disks.
"""

from __future__ import annotations

from pathlib import Path

from antiphon.journal.entries import FORMAT, encode
from tests.journal.logs import whole_log

FOLDER = Path(__file__).parent


def main() -> None:
    data = b"".join(len(d).to_bytes(4, "little") + d for d in map(encode, whole_log()))
    with (FOLDER / f"format_{FORMAT}.entries").open("xb") as file:
        file.write(data)


if __name__ == "__main__":
    main()
