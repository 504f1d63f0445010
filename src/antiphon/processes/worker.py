"""One process of several, from its first message to its end."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final

from msgspec.structs import replace

from antiphon.engines.engine import Engine
from antiphon.errors import AntiphonError
from antiphon.processes.bus import Bus
from antiphon.processes.channels import Counter, DoorIn, FrameStream, Pairs, first_message
from antiphon.processes.member import Member
from antiphon.processes.messages import (
    Begin,
    Failed,
    Question,
    Ready,
    Reload,
    Stop,
    ToProcess,
    framed,
    to_process,
)
from antiphon.processes.shared import LedgerOfAll
from antiphon.server import config as configuration
from antiphon.server import logs, wiring
from antiphon.server.keeping import make_secret_store
from antiphon.server.metering import make_ledger
from antiphon.server.reload import Reload as Reloading
from antiphon.server.serve import StopSignals, let_sessions_end, running
from antiphon.server.settings import Config
from antiphon.server.wiring import Parts, Wired

log = logging.getLogger(__name__)

FAILED: Final = 1
Welcome = Callable[[str, Wired], list[str]]
"""What the operator is told of a server at that URL."""


def run(pairs: Pairs, welcome: Welcome, engines: Sequence[Engine] | None = None) -> int:
    """Serve, as the supervisor says; returns the exit code.

    ``engines`` stand in place of those that the configuration would bring.
    """
    begin = first_message(pairs.bus)
    assert isinstance(begin, Begin), "it comes first"
    try:
        with wiring.runner() as runner:
            runner.run(_Process(pairs, begin, engines).serve(welcome))
    except AntiphonError as error:
        pairs.bus.setblocking(True)
        pairs.bus.sendall(framed(Failed(str(error))))
        return FAILED
    return 0


def of_process(config: Config, number: int, processes: int) -> Config:
    """What one of several has of what the server may have: its share of the ports for media, and
    the first alone the second address for metrics.
    """
    webrtc = config.webrtc
    if webrtc.port_min:
        share = (webrtc.port_max - webrtc.port_min + 1) // processes
        first = webrtc.port_min + number * share
        last = webrtc.port_max if number == processes - 1 else first + share - 1
        webrtc = replace(webrtc, port_min=first, port_max=last)
    metrics = config.metrics if number == 0 else replace(config.metrics, listen=None)
    server = replace(config.server, processes=processes)
    return replace(config, server=server, webrtc=webrtc, metrics=metrics)


class _Process:
    def __init__(self, pairs: Pairs, begin: Begin, engines: Sequence[Engine] | None) -> None:
        self._pairs = pairs
        self._engines = engines
        self._begin = begin
        self._stop = StopSignals()
        self._reload: Reloading | None = None
        self._member: Member
        self._door: DoorIn

    async def serve(self, welcome: Welcome) -> None:
        """Raises:
        AntiphonError: it cannot.
        """
        loaded = self._load()
        begin, config = self._begin, configuration.kept_by_default(loaded.config)
        logs.configure(config.server.log_level, as_json=config.log.format == "json")
        bus = Bus(lambda _: None)
        stream: FrameStream[ToProcess] = FrameStream(
            to_process, bus.received, lambda: self._orphaned(bus)
        )
        bus.send = stream.send
        self._member = Member(bus, name=begin.process, token=begin.token, connect=self._connect)
        wired = self._wire(config)
        for warning in wired.warnings() if begin.number == 0 else ():
            log.warning("%s", warning)
        async with AsyncExitStack() as stack:
            loop = asyncio.get_running_loop()
            await loop.create_unix_connection(lambda: stream, sock=self._pairs.bus)
            stack.callback(stream.close)
            await stack.enter_async_context(wiring.started(wired.registry.engines))
            wiring.collect_less_garbage()
            await self._answer(stack, wired, bus, welcome(begin.url, wired))
            bus.answer_by(self._told)
            await self._stop.first.wait()
            wired.api.admission.draining = True
            await self._let_go(wired)

    def _load(self) -> configuration.Loaded:
        return configuration.load(self._begin.config_path, overrides=self._begin.overrides)

    def _wire(self, config: Config) -> Wired:
        counter = Counter(self._pairs.counter)
        self._member.secrets = make_secret_store(config) or self._member.secrets
        counted = make_ledger(config)
        parts = Parts(
            engines=self._engines,
            siblings=self._member,
            secret_store=self._member.secrets,
            ledger=(
                None if counted is None else LedgerOfAll(counted.budgets, counter.ask, counter.tell)
            ),
        )
        return wiring.wire(self._share(config), parts)

    def _share(self, config: Config) -> Config:
        return of_process(config, self._begin.number, self._begin.processes)

    async def _answer(
        self, stack: AsyncExitStack, wired: Wired, bus: Bus, lines: list[str]
    ) -> None:
        """From now on clients are answered."""
        shown = None
        if wired.identity is not None:
            from antiphon.server.tls import Shown

            shown = Shown(wired.identity)
        self._reload = wiring.reload_of(
            wired, lambda: self._share(configuration.kept_by_default(self._load().config)), shown
        )
        web_runner = await stack.enter_async_context(running(wired.api.app()))
        assert web_runner.server is not None, "it has been set up"
        tls = None if shown is None else shown.context
        self._door = DoorIn(self._pairs.door, web_runner.server, tls=tls)
        self._door.open()
        stack.callback(self._door.close)
        telling = asyncio.create_task(self._member.tell_load())
        stack.callback(telling.cancel)
        bus.send(Ready(tuple(lines)))

    async def _told(self, question: Question) -> object:
        match question:
            case Stop():
                self._stop.first.set()
                if question.now:
                    self._stop.second.set()
            case Reload():
                assert self._reload is not None, "it serves"
                return await (self._reload.take() if question.take else self._reload.prepare())
            case _:
                return await self._member.answer(question)
        return None

    def _orphaned(self, bus: Bus) -> None:
        """The supervisor is no more: no client comes any more, and nobody counts."""
        bus.lost()
        if not self._stop.first.is_set():
            log.error("the supervisor has ended: this process lets its sessions end, and goes")
            self._stop.first.set()

    async def _let_go(self, wired: Wired) -> None:
        grace_s = wired.config.server.drain_seconds
        log.info("going away: %d sessions live", len(wired.hub.sessions))
        await let_sessions_end(wired.api, grace_s, self._stop)
        # Clients of sessions that are with the others end when those do.
        carried = asyncio.create_task(self._member.nothing_carried())
        hurried = asyncio.create_task(self._stop.second.wait())
        await asyncio.wait((carried, hurried), timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
        for task in (carried, hurried):
            task.cancel()

    async def _connect(
        self, process: str, factory: Callable[[], asyncio.Protocol]
    ) -> asyncio.Transport:
        number = await self._member.bus.link_to(process)
        given = await self._door.link(number)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_unix_connection(factory, sock=given)
        return transport


def inherited_pairs(arguments: list[str]) -> Pairs:
    """By the numbers of their files."""
    bus, door, counter = (socket.socket(fileno=int(number)) for number in arguments)
    for each in (bus, door, counter):
        each.set_inheritable(False)  # Processes of engines need none of it.
    return Pairs(bus, door, counter)


def main(welcome: Welcome, engines: Sequence[Engine] | None = None) -> int:
    return run(inherited_pairs(sys.argv[1:]), welcome, engines)
