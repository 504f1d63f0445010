"""One conversation over an upstream: dialled, listened to, dialled again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from msgspec import Struct

from antiphon.core.causes import EngineNews
from antiphon.core.effects import EngineCommand, Generate, TurnCommitted
from antiphon.engines.relay.interpreter import SETTINGS, Interpreter
from antiphon.engines.relay.link import Link
from antiphon.engines.relay.wishes import TurnFinding
from antiphon.errors import EngineUnavailable
from antiphon.protocol.server import Error, SessionUpdated
from antiphon.protocol.session import AnySession
from antiphon.upstream.connection import CannotConnect, Closed
from antiphon.upstream.reconnect import Backoff
from antiphon.upstream.wire import Foreign

log = logging.getLogger(__name__)

MAX_NEWS = 256
"""Overflow policy: while so much waits to be taken, the upstream is not read."""
REFUSED_CODE = "upstream_refused"
BUSY_CODE = "upstream_unavailable"
STABLE_S = 30.0
"""A connection that held so long was a good one: the next loss is a new one."""
ASK_AGAIN_S = 5.0
"""An upstream that refused us is not asked more often."""
MARGIN = 0.02
"""Of a session's time there, left to find a calm moment in: 72 s of an hour."""
LOOK_AGAIN_S = 0.25
"""For one."""
WATCH_S = 1.0
"""How often it is looked whether something is overdue."""
PREPARED_WITHIN_S = 10.0
"""Another session there is told the conversation; if it takes longer, it is tried anew."""


class RelayRules(Struct, frozen=True, kw_only=True):
    """How a relay deals with its upstream."""

    turn_detection: TurnFinding = "ours"
    session_max_s: float | None = None
    """How long an upstream's session may last, where that is less than it says itself."""
    redial_attempts: int = 6
    patience_s: float = 8.0
    """Whoever asks for an answer waits so long for an upstream that is not there."""
    stall_s: float = 20.0
    """An upstream of whose answer nothing comes for so long counts as lost."""
    dial_timeout_s: float = 10.0
    """So long a session there may take to begin."""


class World(Struct, frozen=True):
    """What is not the same twice; a test brings its own."""

    random: Callable[[], float]
    """Draws from 0 to 1, for the delays between attempts."""
    unix_s: Callable[[], float] = time.time


class Dialler(Protocol):
    """How to reach an upstream."""

    async def dial(self, session: AnySession) -> Link:
        """For a session of these settings.

        Raises:
            CannotConnect: there is none.
        """
        ...

    def was_lost(self, link: Link, *, was_good: bool) -> None: ...


