"""The log of who did what, as a file."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request

from antiphon.identity.principal import ANYONE, Principal
from antiphon.server.audit import MAX_UNWRITTEN, Audit
from antiphon.server.auth import Gate
from antiphon.server.secret import Secret

NOW_S = 1_795_000_000.0
ACME = Principal(tenant="acme", user=None, key_id="key_1", key_name="shop")


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_what_was_done_is_on_disk_and_remembered_by_the_next_server(tmp_path: Path) -> None:
    path = tmp_path / "state" / "audit.jsonl"
    async with (audit := Audit(path, now_s=lambda: NOW_S)).running():
        audit.note("key.created", ACME, "203.0.113.7", id="key_2", name=None)
        audit.note("key.refused", None, "203.0.113.8", reason="an unknown key")
    assert lines(path) == [
        {
            "at": NOW_S,
            "what": "key.created",
            "tenant": "acme",
            "key_id": "key_1",
            "key": "shop",
            "address": "203.0.113.7",
            "about": {"id": "key_2"},
        },
        {
            "at": NOW_S,
            "what": "key.refused",
            "address": "203.0.113.8",
            "about": {"reason": "an unknown key"},
        },
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(path.read_bytes() + b'{"cut": sh')
    async with (again := Audit(path)).running():
        assert [deed.what for deed in again.last(ANYONE, limit=9)] == ["key.refused", "key.created"]
        assert [deed.what for deed in again.last(ACME, limit=9)] == ["key.created"]


async def test_its_size_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for at in range(60):
        async with (audit := Audit(path, max_file_bytes=2000)).running():
            audit.note("key.created", ACME, None, number=at)
    files = await asyncio.to_thread(lambda: {f.name: f.stat().st_size for f in tmp_path.iterdir()})
    assert sorted(files) == ["audit.1.jsonl", "audit.jsonl"]
    assert max(files.values()) <= 2000
    kept = lines(tmp_path / "audit.1.jsonl") + lines(path)
    numbers = [deed["about"]["number"] for deed in kept]  # type: ignore[index]
    assert numbers == list(range(60 - len(numbers), 60))


async def test_while_it_cannot_be_written_deeds_wait_and_the_loss_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "audit.jsonl"
    path.mkdir()
    audit = Audit(path)
    for at in range(MAX_UNWRITTEN + 3):
        audit.note("key.created", ACME, None, number=at)
    async with audit.running():
        pass
    assert [message for message in caplog.messages if "cannot be written" in message]
    path.rmdir()
    async with audit.running():
        pass
    kept = lines(path)
    assert len(kept) == MAX_UNWRITTEN + 1
    assert (kept[-1]["what"], kept[-1]["about"]) == ("audit.lost", {"count": 3})


async def test_whoever_guesses_does_not_push_all_else_out() -> None:
    audit = Audit(now_s=lambda: NOW_S)
    gate = Gate([Secret("sesame")], audit=audit, now_s=lambda: 0.0)
    request = make_mocked_request("GET", "/", headers={"Authorization": "Bearer wrong"})
    for _ in range(150):
        gate.note_refused(request)
    assert gate.refused_keys == 150
    assert len(audit.last(ANYONE, limit=1000)) == 100
