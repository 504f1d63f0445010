"""One connection to the upstream, written to without waiting."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

from antiphon.engines.relay.upstreams import Upstream
from antiphon.protocol.client import ClientEvent
from antiphon.protocol.server import Error, ErrorDetail, ServerEvent, SessionCreated
from antiphon.upstream import wire
from antiphon.upstream.connection import CannotConnect, Closed, Connection, Connector
from antiphon.upstream.reconnect import LOST

MAX_WAITING = 4096
"""Messages.  Overflow policy: an upstream that reads so slowly counts as lost."""
GREETING_S = 10
CLOSE_S = 0.5


class Link:
    """Messages are written in order by a task of its own."""

    def __init__(self, connection: Connection, expires_at: int | None) -> None:
        self.expires_at = expires_at
        """Unix seconds; None: the upstream named no end."""
        self.upstream: Upstream | None = None
        """Whose it is."""
        self._connection = connection
        self._waiting: deque[ClientEvent] = deque()
        self._wake = asyncio.Event()
        self._overflowed = False
        self._writer = asyncio.get_running_loop().create_task(self._write())

    @property
    def has_overflowed(self) -> bool:
        """It is closed, or will be, by us: the upstream read too slowly."""
        return self._overflowed

    def write(self, events: Iterable[ClientEvent]) -> None:
        self._waiting.extend(events)
        if len(self._waiting) > MAX_WAITING:
            self._overflowed = True
        self._wake.set()

    async def read(self) -> ServerEvent | wire.Foreign | Closed:
        message = await self._connection.receive()
        return message if isinstance(message, Closed) else wire.read(message)

    async def close(self) -> None:
        self._writer.cancel()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._connection.close()
        except TimeoutError:
            pass  # It is closed all the same, without the upstream's good-bye.
        await asyncio.gather(self._writer, return_exceptions=True)

    async def _write(self) -> None:
        while not self._overflowed:
            while self._waiting:
                await self._connection.send(wire.write(self._waiting.popleft()))
            self._wake.clear()
            await self._wake.wait()
        await self._connection.close()


async def open_link(connect: Connector) -> Link:
    """Dial, and wait to be greeted.

    Raises:
        CannotConnect: nobody is there, or nobody who would serve us.
    """
    connection = await connect()
    try:
        async with asyncio.timeout(GREETING_S):
            created = await _greeting(connection)
    except TimeoutError:
        await connection.close()
        raise CannotConnect(f"no session began within {GREETING_S} s") from None
    except BaseException:
        await connection.close()
        raise
    return Link(connection, created.session.expires_at or None)


async def _greeting(connection: Connection) -> SessionCreated:
    """Some say only now that they do not want us: an `error`, and a close."""
    why = ErrorDetail(message="it closed the connection")
    while True:
        message = await connection.receive()
        if isinstance(message, Closed):
            is_key = why.code == "invalid_api_key"
            raise CannotConnect(
                f"the upstream refused the session: {why.message}",
                trouble="key" if is_key else None,
                is_refused=True,
                may_retry=message.code in LOST and not is_key,
            )
        match wire.read(message):
            case SessionCreated() as created:
                return created
            case Error(error=error):
                why = error
