"""A client of a session that a relay answers, in this process and in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from antiphon.core.effects import EngineCommand, Generate
from antiphon.engines.engine import Engine
from antiphon.engines.relay.engine import RelayEngine
from antiphon.engines.relay.session import RelaySession
from antiphon.engines.scripted import ScriptedEngine, ScriptedSession
from antiphon.engines.vad.energy import EnergyDetector
from antiphon.protocol.dialects import ga
from antiphon.protocol.items import InputAudio, InputText, Item, Message, OutputAudio, OutputText
from antiphon.runtime.door import SessionDoor
from antiphon.runtime.hub import Hub, SessionRules
from antiphon.testing.conformance.sound import CHUNK_MS, SILENCE, VOICE
from antiphon.testing.memory_connection import MemoryConnection

Event = dict[str, Any]


class Caller:
    def __init__(self, session: SessionDoor) -> None:
        self.session = session
        self.events: list[Event] = []
        self._connection = MemoryConnection(max_queued_bytes=1 << 30)
        session.attach(self._connection)

    def send(self, type_: str, **fields: Any) -> None:
        message = msgspec.json.encode({"type": type_, **fields})
        self.session.receive(self._connection, ga.decode(message))

    def types_text(self, text: str) -> None:
        item = {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": text}],
        }
        self.send("conversation.item.create", item=item)
        self.send("response.create")

    async def speaks(self, ms: int) -> None:
        await self._microphone(VOICE, ms)

    async def is_quiet(self, ms: int) -> None:
        await self._microphone(SILENCE, ms)

    async def _microphone(self, chunk: str, ms: int) -> None:
        for _ in range(ms // CHUNK_MS):
            await asyncio.sleep(CHUNK_MS / 1000)
            self.session.receive(self._connection, ga.decode(chunk))

    async def until(self, type_: str, within_s: float = 10) -> Event:
        """The next event of a type; those before it are taken too."""
        async with asyncio.timeout(within_s):
            while True:
                while (data := self._connection.take()) is not None:
                    event = msgspec.json.decode(data)
                    self.events.append(event)
                    if event["type"] == type_:
                        return event  # type: ignore[no-any-return]
                await asyncio.sleep(0.01)

    def take(self) -> list[Event]:
        """All that has come by now."""
        while (data := self._connection.take()) is not None:
            self.events.append(msgspec.json.decode(data))
        return self.events

    def of_type(self, type_: str) -> list[Event]:
        return [event for event in self.take() if event["type"] == type_]

    @property
    def closed(self) -> tuple[int, str] | None:
        return self._connection.closed


@asynccontextmanager
async def calling(engine: Engine, *fallbacks: Engine) -> AsyncIterator[Caller]:
    hub = Hub(
        lambda _: engine,
        fallbacks_for=lambda _: fallbacks,
        detector=EnergyDetector(),
        rules=SessionRules(session_max_ms=4 * 3_600_000),
    )
    try:
        yield Caller(hub.open(kind="realtime", model="test"))
    finally:
        await hub.aclose()


class Attentive(ScriptedEngine):
    """Remembers what each of its answers was to see."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.saw: list[tuple[Item, ...]] = []
        self.opened = 0

    def open(self, session_id: str) -> ScriptedSession:
        self.opened += 1
        session = super().open(session_id)
        inner = session.send

        def send(command: EngineCommand) -> None:
            if isinstance(command, Generate):
                self.saw.append(command.items)
            inner(command)

        session.send = send  # type: ignore[method-assign]
        return session


HEARD = "aloud"
"""What is heard of the user, by the scripts of these tests."""


def words(items: tuple[Item, ...]) -> list[str]:
    """What was said, by whom: "user: hello"; the transcript of the last turn may be on its way."""
    said = []
    for item in items:
        assert isinstance(item, Message)
        for part in item.content:
            match part:
                case InputText(text) | OutputText(text):
                    said.append(f"{item.role}: {text}")
                case InputAudio(transcript, _) | OutputAudio(transcript, _):
                    said.append(f"{item.role}: {HEARD if transcript is None else transcript}")
    return said


def attending(relay: RelayEngine) -> list[tuple[Item, ...]]:
    """What each answer that is asked of a relay is to see, from now on."""
    saw: list[tuple[Item, ...]] = []
    opened = relay.open

    def open_and_listen(session_id: str) -> RelaySession:
        session = opened(session_id)
        inner = session.send

        def send(command: EngineCommand) -> None:
            if isinstance(command, Generate):
                saw.append(command.items)
            inner(command)

        session.send = send  # type: ignore[method-assign]
        return session

    relay.open = open_and_listen  # type: ignore[method-assign]
    return saw
