"""Each route asks for its scope, and says which is missing; tenants do not see each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from antiphon.identity.principal import SCOPES
from antiphon.journal.memory import MemoryJournal
from antiphon.protocol.closes import CloseCode
from tests.server.place import EVENT_TIMEOUT_S, KEY, Place, Told, places, turned_away, until

KEYS = "/v1/antiphon/keys"
SECRETS = "/v1/realtime/client_secrets"
WORDS = "Hello there."
"""No id that is drawn holds them, as it may any two letters."""

ROUTES: list[tuple[str, str, tuple[str, ...]]] = [
    ("POST", SECRETS, ("mint",)),
    ("DELETE", f"{SECRETS}/cs_1", ("mint",)),
    ("POST", "/v1/realtime/sessions", ("mint",)),
    ("POST", "/v1/realtime/transcription_sessions", ("mint",)),
    ("GET", "/v1/realtime", ("call",)),
    ("GET", "/v1/realtime?call_id=sess_1", ("sideband",)),
    ("POST", "/v1/realtime/calls", ("call",)),
    ("POST", "/v1/realtime", ("call",)),
    ("POST", "/v1/realtimertc", ("call",)),
    ("PATCH", "/v1/realtime/calls/rtc_1", ("call", "sideband", "operate")),
    ("POST", "/v1/realtime/calls/rtc_1/hangup", ("sideband", "operate")),
    ("GET", "/v1/antiphon/calls/rtc_1", ("call", "sideband", "operate")),
    ("GET", "/v1/antiphon/sessions", ("sideband", "operate")),
    ("POST", "/v1/antiphon/sessions/sess_1/move", ("operate",)),
    ("GET", "/v1/antiphon/sessions/sess_1/captions", ("operate",)),
    ("POST", "/v1/antiphon/sessions/sess_1/instruct", ("operate",)),
    ("POST", "/v1/antiphon/sessions/sess_1/mute", ("operate",)),
    ("POST", "/v1/antiphon/sessions/sess_1/hangup", ("operate",)),
    ("GET", "/v1/antiphon/tenants", ("operate",)),
    ("GET", "/v1/antiphon/errors", ("operate",)),
    ("GET", "/v1/antiphon/conversations", ("read",)),
    ("GET", "/v1/antiphon/conversations/conv_1", ("read",)),
    ("GET", "/v1/antiphon/conversations/conv_1/export", ("read",)),
    ("GET", "/v1/antiphon/conversations/conv_1/recording", ("read",)),
    ("GET", "/v1/antiphon/conversations/conv_1/recordings", ("read",)),
    ("GET", "/v1/antiphon/usage", ("read",)),
    ("GET", "/v1/antiphon/usage/lines", ("read",)),
    ("GET", "/v1/antiphon/usage/budgets", ("read",)),
    ("GET", "/v1/antiphon/prices", ("read",)),
    ("GET", "/v1/antiphon/users/anna/memory", ("read",)),
    ("PUT", "/v1/antiphon/users/anna/memory", ("operate",)),
    ("PATCH", "/v1/antiphon/users/anna/memory", ("operate",)),
    ("DELETE", "/v1/antiphon/users/anna/memory", ("operate",)),
    ("POST", "/v1/antiphon/conversations/conv_1/fork", ("read",)),
    ("DELETE", "/v1/antiphon/conversations/conv_1", ("operate",)),
    ("GET", KEYS, ("operate",)),
    ("POST", KEYS, ("operate",)),
    ("DELETE", f"{KEYS}/key_1", ("operate",)),
    ("GET", "/v1/antiphon/audit", ("operate",)),
    ("GET", "/metrics", ("operate",)),
    ("GET", "/v1/antiphon/drain", ("operate",)),
    ("POST", "/v1/antiphon/drain", ("operate",)),
    ("DELETE", "/v1/antiphon/drain", ("operate",)),
    ("GET", "/v1/models", SCOPES),
    ("GET", "/v1/models/gpt-realtime", SCOPES),
]
FREE = {"/", "/assets", "/healthz", "/readyz"}
"""Open to all: the console's page shows nothing until it has a key."""


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with places(journal=MemoryJournal()) as place:
        yield place


async def make_key(place: Place, key: str = KEY, **wish: Any) -> dict[str, Any]:
    told = await place.ask("POST", KEYS, key=key, json={"name": "a key"} | wish)
    assert told.status == 200, told
    made: dict[str, Any] = told.body
    return made


async def closed(ws: ClientWebSocketResponse) -> int | None:
    """The code, once all that came before it is read."""
    while (await ws.receive(timeout=EVENT_TIMEOUT_S)).type is not WSMsgType.CLOSE:
        pass
    return ws.close_code


