"""Another engine on the line, and what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from antiphon.core.causes import EngineMoved, MessageRefused
from antiphon.core.effects import Move
from antiphon.core.faults import Fault
from antiphon.engines.engine import Engine
from antiphon.engines.scripted import ScriptedEngine
from antiphon.errors import EngineUnavailable
from antiphon.protocol.session import Session, TranscriptionSession
from antiphon.runtime.engine_line import EngineLine, Listener
from antiphon.runtime.handover import Handover
from antiphon.runtime.route import Route

FIRST, OTHER = ScriptedEngine(name="first"), ScriptedEngine(name="other")
SETTINGS = Session(id="sess_1", model="m", expires_at=0)


class Moves:
    """A line to an engine, and who may serve which model."""

    def __init__(self) -> None:
        self.line = EngineLine(FIRST, Route.to(FIRST), "sess_1", cast("Listener", self))
        self.asked: list[tuple[str, str | None]] = []
        self.handover = Handover(self.line, self._route_for)

    def _route_for(self, model: str, voice: str | None) -> Route:
        self.asked.append((model, voice))
        if model == "gone":
            raise EngineUnavailable("gone", "It is not there.")
        return Route.to(OTHER)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name}: the engine says nothing")


@asynccontextmanager
async def moves() -> AsyncIterator[Moves]:
    it = Moves()
    try:
        yield it
    finally:
        await it.line.aclose()
        await asyncio.sleep(0)


async def test_it_is_told_which_engine_serves_and_what_the_settings_say_now() -> None:
    async with moves() as it:
        news = it.handover.wished(SETTINGS, voice="cedar")
        assert it.line.engine is OTHER
        assert (news.name, news.code, news.model, news.voice) == (
            "other",
            "engine_moved",
            None,
            "cedar",
        )
        assert it.asked == [("m", "cedar")]
        assert news.speaks == OTHER.abilities.speaks


async def test_what_cannot_be_changes_nothing_and_a_client_is_told_why() -> None:
    async with moves() as it:
        transcription = TranscriptionSession(id="sess_1", expires_at=0)
        with pytest.raises(Fault, match="transcription session"):
            it.handover.wished(transcription)
        wish = Move("ws_1", "event_7", "gone", None)
        refused = it.handover.asked(wish, SETTINGS)
        assert isinstance(refused, MessageRefused)
        told = refused.detail
        assert (refused.connection, told.code, told.param, told.event_id) == (
            "ws_1",
            "engine_unavailable",
            "model",
            "event_7",
        )
        assert it.line.engine is FIRST
        moved = it.handover.asked(Move("ws_1", None, "m2", None), SETTINGS)
        assert isinstance(moved, EngineMoved)


async def test_one_may_be_named_and_then_serves_alone() -> None:
    async with moves() as it:
        farewell: Engine = ScriptedEngine(name="farewell")
        news = it.handover.to(farewell, "It is over.", "budget_exceeded")
        assert (it.line.engine, it.asked) == (farewell, [])
        assert (news.message, news.code) == ("It is over.", "budget_exceeded")
