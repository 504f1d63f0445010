"""A disk that is full: what is acknowledged, what is told, and what is there in the end."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from antiphon.journal.journal import Fate
from antiphon.journal.sqlite import SqliteJournal
from antiphon.server.settings import JournalSettings
from tests.journal.logs import opened, said
from tests.journal.test_journals import fate, keep, until
from tests.server.place import EVENT_TIMEOUT_S, places
from tests.server.test_conversations import PATH, gone, says

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="file limits as Linux has them")


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """No file in it, nor anywhere else, can grow beyond the largest there."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(path.stat().st_size for path in folder.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_entries_wait_for_room_and_the_operator_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = SqliteJournal(tmp_path / "j.sqlite3")
    await journal.start()
    await keep(journal, "a", opened())
    with full_disk(tmp_path):
        tickets = [journal.append("a", said(str(at), "y" * 50_000)) for at in range(20)]
        await until(lambda: journal.trouble is not None)
    assert [await fate(ticket) for ticket in tickets] == [Fate.DURABLE] * 20
    assert len(await journal.read("a")) == 21, "all of them, once"
    await journal.aclose()
    told = [message for message in caplog.messages if message.startswith("journal ")]
    assert ["cannot be written" in told[0], "is written again" in told[-1]] == [True, True]


async def test_a_call_lives_on_a_full_disk_and_its_client_is_told(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.sqlite3")
    settings = JournalSettings(hold_seconds=0.2)
    async with places(journal=journal, journal_settings=settings) as place:
        ws = await place.join()
        name = (await says(ws, "Before."))["conversation_id"]
        with full_disk(tmp_path):
            long_text = {"type": "input_text", "text": "While it is full. " * 5_000}
            item = {"type": "message", "role": "user", "content": [long_text]}
            await ws.send_json({"type": "conversation.item.create", "item": item})
            in_text = {"output_modalities": ["text"]}
            await ws.send_json({"type": "response.create", "response": in_text})
            events: list[dict[str, Any]] = []
            while not events or events[-1]["type"] != "response.done":
                events.append(await ws.receive_json(timeout=EVENT_TIMEOUT_S))
            errors = [event["error"]["code"] for event in events if event["type"] == "error"]
            assert errors == ["journal_unavailable"]
        await until(lambda: journal.trouble is None)
        await ws.close()
        await gone(place)
        items = (await place.ask("GET", f"{PATH}/{name}")).body["items"]
        assert len(items) == 4
