"""A real TURN server (coturn) on this machine."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from antiphon.transports.webrtc.settings import IceServer

TURNSERVER = shutil.which("turnserver")
needs_turn_server = pytest.mark.skipif(
    TURNSERVER is None, reason="coturn is absent: apt-get install coturn"
)
START_TIMEOUT_S = 60


class TurnServer(NamedTuple):
    port: int

    @property
    def stun(self) -> IceServer:
        return IceServer(urls=(f"stun:127.0.0.1:{self.port}",))

    @property
    def turn(self) -> IceServer:
        return IceServer(
            urls=(f"turn:127.0.0.1:{self.port}?transport=udp",),
            username="user",
            credential="secret",
        )


@asynccontextmanager
async def turn_server(folder: Path) -> AsyncIterator[TurnServer]:
    port = _free_port()
    config = folder / "turnserver.conf"
    config.write_text(
        f"""
        listening-ip=127.0.0.1
        relay-ip=127.0.0.1
        listening-port={port}
        lt-cred-mech
        user=user:secret
        realm=test
        allow-loopback-peers
        no-cli
        no-tls
        no-dtls
        pidfile={folder / "turnserver.pid"}
        userdb={folder / "turndb"}
        log-file=stdout
        """.replace("        ", "")
    )
    assert TURNSERVER is not None
    process = await asyncio.create_subprocess_exec(
        TURNSERVER,
        *("-c", str(config)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await _answers(port)
        yield TurnServer(port)
    finally:
        process.terminate()
        await process.wait()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _answers(port: int) -> None:
    """Wait until it answers a STUN binding request."""
    request = bytes.fromhex("000100002112a442") + bytes(range(12))
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setblocking(False)
        asking.connect(("127.0.0.1", port))
        async with asyncio.timeout(START_TIMEOUT_S):
            while True:
                try:
                    await loop.sock_sendall(asking, request)
                    await asyncio.wait_for(loop.sock_recv(asking, 1500), 0.2)
                except (TimeoutError, ConnectionRefusedError):
                    await asyncio.sleep(0.05)
                else:
                    return
