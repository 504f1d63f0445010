"""Several processes are one server, whichever of them a client happens to reach."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

from aiohttp import ClientWebSocketResponse, WSMsgType

from antiphon.server.audit import Deed
from antiphon.server.operator import merged
from antiphon.testing import in_virtual_time
from tests.processes.company import TELLS_NAME, company
from tests.server.place import KEY, Place, until


async def entered(
    place: Place, *query: str, **how: Any
) -> tuple[ClientWebSocketResponse, dict[str, Any]]:
    """A client of that process, and how its session began."""
    ws = await place.join(*query, **how)
    return ws, await until(ws, "session.created")


KEYS = "/v1/antiphon/keys"


@in_virtual_time
async def test_a_sideband_finds_its_session_in_another_process() -> None:
    async with company() as firm:
        here, there = firm.places
        owner, created = await entered(here)
        sideband, joined = await entered(there, f"call_id={created['session']['id']}")
        assert joined["session"]["id"] == created["session"]["id"]
        await sideband.send_json(
            {"type": "session.update", "session": {"type": "realtime", "instructions": "Be kind."}}
        )
        updated = await until(owner, "session.updated")
        assert updated["session"]["instructions"] == "Be kind."
        await owner.close()
        ended = await sideband.receive()
        while ended.type is WSMsgType.TEXT:
            ended = await sideband.receive()
        assert ended.type is WSMsgType.CLOSE
        assert sideband.close_code == 1000


@in_virtual_time
async def test_a_session_that_nobody_has_is_not_found() -> None:
    async with company() as firm:
        for place in firm.places:
            told = await place.ask(
                "GET", "/v1/realtime?call_id=sess_nobody", headers={"Upgrade": "websocket"}
            )
            assert (told.status, told.code) == (404, "call_id_not_found")


@in_virtual_time
async def test_all_sessions_are_listed_and_moved_from_anywhere() -> None:
    async with company() as firm:
        here, there = firm.places
        created = [await until(await place.join(), "session.created") for place in firm.places]
        ids = {each["session"]["id"] for each in created}
        for place in firm.places:
            listed = (await place.ask("GET", "/v1/antiphon/sessions")).body["data"]
            assert {session["id"] for session in listed} == ids
        of_here = created[0]["session"]["id"]
        told = await there.ask(
            "POST", f"/v1/antiphon/sessions/{of_here}/move", json={"voice": "marin"}
        )
        assert told.status == 200, told
        assert told.body["id"] == of_here
        assert here.hub.get(of_here) is not None


@in_virtual_time
async def test_a_secret_opens_as_many_sessions_as_it_may_over_all() -> None:
    async with company() as firm:
        here, there = firm.places
        secret = (await here.mint(max_sessions=2))["value"]
        kept = [await place.join(key=secret) for place in (there, here)]
        assert [(await until(ws, "session.created"))["type"] for ws in kept]
        told = await there.ask("GET", "/v1/realtime", key=secret, headers={"Upgrade": "websocket"})
        refused = await there.join(key=secret)
        assert (await refused.receive_json())["error"]["code"] == "invalid_api_key"
        del told


@in_virtual_time
async def test_who_comes_back_by_another_door_finds_the_session() -> None:
    async with company() as firm:
        here, there = firm.places
        owner, created = await entered(here)
        token = created["session"]["antiphon"]["resume"]["token"]
        await owner.close(code=1001)
        await asyncio.sleep(1)
        back, again = await entered(there, headers={"Antiphon-Resume": token})
        assert again["session"]["id"] == created["session"]["id"]
        assert again["session"]["antiphon"]["resume"]["continues"] == "session"
        await back.close()


@in_virtual_time
async def test_a_conversation_is_taken_over_from_another_process() -> None:
    async with company() as firm:
        here, there = firm.places
        owner, created = await entered(here)
        await owner.send_json(TELLS_NAME)
        await until(owner, "conversation.item.done")
        conversation = created["session"]["antiphon"]["resume"]["conversation_id"]
        second, again = await entered(there, f"model=test&conversation_id={conversation}")
        assert again["session"]["antiphon"]["resume"]["conversation_id"] == conversation
        assert [len(place.hub.sessions) for place in firm.places] == [1, 0], "where it was"
        await second.close()


@in_virtual_time
async def test_when_a_process_died_its_conversation_goes_on_in_another() -> None:
    async with company() as firm:
        here, there = firm.places
        owner, created = await entered(here)
        resume = created["session"]["antiphon"]["resume"]
        await owner.send_json(TELLS_NAME)
        await until(owner, "conversation.item.done")
        firm.loses(firm.people[0])
        _, again = await entered(
            there,
            f"model=test&conversation_id={resume['conversation_id']}",
            headers={"Antiphon-Resume": resume["token"]},
        )
        assert again["session"]["antiphon"]["resume"]["continues"] == "conversation"
        assert again["session"]["id"] != created["session"]["id"]


@in_virtual_time
async def test_drain_and_health_are_of_all() -> None:
    async with company() as firm:
        here, there = firm.places
        await until(await here.join(), "session.created")
        told = await there.ask("POST", "/v1/antiphon/drain", json={})
        assert told.body == {"object": "antiphon.drain", "draining": True, "sessions": 1}
        assert all(place.api.admission.draining for place in firm.places)
        assert (await here.ask("GET", "/readyz", key=None)).status == 503
        health = (await here.ask("GET", "/healthz", key=None)).body
        assert (health["sessions"], health["processes"]) == (1, 2)
        await here.ask("DELETE", "/v1/antiphon/drain")
        assert not any(place.api.admission.draining for place in firm.places)
        assert (await there.ask("GET", "/readyz", key=None)).status == 200


@in_virtual_time
async def test_a_server_is_ready_while_one_process_is() -> None:
    async with company() as firm:
        here, there = firm.places
        here.api.admission.draining = True
        for place in firm.places:
            assert (await place.ask("GET", "/readyz", key=None)).status == 200
        there.api.admission.draining = True
        assert (await here.ask("GET", "/readyz", key=None)).status == 503


@in_virtual_time
async def test_metrics_tell_of_each_process() -> None:
    async with company() as firm:
        here, there = firm.places
        await until(await here.join(), "session.created")
        text = (await there.ask("GET", "/metrics")).body
        opened = 'antiphon_sessions_opened_total{transport="websocket",process="%s"} %s'
        assert opened % ("1", "1.0") in text
        assert opened % ("2", "0.0") in text
        assert text.count("# TYPE antiphon_sessions_opened_total counter") == 1


@in_virtual_time
async def test_the_word_of_a_stranger_that_he_is_one_of_us_is_worth_nothing() -> None:
    async with company() as firm:
        here, there = firm.places
        created = await until(await here.join(), "session.created")
        query = f"call_id={created['session']['id']}"
        # Who is believed to be a process is not sent on, and so finds nothing here.
        believed = {"Antiphon-Forwarded": "of-this-company 10.0.0.1", "Upgrade": "websocket"}
        told = await there.ask("GET", f"/v1/realtime?{query}", headers=believed)
        assert told.status == 404
        sideband = await there.join(query, headers={"Antiphon-Forwarded": "a-guess 10.0.0.1"})
        assert (await until(sideband, "session.created"))["session"]["id"]


@in_virtual_time
async def test_another_key_learns_nothing_of_sessions_elsewhere() -> None:
    async with company() as firm:
        here, there = firm.places
        created = await until(await here.join(), "session.created")
        name = created["session"]["id"]
        told = await there.ask(
            "GET", f"/v1/realtime?call_id={name}", key="wrong", headers={"Upgrade": "websocket"}
        )
        assert (told.status, told.code) == (404, "call_id_not_found")
        moved = await there.ask(
            "POST", f"/v1/antiphon/sessions/{name}/move", key="wrong", json={"voice": "marin"}
        )
        assert moved.status == 401
        assert KEY not in str(moved)


@in_virtual_time
async def test_a_body_that_was_packed_is_passed_on_unpacked() -> None:
    async with company() as firm:
        here, there = firm.places
        created = await until(await here.join(), "session.created")
        told = await there.ask(
            "POST",
            f"/v1/antiphon/sessions/{created['session']['id']}/move",
            data=gzip.compress(b'{"voice": "marin"}'),
            headers={"Content-Encoding": "gzip", "Content-Type": "application/json"},
        )
        assert told.status == 200, told


@in_virtual_time
async def test_errors_and_deeds_are_told_from_everywhere() -> None:
    async with company(3) as firm:
        one, two, three = firm.places
        ws = await one.join()
        created = await until(ws, "session.created")
        await ws.send_json({"type": "nonsense"})
        await until(ws, "error")
        made = [await place.ask("POST", KEYS, json={"name": "k"}) for place in (one, two, one, two)]
        one.clock.now_s += 1
        made.append(await one.ask("POST", KEYS, json={"name": "k"}))
        last, *of_one_moment = [told.body["id"] for told in reversed(made)]
        orders = []
        for place in firm.places:
            errors = (await place.ask("GET", "/v1/antiphon/errors")).body["data"]
            assert created["session"]["id"] in {error["session_id"] for error in errors}
            deeds = (await place.ask("GET", "/v1/antiphon/audit?limit=5")).body["data"]
            orders.append([deed["about"]["id"] for deed in deeds])
        by_process = [*of_one_moment[1::2], *of_one_moment[0::2]]
        assert orders == [[last, *by_process]] * 3, "in one order, whichever is asked"
        acme = (await three.ask("POST", KEYS, json={"name": "a", "tenant": "acme"})).body["value"]
        for path in ("errors", "audit"):
            told = await three.ask("GET", f"/v1/antiphon/{path}", key=acme)
            assert all(entry["tenant"] == "acme" for entry in told.body["data"])
        await ws.close()


def test_what_all_read_in_the_file_is_told_once() -> None:
    before = Deed(at=1.0, what="key.created", about={"id": "key_1"})
    mine, theirs = Deed(at=3.0, what="key.revoked"), Deed(at=2.0, what="key.revoked")
    assert merged([[mine, before], [theirs, before]]) == [mine, theirs, before]


def test_what_was_done_in_the_same_millisecond_keeps_the_order_of_each() -> None:
    ours, theirs = (
        [Deed(at=at, what=what, key=key) for at, what in ((2.0, "b"), (2.0, "a"), (1.0, "c"))]
        for key in ("ours", "theirs")
    )
    told = merged([ours, theirs])
    assert [(deed.what, deed.key) for deed in told] == [
        ("b", "ours"),
        ("a", "ours"),
        ("b", "theirs"),
        ("a", "theirs"),
        ("c", "ours"),
        ("c", "theirs"),
    ]


@in_virtual_time
async def test_who_guesses_keys_here_is_slowed_down_there() -> None:
    async with company() as firm:
        one, two = firm.places
        told = [await one.ask("GET", "/v1/models", key=f"wrong-{n}") for n in range(20)]
        assert {each.status for each in told} == {401}
        await asyncio.sleep(0.2)
        assert (await two.ask("GET", "/v1/models", key="another")).status == 429
