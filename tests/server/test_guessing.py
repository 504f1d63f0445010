"""Who guesses keys, or asks for what others have, learns nothing, and not by the time it takes."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.engines.scripted import ScriptedEngine
from antiphon.identity import keys as identity
from antiphon.identity.keys import KeyWish, new_key
from antiphon.journal.memory import MemoryJournal
from antiphon.server import key_store
from antiphon.server.api_errors import ApiError
from antiphon.server.auth import Gate, Visitor
from antiphon.server.bearers import Bearers
from antiphon.server.key_store import KnownKeys, MemoryKeyStore
from antiphon.server.secret import Secret
from antiphon.server.settings import Config
from antiphon.server.wiring import Parts
from antiphon.testing import in_virtual_time, serving

NOW_S = 1_000.0


@in_virtual_time
async def test_what_another_tenant_has_is_told_as_what_is_not_there() -> None:
    parts = Parts(journal=MemoryJournal())
    async with (
        serving(ScriptedEngine(), keys=["owner"], config=Config(), parts=parts) as server,
        server.client() as http,
    ):

        async def ask(method: str, path: str, key: str = "owner", **body: Any) -> tuple[int, Any]:
            headers = {"Authorization": f"Bearer {key}"}
            async with http.request(method, path, headers=headers, json=body) as told:
                return told.status, await told.json()

        def made_for(tenant: str) -> Any:
            return ask("POST", "/v1/antiphon/keys", name="k", tenant=tenant)

        _, acme = await made_for("acme")
        _, rival = await made_for("rival")
        _, secret = await ask("POST", "/v1/realtime/client_secrets", acme["value"])
        headers = {"Authorization": f"Bearer {acme['value']}"}
        ws = await http.ws_connect("/v1/realtime?model=test", headers=headers)
        await ws.send_json({"type": "response.create"})
        created = await ws.receive_json()
        [session] = server.hub.sessions
        conversation_id = session.about.conversation_id
        for method, path, real, made_up, body in [
            ("DELETE", "/v1/antiphon/keys/{}", acme["id"], "key_" + "x" * 16, {}),
            (
                "DELETE",
                "/v1/realtime/client_secrets/{}",
                secret.get("id", "cs_1"),
                "cs_" + "x" * 16,
                {},
            ),
            (
                "POST",
                "/v1/antiphon/sessions/{}/move",
                created["session"]["id"],
                "sess_" + "x" * 21,
                {"model": "m"},
            ),
            ("GET", "/v1/antiphon/conversations/{}", conversation_id, "conv_" + "x" * 21, {}),
            ("DELETE", "/v1/antiphon/conversations/{}", conversation_id, "conv_" + "x" * 21, {}),
        ]:
            theirs = await ask(method, path.format(real), rival["value"], **body)
            nobodys = await ask(method, path.format(made_up), rival["value"], **body)
            assert theirs[0] == nobodys[0] == 404, path
            said = [
                str(told[1]).replace(name, "…")
                for told, name in ((theirs, real), (nobodys, made_up))
            ]
            assert said[0] == said[1], path
        await ws.close()


async def test_a_key_that_is_over_is_told_as_one_that_never_was_after_the_same_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One hash and one look into memory, whatever is shown; the store is not asked."""
    store = MemoryKeyStore()
    known = KnownKeys(store, now_s=lambda: NOW_S)
    over = new_key(
        KeyWish(name="over", expires_at=10), now_s=0, random_bytes=lambda n: bytes([1]) * n
    )
    revoked = new_key(KeyWish(name="gone"), now_s=0, random_bytes=lambda n: bytes([2]) * n)
    good = new_key(KeyWish(name="good"), now_s=0, random_bytes=lambda n: bytes([3]) * n)
    for key in (over, revoked, good):
        await known.add(key.record)
    await known.revoke(revoked.record.id)
    hashed: list[str] = []

    def counting(value: str) -> bytes:
        hashed.append(value)
        return identity.digest(value)

    def asked(*_: object) -> None:
        raise AssertionError("a guess reached the store")

    monkeypatch.setattr(key_store, "digest", counting)
    for name in ("add", "revoke", "changed_since"):
        monkeypatch.setattr(store, name, asked)
    bearers = Bearers(known=known, required=True)
    said = set()
    close = good.value[:-1] + ("A" if good.value[-1] != "A" else "B")
    for value in (over.value, revoked.value, close, "ak_" + "z" * 32):
        hashed.clear()
        with pytest.raises(ApiError) as refused:
            await bearers.principal(value)
        assert hashed == [value]
        said.add((refused.value.status, refused.value.code, str(refused.value)))
    assert len(said) == 1
    hashed.clear()
    assert (await bearers.principal(good.value)).key_name == "good"
    assert hashed == [good.value], "a good one costs the same"


async def test_whoever_has_a_whole_network_is_one_guesser() -> None:
    gate = Gate([Secret("sesame")], now_s=lambda: 0.0)
    for at in range(20):
        guesser = f"2001:db8:1:2::{at:x}"
        visitor = Visitor(address=guesser, key=Secret(f"guess{at}"))
        with pytest.raises(ApiError) as refused:
            await gate.principal(visitor)
        assert refused.value.status == 401
        gate.note_guess(guesser)
    with pytest.raises(ApiError) as refused:
        await gate.principal(Visitor(address="2001:db8:1:2:ffff::1", key=Secret("guess")))
    assert refused.value.status == 429
    with pytest.raises(ApiError) as refused:
        await gate.principal(Visitor(address="2001:db8:1:3::1", key=Secret("guess")))
    assert refused.value.status == 401, "a neighbour's network is another"
