"""Conversations that are kept: going on with one, reading and erasing them, over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType
from msgspec.structs import replace
from openai import AsyncOpenAI

from antiphon.core.conversation import TAKEN_OVER_TEXT
from antiphon.engines.scripted import ScriptedEngine
from antiphon.journal.journal import Wanted
from antiphon.journal.memory import MemoryJournal
from antiphon.journal.sqlite import SqliteJournal
from antiphon.server.settings import Config, JournalSettings
from antiphon.testing import serving
from tests.journal.logs import closed, in_file, opened, said
from tests.server.place import CONFIG, EVENT_TIMEOUT_S, HELLO, KEY, Place, places, until

PATH = "/v1/antiphon/conversations"
VOICED = {"audio": {"output": {"voice": "ash"}}}
TEXT = {"type": "realtime", "output_modalities": ["text"]}


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal(delay_s=0.002)


@pytest.fixture
async def place(journal: MemoryJournal) -> AsyncIterator[Place]:
    async with places(journal=journal) as found:
        yield found


async def says(ws: ClientWebSocketResponse, text: str) -> dict[str, Any]:
    """Say it, and be answered."""
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    await ws.send_json({"type": "session.update", "session": TEXT})
    await ws.send_json({"type": "conversation.item.create", "item": item})
    await ws.send_json({"type": "response.create"})
    response: dict[str, Any] = (await until(ws, "response.done"))["response"]
    return response


async def talk(place: Place, text: str = "Hello there.", query: str = "model=test") -> str:
    """A whole conversation; its id."""
    ws = await place.join(query)
    conversation_id: str = (await says(ws, text))["conversation_id"]
    await ws.close()
    await gone(place)
    return conversation_id


async def gone(place: Place) -> None:
    async with asyncio.timeout(EVENT_TIMEOUT_S):
        while place.hub.sessions:  # noqa: ASYNC110  Nobody tells when the last one has ended.
            await asyncio.sleep(0.005)


async def shown(ws: ClientWebSocketResponse, count: int) -> list[Any]:
    await until(ws, "session.created")
    return [await ws.receive_json(timeout=EVENT_TIMEOUT_S) for _ in range(2 * count)]


# --- Going on ----------------------------------------------------------------


async def test_a_conversation_goes_on_by_its_id(place: Place) -> None:
    conversation_id = await talk(place)
    ws = await place.join(f"model=test&conversation_id={conversation_id}")
    events = await shown(ws, 2)
    kinds = ["conversation.item.added", "conversation.item.done"] * 2
    assert [event["type"] for event in events] == kinds
    roles = [event["item"]["role"] for event in events[::2]]
    assert roles == ["user", "assistant"]
    assert "Hello there." in str(events[0])
    answer = await says(ws, "And now?")
    assert answer["conversation_id"] == conversation_id
    await ws.close()
    whole = (await place.ask("GET", f"{PATH}/{conversation_id}")).body
    assert len(whole["items"]) == 4
    assert len(whole["sessions"]) == 2


async def test_a_stock_client_goes_on_as_the_guide_says(place: Place) -> None:
    conversation_id = await talk(place)
    openai = AsyncOpenAI(api_key=KEY, base_url=f"{place.url}/v1")
    query = {"conversation_id": conversation_id}
    shown: list[Any] = []
    async with openai.realtime.connect(model="test", extra_query=query) as connection:
        async for event in connection:
            if event.type == "conversation.item.done":
                shown.append(event.item)
            if len(shown) == 2:
                break
    assert [item.role for item in shown] == ["user", "assistant"]
    await openai.close()


async def test_a_client_of_the_beta_is_shown_it_in_its_words(place: Place) -> None:
    conversation_id = await talk(place)
    query = f"model=test&conversation_id={conversation_id}"
    ws = await place.join(query, headers={"OpenAI-Beta": "realtime=v1"})
    event = await until(ws, "conversation.item.created")
    assert "Hello there." in str(event)
    await ws.close()


async def test_a_client_of_the_beta_learns_a_name_to_go_on_by(place: Place) -> None:
    ws = await place.join(headers={"OpenAI-Beta": "realtime=v1"})
    conversation_id = (await until(ws, "conversation.created"))["conversation"]["id"]
    content = [{"type": "input_text", "text": "Hello there."}]
    item = {"type": "message", "role": "user", "content": content}
    await ws.send_json({"type": "conversation.item.create", "item": item})
    await ws.send_json({"type": "response.create", "response": {"modalities": ["text"]}})
    done = (await until(ws, "response.done"))["response"]
    assert done["conversation_id"] == conversation_id
    await ws.close()
    ws = await place.join(f"model=test&conversation_id={conversation_id}")
    await shown(ws, 2)
    await ws.close()


async def test_one_that_is_not_there_is_404(place: Place) -> None:
    upgrade = {"Upgrade": "websocket"}
    path = "/v1/realtime?model=test&conversation_id=conv_nobodys"
    told = await place.ask("GET", path, headers=upgrade)
    assert (told.status, told.code) == (404, "conversation_not_found")


async def test_one_that_is_live_is_not_erased(place: Place) -> None:
    ws = await place.join()
    conversation_id = (await says(ws, "Hello."))["conversation_id"]
    told = await place.ask("DELETE", f"{PATH}/{conversation_id}")
    assert (told.status, told.code) == (409, "conversation_in_use")
    assert "end that first" in told.body["error"]["message"]
    await ws.close(code=1001)  # Its session waits, for nobody.
    async with asyncio.timeout(EVENT_TIMEOUT_S):
        while next(iter(place.hub.sessions)).connection_roles:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    told = await place.ask("DELETE", f"{PATH}/{conversation_id}")
    assert told.status == 200


async def test_one_that_is_live_is_taken_over(place: Place) -> None:
    first = await place.join()
    conversation_id = (await says(first, "Hello there."))["conversation_id"]
    second = await place.join(f"model=test&conversation_id={conversation_id}")
    events = await shown(second, 2)
    assert events[0]["item"]["content"][0]["text"] == "Hello there."
    closed = await first.receive(timeout=EVENT_TIMEOUT_S)
    while closed.type is WSMsgType.TEXT:
        closed = await first.receive(timeout=EVENT_TIMEOUT_S)
    assert (closed.data, closed.extra) == (4001, TAKEN_OVER_TEXT)
    assert (await says(second, "And on."))["conversation_id"] == conversation_id
    await second.close()


async def test_a_secret_takes_over_what_is_its_users_or_deserted(place: Place) -> None:
    bob = (await place.mint(end_user_id="bob"))["value"]
    first = await place.join("", key=bob)
    conversation_id = (await says(first, "Hello there."))["conversation_id"]
    upgrade = {"Upgrade": "websocket"}
    other = (await place.mint(conversation_id=conversation_id, end_user_id="eve"))["value"]
    told = await place.ask("GET", "/v1/realtime", key=other, headers=upgrade)
    assert (told.status, told.code) == (409, "conversation_in_use")
    bound = (await place.mint(conversation_id=conversation_id, end_user_id="bob"))["value"]
    second = await place.join("", key=bound)
    await shown(second, 2)
    await second.close(code=1001)  # As a page that is left: its session waits.
    third = await place.join("", key=other)
    await shown(third, 2)
    await third.close()


async def test_a_call_goes_on_with_one_too(place: Place) -> None:
    headers = {"Content-Type": "application/sdp"}
    told = await place.ask(
        "POST", "/v1/realtime/calls?conversation_id=conv_x", headers=headers, data="v=0"
    )
    assert (told.status, told.code) == (404, "conversation_not_found")


async def test_a_secret_opens_the_conversation_it_is_bound_to_and_no_other(place: Place) -> None:
    conversation_id, other = await talk(place), await talk(place)
    bound = (await place.mint(conversation_id=conversation_id, max_sessions=1))["value"]
    free = (await place.mint())["value"]
    upgrade = {"Upgrade": "websocket"}
    for secret in (bound, free):
        path = f"/v1/realtime?conversation_id={other}"
        told = await place.ask("GET", path, key=secret, headers=upgrade)
        assert (told.status, told.code) == (403, "conversation_not_allowed")
    # An unmodified client: it knows nothing but its secret.
    ws = await place.join("", key=bound)
    assert (await shown(ws, 2))[0]["item"]["content"][0]["text"] == "Hello there."
    assert (await says(ws, "More."))["conversation_id"] == conversation_id
    await ws.close()
    ws = await place.join("", key=free)
    assert (await says(ws, "More."))["conversation_id"] not in (conversation_id, other)
    await ws.close()


async def test_without_a_journal_there_is_nothing_to_go_on_with() -> None:
    async with places() as place:
        upgrade = {"Upgrade": "websocket"}
        path = "/v1/realtime?model=test&conversation_id=conv_x"
        told = await place.ask("GET", path, headers=upgrade)
        assert (told.status, told.code) == (404, "conversation_not_found")
        assert "journal is off" in told.body["error"]["message"]
        told = await place.ask("GET", PATH)
        assert (told.status, told.code) == (404, "journal_off")


# --- Trouble -----------------------------------------------------------------


async def test_new_sessions_are_refused_in_trouble_where_that_is_wished(
    journal: MemoryJournal,
) -> None:
    config = replace(CONFIG, journal=JournalSettings(on_trouble="refuse"))
    async with places(journal=journal, config=config) as place:
        journal.fails = True
        upgrade = {"Upgrade": "websocket"}
        told = await place.ask("GET", "/v1/realtime?model=test", headers=upgrade)
        assert (told.status, told.code) == (503, "server_overloaded")
        assert "Retry-After" in told.headers
        journal.fails = False
        ws = await place.join()
        await ws.close()


# --- Reading and erasing -----------------------------------------------------


async def test_server_keys_alone_read_and_erase(place: Place) -> None:
    secret = (await place.mint())["value"]
    for key in (None, secret, "wrong"):
        for method, path in [("GET", PATH), ("GET", f"{PATH}/x"), ("DELETE", f"{PATH}/x")]:
            assert (await place.ask(method, path, key=key)).status == 401


async def test_conversations_are_listed_newest_first_by_pages(
    place: Place, journal: MemoryJournal
) -> None:
    for at, name in enumerate("abc"):
        journal.append(name, opened(1_000.5 + at, end_user_id="u" if name != "b" else None))
    told = (await place.ask("GET", f"{PATH}?limit=2")).body
    assert (told["first_id"], told["last_id"], told["has_more"]) == ("c", "b", True)
    assert told["data"][0] == {
        "id": "c",
        "object": "antiphon.conversation",
        "model": "gpt-realtime",
        "engine": "offline",
        "transport": "websocket",
        "tenant": "default",
        "user": "u",
        "end_user_id": "u",
        "began_at": 1_002,
        "changed_at": 1_002,
    }
    rest = (await place.ask("GET", f"{PATH}?limit=2&after=b")).body
    assert ([c["id"] for c in rest["data"]], rest["has_more"]) == (["a"], False)
    mine = (await place.ask("GET", f"{PATH}?end_user_id=u&began_after=1001")).body
    assert [c["id"] for c in mine["data"]] == ["c"]
    none = (await place.ask("GET", f"{PATH}?model=other")).body
    assert (none["data"], none["first_id"]) == ([], None)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "limit=1.5", f"limit={'9' * 5_000}", "began_after=soon"],
    ids=["none", "too many", "a letter", "a part", "far too many", "no time"],
)
async def test_what_cannot_be_listed_is_named(place: Place, query: str) -> None:
    told = await place.ask("GET", f"{PATH}?{query}")
    assert (told.status, told.body["error"]["param"]) == (400, query.partition("=")[0])


async def test_one_is_shown_whole_and_erased(place: Place) -> None:
    conversation_id = await talk(place)
    whole = (await place.ask("GET", f"{PATH}/{conversation_id}")).body
    assert [item["role"] for item in whole["items"]] == ["user", "assistant"]
    [response] = whole["responses"]
    assert response["usage"] == whole["usage"]
    assert whole["usage"]["total_tokens"] > 0
    assert whole["is_whole"] is True
    told = await place.ask("DELETE", f"{PATH}/{conversation_id}")
    assert told.body == {
        "id": conversation_id,
        "object": "antiphon.conversation",
        "deleted": True,
    }
    for method in ("GET", "DELETE"):
        told = await place.ask(method, f"{PATH}/{conversation_id}")
        assert (told.status, told.code) == (404, "conversation_not_found")


async def test_one_is_exported_for_people_and_for_programs(place: Place) -> None:
    conversation_id = await talk(place, "Good morning.")
    path = f"{PATH}/{conversation_id}/export"
    told = await place.ask("GET", path)
    assert told.headers["Content-Disposition"] == f'attachment; filename="{conversation_id}.jsonl"'
    kinds = [json.loads(line)["entry"] for line in told.body.splitlines()]
    assert (kinds[0], kinds[-1]) == ("opened", "closed")
    text = (await place.ask("GET", f"{path}?format=text")).body
    assert "user       Good morning.\n" in text
    refused = await place.ask("GET", f"{path}?format=pdf")
    assert (refused.status, refused.code) == (400, "invalid_value")
    assert (await place.ask("GET", f"{PATH}/conv_nobody/export")).status == 404


# --- Forks -------------------------------------------------------------------


async def test_a_conversation_is_forked_at_any_item_while_it_is_live(place: Place) -> None:
    ws = await place.join()
    conversation_id = (await says(ws, "Hello there."))["conversation_id"]
    await says(ws, "And then?")
    items = (await place.ask("GET", f"{PATH}/{conversation_id}")).body["items"]
    assert len(items) == 4
    path = f"{PATH}/{conversation_id}/fork"
    told = await place.ask("POST", path, json={"item_id": items[1]["id"]})
    assert told.status == 200
    fork_id = told.body["id"]
    origin = {"conversation_id": conversation_id, "item_id": items[1]["id"]}
    assert told.body["forked_from"] == origin
    # On to another model, in another voice; the first goes on as if nothing had been.
    fork = await place.join(f"model=other&conversation_id={fork_id}")
    assert [e["item"]["id"] for e in (await shown(fork, 2))[::2]] == [i["id"] for i in items[:2]]
    await fork.send_json({"type": "session.update", "session": {"type": "realtime"} | VOICED})
    await until(fork, "session.updated")
    assert (await says(fork, "Another way."))["conversation_id"] == fork_id
    assert (await says(ws, "One way."))["conversation_id"] == conversation_id
    await fork.close()
    await ws.close()
    await gone(place)
    counts = [
        len((await place.ask("GET", f"{PATH}/{name}")).body["items"])
        for name in (conversation_id, fork_id)
    ]
    assert counts == [6, 4]
    erased = await place.ask("DELETE", f"{PATH}/{conversation_id}")
    assert erased.status == 200
    assert (await place.ask("GET", f"{PATH}/{fork_id}")).status == 200, "it is its own"


async def test_a_fork_of_all_and_one_by_a_secret(place: Place) -> None:
    conversation_id = await talk(place)
    told = await place.ask("POST", f"{PATH}/{conversation_id}/fork")
    assert len((await place.ask("GET", f"{PATH}/{told.body['id']}")).body["items"]) == 2
    items = (await place.ask("GET", f"{PATH}/{conversation_id}")).body["items"]
    fork = {"conversation_id": conversation_id, "item_id": items[0]["id"]}
    ws = await place.join("", key=(await place.mint(fork=fork))["value"])
    assert len(await shown(ws, 1)) == 2
    fork_id = (await says(ws, "Another way."))["conversation_id"]
    assert fork_id not in (conversation_id, told.body["id"])
    await ws.close()


async def test_what_cannot_be_forked_is_told(place: Place) -> None:
    conversation_id = await talk(place)
    told = await place.ask("POST", f"{PATH}/conv_nobodys/fork")
    assert (told.status, told.code) == (404, "conversation_not_found")
    told = await place.ask("POST", f"{PATH}/{conversation_id}/fork", json={"item_id": "item_x"})
    assert (told.status, told.code) == (404, "item_not_found")
    told = await place.ask("POST", f"{PATH}/{conversation_id}/fork", json={"item_id": 7})
    assert (told.status, told.body["error"]["param"]) == (400, "item_id")
    told = await place.ask("POST", f"{PATH}/{conversation_id}/fork", key="wrong")
    assert told.status == 401
    body = {
        "session": {"type": "realtime"},
        "antiphon": {"conversation_id": "conv_1", "fork": {"conversation_id": "conv_2"}},
    }
    told = await place.ask("POST", "/v1/realtime/client_secrets", json=body)
    assert (told.status, told.body["error"]["param"]) == (400, "antiphon.fork")


# --- On disk -----------------------------------------------------------------


async def test_it_goes_on_after_the_server_has_started_again(tmp_path: Path) -> None:
    path = tmp_path / "conversations.sqlite3"
    config = replace(CONFIG, journal=JournalSettings(path=str(path)))
    async with places(config=config) as place:
        conversation_id = await talk(place)
    async with places(config=config) as place:
        ws = await place.join(f"model=test&conversation_id={conversation_id}")
        assert len(await shown(ws, 2)) == 4
        await ws.close()
    assert b"Hello there." not in path.read_bytes()


async def test_what_is_too_old_is_erased_at_start(tmp_path: Path) -> None:
    path = tmp_path / "conversations.sqlite3"
    earlier, day_s = SqliteJournal(path), 24 * 60 * 60
    await earlier.start()
    kept = (("old", 11, "default"), ("young", 9, "default"), ("a tenant's", 9, "acme"))
    for name, days, tenant in kept:
        at_s = time.time() - days * day_s
        for entry in (opened(at_s, tenant=tenant), said("a"), closed(at_s)):
            earlier.append(name, entry)
    await earlier.aclose()
    settings = JournalSettings(path=str(path), retention_days=10, tenant_retention_days={"acme": 8})
    async with serving(ScriptedEngine(HELLO), config=Config(journal=settings)) as server:
        assert server.hub.keeping is not None
        page = await server.hub.keeping.journal.listed(Wanted(), after=None, limit=9)
        assert [kept.id for kept in page.conversations] == ["young"]


async def test_a_journal_that_cannot_be_read_is_told_without_its_secrets(tmp_path: Path) -> None:
    path = tmp_path / "conversations.sqlite3"
    config = replace(CONFIG, journal=JournalSettings(path=str(path)))
    async with places(config=config) as place:
        conversation_id = await talk(place)
        in_file(path, "UPDATE entries SET sealed = zeroblob(40)")
        upgrade = {"Upgrade": "websocket"}
        for asked in (
            place.ask("GET", f"{PATH}/{conversation_id}"),
            place.ask("GET", f"/v1/realtime?conversation_id={conversation_id}", headers=upgrade),
        ):
            told = await asked
            assert (told.status, told.code) == (500, "journal_unavailable")
            assert str(path) not in str(told.body)
        ws = await place.join()  # Others begin anew.
        await ws.close()


async def test_nothing_is_kept_where_nothing_shall_be(tmp_path: Path) -> None:
    path = tmp_path / "conversations.sqlite3"
    settings = JournalSettings(path=str(path), retention="none")
    async with places(config=replace(CONFIG, journal=settings)) as place:
        await talk(place)
    assert os.listdir(tmp_path) == []


def test_a_server_of_tests_keeps_nothing_unless_asked() -> None:
    assert Config().journal.path is None
