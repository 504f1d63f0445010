"""What systemd, or another manager of services, is told and gives: sd_notify and LISTEN_FDS.

Both protocols are a line of text each, kept stable by promise, so no library stands between
(systemd's sd_notify(3) and sd_listen_fds(3)).  Without a manager all of this does nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from antiphon.errors import ConfigurationError
from antiphon.server.background import in_background

log = logging.getLogger(__name__)

FIRST_SOCKET = 3
"""The first file descriptor that a manager hands over."""
STOPPING_MARGIN_S = 30
"""What stopping may take beyond the grace that sessions have."""


class ServiceManager:
    """Args:
    address: Of its socket (`$NOTIFY_SOCKET`); None: nobody listens.
    watchdog_s: It wants a sign of life at least this often.
    """

    def __init__(self, address: str | None = None, *, watchdog_s: float | None = None) -> None:
        self._address = address
        self._watchdog_s = watchdog_s

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> ServiceManager:
        own = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        usec = environ.get("WATCHDOG_USEC", "")
        watchdog_s = int(usec) / 1_000_000 if own and usec.isdecimal() and int(usec) else None
        return cls(environ.get("NOTIFY_SOCKET") or None, watchdog_s=watchdog_s)

    def ready(self, status: str) -> None:
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        # By this time it tells our answer from one to an earlier request.
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, grace_s: float) -> None:
        """Live sessions may take longer than the manager would wait, were it not told."""
        usec = round((grace_s + STOPPING_MARGIN_S) * 1_000_000)
        self._tell("STOPPING=1", f"EXTEND_TIMEOUT_USEC={usec}", "STATUS=letting sessions end")

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Signs of life from the event loop: where it hangs, the manager restarts the server."""
        if self._watchdog_s is None:
            yield
            return
        async with in_background(watchdog=self._live(self._watchdog_s / 2)):
            yield

    async def _live(self, every_s: float) -> None:
        while True:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(every_s)

    def _tell(self, *lines: str) -> None:
        if self._address is None:
            return
        address = self._address
        if address.startswith("@"):  # In the abstract namespace of Linux.
            address = "\0" + address[1:]
        try:
            with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as told:
                told.setblocking(False)
                told.sendto("\n".join(lines).encode(), address)
        except OSError as error:
            log.warning("the service manager could not be told %s: %s", lines[0], error.strerror)


def inherited_sockets(environ: Mapping[str, str]) -> list[socket.socket]:
    """Those on which the manager listens for us already; none: we listen ourselves.

    Raises:
        ConfigurationError: one is no listening socket of TCP.
    """
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal():
        return []
    return [_socket(number) for number in range(FIRST_SOCKET, FIRST_SOCKET + int(count))]


def _socket(number: int) -> socket.socket:
    wrong = (
        f"The service manager handed over file {number}, which is no listening TCP socket. "
        "In the .socket unit, write ListenStream= with a port."
    )
    try:
        given = socket.socket(fileno=number)
        listens = bool(given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:
        raise ConfigurationError(wrong) from None
    if not listens or given.family not in (socket.AF_INET, socket.AF_INET6):
        given.detach()
        raise ConfigurationError(wrong)
    given.set_inheritable(False)  # Processes of engines need none of it.
    given.setblocking(False)
    return given
