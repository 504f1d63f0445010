"""A file whose last page is torn, or a page of which has rotted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from antiphon.journal.entries import JournalError, encode
from antiphon.journal.sqlite import SqliteJournal
from tests.journal.logs import in_file, opened, said
from tests.journal.test_several_writers import settled

ITEMS = 10
FRAME_BYTES = 24 + 4096


async def left_by_a_crash(folder: Path) -> Path:
    """A file with its write-ahead log, as a machine without power leaves them."""
    path = folder / "journal.sqlite3"
    journal = SqliteJournal(folder / "running" / "journal.sqlite3")
    await journal.start()
    journal.append("conv_1", opened())
    for at in range(ITEMS):
        await settled(journal.append("conv_1", said(f"item_{at}")))
    for file in journal.path.parent.glob("journal.sqlite3*"):
        if not file.name.endswith("-shm"):
            shutil.copy(file, folder)
    await journal.aclose()
    return path


def torn(log: bytes) -> bytes:
    """A commit had begun to be written, which nobody was told of."""
    return log + log[-FRAME_BYTES:][: FRAME_BYTES // 2]


def rotten(log: bytes) -> bytes:
    """The disk has lost the end of the last commit."""
    return log[:-100] + bytes(100)


@pytest.mark.parametrize(("harm", "lost"), [(torn, 0), (rotten, 1)])
async def test_a_log_whose_end_is_bad_loses_that_and_goes_on(
    tmp_path: Path, harm: Callable[[bytes], bytes], lost: int
) -> None:
    path = await left_by_a_crash(tmp_path)
    log = path.with_name(path.name + "-wal")
    log.write_bytes(harm(log.read_bytes()))
    journal = SqliteJournal(path)
    await journal.start()
    kept = [opened(), *(said(f"item_{at}") for at in range(ITEMS - lost))]
    assert await journal.read("conv_1") == kept
    await settled(journal.append("conv_1", said("item_more")))
    assert await journal.read("conv_1") == [*kept, said("item_more")]
    assert journal.trouble is None
    await journal.aclose()


async def test_a_page_that_has_rotted_is_told_by_its_conversation_and_harms_no_other(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.sqlite3"
    journal = SqliteJournal(path)
    await journal.start()
    for name in ("conv_1", "conv_2"):
        journal.append(name, opened())
        await settled(journal.append(name, said("item_1")))
    await journal.aclose()
    [(sealed,)] = in_file(
        path,
        "SELECT sealed FROM entries JOIN conversations ON number = conversation "
        "WHERE id = 'conv_1' ORDER BY place DESC LIMIT 1",
    )
    assert encode(said("item_1")) not in sealed
    data = path.read_bytes()
    assert data.count(sealed) == 1
    path.write_bytes(data.replace(sealed, sealed[:-1] + bytes((sealed[-1] ^ 1,))))

    journal = SqliteJournal(path)
    await journal.start()
    with pytest.raises(JournalError, match=r"journal\.sqlite3: conversation conv_1: its seal is"):
        await journal.read("conv_1")
    assert await journal.read("conv_2") == [opened(), said("item_1")]
    await settled(journal.append("conv_2", said("item_2")))
    assert len(await journal.read("conv_2")) == 3
    assert await journal.erase("conv_1"), "what cannot be read can be erased"
    await journal.aclose()