async def ask(place: Place, method: str, path: str, key: str | None) -> Told:
    headers = {"Upgrade": "websocket"} if (method, path[:12]) == ("GET", "/v1/realtime") else {}
    return await place.ask(method, path, key=key, headers=headers)


async def test_every_route_asks_for_its_scope(place: Place) -> None:
    values = {scope: (await make_key(place, scopes=[scope]))["value"] for scope in SCOPES}
    for method, path, wanted in ROUTES:
        for scope, value in values.items():
            told = await ask(place, method, path, value)
            if scope in wanted:
                assert told.status != 403, (method, path, scope)
                assert told.status != 401, (method, path, scope)
            else:
                assert (told.status, told.code) == (403, "insufficient_scope"), (
                    method,
                    path,
                    scope,
                )
                named = " or ".join(f"'{each}'" for each in wanted)
                assert f"lacks the scope {named}." in told.body["error"]["message"]
        if path.startswith("/v1/realtime") and method == "GET":
            continue  # Those are told on the socket, or that there is no such session.
        for nobody in (None, "wrong", "ek_wrong"):
            told = await ask(place, method, path, nobody)
            assert told.status in (401, 429), (method, path, nobody)


async def test_no_route_was_left_out(place: Place) -> None:
    """Azure's prefixes lead to the same handlers."""
    app = place.api.app()
    known = {(method, path.partition("?")[0]) for method, path, _ in ROUTES}
    for route in app.router.routes():
        assert route.resource is not None
        path = route.resource.canonical
        if route.method in ("HEAD", "*") or path in FREE or path.startswith("/openai"):
            continue
        names = {"{id}": ("cs_1", "rtc_1", "sess_1", "conv_1", "key_1", "gpt-realtime")}
        spelled = {path.replace("{id}", name) for name in names["{id}"]}
        spelled |= {path.replace("{user}", "anna")}
        assert any((route.method, each) in known for each in spelled), (route.method, path)


# --- What keys are -----------------------------------------------------------


async def test_a_key_is_shown_once_listed_without_its_value_and_revoked(place: Place) -> None:
    made = await make_key(place, name="shop", tenant="acme", scopes=["call"], retention="none")
    value = made.pop("value")
    assert value.startswith("ak_")
    listed = (await place.ask("GET", KEYS)).body["data"]
    assert listed == [made]
    assert value not in str(listed)
    assert made["hint"] == "…" + value[-4:]
    assert (await place.ask("GET", KEYS + "?tenant=other")).body["data"] == []
    await (await place.join(key=value)).close()
    told = await place.ask("DELETE", f"{KEYS}/{made['id']}")
    assert told.body == {"id": made["id"], "object": "antiphon.key", "deleted": True}
    assert "Incorrect API key" in await turned_away(await place.join(key=value))
    assert (await place.ask("DELETE", f"{KEYS}/{made['id']}")).status == 404


@pytest.mark.parametrize(
    ("wish", "param"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"tenant": "../x"}, "tenant"),
        ({"user": ""}, "user"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["fly"]}, "scopes[0]"),
        ({"expires_at": 1}, "expires_at"),
        ({"client_events": ["fly"]}, "client_events"),
        ({"retention": "some"}, "retention"),
        ({"limit": "gold"}, "limit"),
    ],
)
async def test_a_key_that_cannot_be_is_refused_by_field(
    place: Place, wish: dict[str, Any], param: str
) -> None:
    told = await place.ask("POST", KEYS, json={"name": "k"} | wish)
    assert (told.status, told.body["error"]["param"]) == (400, param), told


async def test_nobody_makes_a_key_that_may_more_than_their_own(place: Place) -> None:
    acme = (await make_key(place, tenant="acme", scopes=["operate", "call"], limits="gold"))[
        "value"
    ]
    made = await make_key(place, key=acme, name="second")
    assert (made["tenant"], made["scopes"], made["limits"]) == ("acme", ["call", "operate"], "gold")
    more: list[tuple[dict[str, Any], str]] = [
        ({"scopes": ["read"]}, "scopes"),
        ({"tenant": "default"}, "tenant"),
        ({"limits": "platinum"}, "limits"),
        ({"budget": "endless"}, "budget"),
    ]
    for wish, param in more:
        told = await place.ask("POST", KEYS, key=acme, json={"name": "k"} | wish)
        assert (told.status, told.body["error"]["param"]) == (400, param)
    user = (await make_key(place, tenant="acme", user="anna"))["value"]
    told = await place.ask("POST", KEYS, key=user, json={"name": "k", "user": "bob"})
    assert told.body["error"]["param"] == "user"
    assert (await make_key(place, key=user, name="k"))["user"] == "anna"


