"""`systemctl reload`, and what else a service manager says and hears, of a real process."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from aiohttp import ClientSession

from antiphon.server.self_signed import Files, write_self_signed
from tests.server_process import ServerProcess

OLD, NEW = "the-old-key", "the-new-key"
PATIENCE_S = 60
LAUNCHER = """\
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
os.dup2(int(sys.argv[1]), 3)
os.execv(sys.argv[2], sys.argv[2:])
"""


class Place(NamedTuple):
    """A server as systemd starts one: with its socket, and told where to report."""

    server: ServerProcess
    config: Path
    live: Files
    told: socket.socket
    port: int

    def write(self, keys: str, *, minute: str = "0.06", more: str = "") -> None:
        self.config.write_text(
            f'[server]\napi_keys = ["{keys}"]\ntls_cert = "{self.live.certificate}"\n'
            f'tls_key = "{self.live.key}"\n{more}\n'
            f'[[metering.prices]]\nmodel = "offline"\nminute = "{minute}"\n'
        )

    def hear(self, wanted: str) -> str:
        """The next message of that kind; signs of life come between."""
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            self.told.settimeout(max(0.01, deadline_s - time.monotonic()))
            message = self.told.recv(4096).decode()
            if message.startswith(wanted):
                return message

    def reload(self) -> str:
        self.server.ask_to_reload()
        assert "MONOTONIC_USEC=" in self.hear("RELOADING=1")
        return self.hear("READY=1")

    def certificate(self) -> bytes | None:
        """What a new connection is shown."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.port), 5) as plain,
            context.wrap_socket(plain) as secured,
        ):
            return secured.getpeercert(binary_form=True)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    live = write_self_signed(tmp_path / "live", ["127.0.0.1"])
    config = tmp_path / "antiphon.toml"
    with contextlib.ExitStack() as stack:
        told = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        told.bind(str(tmp_path / "notify"))
        given = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        place = Place(None, config, live, told, given.getsockname()[1])  # type: ignore[arg-type]
        place.write(OLD)
        server = ServerProcess(
            tmp_path,
            port=1,  # Nobody may listen there: the socket that was given must do.
            launcher=(sys.executable, "-c", LAUNCHER, str(given.fileno())),
            pass_fds=[given.fileno()],
            hears=False,
            NOTIFY_SOCKET=str(tmp_path / "notify"),
            LISTEN_FDS="1",
            WATCHDOG_USEC="4000000",  # Seldom: ten messages that nobody read yet are all that fit.
        )
        with server:
            yield place._replace(server=server)


def lines_of(server: ServerProcess, holds: Callable[[str], bool]) -> list[str]:
    return [line for line in server.log.read_text().splitlines() if holds(line)]


async def status(client: ClientSession, place: Place, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    async with client.get(f"{place.server.url}/v1/models", headers=headers, ssl=False) as answer:
        return answer.status


async def test_a_reload_takes_what_is_new_and_drops_nobody(place: Place) -> None:
    assert place.server.url == f"https://127.0.0.1:{place.port}"
    assert place.server.url in place.hear("READY=1")
    first = place.certificate()
    url, headers = place.server.url, {"Authorization": f"Bearer {OLD}"}
    async with (
        ClientSession() as client,
        client.ws_connect(
            f"{place.server.websocket_url}/v1/realtime", headers=headers, ssl=False
        ) as live,
    ):
        assert (await live.receive_json())["type"] == "session.created"

        # A configuration with a mistake in it is refused, whole.
        place.write("yet-another", minute="much")
        assert "refused" in place.reload()
        assert await status(client, place, "yet-another") == 401
        assert await status(client, place, OLD) == 200
        place.server.expected_errors = 2
        errors = lines_of(place.server, lambda line: " ERROR " in line)
        assert "antiphon.toml:6: row 1 (offline): minute: " in errors[0]
        assert "refused; the server goes on as before" in errors[1]

        # A good one is taken: key, price, certificate.
        shutil.rmtree(place.live.key.parent)
        write_self_signed(place.live.key.parent, ["127.0.0.1"])
        place.write(NEW, minute="0.5", more="max_sessions = 7")
        assert "STATUS=serving" in place.reload()
        assert await status(client, place, OLD) == 401
        assert await status(client, place, NEW) == 200
        assert place.certificate() not in (None, first)
        async with client.get(
            f"{url}/v1/antiphon/prices", headers={"Authorization": f"Bearer {NEW}"}, ssl=False
        ) as answer:
            assert (await answer.json())["data"][0]["minute"] == "0.5"
        assert lines_of(place.server, lambda line: line.endswith("restart: server.max_sessions"))

        # Who was there all the time is there still.
        await live.send_json({"type": "session.update", "session": {"type": "realtime"}})
        assert (await live.receive_json(timeout=PATIENCE_S))["type"] == "session.updated"

    assert place.hear("WATCHDOG=1")
    place.server.ask_to_stop()
    assert "EXTEND_TIMEOUT_USEC=40000000" in place.hear("STOPPING=1")
    text = place.server.log.read_text()
    assert not any(key in text for key in (OLD, NEW, "yet-another"))
