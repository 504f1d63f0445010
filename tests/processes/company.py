"""Several servers that are one, in one event loop and in virtual time: with their supervisor's
switchboard, every message through its bytes, and no sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import NamedTuple, TypeVar

import msgspec
from aiohttp import web

from antiphon.engines.engine import Engine
from antiphon.engines.scripted import ScriptedEngine
from antiphon.journal.memory import MemoryJournal
from antiphon.processes.bus import Bus, BusLost
from antiphon.processes.commons import Commons
from antiphon.processes.member import Member
from antiphon.processes.messages import (
    Frames,
    FromProcess,
    Ready,
    ToProcess,
    framed,
    from_process,
    to_process,
)
from antiphon.processes.shared import LedgerOfAll
from antiphon.processes.switchboard import Line, Switchboard
from antiphon.runtime.ledger_line import LedgerLine
from antiphon.server.metering import make_ledger
from antiphon.server.secret import Secret
from antiphon.server.serve import running
from antiphon.server.settings import Config, EngineSettings
from antiphon.server.wiring import Parts, started, wire
from antiphon.testing.memory_network import in_memory
from antiphon.testing.memory_transport import join
from antiphon.testing.served import Served
from tests.server.place import CONFIG, HELLO, KEY, Clock, Place

TOKEN = "of-this-company"
NAME = "My name is Ann."
TELLS_NAME = {
    "type": "conversation.item.create",
    "item": {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": NAME}],
    },
}
"""What a conversation holds that shall not be lost with a process."""


class Person(NamedTuple):
    """One process."""

    place: Place
    member: Member
    line: Line


class Company:
    def __init__(self, config: Config, clock: Clock) -> None:
        self.commons = Commons(
            max_sessions=config.server.max_sessions,
            ledger=make_ledger(config),
            now_s=asyncio.get_running_loop().time,
            unix_s=lambda: clock.now_s,
        )
        self.servers: dict[str, web.Server] = {}
        self.switchboard = Switchboard(self.commons, lambda _, process, __: process in self.servers)
        self.people: list[Person] = []

    @property
    def places(self) -> list[Place]:
        return [person.place for person in self.people]

    async def connect(
        self, process: str, factory: Callable[[], asyncio.Protocol]
    ) -> asyncio.Transport:
        if process not in self.servers:
            raise BusLost(f"process {process} cannot be reached")
        return join(factory(), self.servers[process]())

    def join(self, name: str) -> tuple[Bus, Line]:
        bus = Bus(lambda _: None)
        line = self.switchboard.joined(name, through_bytes(to_process, bus.received))
        bus.send = through_bytes(from_process, partial(self.switchboard.received, line))
        return bus, line

    def loses(self, person: Person) -> None:
        """Its process is dead: nobody hears of it any more."""
        self.servers.pop(person.line.name, None)
        self.switchboard.left(person.line)


M = TypeVar("M", FromProcess, ToProcess)


def through_bytes(
    decode: Callable[[bytes], M], received: Callable[[M], None]
) -> Callable[[M], None]:
    """One direction: what is sent arrives a turn of the loop later."""
    frames = Frames()

    def arrive(data: bytes) -> None:
        for message in frames.feed(data):
            received(decode(message))

    def send(message: M) -> None:
        asyncio.get_running_loop().call_soon(arrive, framed(message))

    return send


@asynccontextmanager
async def company(
    size: int = 2,
    *,
    config: Config = CONFIG,
    engine: Callable[[], Engine] = lambda: ScriptedEngine(HELLO, name="scripted"),
) -> AsyncIterator[Company]:
    """``size`` servers with one key and one journal."""
    server = msgspec.structs.replace(config.server, api_keys=(Secret(KEY),))
    limits = msgspec.structs.replace(config.limits, max_lateness_ms=0)
    config = msgspec.structs.replace(
        config, server=server, limits=limits, engine=EngineSettings(default="scripted")
    )
    clock, journal = Clock(), MemoryJournal()
    of_all = Company(config, clock)
    async with AsyncExitStack() as stack:
        for number in range(size):
            name = str(number + 1)
            bus, line = of_all.join(name)
            member = Member(bus, name=name, token=TOKEN, connect=of_all.connect)
            ledger = None
            if (shared := of_all.commons.ledger) is not None:
                ask = partial(of_all.switchboard.carry_out, line)
                ledger = LedgerLine(LedgerOfAll(shared.budgets, ask, ask))
            parts = Parts(
                engines=(engine(),),
                journal=journal,
                secret_store=member.secrets,
                siblings=member,
                ledger=ledger,
            )
            wired = wire(config, parts)
            wired.api.quotas.now_s = asyncio.get_running_loop().time
            wired.api.audit.now_s = lambda: clock.now_s
            await stack.enter_async_context(started(wired.registry.engines))
            runner = await stack.enter_async_context(
                running(wired.api.app(), shutdown_timeout_s=0.1)
            )
            assert runner.server is not None, "it has been set up"
            address = stack.enter_context(in_memory(runner.server))
            of_all.servers[name] = runner.server
            served = Served(address.url, wired, address.make_connector)
            client = await stack.enter_async_context(served.client())
            bus.send(Ready())
            of_all.people.append(Person(Place(served, client, clock), member, line))
        await asyncio.sleep(0.01)
        yield of_all
