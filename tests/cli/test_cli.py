"""The command line as its user meets it: a process, its output and its exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from aiohttp import ClientSession, WSMsgType

from antiphon.cli import main, serve
from antiphon.engines.scripted import ScriptedEngine
from antiphon.server.self_signed import LOCAL_NAMES, write_self_signed
from antiphon.testing import serving

ROOT = Path(__file__).parent.parent.parent


async def start(*arguments: str, cwd: Path, **environ: str) -> Process:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("ANTIPHON_", "OPENAI_"))}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.fakes.serve_echo",
        *arguments,
        stdout=PIPE,
        stderr=PIPE,
        cwd=cwd,
        env=clean | {"PYTHONPATH": str(ROOT), "ANTIPHON_LIMITS_MAX_LATENESS_MS": "0"} | environ,
    )


class Done(NamedTuple):
    code: int | None
    out: str
    err: str


async def run(*arguments: str, cwd: Path, **environ: str) -> Done:
    process = await start(*arguments, cwd=cwd, **environ)
    out, err = await process.communicate()
    return Done(process.returncode, out.decode(), err.decode())


class Served(NamedTuple):
    process: Process
    url: str
    welcome: str
    client: ClientSession

    async def readiness(self) -> int:
        async with self.client.get(f"{self.url}/readyz") as response:
            return response.status


@asynccontextmanager
async def served(tmp_path: Path, **environ: str) -> AsyncIterator[Served]:
    process = await start("serve", "--port", "0", cwd=tmp_path, **environ)
    assert process.stdout is not None
    try:
        lines = [(await process.stdout.readline()).decode() for _ in range(4)]
        url = lines[0].split()[-1]
        async with ClientSession() as client:
            yield Served(process, url, "".join(lines), client)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_serve_says_where_it_is_and_ends_sessions_before_it_goes(tmp_path: Path) -> None:
    async with served(tmp_path) as it:
        assert "OPENAI_BASE_URL=http://127.0.0.1:" in it.welcome
        assert "offline: Repeats what it hears." in it.welcome
        assert "none: only this machine" in it.welcome
        ws = await it.client.ws_connect(f"{it.url}/v1/realtime")
        assert (await ws.receive_json())["type"] == "session.created"
        assert await it.readiness() == 200

        it.process.send_signal(signal.SIGTERM)

        message = await ws.receive()
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1012)
        assert await it.process.wait() == 0


async def test_a_second_signal_does_not_wait_for_anyone(tmp_path: Path) -> None:
    async with served(tmp_path, ECHO_PATIENT="yes", ANTIPHON_DRAIN_SECONDS="600") as it:
        ws = await it.client.ws_connect(f"{it.url}/v1/realtime")
        await ws.receive_json()
        it.process.send_signal(signal.SIGINT)
        while await it.readiness() != 503:
            pass
        it.process.send_signal(signal.SIGINT)
        # The first one alone would have given the session ten minutes.
        assert await asyncio.wait_for(it.process.wait(), 60) == 0
        message = await ws.receive()
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1012)


async def test_a_signal_while_engines_are_closed_leaves_them_their_time(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    async with served(tmp_path, ECHO_CLOSES_WITH=str(closed)) as it:
        assert it.process.stdout is not None
        it.process.send_signal(signal.SIGTERM)
        while (line := await it.process.stdout.readline()) != b"closing\n":
            assert line
        it.process.send_signal(signal.SIGTERM)
        it.process.send_signal(signal.SIGINT)
        closed.touch()
        assert await it.process.wait() == 0


async def test_serve_needs_keys_for_other_machines(tmp_path: Path) -> None:
    done = await run("serve", "--host", "0.0.0.0", cwd=tmp_path)
    assert done.code == 1
    assert done.err.startswith("antiphon: command line: '0.0.0.0' can be reached from other")
    assert "Traceback" not in done.err


async def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = await run("serve", "--port", str(port), cwd=tmp_path)
    assert done.code == 1
    assert done.err == (
        f"antiphon: Port {port} of 127.0.0.1 is in use. "
        "Stop what uses it, or choose another with --port.\n"
    )


async def test_check_shows_what_would_run_but_no_secret(tmp_path: Path) -> None:
    (tmp_path / "antiphon.toml").write_text('[server]\nport = 9\n[models]\n"gpt-*" = "offline"\n')
    done = await run("check", cwd=tmp_path, ANTIPHON_API_KEYS="sesame", ANTIPHON_LOG_LEVL="debug")
    assert done.code == 0, done.err
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    for line in (
        "Configuration: antiphon.toml",
        "port 9 antiphon.toml:2",
        "api_keys Secret(***) ANTIPHON_API_KEYS",
        "drain_seconds 30 default",
        "offline (default): Repeats what it hears.",
        "voices: marin, cedar",
        "gpt-* offline",
        "(any other) offline",
        "Warning: ANTIPHON_LOG_LEVL is no setting. Did you mean ANTIPHON_LOG_LEVEL?",
    ):
        assert line in lines
    assert "sesame" not in done.out


async def test_a_certificate_is_made_and_served(tmp_path: Path) -> None:
    made = await run("certificate", "--name", "voice.lan", cwd=tmp_path)
    assert made.code == 0, made.err
    assert "--tls-cert tls/certificate.pem --tls-key tls/key.pem" in made.out
    assert "NODE_EXTRA_CA_CERTS=tls/certificate.pem" in made.out
    assert "SSL_CERT_FILE=tls/certificate.pem" in made.out
    again = await run("certificate", cwd=tmp_path)
    assert (again.code, "tls/key.pem is there already" in again.err) == (1, True)

    paths = {"ANTIPHON_TLS_CERT": "tls/certificate.pem", "ANTIPHON_TLS_KEY": "tls/key.pem"}
    checked = await run("check", cwd=tmp_path, **paths)
    assert checked.code == 0, checked.err
    assert "TLS certificate: localhost, 127.0.0.1, ::1, " in checked.out
    assert "voice.lan; until " in checked.out
    async with served(tmp_path, **paths) as it:
        assert "OPENAI_BASE_URL=https://127.0.0.1:" in it.welcome
        assert ", or wss://127.0.0.1:" in it.welcome


async def test_an_expired_certificate_is_warned_of(tmp_path: Path) -> None:
    files = write_self_signed(tmp_path, LOCAL_NAMES, days=0)
    paths = {"ANTIPHON_TLS_CERT": str(files.certificate), "ANTIPHON_TLS_KEY": str(files.key)}
    checked = await run("check", cwd=tmp_path, **paths)
    assert "Warning: The TLS certificate expired at" in checked.out
    assert checked.code == 0


async def test_a_wrong_key_is_one_line_before_anything_starts(tmp_path: Path) -> None:
    files = write_self_signed(tmp_path / "one", LOCAL_NAMES)
    other = write_self_signed(tmp_path / "other", LOCAL_NAMES)
    arguments = ("serve", "--tls-cert", str(files.certificate), "--tls-key", str(other.key))
    done = await run(*arguments, cwd=tmp_path)
    assert done.code == 1
    assert done.err == f"antiphon: tls_key: {other.key} is not the key of {files.certificate}.\n"


async def test_serve_says_who_is_relayed_where(tmp_path: Path) -> None:
    process = await start("serve", "--port", "0", cwd=tmp_path, OPENAI_API_KEY="sk-hush")
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode() for _ in range(6)]
    process.kill()
    _, logged = await process.communicate()
    [relay] = [line for line in lines if line.startswith("  relay ")]
    assert relay.startswith("  relay    gpt-realtime, ")
    assert "answered by api.openai.com, at its price" in relay
    assert "sk-hush" not in "".join(lines) + logged.decode()


async def test_check_dials_the_relays_server_and_says_what_is_wrong(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{free.getsockname()[1]}/v1/realtime"
    relay = {"ANTIPHON_RELAY_URL": url, "ANTIPHON_RELAY_API_KEY": "hush"}
    nobody = await run("check", cwd=tmp_path, **relay)
    assert nobody.code == 1
    assert "nobody listens at" in nobody.out
    assert "Start that server, or correct url in [relay]." in nobody.out
    assert "hush" not in nobody.out + nobody.err

    async with serving(ScriptedEngine(), keys=["right"], in_memory=False) as served:
        relay["ANTIPHON_RELAY_URL"] = served.url.replace("http", "ws", 1) + "/v1/realtime"
        wrong = await run("check", cwd=tmp_path, **relay)
        relay["ANTIPHON_RELAY_API_KEY"] = "right"
        right = await run("check", cwd=tmp_path, **relay)
    assert wrong.code == 1
    assert "Give it a valid key" in wrong.out
    assert right.code == 0
    assert "gpt-realtime: a session was begun, and ended" in right.out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[server]\nprot = 9\n", "antiphon: antiphon.toml:2: there is no setting 'prot'"),
        ("[models]\na = 'ofline'\n", "antiphon: [models] \"a\": there is no engine 'ofline'"),
    ],
)
async def test_check_fails_where_something_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "antiphon.toml").write_text(text)
    done = await run("check", cwd=tmp_path)
    assert (done.code, done.err[: len(says)]) == (1, says)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["serve", "--help"],
        ["check", "--help"],
        ["conversations", "--help"],
        ["certificate", "--help"],
    ],
)
def test_help_teaches_by_example(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 0
    assert "examples:" in capsys.readouterr().out


def test_no_command_at_all_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "examples:" in capsys.readouterr().out


def test_help_is_quick() -> None:
    code = "import sys, antiphon.cli as c; c.make_parser(); sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_serve_says_how_to_talk_to_it_on_its_port(tmp_path: Path) -> None:
    async with served(tmp_path) as it:
        assert it.process.stdout is not None
        line = ""
        while "  talk" not in line:  # Other lines depend on what is built.
            line = (await it.process.stdout.readline()).decode()
            assert line
        assert line == f"  talk     antiphon talk --url {it.url}, in another terminal\n"


def test_in_a_checkout_the_program_is_called_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for called, told in [
        (tmp_path / ".venv/bin/antiphon", ".venv/bin/antiphon"),
        (tmp_path.parent / "bin/antiphon", "antiphon"),
        (tmp_path / "antiphon/cli/__main__.py", "antiphon"),
    ]:
        assert serve.program(called) == told
