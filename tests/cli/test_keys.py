"""`antiphon keys`, on a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from antiphon.cli import main
from antiphon.identity.keys import digest
from antiphon.server.key_store import KnownKeys
from antiphon.server.key_store_sqlite import SqliteKeyStore


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name in ("ANTIPHON_CONFIG", "ANTIPHON_JOURNAL_PATH", "ANTIPHON_JOURNAL_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "antiphon"


def keys(*arguments: str) -> int:
    return main(["keys", *arguments])


def test_a_key_is_made_listed_and_revoked(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert keys("list") == 0
    assert not state.exists(), "to look is not to make"
    assert keys("create", "shop", "--scope", "mint", "--scope", "call", "--tenant", "acme") == 0
    made = capsys.readouterr()
    value = made.out.strip()
    key_id = made.err.split()[0]
    assert value.startswith("ak_")
    assert str(state / "keys.sqlite3") in made.err
    assert keys("list") == 0
    line = capsys.readouterr().out
    assert line.split()[:2] == [key_id, "…" + value[-4:]]
    assert "acme  shop  (mint, call)" in line
    assert value not in line
    assert keys("list", "--tenant", "other") == 0
    assert capsys.readouterr().out == ""
    assert keys("revoke", key_id) == 0
    assert capsys.readouterr().out == f"{key_id}: revoked\n"
    assert keys("list") == 0
    assert capsys.readouterr().out == ""
    assert keys("list", "--all") == 0
    assert "revoked" in capsys.readouterr().out
    assert keys("revoke", key_id) == 1
    assert "could be revoked" in capsys.readouterr().err
    log = [json.loads(line) for line in (state / "audit.jsonl").read_text().splitlines()]
    assert [deed["what"] for deed in log] == ["key.created", "key.revoked"]
    assert {deed["about"]["id"] for deed in log} == {key_id}


async def test_the_server_knows_it(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from asyncio import to_thread

    made = await to_thread(keys, "create", "all", "--days", "1", "--event", "response.create")
    assert made == 0
    value = capsys.readouterr().out.strip()
    async with (known := KnownKeys(SqliteKeyStore(state / "keys.sqlite3"))).kept_up():
        record = known.find(value)
    assert record is not None
    assert (record.name, record.digest) == ("all", digest(value))
    assert record.client_events == frozenset({"response.create"})
    assert record.expires_at == record.created_at + 24 * 60 * 60


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("x", "--scope", "fly"), "Invalid enum value 'fly'"),
        (("x", "--tenant", "a b"), "tenant: 'a b' is no name of a tenant"),
        (("x", "--retention", "some"), "Invalid enum value 'some'"),
        (("x", "--event", "fly"), "There is no client event 'fly'"),
        (("x", "--days", "-1"), "That time is over"),
        (("",), "A key needs a name"),
    ],
)
def test_what_no_key_can_be_is_told(
    arguments: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keys("create", *arguments) == 1
    assert why in capsys.readouterr().err


def test_a_plan_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert keys("create", "x", "--limits", "gold") == 0
    assert "[limits.plans] has no 'gold'" in capsys.readouterr().err