async def test_the_end_of_a_key_is_the_end_of_all_that_it_opened(place: Place) -> None:
    made = await make_key(place, tenant="acme")
    value = made["value"]
    told = await place.ask("POST", SECRETS, key=value, json={"antiphon": {"user": "anna"}})
    secret = told.body["value"]
    direct, page = await place.join(key=value), await place.join(key=secret)
    others = await place.join()
    for ws in (direct, page, others):
        await until(ws, "session.created")
    other_id = next(s.id for s in place.hub.sessions if s.about.principal.key_id is None)
    helper = (await make_key(place))["value"]
    sideband = await place.join(f"call_id={other_id}", key=helper)
    await until(sideband, "session.created")
    await place.ask("DELETE", f"{KEYS}/{made['id']}")
    assert [await closed(ws) for ws in (direct, page)] == [CloseCode.UNAUTHORIZED] * 2
    assert "was revoked" in await turned_away(await place.join(key=secret))
    assert not sideband.closed
    helper_id = (await place.ask("GET", KEYS)).body["data"][-1]["id"]
    await place.ask("DELETE", f"{KEYS}/{helper_id}")
    assert await closed(sideband) == CloseCode.UNAUTHORIZED
    assert [session.id for session in place.hub.sessions] == [other_id]
    await others.close()


# --- Tenants and users -------------------------------------------------------


async def test_what_a_key_mints_is_its_tenants_and_narrower(place: Place) -> None:
    events = ["input_audio_buffer.append", "response.create"]
    key = await make_key(place, tenant="acme", limits="gold", budget="b", client_events=events)
    told = await place.ask(
        "POST",
        SECRETS,
        key=key["value"],
        headers={"OpenAI-Safety-Identifier": "anna"},
        json={"antiphon": {"client_events": ["response.create", "session.update"]}},
    )
    ws = await place.join(key=told.body["value"])
    await until(ws, "session.created")
    (session,) = place.hub.sessions
    principal = session.about.principal
    assert (principal.tenant, principal.user, principal.key_id) == ("acme", "anna", key["id"])
    assert (principal.limits, principal.budget) == ("gold", "b")
    assert principal.scopes == frozenset(("call",))
    await ws.send_json({"type": "session.update", "session": {"type": "realtime"}})
    assert (await until(ws, "error"))["error"]["code"] == "event_not_allowed"
    (listed,) = (await place.ask("GET", "/v1/antiphon/sessions")).body["data"]
    assert (listed["tenant"], listed["user"], listed["key"]) == ("acme", "anna", "a key")
    await ws.close()


async def test_the_older_name_of_a_user_is_the_same_user(place: Place) -> None:
    for limits, status in [
        ({"user": "anna", "end_user_id": "anna"}, 200),
        ({"user": "anna", "end_user_id": "bob"}, 400),
    ]:
        assert (await place.ask("POST", SECRETS, json={"antiphon": limits})).status == status
    anna = (await make_key(place, user="anna"))["value"]
    told = await place.ask("POST", SECRETS, key=anna, json={"antiphon": {"user": "bob"}})
    assert (told.status, told.body["error"]["param"]) == (400, "antiphon.user")


async def spoken(place: Place, key: str, **headers: str) -> str:
    """The id of a conversation that is kept."""
    ws = await place.join(key=key, headers=headers)
    created = await until(ws, "session.created")
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": WORDS}]}
    await ws.send_json({"type": "conversation.item.create", "item": item})
    await until(ws, "conversation.item.done")
    session = place.hub.get(created["session"]["id"])
    assert session is not None
    await ws.close()
    await session.ended()
    return session.about.conversation_id


