"""A running call is moved to another model or voice: by the operator, or by a sideband."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse

from antiphon.engines.scripted import Hold, Script, ScriptedEngine, Write
from antiphon.server.settings import Config
from antiphon.testing import serving
from tests.server.place import EVENT_TIMEOUT_S, KEY, Clock, Place, until

ONE = Script(replies=((Write(text="One."),), (Write(text="Hm, "), Hold())))
OTHER = Script(replies=((Write(text="Other."),),))
TEXT = {"type": "realtime", "output_modalities": ["text"]}
CONFIG = Config(models={"a": "one", "b": "other"})


@asynccontextmanager
async def two_engines() -> AsyncIterator[Place]:
    engines = ScriptedEngine(ONE, name="one"), ScriptedEngine(OTHER, name="other")
    async with (
        serving(*engines, keys=[KEY], config=CONFIG) as server,
        ClientSession() as client,
    ):
        yield Place(server, client, Clock())


async def answered(ws: ClientWebSocketResponse) -> dict[str, Any]:
    await ws.send_json({"type": "response.create"})
    response: dict[str, Any] = (await until(ws, "response.done"))["response"]
    return response


def said(response: dict[str, Any]) -> str:
    text: str = response["output"][0]["content"][0]["text"]
    return text


async def test_the_operator_moves_a_call_and_its_conversation_stays() -> None:
    async with two_engines() as place:
        ws = await place.join("model=a")
        session_id = (await until(ws, "session.created"))["session"]["id"]
        await ws.send_json({"type": "session.update", "session": TEXT})
        first = await answered(ws)
        assert said(first) == "One."
        path = f"/v1/antiphon/sessions/{session_id}/move"
        told = await place.ask("POST", path, json={"model": "b", "voice": "ash"})
        assert told.status == 200
        assert (told.body["engine"], told.body["model"]) == ("other", "b")
        moved = await until(ws, "session.updated")
        moved = moved if moved["session"]["model"] == "b" else await until(ws, "session.updated")
        session = moved["session"]
        assert (session["id"], session["model"]) == (session_id, "b")
        assert session["antiphon"]["engine"] == "other"
        assert session["audio"]["output"]["voice"] == "ash"
        second = await answered(ws)
        assert said(second) == "Other."
        assert second["conversation_id"] == first["conversation_id"]
        item_id = first["output"][0]["id"]
        await ws.send_json({"type": "conversation.item.retrieve", "item_id": item_id})
        assert (await until(ws, "conversation.item.retrieved"))["item"]["id"] == item_id


async def test_what_is_being_said_ends_once_and_is_said_anew() -> None:
    async with two_engines() as place:
        ws = await place.join("model=a")
        session_id = (await until(ws, "session.created"))["session"]["id"]
        await ws.send_json({"type": "session.update", "session": TEXT})
        await answered(ws)
        await ws.send_json({"type": "response.create"})
        await until(ws, "response.output_text.delta")
        sideband = await place.join(f"call_id={session_id}")
        await sideband.send_json({"type": "antiphon.session.move", "model": "b"})
        interrupted = (await until(ws, "response.done"))["response"]
        assert interrupted["status"] == "failed"
        assert interrupted["status_details"]["error"]["code"] == "engine_moved"
        again = (await until(ws, "response.done"))["response"]
        assert (again["status"], said(again)) == ("completed", "Other.")


async def test_a_page_may_not_move_its_call() -> None:
    async with two_engines() as place:
        ws = await place.join("model=a")
        await ws.send_json({"type": "antiphon.session.move", "model": "b", "event_id": "mine"})
        error = (await until(ws, "error"))["error"]
        assert (error["code"], error["event_id"]) == ("event_not_allowed", "mine")
        assert "Only a sideband" in error["message"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "missing_required_parameter"),
        ({"model": 1}, 400, "invalid_type"),
        ({"modle": "b"}, 400, "missing_required_parameter"),
        ([], 400, "invalid_event"),
    ],
)
async def test_a_wish_that_cannot_be_read_is_refused(body: object, status: int, code: str) -> None:
    async with two_engines() as place:
        ws = await place.join("model=a")
        session_id = (await until(ws, "session.created"))["session"]["id"]
        path = f"/v1/antiphon/sessions/{session_id}/move"
        told = await place.ask("POST", path, json=body)
        assert (told.status, told.code) == (status, code)
        assert (await place.ask("POST", path, json={"model": "b"}, key="no")).status == 401


async def test_a_session_that_is_not_there_cannot_be_moved() -> None:
    async with two_engines() as place:
        told = await place.ask("POST", "/v1/antiphon/sessions/sess_no/move", json={"model": "b"})
        assert (told.status, told.code) == (404, "session_not_found")


async def test_a_transcription_session_has_no_model_to_be_moved_to() -> None:
    async with two_engines() as place:
        ws = await place.join("intent=transcription")
        created = await ws.receive_json(timeout=EVENT_TIMEOUT_S)
        path = f"/v1/antiphon/sessions/{created['session']['id']}/move"
        told = await place.ask("POST", path, json={"model": "b"})
        assert (told.status, told.code) == (400, "invalid_event")
