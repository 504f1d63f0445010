"""The operator's means beside a live session: captions, instructions, silence, the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, ClientWebSocketResponse

from antiphon.engines.scripted import Hold, Script, Write
from antiphon.identity.principal import Principal
from antiphon.journal.memory import MemoryJournal
from antiphon.protocol.server import ConversationItemDeleted
from antiphon.protocol.timeline import Segment, Timeline
from antiphon.server.quality import MAX_SESSIONS, LastTurns
from antiphon.server.supervision import MAX_LISTENERS, MAX_UNREAD, Captions
from antiphon.telemetry.facts import Answered
from tests.server.place import EVENT_TIMEOUT_S, KEY, Place, places, until

TEXT = {"type": "realtime", "output_modalities": ["text"]}
TWICE = Script(replies=((Write(text="One."),), (Write(text="Two."),)))


class Session:
    """A session of a client that types, and its path for the operator."""

    def __init__(self, place: Place, ws: ClientWebSocketResponse, session_id: str) -> None:
        self.place, self.ws, self.id = place, ws, session_id
        self.path = f"/v1/antiphon/sessions/{session_id}"

    async def say(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        await self.ws.send_json({"type": "conversation.item.create", "item": item})

    async def answered(self) -> dict[str, Any]:
        await self.ws.send_json({"type": "response.create"})
        return await until(self.ws, "response.done")

    async def do(self, deed: str, **wish: object) -> Any:
        told = await self.place.ask("POST", f"{self.path}/{deed}", json=wish)
        assert told.status == 200, told
        return told.body

    async def listed(self) -> dict[str, Any]:
        told = await self.place.ask("GET", "/v1/antiphon/sessions")
        found: dict[str, Any] = next(s for s in told.body["data"] if s["id"] == self.id)
        return found

    async def deeds(self) -> list[str]:
        told = await self.place.ask("GET", "/v1/antiphon/audit")
        return [d["what"] for d in told.body["data"] if d["about"].get("session_id") == self.id]

    @asynccontextmanager
    async def captions(self, key: str = KEY) -> AsyncIterator[ClientResponse]:
        async with (
            ClientSession(headers={"Authorization": f"Bearer {key}"}) as client,
            client.get(f"{self.place.url}{self.path}/captions") as response,
        ):
            assert response.status == 200, await response.text()
            yield response


@asynccontextmanager
async def sessions(script: Script = TWICE) -> AsyncIterator[Session]:
    async with places(script, journal=MemoryJournal()) as place:
        ws = await place.join()
        session_id = (await until(ws, "session.created"))["session"]["id"]
        await ws.send_json({"type": "session.update", "session": TEXT})
        await until(ws, "session.updated")
        yield Session(place, ws, session_id)


async def next_caption(response: ClientResponse) -> dict[str, Any]:
    async with asyncio.timeout(EVENT_TIMEOUT_S):
        while True:
            line = await response.content.readline()
            if line.startswith(b"data: "):
                event: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
                return event


async def caption(response: ClientResponse, kind: str) -> dict[str, Any]:
    while (event := await next_caption(response))["type"] != kind:
        pass
    return event


async def test_a_listener_reads_what_was_said_and_what_is_being_said() -> None:
    async with sessions() as session:
        await session.say("Are you there?")
        await session.answered()
        async with session.captions() as captions:
            texts = [(await next_caption(captions))["item"]["content"][0]["text"] for _ in range(2)]
            assert texts == ["Are you there?", "One."]
            await session.say("And now?")
            assert (await next_caption(captions))["type"] == "conversation.item.added"
            await session.answered()
            assert (await caption(captions, "response.output_text.done"))["text"] == "Two."
            await session.ws.close()
            ended = await caption(captions, "antiphon.captions.ended")
            assert ended["reason"] == "session_ended"
            assert not (await captions.content.read()).strip()
        assert await session.deeds() == ["session.listened"]


async def test_the_list_tells_how_long_the_last_answer_took() -> None:
    async with sessions() as session:
        assert (await session.listed())["quality"] == {"latency_ms": None, "call": None}
        await session.say("Are you there?")
        await session.answered()
        assert (await session.listed())["quality"]["latency_ms"] >= 0


def test_only_so_many_sessions_are_remembered() -> None:
    turns = LastTurns()
    timeline = Timeline(
        response_id="r",
        kind="typed",
        began_ms=5,
        ended_ms=12,
        ends_with="written",
        segments=(Segment("thinking", 7),),
    )
    for number in range(MAX_SESSIONS + 1):
        turns.told(f"sess_{number}", Answered(timeline))
    assert turns.latency_ms("sess_0") is None
    assert (turns.latency_ms("sess_1"), turns.latency_ms(f"sess_{MAX_SESSIONS}")) == (7, 7)


async def test_nobody_in_the_session_can_tell_that_somebody_listens() -> None:
    async with sessions() as session:
        before = await session.listed()
        async with session.captions():
            assert await session.listed() == before
            await session.say("Hello?")
            assert (await session.ws.receive_json())["type"] == "conversation.item.added"
            assert (await session.ws.receive_json())["type"] == "conversation.item.done"


async def test_functions_settings_and_pictures_are_no_captions() -> None:
    async with sessions() as session:
        await session.ws.send_json(
            {"type": "session.update", "session": TEXT | {"instructions": "Secret."}}
        )
        call = {"type": "function_call", "name": "pay", "arguments": "{}", "call_id": "c1"}
        await session.ws.send_json({"type": "conversation.item.create", "item": call})
        picture = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}
        async with session.captions() as captions:
            item = {"type": "message", "role": "user", "content": [picture]}
            await session.ws.send_json({"type": "conversation.item.create", "item": item})
            event = await next_caption(captions)
            assert event["item"]["content"] == [{"type": "input_text", "text": "[picture]"}]


async def test_captions_end_with_the_key_that_reads_them() -> None:
    async with sessions() as session:
        wish = {"name": "supervisor", "scopes": ["operate"]}
        made = (await session.place.ask("POST", "/v1/antiphon/keys", json=wish)).body
        async with session.captions(made["value"]) as captions:
            await session.place.ask("DELETE", f"/v1/antiphon/keys/{made['id']}")
            assert (await next_caption(captions))["reason"] == "key_revoked"
        assert session.place.hub.get(session.id) is not None


async def test_so_many_listen_at_once_and_no_more() -> None:
    async with sessions() as session:
        headers = {"Authorization": f"Bearer {KEY}"}
        url = f"{session.place.url}{session.path}/captions"
        async with ClientSession(headers=headers) as client:
            listening = [await client.get(url) for _ in range(MAX_LISTENERS)]
            assert {response.status for response in listening} == {200}
            async with client.get(url) as one_more:
                assert one_more.status == 429
            for response in listening:
                response.close()


async def test_who_reads_too_slowly_is_told_so() -> None:
    captions = Captions(Principal())
    for number in range(MAX_UNREAD + 5):
        captions.told(ConversationItemDeleted(event_id=f"e{number}", item_id="i"))
    captions.ended()
    read = []
    while (event := await captions.next()) is not None:
        read.append(event)
    assert len(read) == MAX_UNREAD
    assert json.loads(read[-1]) == {"type": "antiphon.captions.ended", "reason": "too_slow"}


# --- Instructions ------------------------------------------------------------


async def test_an_instruction_is_a_message_of_the_system_and_may_ask_for_an_answer() -> None:
    async with sessions() as session:
        told = await session.do("instruct", instructions="Offer a refund.", answer=True)
        assert told == {"id": session.id, "object": "antiphon.session", "answers": True}
        item = (await until(session.ws, "conversation.item.done"))["item"]
        assert (item["role"], item["content"][0]["text"]) == ("system", "Offer a refund.")
        assert (await until(session.ws, "response.done"))["response"]["status"] == "completed"
        assert await session.deeds() == ["session.instructed"]


async def test_without_an_answer_an_instruction_waits_for_the_next() -> None:
    async with sessions() as session:
        assert not (await session.do("instruct", instructions="Be kind."))["answers"]
        await until(session.ws, "conversation.item.done")
        await session.say("Hello?")
        assert (await session.ws.receive_json())["type"] == "conversation.item.added"


async def test_while_an_answer_runs_no_second_one_is_asked_for() -> None:
    async with sessions(Script(replies=((Write(text="Well, "), Hold()),))) as session:
        await session.ws.send_json({"type": "response.create"})
        await until(session.ws, "response.output_text.delta")
        assert not (await session.do("instruct", instructions="Stop.", answer=True))["answers"]
        assert (await until(session.ws, "conversation.item.added"))["item"]["role"] == "system"


@pytest.mark.parametrize(
    ("wish", "param"),
    [
        ({}, "instructions"),
        ({"instructions": ""}, "instructions"),
        ({"instructions": "x" * 8_001}, "instructions"),
        ({"instructions": 7}, "instructions"),
        ({"instructions": "Hm.", "answer": "yes"}, "answer"),
        ({"instructions": "Hm.", "anwser": True}, "anwser"),
    ],
)
async def test_an_instruction_that_is_none_is_refused_by_field(
    wish: dict[str, object], param: str
) -> None:
    async with sessions() as session:
        told = await session.place.ask("POST", f"{session.path}/instruct", json=wish)
        assert (told.status, told.body["error"]["param"]) == (400, param), told
        assert await session.deeds() == []


async def test_what_cannot_be_added_is_told_to_the_operator_and_to_nobody_else() -> None:
    async with places() as place:
        ws = await place.join("intent=transcription")
        session_id = (await ws.receive_json(timeout=EVENT_TIMEOUT_S))["session"]["id"]
        wish = {"instructions": "Be kind.", "answer": True}
        path = f"/v1/antiphon/sessions/{session_id}/instruct"
        told = await place.ask("POST", path, json=wish)
        assert told.status == 400, told
        errors = (await place.ask("GET", "/v1/antiphon/errors")).body["data"]
        assert [e for e in errors if e["session_id"] == session_id] == []


# --- Silence and the end -----------------------------------------------------


async def test_muting_is_told_and_undone() -> None:
    async with sessions() as session:
        assert (await session.do("mute"))["muted"] is True
        assert (await session.listed())["muted"] is True
        assert (await session.do("mute", muted=False))["muted"] is False
        assert await session.deeds() == ["session.unmuted", "session.muted"]


async def test_hanging_up_closes_every_connection_and_tells_why() -> None:
    async with sessions() as session:
        sideband = await session.place.join(f"call_id={session.id}")
        await until(sideband, "session.created")
        assert (await session.do("hangup"))["ended"] is True
        for ws in (session.ws, sideband):
            closed = await ws.receive(timeout=EVENT_TIMEOUT_S)
            while closed.extra is None:
                closed = await ws.receive(timeout=EVENT_TIMEOUT_S)
            assert (ws.close_code, closed.extra) == (1000, "The session was ended by its operator.")
        assert await session.deeds() == ["session.hung_up"]
        told = await session.place.ask("POST", f"{session.path}/hangup")
        assert (told.status, told.code) == (404, "session_not_found")
