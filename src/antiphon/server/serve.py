"""Listening, and going away gracefully."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from aiohttp import web

from antiphon.errors import ConfigurationError
from antiphon.server.app import Api
from antiphon.server.logs import AccessLog

log = logging.getLogger(__name__)

SHUTDOWN_TIMEOUT_S = 1.0
"""What handlers that are left when all sessions have been ended may still take."""


BACKLOG = 1024
"""Connections that wait to be taken in."""


class StopSignals:
    """The first SIGTERM or SIGINT asks to go; the second, to go at once."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()

    def __call__(self) -> None:
        (self.second if self.first.is_set() else self.first).set()

    @contextmanager
    def installed(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)
        try:
            for number in signals:
                loop.add_signal_handler(number, self)
        except NotImplementedError:  # On Windows.
            with self._installed_without_loop(loop, signals):
                yield
            return
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    @contextmanager
    def _installed_without_loop(
        self, loop: asyncio.AbstractEventLoop, signals: Iterable[signal.Signals]
    ) -> Iterator[None]:
        def wake(_: int, __: object) -> None:
            loop.call_soon_threadsafe(self)

        before = {number: signal.signal(number, wake) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@asynccontextmanager
async def running(
    app: web.Application, *, shutdown_timeout_s: float = SHUTDOWN_TIMEOUT_S
) -> AsyncIterator[web.AppRunner]:
    """An application that answers whom it is connected to; it listens nowhere yet."""
    runner = web.AppRunner(
        app,
        access_log_class=AccessLog,
        access_log=logging.getLogger("antiphon.access"),
        shutdown_timeout=shutdown_timeout_s,
    )
    await runner.setup()
    try:
        yield runner
    finally:
        await runner.cleanup()


@asynccontextmanager
async def listening(
    app: web.Application,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    sockets: Sequence[socket.socket] = (),
    shutdown_timeout_s: float = SHUTDOWN_TIMEOUT_S,
) -> AsyncIterator[str]:
    """Serve an application; gives its URL.  Port 0 is a free one.

    ``sockets`` that listen already stand in place of ``host`` and ``port``.

    Raises:
        ConfigurationError: it cannot listen there.
    """
    async with running(app, shutdown_timeout_s=shutdown_timeout_s) as runner:
        for given in sockets:
            await web.SockSite(runner, given, ssl_context=tls).start()
        if not sockets:
            await _listen(runner, host, port, tls)
        scheme = "http" if tls is None else "https"
        if sockets:
            host = sockets[0].getsockname()[0]
        bound = runner.addresses[0][1]
        yield f"{scheme}://{f'[{host}]' if ':' in host else host}:{bound}"


async def serve(
    api: Api,
    *,
    host: str,
    port: int,
    tls: ssl.SSLContext | None = None,
    sockets: Sequence[socket.socket] = (),
    drain_s: float,
    stop: StopSignals,
    on_ready: Callable[[str], None],
    on_stopping: Callable[[], None] = lambda: None,
) -> None:
    """Serve until ``stop`` says so, then let sessions end for at most ``drain_s``.

    While it drains, the server still answers: `/readyz` with 503, so that a load
    balancer sends its clients elsewhere, and new sessions with 503 and Retry-After.
    SIGUSR1 drains too, and nothing else: the server stays until it is told to go.

    ``on_ready`` is told the server's URL once it listens; ``on_stopping`` is called before
    the grace begins.

    Raises:
        ConfigurationError: it cannot listen there.
    """
    async with listening(api.app(), host=host, port=port, tls=tls, sockets=sockets) as url:
        on_ready(url)
        with drained_by_signal(api.operations.drain.begin):
            await stop.first.wait()
        api.admission.draining = True
        on_stopping()
        log.info("going away: %d sessions live, %.0f s grace", len(api.hub.sessions), drain_s)
        await let_sessions_end(api, drain_s, stop)


@contextmanager
def drained_by_signal(begin: Callable[[], None]) -> Iterator[None]:
    """SIGUSR1 in the body calls ``begin``."""
    loop, number = asyncio.get_running_loop(), getattr(signal, "SIGUSR1", None)
    if number is None:  # On Windows.
        yield
        return
    loop.add_signal_handler(number, begin)
    try:
        yield
    finally:
        loop.remove_signal_handler(number)


async def _listen(runner: web.AppRunner, host: str, port: int, tls: ssl.SSLContext | None) -> None:
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
    except OSError as error:
        raise _cannot_listen(host, port, error) from None


async def bound(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen there; port 0 is a free one.

    Raises:
        ConfigurationError: none can.
    """
    loop = asyncio.get_running_loop()
    found: list[socket.socket] = []
    try:
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, address in dict.fromkeys(infos):
            listening = socket.socket(family, kind, protocol)
            found.append(listening)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if not address[1] and len(found) > 1:
                address = (address[0], found[0].getsockname()[1], *address[2:])
            listening.bind(address)
            listening.listen(BACKLOG)
            listening.setblocking(False)
    except OSError as error:
        for each in found:
            each.close()
        raise _cannot_listen(host, port, error) from None
    return found


def url_of(sockets: Sequence[socket.socket], host: str, *, is_tls: bool) -> str:
    """Of a server that listens on these."""
    scheme = "https" if is_tls else "http"
    port = sockets[0].getsockname()[1]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _cannot_listen(host: str, port: int, error: OSError) -> ConfigurationError:
    if error.errno == errno.EADDRINUSE:
        return ConfigurationError(
            f"Port {port} of {host} is in use. Stop what uses it, or choose another with --port."
        )
    reason = error.strerror or str(error)
    return ConfigurationError(f"Cannot listen on {host} port {port}: {reason}.")


async def let_sessions_end(api: Api, drain_s: float, stop: StopSignals) -> None:
    """For at most so long; a second signal hurries."""
    draining = asyncio.create_task(api.hub.drain(drain_s))
    hurried = asyncio.create_task(stop.second.wait())
    await asyncio.wait((draining, hurried), return_when=asyncio.FIRST_COMPLETED)
    for task in (draining, hurried):
        task.cancel()
    await asyncio.wait((draining, hurried))
    if not draining.cancelled() and (error := draining.exception()):
        log.error("sessions could not be drained", exc_info=error)
