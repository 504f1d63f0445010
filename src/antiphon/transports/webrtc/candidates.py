"""Our addresses for a call: sockets, and candidates for the answer.  Knows aioice, not aiortc.

aioice gathers by itself, but on any port, on every interface, and it knows no address but
those of this machine; behind a NAT of one to one the world knows another.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import random
import socket
from ipaddress import ip_address
from typing import Any, Final

from aioice.candidate import Candidate, candidate_foundation, candidate_priority
from aioice.ice import Connection, StunProtocol, get_host_addresses, server_reflexive_candidate

from antiphon.errors import AntiphonError
from antiphon.transports.webrtc.settings import WebRtcSettings

log = logging.getLogger(__name__)

RECEIVE_BUFFER_BYTES: Final = 256 * 1024
"""A stall of the loop shall not cost what came in the meantime."""
COMPONENT: Final = 1


class NoPortFree(AntiphonError):
    """Every port of the range is in use; the message says what an operator can do."""


async def gather(ice: Any, settings: WebRtcSettings) -> None:
    """Open sockets for ``ice`` (an aioice `Connection`) and give it all its candidates.

    A STUN or TURN server that does not answer within `gather_timeout_s` costs the call that
    candidate, not the call.

    Raises:
        NoPortFree: no socket could be opened in the range of ports.
    """
    connection: Connection = ice
    sockets: list[StunProtocol] = []
    for address in _addresses(settings):
        if (protocol := await _open(connection, address, settings)) is not None:
            sockets.append(protocol)
            ice._protocols.append(protocol)  # At once: it closes them, whatever fails later.
    hosts = [protocol.local_candidate for protocol in sockets]
    public = [known for host in hosts for known in _public(host, settings)]
    reflexive, relayed = await asyncio.gather(
        _reflexive(connection, sockets, settings.gather_timeout_s),
        # Without addresses aioice opens no socket but that of the TURN server, if there is one.
        connection.get_component_candidates(COMPONENT, [], timeout=settings.gather_timeout_s),  # type: ignore[arg-type]
    )
    candidates = [*hosts, *public, *relayed, *reflexive]
    _tell_what_is_missing(connection, candidates)
    ice._local_candidates += candidates


async def _reflexive(
    connection: Connection, sockets: list[StunProtocol], timeout_s: float
) -> list[Candidate]:
    """As the STUN server sees our sockets, where there is one and it answers."""
    asked = [
        asyncio.ensure_future(server_reflexive_candidate(protocol, connection.stun_server))
        for protocol in sockets
        if connection.stun_server and ip_address(protocol.local_candidate.host).version == 4
    ]
    if not asked:
        return []
    done, late = await asyncio.wait(asked, timeout=timeout_s)
    for task in late:
        task.cancel()
    return [task.result()[0] for task in done if task.exception() is None]


def _addresses(settings: WebRtcSettings) -> list[str]:
    if settings.host_addresses:
        return list(settings.host_addresses)
    # A machine without a network still has itself.
    return get_host_addresses(use_ipv4=True, use_ipv6=True) or ["127.0.0.1"]


async def _open(
    connection: Connection, address: str, settings: WebRtcSettings
) -> StunProtocol | None:
    """None where this machine does not have the address (any more)."""
    opened = _bind(address, settings)
    if opened is None:
        return None
    loop = asyncio.get_running_loop()
    opening = loop.create_task(
        loop.create_datagram_endpoint(lambda: StunProtocol(connection), sock=opened)
    )
    try:
        # Whoever asked may leave in the middle: uvloop would then forget the socket, open.
        _, protocol = await asyncio.shield(opening)
    except BaseException:
        opening.add_done_callback(lambda _: _close(opening, opened))
        raise
    host, port = opened.getsockname()[:2]
    protocol.local_candidate = _candidate("host", host, port)
    return protocol


def _close(
    opening: asyncio.Task[tuple[asyncio.DatagramTransport, StunProtocol]], opened: socket.socket
) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[0].close()
    else:
        opened.close()


def _bind(address: str, settings: WebRtcSettings) -> socket.socket | None:
    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM)
    opened.setblocking(False)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    for port in _ports(settings):
        try:
            opened.bind((address, port))
        except OSError as error:
            if port and error.errno == errno.EADDRINUSE:
                continue
            opened.close()
            log.info("no socket on %s: %s", address, error.strerror)
            return None
        return opened
    opened.close()
    raise NoPortFree(
        f"All UDP ports from {settings.port_min} to {settings.port_max} are in use; try again. "
        "(The server's operator can widen port_min and port_max.)"
    )


def _ports(settings: WebRtcSettings) -> list[int]:
    """In the order in which they are tried; 0 is any that is free."""
    if not settings.port_max:
        return [0]
    ports = list(range(settings.port_min, settings.port_max + 1))
    at = random.randrange(len(ports))
    return ports[at:] + ports[:at]


def _public(local: Candidate, settings: WebRtcSettings) -> list[Candidate]:
    """What the world sees of a socket behind a NAT that keeps its port."""
    version = ip_address(local.host).version
    return [
        _candidate("srflx", address, local.port, local)
        for address in settings.public_addresses
        if ip_address(address).version == version
    ]


def _candidate(kind: str, host: str, port: int, base: Candidate | None = None) -> Candidate:
    return Candidate(
        foundation=candidate_foundation(kind, "udp", host if base is None else base.host),
        component=COMPONENT,
        transport="udp",
        priority=candidate_priority(COMPONENT, kind),
        host=host,
        port=port,
        type=kind,
        related_address=None if base is None else base.host,
        related_port=None if base is None else base.port,
    )


def _tell_what_is_missing(connection: Connection, candidates: list[Candidate]) -> None:
    kinds = {candidate.type for candidate in candidates}
    if connection.stun_server and "srflx" not in kinds:
        log.warning("the STUN server does not answer: calls do without it")
    if connection.turn_server and "relay" not in kinds:
        log.warning("the TURN server does not answer or refuses: calls do without it")
