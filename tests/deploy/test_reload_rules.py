"""What a reload refuses, what a closed terminal means, which sockets are taken; in one process."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from antiphon.engines.scripted import ScriptedEngine
from antiphon.errors import ConfigurationError
from antiphon.server import config, wiring
from antiphon.server.bearers import Bearers
from antiphon.server.reload import RELOADED, HangUp, Reload, changed
from antiphon.server.self_signed import write_self_signed
from antiphon.server.service_manager import ServiceManager, inherited_sockets
from antiphon.server.settings import Config
from antiphon.server.tls import Shown, read_identity


class Running:
    """A server's parts that a reload touches, and the file that it reads."""

    def __init__(self, folder: Path, text: str, *, tls: bool = False) -> None:
        self.folder = folder
        self.path = folder / "antiphon.toml"
        self.path.write_text(text)
        started = self.read()
        self.bearers = Bearers(started.server.api_keys)
        self.shown: Shown | None = None
        if tls:
            files = folder / "tls"
            self.shown = Shown(read_identity(files / "certificate.pem", files / "key.pem"))
        self.reload = Reload(started, self.read, bearers=self.bearers, shown=self.shown)

    def read(self) -> Config:
        return config.load(self.path, environ={}).config

    async def takes(self, text: str) -> bool:
        self.path.write_text(text)
        return await self.reload.again()


@pytest.fixture(autouse=True)
def root_level() -> Iterator[None]:
    before = logging.getLogger().level
    yield
    logging.getLogger().setLevel(before)


async def test_the_last_key_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    running = Running(tmp_path, '[server]\napi_keys = ["one"]')
    assert not await running.takes("")
    assert "open to everyone" in caplog.text
    assert running.bearers.key_count == 1


async def test_where_keys_are_required_it_may_go(tmp_path: Path) -> None:
    required = "[auth]\nrequired = true\n"
    running = Running(tmp_path, f'{required}[server]\napi_keys = ["one"]')
    assert await running.takes(required)


async def test_an_address_that_is_asked_for_only_now_makes_nobody_safe(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = Running(tmp_path, '[server]\nhost = "0.0.0.0"\napi_keys = ["one"]')
    # Well-formed as a whole; but the server would go on listening everywhere.
    assert not await running.takes('[server]\nhost = "127.0.0.1"')
    assert running.bearers.key_count == 1


async def test_a_wrong_certificate_refuses_the_new_keys_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = write_self_signed(tmp_path / "tls", ["localhost"])
    tls = f'tls_cert = "{files.certificate}"\ntls_key = "{files.key}"\n'
    running = Running(tmp_path, f'[server]\n{tls}api_keys = ["one"]', tls=True)
    assert running.shown is not None
    before = running.shown.identity
    files.key.write_text("not a key")
    assert not await running.takes(f'[server]\n{tls}api_keys = ["one", "two"]')
    assert "tls_key: " in caplog.text
    assert running.shown.identity is before
    assert running.bearers.key_count == 1


async def test_tls_that_is_turned_off_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = write_self_signed(tmp_path / "tls", ["localhost"])
    tls = f'tls_cert = "{files.certificate}"\ntls_key = "{files.key}"\n'
    running = Running(tmp_path, f'[server]\n{tls}api_keys = ["one"]', tls=True)
    assert await running.takes('[server]\napi_keys = ["two"]')
    assert "these wait for a restart: server.tls_cert, server.tls_key" in caplog.text


async def test_what_waited_once_is_told_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = '[server]\napi_keys = ["one"]\n'
    running = Running(tmp_path, keys)
    for _ in range(2):
        caplog.clear()
        assert await running.takes(f"{keys}max_sessions = 3")
        assert "restart: server.max_sessions" in caplog.text


def test_each_setting_that_is_reloaded_exists() -> None:
    default = Config()
    for name in RELOADED:
        section, _, key = name.partition(".")
        assert key in getattr(default, section).__struct_fields__
    assert not list(changed(default, Config()))


# --- The signal --------------------------------------------------------------


async def test_a_terminal_that_was_closed_stops_the_server() -> None:
    stopped: list[bool] = []
    terminal = [True]
    hang_up = HangUp(lambda: stopped.append(True), has_terminal=lambda: terminal[0])
    hang_up()  # By hand, while the terminal is there: a reload.
    assert not stopped
    terminal[0] = False
    hang_up()
    assert stopped


async def test_without_a_terminal_it_is_a_reload() -> None:
    stopped: list[bool] = []
    HangUp(lambda: stopped.append(True), has_terminal=lambda: False)()
    assert not stopped


# --- The service manager -----------------------------------------------------


def test_sockets_for_another_process_are_left_alone() -> None:
    other = str(os.getpid() + 1)
    assert inherited_sockets({"LISTEN_FDS": "1", "LISTEN_PID": other}) == []
    assert inherited_sockets({}) == []


def test_a_socket_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        number = datagrams.fileno()
        monkeypatch.setattr("antiphon.server.service_manager.FIRST_SOCKET", number)
        environ = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
        with pytest.raises(ConfigurationError, match="no listening TCP socket"):
            inherited_sockets(environ)


def test_a_socket_that_others_reach_wants_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    number = socket.create_server(("0.0.0.0", 0)).detach()
    monkeypatch.setattr("antiphon.server.service_manager.FIRST_SOCKET", number)
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    # Whatever `host` says, which is this machine alone.
    wired = wiring.wire(Config(), wiring.Parts(engines=[ScriptedEngine(name="offline")]))
    with pytest.raises(ConfigurationError, match=r"0\.0\.0\.0, which other machines can reach"):
        wiring.run(wired, on_ready=lambda _: None)


def test_a_manager_that_went_away_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ServiceManager(str(tmp_path / "gone")).ready("serving")
    assert "could not be told READY=1" in caplog.text
    ServiceManager().ready("to nobody")
