"""The connection over WebSocket, by aiohttp."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp

from antiphon.upstream.connection import CannotConnect, Closed

CONNECT_TIMEOUT_S = 10
HEARTBEAT_S = 20
MESSAGE_LIMIT_BYTES = 32 * 1024 * 1024
"""A retrieved item carries the whole sound of a turn."""


class WebSocketConnection:
    def __init__(
        self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse
    ) -> None:
        self._session = session
        self._socket = socket

    @property
    def quality(self) -> None:
        """Nobody knows: TCP hides it."""
        return None

    async def send(self, message: str) -> None:
        if not self._socket.closed:
            try:
                await self._socket.send_str(message)
            except ConnectionError:
                return  # `receive` tells of the end.

    async def receive(self) -> str | Closed:
        while True:
            message = await self._socket.receive()
            match message.type:
                case aiohttp.WSMsgType.TEXT:
                    return str(message.data)
                case aiohttp.WSMsgType.BINARY:
                    return bytes(message.data).decode(errors="replace")
                case aiohttp.WSMsgType.CLOSE:
                    return Closed(int(message.data or 1005), str(message.extra or ""))
                case aiohttp.WSMsgType.CLOSING | aiohttp.WSMsgType.CLOSED | aiohttp.WSMsgType.ERROR:
                    return Closed(self._socket.close_code or 1006)
                case _:
                    continue

    async def close(self) -> None:
        try:
            await self._socket.close()
        finally:
            await self._session.close()


@dataclass(frozen=True)
class WebSocketConnector:
    """Opens connections to one endpoint.

    Attributes:
        url: ``ws://`` or ``wss://``, whole.
        key: Sent as a bearer token; the server may want none.
        headers: Sent too, as ``api-key`` where a server wants its key there.
        make_connector: Another way than TCP, as `Served.make_connector` is.
    """

    url: str
    key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    make_connector: Callable[[], aiohttp.BaseConnector] | None = None

    async def __call__(self) -> WebSocketConnection:
        bearer = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        session = aiohttp.ClientSession(
            connector=None if self.make_connector is None else self.make_connector(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            trust_env=self.make_connector is None,
        )
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                socket = await session.ws_connect(
                    self.url,
                    headers={**bearer, **self.headers},
                    heartbeat=HEARTBEAT_S,
                    max_msg_size=MESSAGE_LIMIT_BYTES,
                    timeout=aiohttp.ClientWSTimeout(ws_close=2),
                )
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            await session.close()
            raise explain(error, self.url) from error
        except BaseException:
            await session.close()
            raise
        return WebSocketConnection(session, socket)


def explain(error: Exception, url: str) -> CannotConnect:
    """What went wrong."""
    parts = urlsplit(url)
    place = parts.netloc
    match error:
        case aiohttp.WSServerHandshakeError():
            return _explain_status(error, url)
        case aiohttp.ClientConnectorDNSError():
            return CannotConnect(f"unknown host '{parts.hostname}'", trouble="address")
        case aiohttp.ClientConnectorCertificateError():
            return CannotConnect(
                f"{place} has a certificate that this machine does not trust "
                f"({error.certificate_error}); name its authority in SSL_CERT_FILE",
                may_retry=False,
            )
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return CannotConnect(f"no TLS with {place}", trouble="no_tls", may_retry=False)
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            return CannotConnect(f"nobody listens at {place}", trouble="nobody")
        case TimeoutError():
            return CannotConnect(f"{place} did not answer within {CONNECT_TIMEOUT_S} s")
        case aiohttp.InvalidURL():
            return CannotConnect(f"{url} is no usable address", trouble="address", may_retry=False)
        case _:
            return CannotConnect(f"cannot connect to {place}: {error or type(error).__name__}")


def _explain_status(error: aiohttp.WSServerHandshakeError, url: str) -> CannotConnect:
    place = urlsplit(url).netloc
    match error.status:
        case 401 | 403:
            return CannotConnect(
                f"{place} does not accept the key",
                trouble="key",
                is_refused=True,
                may_retry=False,
            )
        case 404 | 405 | 200:
            return CannotConnect(
                f"{place} has no Realtime API at {urlsplit(url).path}",
                trouble="address",
                is_refused=True,
                may_retry=False,
            )
        case 429 | 503:
            after = error.headers.get("Retry-After", "") if error.headers else ""
            seconds = float(after) if after.isdigit() else 0.0
            when = f"in {after} s" if after.isdigit() else "later"
            return CannotConnect(
                f"{place} is busy (HTTP {error.status}); try again {when}", retry_after_s=seconds
            )
        case status:
            return CannotConnect(
                f"{place} refused the connection (HTTP {status})",
                is_refused=True,
                may_retry=status >= 500,
            )
