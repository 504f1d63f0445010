"""Live sessions: who is told what, and what becomes of engines that fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from antiphon.core.causes import EngineNews
from antiphon.core.conversation import Conversation
from antiphon.core.effects import Generate
from antiphon.engines.scripted import (
    Hold,
    Reply,
    Script,
    ScriptedEngine,
    ScriptedSession,
    Speak,
    Write,
)
from antiphon.errors import EngineUnavailable, ProtocolError
from antiphon.journal.tape import Tape, tapes_in
from antiphon.protocol.codec import decode_client_event
from antiphon.runtime.door import SessionDoor
from antiphon.runtime.hub import Hub, SessionRules
from antiphon.testing import MemoryConnection, run_in_virtual_time


class Client:
    """A connection and what it says."""

    def __init__(self, session: SessionDoor, name: str, *, owns: bool = True) -> None:
        self.session = session
        self.connection = MemoryConnection(name)
        session.attach(self.connection, owns=owns)

    def say(self, **event: Any) -> None:
        self.session.receive(self.connection, decode_client_event(json.dumps(event)))

    async def heard(self) -> list[dict[str, Any]]:
        await asyncio.sleep(1e-6)
        return [json.loads(data) for data in iter(self.connection.take, None)]

    async def types(self) -> list[str]:
        return [event["type"] for event in await self.heard()]


def hub(*replies: Reply, **options: Any) -> Hub:
    engine = ScriptedEngine(Script(replies=replies))
    return Hub(lambda _: engine, **options)


def run(main: Coroutine[Any, Any, None]) -> None:
    run_in_virtual_time(main)


def test_a_sideband_hears_all_and_is_answered_alone() -> None:
    async def main() -> None:
        session = hub((Write(text="hi"),)).open(kind="realtime", model="m")
        owner = Client(session, "owner")
        assert await owner.types() == ["session.created"]
        sideband = Client(session, "sideband", owns=False)
        assert await sideband.types() == ["session.created"]
        assert await owner.types() == []

        sideband.say(type="response.create", response={"output_modalities": ["text"]})
        told = await owner.heard()
        assert told[0]["type"] == "response.created"
        assert told == await sideband.heard()

        item_id = told[-2]["response"]["output"][0]["id"]
        sideband.say(type="conversation.item.retrieve", item_id=item_id)
        sideband.say(type="response.cancel", event_id="mine")
        session.refuse(sideband.connection, ProtocolError("invalid_event", "no"))
        assert await sideband.types() == ["conversation.item.retrieved", "error", "error"]
        assert await owner.types() == []

        session.detach(sideband.connection)
        owner.say(type="session.update", session={"instructions": "x"})
        assert await owner.types() == ["session.updated"]
        assert await sideband.types() == []
        session.detach(owner.connection)
        await session.ended()

    run(main())


def test_the_hub_knows_who_is_live() -> None:
    async def main() -> None:
        h = hub()
        session = h.open(kind="transcription", model="m")
        client = Client(session, "c")
        assert h.get(session.id) is session
        assert list(h.sessions) == [session]
        session.detach(client.connection)
        assert h.get(session.id) is None
        session.detach(client.connection)  # Twice does no harm.
        await h.aclose()

    run(main())


def test_a_session_that_shuts_down_lets_its_answer_end() -> None:
    async def main() -> None:
        h = hub((Speak(ms=1000, paced=True),))
        client = Client(h.open(kind="realtime", model="m"), "c")
        client.say(type="response.create")
        drained = asyncio.create_task(h.drain(grace_s=30))
        await asyncio.sleep(0.5)
        assert client.connection.closed is None
        client.say(type="response.create", event_id="late", response={"conversation": "none"})
        await drained
        assert client.connection.closed == (1012, "The server is restarting; connect again.")
        events = await client.heard()
        codes = [e["error"]["code"] for e in events if e["type"] == "error"]
        assert codes == ["server_shutting_down"]
        done = [e for e in events if e["type"] == "response.done"]
        assert [e["response"]["status"] for e in done] == ["completed"]
        assert not h.sessions

    run(main())


def test_a_drain_does_not_wait_for_ever() -> None:
    async def main() -> None:
        h = hub((Hold(),))
        client = Client(h.open(kind="realtime", model="m"), "c")
        client.say(type="response.create")
        await h.drain(grace_s=5)
        assert client.connection.closed is None
        await h.aclose()
        assert client.connection.closed == (1012, "The server is restarting; connect again.")

    run(main())


def test_a_slow_reader_holds_back_its_own_engine_only() -> None:
    async def main() -> None:
        big = "x" * 100_000
        h = hub((Write(text=big),) * 30)
        slow, quick = (Client(h.open(kind="realtime", model="m"), name) for name in "ab")
        for client in (slow, quick):
            client.say(type="response.create", response={"output_modalities": ["text"]})
        for _ in range(30):
            await quick.heard()
        await asyncio.sleep(1)
        assert slow.connection.queued_bytes < 2 * 1024 * 1024
        assert "response.done" not in await slow.types()
        for _ in range(30):
            if "response.done" in await slow.types():
                break
        else:
            pytest.fail("the slow reader never got to the end")
        await h.aclose()

    run(main())


# --- Engines that fail ---------------------------------------------------------------


class FailingEngine(ScriptedEngine):
    """Its sessions break when they are asked something."""

    def __init__(self, *, how: str, times: int) -> None:
        super().__init__(Script(replies=((Write(text="hi"),),)))
        self.how = how
        self.times = times
        self.opened = 0

    def open(self, session_id: str) -> ScriptedSession:
        self.opened += 1
        if self.how == "cannot be opened again" and self.opened > 1:
            raise EngineUnavailable("failing", "all slots are busy")
        session = super().open(session_id)
        return Failing(session, self) if self.opened <= self.times else session


class Failing(ScriptedSession):
    def __init__(self, session: ScriptedSession, engine: FailingEngine) -> None:
        super().__init__(session._player, session._clock)
        self._engine = engine
        self._asked = asyncio.Event()

    def send(self, command: Any) -> None:
        if isinstance(command, Generate):
            self._asked.set()

    async def __aiter__(self) -> AsyncIterator[EngineNews]:
        await self._asked.wait()
        if self._engine.how == "ends":
            return
        raise ConnectionError("gone")
        yield  # An async generator all the same.


@pytest.mark.parametrize("how", ["raises", "ends"])
def test_a_lost_engine_fails_what_it_was_asked_and_is_replaced(how: str) -> None:
    async def main() -> None:
        engine = FailingEngine(how=how, times=1)
        h = Hub(lambda _: engine)
        client = Client(h.open(kind="realtime", model="m"), "c")
        client.say(type="response.create", response={"output_modalities": ["text"]})
        events = await client.heard()
        assert [e["type"] for e in events] == [
            "session.created",
            "response.created",
            "response.done",
            "rate_limits.updated",
            "error",
        ]
        assert events[2]["response"]["status"] == "failed"
        assert events[4]["error"]["type"] == "server_error"
        assert events[4]["error"]["event_id"] is None
        client.say(type="response.create", response={"output_modalities": ["text"]})
        done = [e for e in await client.heard() if e["type"] == "response.done"]
        assert done[0]["response"]["status"] == "completed"
        await h.aclose()

    run(main())


def test_an_engine_that_always_fails_closes_the_session() -> None:
    async def main() -> None:
        engine = FailingEngine(how="raises", times=100)
        h = Hub(lambda _: engine)
        client = Client(h.open(kind="realtime", model="m"), "c")
        for _ in range(4):
            assert client.connection.closed is None
            client.say(type="response.create")
            await client.heard()
        assert client.connection.closed == (1011, "The engine failed too often.")
        assert not h.sessions
        await h.aclose()

    run(main())


def test_an_engine_that_cannot_come_back_closes_the_session() -> None:
    async def main() -> None:
        engine = FailingEngine(how="cannot be opened again", times=1)
        h = Hub(lambda _: engine)
        client = Client(h.open(kind="realtime", model="m"), "c")
        client.say(type="response.create")
        await client.heard()
        assert client.connection.closed is not None
        assert client.connection.closed[0] == 1011
        await h.aclose()

    run(main())


def test_nothing_is_left_running_after_the_hub_has_closed() -> None:
    async def main() -> None:
        h = hub((Speak(ms=10_000, paced=True),))
        clients = [Client(h.open(kind="realtime", model="m"), str(i)) for i in range(3)]
        for client in clients:
            client.say(type="response.create")
        await asyncio.sleep(1)
        await h.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert all(client.connection.closed for client in clients)

    run(main())


# --- Tapes ------------------------------------------------------------------------------


def test_a_tape_replays_to_the_same_effects(tmp_path: Path) -> None:
    async def main() -> None:
        h = hub(
            (Speak(ms=300, text="one two"),),
            observers=[tapes_in(tmp_path)],
            rules=SessionRules(session_max_ms=60_000),
        )
        client = Client(h.open(kind="realtime", model="m"), "c")
        client.say(type="response.create")
        await client.heard()
        client.say(type="response.cancel")
        client.session.refuse(client.connection, ProtocolError("invalid_event", "no"))
        await asyncio.sleep(61)
        assert client.connection.closed is not None
        await h.aclose()

    run(main())
    (path,) = tmp_path.iterdir()
    tape = Tape(path)
    conversation = Conversation(tape.terms)
    steps = list(tape)
    assert len(steps) > 5
    for step in steps:
        assert conversation.handle(step.cause, step.now_ms) == step.effects