async def test_what_belongs_to_another_tenant_or_user_is_not_there(place: Place) -> None:
    acme = (await make_key(place, tenant="acme"))["value"]
    rival = (await make_key(place, tenant="rival"))["value"]
    bob = (await make_key(place, tenant="acme", user="bob"))["value"]
    said = await spoken(place, acme, **{"OpenAI-Safety-Identifier": "anna"})
    path = f"/v1/antiphon/conversations/{said}"
    for key, seen in [(acme, True), (KEY, True), (rival, False), (bob, False)]:
        listed = (await place.ask("GET", "/v1/antiphon/conversations", key=key)).body["data"]
        assert (said in [entry["id"] for entry in listed]) is seen
        told = await place.ask("GET", path, key=key)
        assert told.status == (200 if seen else 404)
        assert (await place.ask("POST", path + "/fork", key=key)).status == (200 if seen else 404)
        minted = await place.ask(
            "POST", SECRETS, key=key, json={"antiphon": {"conversation_id": said}}
        )
        assert minted.status == (200 if seen else 404)
        if seen:
            continue
        assert (await place.ask("DELETE", path, key=key)).status == 404
        upgrade = {"Upgrade": "websocket"}
        query = f"/v1/realtime?model=test&conversation_id={said}"
        assert (await place.ask("GET", query, key=key, headers=upgrade)).status == 404
    for user in ("anna", "carol"):  # Whom a key names is no limit to what it sees.
        ws = await place.join(
            f"conversation_id={said}", key=acme, headers={"OpenAI-Safety-Identifier": user}
        )
        session = place.hub.get((await until(ws, "session.created"))["session"]["id"])
        assert session is not None
        await ws.close()
        await session.ended()
    live = await place.join(key=acme)
    session_id = (await until(live, "session.created"))["session"]["id"]
    for key, seen in [(acme, True), (KEY, True), (rival, False), (bob, False)]:
        data = (await place.ask("GET", "/v1/antiphon/sessions", key=key)).body["data"]
        assert [entry["id"] for entry in data] == ([session_id] if seen else [])
        move = f"/v1/antiphon/sessions/{session_id}/move"
        moved = await place.ask("POST", move, key=key, json={"model": "test"})
        assert moved.status == (200 if seen else 404)
        for deed, wish in [("mute", {}), ("instruct", {"instructions": "Be kind."})]:
            did = f"/v1/antiphon/sessions/{session_id}/{deed}"
            assert (await place.ask("POST", did, key=key, json=wish)).status == moved.status
        if not seen:
            for method, deed in [("GET", "captions"), ("POST", "hangup")]:
                did = f"/v1/antiphon/sessions/{session_id}/{deed}"
                assert (await place.ask(method, did, key=key)).status == 404
        if seen:
            await (await place.join(f"call_id={session_id}", key=key)).close()
        else:
            with pytest.raises(WSServerHandshakeError, match="404"):
                await place.join(f"call_id={session_id}", key=key)
    await live.close()


async def test_a_secret_is_revoked_by_its_own_tenant_alone(place: Place) -> None:
    acme = (await make_key(place, tenant="acme"))["value"]
    rival = (await make_key(place, tenant="rival"))["value"]
    told = await place.ask("POST", SECRETS, key=acme)
    path = f"{SECRETS}/{told.body['antiphon']['id']}"
    assert (await place.ask("DELETE", path, key=rival)).status == 404
    assert (await place.ask("DELETE", path, key=acme)).status == 200


async def test_the_retention_of_a_key_is_its_sessions_default(place: Place) -> None:
    quiet = (await make_key(place, retention="none"))["value"]
    said = await spoken(place, quiet)
    assert (await place.ask("GET", f"/v1/antiphon/conversations/{said}")).status == 404


# --- Who did what ------------------------------------------------------------


async def test_the_audit_log_tells_who_did_what_and_nothing_secret(place: Place) -> None:
    acme = await make_key(place, name="acme's", tenant="acme")
    secret = (await place.ask("POST", SECRETS, key=acme["value"])).body
    said = await spoken(place, acme["value"])
    await place.ask("GET", f"/v1/antiphon/conversations/{said}")
    await place.ask("DELETE", f"/v1/antiphon/conversations/{said}", key=acme["value"])
    await place.ask("GET", KEYS, key="ak_wrong-key")
    log = (await place.ask("GET", "/v1/antiphon/audit")).body["data"]
    assert [deed["what"] for deed in reversed(log)] == [
        "key.created",
        "client_secret.minted",
        "conversation.read",
        "conversation.erased",
        "key.refused",
    ]
    refused, erased, read, minted, _ = log
    assert refused["about"]["reason"] == "an unknown key"
    assert refused["about"]["request"] == f"GET {KEYS}"
    assert (erased["tenant"], erased["key"], erased["key_id"]) == ("acme", "acme's", acme["id"])
    assert erased["about"] == {"conversation_id": said}
    assert (read["tenant"], read["address"]) == ("default", "127.0.0.1")
    assert minted["about"]["secret_id"] == secret["antiphon"]["id"]
    text = str(log)
    for hidden in (acme["value"], secret["value"], KEY, "wrong-key", WORDS):
        assert hidden not in text
    own = (await place.ask("GET", "/v1/antiphon/audit", key=acme["value"])).body["data"]
    assert [deed["what"] for deed in own] == ["conversation.erased", "client_secret.minted"]
    one = (await place.ask("GET", "/v1/antiphon/audit?limit=1")).body["data"]
    assert one == log[:1]
    for query in ("limit=0", "limit=x", "before=x"):
        assert (await place.ask("GET", f"/v1/antiphon/audit?{query}")).status == 400
