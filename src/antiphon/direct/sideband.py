"""The connection by which a call is followed: joined, and joined again where it is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from antiphon.engines.relay.link import Link
from antiphon.protocol.client import ClientEvent
from antiphon.protocol.closes import CloseCode
from antiphon.protocol.server import Error, ServerEvent
from antiphon.upstream.connection import CannotConnect, Closed, Connector
from antiphon.upstream.reconnect import LONGEST_MS, LOST, Backoff
from antiphon.upstream.wire import Foreign

log = logging.getLogger(__name__)

SILENT_S = 2.0
"""So long nothing is said in a call: the page has only just been answered."""
MAX_UNFOLLOWED_S = 60 * 60.0
"""No call is longer; one of which nothing was heard for so long is over."""


class Listener(Protocol):
    """Who follows the call."""

    @property
    def name(self) -> str:
        """For the log."""
        ...

    def on_joined(self, *, again: bool) -> None: ...

    def on_event(self, event: ServerEvent | Foreign) -> None: ...

    def on_unfollowed(self) -> None:
        """What happens from now on is not told, until it is joined again."""
        ...

    def on_over(self, code: int, reason: str) -> None:
        """The call has ended; nothing more comes."""
        ...


class Sideband:
    """Args:
    random: Draws from 0 to 1, for the time between attempts.
    """

    def __init__(
        self, connect: Connector, listener: Listener, *, random: Callable[[], float]
    ) -> None:
        self._connect = connect
        self._random = random
        self._link: Link | None = None
        """None: it is not joined."""
        self._was_joined = False
        self._problem = ""
        """What the log was told last."""
        self._following = asyncio.get_running_loop().create_task(self._run(listener))

    @property
    def is_joined(self) -> bool:
        return self._link is not None

    def write(self, events: Iterable[ClientEvent]) -> None:
        """Where it is not joined, they are lost: ask `is_joined` first."""
        if self._link is not None:
            self._link.write(events)

    async def aclose(self) -> None:
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)

    # --- One after another ---------------------------------------------------

    async def _run(self, listener: Listener) -> None:
        try:
            await self._follow(listener)
        except Exception:
            # A bug of ours: what was understood of the call cannot be trusted any more.
            log.exception("session %s: its call cannot be followed any more", listener.name)
            listener.on_over(CloseCode.INTERNAL_ERROR, "The server had an error.")

    async def _follow(self, listener: Listener) -> None:
        loop = asyncio.get_running_loop()
        heard_s, backoff = loop.time(), Backoff(self._random)
        is_told = False
        while True:
            closed, at_least_ms = await self._once(listener)
            if self._link is not None:
                heard_s, backoff, self._link = loop.time(), Backoff(self._random), None
                is_told = False
                if closed.code not in LOST:
                    listener.on_over(closed.code, closed.reason)
                    return
            has_begun = self._was_joined or loop.time() - heard_s > SILENT_S
            if has_begun and not is_told:
                listener.on_unfollowed()
                is_told = True
            delay_ms = backoff.next_delay_ms(at_least_ms)
            is_gone = closed.code == CloseCode.NORMAL and (self._was_joined or delay_ms is None)
            if is_gone or loop.time() - heard_s > MAX_UNFOLLOWED_S:
                listener.on_over(CloseCode.NORMAL, "The call has ended.")
                return
            await asyncio.sleep((LONGEST_MS if delay_ms is None else delay_ms) / 1000)

    async def _once(self, listener: Listener) -> tuple[Closed, float]:
        """One connection: why it ended, or was not made (1000: there is no such call), and how
        long nobody need try again.
        """
        try:
            link = Link(await self._connect(), None)
        except CannotConnect as error:
            self._tell(f"session {listener.name}: its call cannot be followed: {error}")
            # Its path is there, since the call was begun beside it.
            is_unknown = error.is_refused and error.trouble == "address"
            code = CloseCode.NORMAL if is_unknown else CloseCode.TRY_AGAIN_LATER
            return Closed(code), error.retry_after_s * 1000
        try:
            return await self._read(link, listener), 0
        finally:
            await link.close()

    async def _read(self, link: Link, listener: Listener) -> Closed:
        while True:
            event = await link.read()
            if isinstance(event, Closed):
                if self._link is None:
                    self._tell(f"session {listener.name}: the sideband of its call was refused")
                    return Closed(CloseCode.TRY_AGAIN_LATER)
                # Where we hung up ourselves, the code is no word of the other server.
                return Closed(CloseCode.TRY_AGAIN_LATER) if link.has_overflowed else event
            if self._link is None:
                if isinstance(event, Error):
                    continue  # It says why it does not want us, and closes.
                self._link = link
                listener.on_joined(again=self._was_joined)
                self._was_joined, self._problem = True, ""
            listener.on_event(event)

    def _tell(self, problem: str) -> None:
        """Once, however often it is tried again."""
        if problem != self._problem:
            self._problem = problem
            log.warning("%s", problem)