class RelaySession:
    def __init__(
        self,
        engine_name: str,
        session_id: str,
        dialler: Dialler,
        rules: RelayRules,
        world: World,
    ) -> None:
        self._engine_name = engine_name
        self._session_id = session_id
        self._dialler = dialler
        self._rules = rules
        self._world = world
        self._interpreter = Interpreter(session_id, rules.turn_detection, _now_s)
        self._link: Link | None = None
        self._running: asyncio.Task[None] | None = None
        self._partings: set[asyncio.Task[None]] = set()
        """Connections that others took over from."""
        self._closed = False
        self._stirred = asyncio.Event()
        """A command, news or the end: whoever waits looks again."""
        self._asked = asyncio.Event()
        """Somebody wants an answer, or to know what was said."""

    # --- The seam ------------------------------------------------------------

    def send(self, command: EngineCommand) -> None:
        if self._closed:
            return
        self._interpreter.command(command)
        if isinstance(command, Generate | TurnCommitted):
            self._asked.set()
        self._flush()
        if self._running is None and self._interpreter.session is not None:
            # Lazily, so that a session which is closed at once costs nothing.
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def __aiter__(self) -> AsyncIterator[EngineNews]:
        while not self._closed:
            if self._interpreter.news:
                news = self._interpreter.take_news()
                yield news
                self._interpreter.was_told(news)
                self._flush()
                continue
            if self._running is not None and self._running.done() and not self._closed:
                self._running.result()  # It gave up, and says why.
            self._stirred.clear()
            await self._stirred.wait()

    async def aclose(self) -> None:
        self._closed = True
        self._stirred.set()
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        link, self._link = self._link, None
        if link is not None:
            await link.close()
        await asyncio.gather(*self._partings)

    def _flush(self) -> None:
        """Whatever was said or asked goes its way."""
        events = self._interpreter.to_upstream
        if events:
            if self._link is not None:
                self._link.write(events)
            events.clear()
        self._stirred.set()

    # --- From upstream to upstream ---------------------------------------------

    async def _run(self) -> None:
        try:
            backoff = Backoff(self._world.random, attempts=self._rules.redial_attempts)
            while True:
                self._link = await self._dial(backoff)
                self._interpreter.plug()
                self._flush()
                began_s = _now_s()
                closed = await self._serve()
                was_good = _now_s() - began_s > STABLE_S
                if was_good:
                    backoff.reset()
                self._dialler.was_lost(self._link, was_good=was_good)
                log.info(
                    "session %s: the upstream closed the connection (%d)",
                    self._session_id,
                    closed.code,
                )
                await self._lose_link()
        finally:
            self._stirred.set()

    async def _lose_link(self) -> None:
        link, self._link = self._link, None
        self._interpreter.unplug()
        self._flush()
        if link is not None:
            await link.close()

    async def _dial(self, backoff: Backoff) -> Link:
        """Raises:
        EngineUnavailable: it was tried often enough.
        """
        began_s = _now_s()
        while True:
            try:
                return await self._open()
            except CannotConnect as error:
                delay_ms = backoff.next_delay_ms(error.retry_after_s * 1000)
                log.warning("session %s: relay: %s", self._session_id, error)
                patience_ms = self._rules.patience_s * 1000
                if not error.may_retry or (delay_ms or 0) > patience_ms:
                    await self._refused(error)
                    backoff.reset()
                elif delay_ms is None:
                    raise EngineUnavailable(self._engine_name, explain(error)) from error
                else:
                    if _now_s() + delay_ms / 1000 - began_s > self._rules.patience_s:
                        self._interpreter.fail_awaited(explain(error), BUSY_CODE)
                        self._flush()
                    await asyncio.sleep(delay_ms / 1000)

    async def _refused(self, error: CannotConnect) -> None:
        """Who asks is told why; the upstream is tried again when somebody asks later on."""
        code = BUSY_CODE if error.may_retry else REFUSED_CODE
        not_before_s = _now_s() + max(ASK_AGAIN_S, error.retry_after_s)
        while True:
            self._interpreter.refused(explain(error), code)
            self._flush()
            self._asked.clear()
            await self._asked.wait()
            if _now_s() >= not_before_s:
                return

    async def _open(self) -> Link:
        session = self._interpreter.session
        assert session is not None, "it was configured before it was dialled"
        return await self._dialler.dial(session)

    # --- While there is one ----------------------------------------------------

    async def _serve(self) -> Closed:
        """Until the upstream is gone, however many take over from each other until then."""
        while True:
            assert self._link is not None, "it is there"
            link = self._link
            reading = asyncio.get_running_loop().create_task(self._read(link))
            watching = asyncio.get_running_loop().create_task(self._watch(link))
            try:
                renewed = await self._renewed(link, reading)
                if renewed is None:
                    return await reading
                self._link = renewed
                self._flush()
            finally:
                reading.cancel()
                watching.cancel()
                await asyncio.gather(reading, watching, return_exceptions=True)
            # Its good-bye takes its time; nobody waits for it.
            parting = asyncio.get_running_loop().create_task(link.close())
            self._partings.add(parting)
            parting.add_done_callback(self._partings.discard)

    async def _read(self, link: Link) -> Closed:
        while True:
            event = await link.read()
            if isinstance(event, Closed):
                return event
            if isinstance(event, Foreign):
                log.debug("session %s: upstream: %s", self._session_id, event.type)
                continue
            self._interpreter.event(event)
            self._flush()
            while len(self._interpreter.news) > MAX_NEWS:
                await self._stirred_once()

    async def _watch(self, link: Link) -> None:
        """An upstream that is there, and says nothing, is as good as none."""
        while not self._interpreter.give_up_overdue(self._rules.stall_s):
            self._flush()
            await asyncio.sleep(min(WATCH_S, self._rules.stall_s / 4))
        log.warning(
            "session %s: nothing came of an answer for %g s: the upstream counts as lost",
            self._session_id,
            self._rules.stall_s,
        )
        await link.close()

    async def _stirred_once(self) -> None:
        self._stirred.clear()
        await self._stirred.wait()

    async def _renewed(self, link: Link, reading: asyncio.Task[Closed]) -> Link | None:
        """Before a session of the upstream ends, in a calm moment, another one takes over.

        None: this one was gone before that.
        """
        due_s = self._due_s(link)
        if due_s is None:
            return None
        await asyncio.wait({reading}, timeout=max(0.0, due_s - _now_s()))
        while not reading.done():
            if self._interpreter.is_calm and (renewed := await self._renew(reading)) is not None:
                return renewed
            await asyncio.wait({reading}, timeout=LOOK_AGAIN_S)
        return None

    def _due_s(self, link: Link) -> float | None:
        """When to begin to look for a calm moment."""
        ends = []
        if link.expires_at is not None:
            ends.append(link.expires_at - self._world.unix_s())
        if self._rules.session_max_s is not None:
            ends.append(self._rules.session_max_s)
        lasts_s = min(ends, default=None)
        return None if lasts_s is None else _now_s() + lasts_s * (1 - MARGIN)

    async def _renew(self, reading: asyncio.Task[Closed]) -> Link | None:
        """Another session, told all that this one holds; None: it did not come to that."""
        version = self._interpreter.version
        mirror, events = self._interpreter.prepared()
        try:
            link = await self._open()
        except CannotConnect as error:
            log.warning("session %s: relay: %s", self._session_id, error)
            await asyncio.wait({reading}, timeout=max(ASK_AGAIN_S, error.retry_after_s))
            return None
        try:
            link.write(events)
            async with asyncio.timeout(PREPARED_WITHIN_S):
                await _acknowledged(link)
            still = self._interpreter.is_calm and self._interpreter.version == version
            if still and not reading.done():
                self._interpreter.switch(mirror)
                log.info("session %s: another session of the upstream took over", self._session_id)
                return link
        except TimeoutError:
            pass
        except BaseException:
            await link.close()
            raise
        await link.close()
        return None


async def _acknowledged(link: Link) -> None:
    """Until the last of the settings is taken, and with it all that was written before."""
    left = SETTINGS
    while left:
        event = await link.read()
        if isinstance(event, Closed):
            raise TimeoutError
        if isinstance(event, SessionUpdated) or (
            isinstance(event, Error) and event.error.event_id == "set"
        ):
            left -= 1


def explain(error: CannotConnect) -> str:
    """For the client's eyes: whose fault it is, and what to do."""
    match error.trouble:
        case "key":
            what = "this server's operator must give it a valid key for the upstream"
        case "address":
            what = "this server's operator must correct the upstream's address or model"
        case _ if error.may_retry:
            what = "try again later"
        case _:
            what = "this server's operator must look into it"
    return f"The upstream server cannot be used: {error}; {what}."


def _now_s() -> float:
    return asyncio.get_running_loop().time()
