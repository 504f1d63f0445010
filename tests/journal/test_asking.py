"""Whoever asks a journal, and is stopped."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from antiphon.journal.sqlite import SqliteJournal


async def test_one_who_is_stopped_just_as_the_answer_comes_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes on instead asks again in an hour, and its server waits for it for ever."""
    journal = SqliteJournal(tmp_path / "j.sqlite3")
    await journal.start()
    loop = asyncio.get_running_loop()
    told, tell = threading.Event(), loop.call_soon_threadsafe

    def telling(*args: Any, **options: Any) -> asyncio.Handle:
        handle = tell(*args, **options)
        told.set()
        return handle

    monkeypatch.setattr(loop, "call_soon_threadsafe", telling)
    asking = asyncio.create_task(journal.read("conv_a"))
    await asyncio.sleep(0)
    assert told.wait(10), "the answer lies ready, and the loop has not taken it yet"
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await journal.aclose()
