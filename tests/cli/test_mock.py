"""`antiphon mock` and `antiphon record`, as they are typed."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from antiphon.cli import main
from antiphon.mock import FAULTS, read_recording

TIMEOUT_S = 60


def test_all_faults_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mock", "--faults"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in listed} == set(FAULTS)


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["mock", "--fault", "done_droped"], "Did you mean 'done_dropped'?"),
        (["mock", "--latency", "warp"], "there is no latency 'warp'"),
        (["mock", "--script", "absent.toml"], "absent.toml: the script cannot be read"),
        (["mock", "--recording", "absent.jsonl"], "absent.jsonl: the recording cannot be read"),
        (["record", "--upstream", "example.com"], "is no address of a server"),
        (["record", "--upstream", "ws://x", "--key-env", "NOT_SET_HERE"], "NOT_SET_HERE"),
    ],
)
def test_what_is_wrong_is_said(
    flags: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*flags, "--port", "0"]) == 1
    assert complaint in capsys.readouterr().err


@asynccontextmanager
async def running(*flags: str) -> AsyncIterator[str]:
    """The command in a process of its own; its URL.  It ends well, and has logged nothing."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "antiphon.cli",
        *flags,
        "--port",
        "0",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), TIMEOUT_S)).decode()
        url = next((word for word in line.split() if "://" in word), None)
        assert url is not None, line
        yield url.rstrip(",")
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    assert errors == b""
    assert process.returncode == 0


async def test_a_mock_ends_with_its_standard_input() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "antiphon.cli", "mock", "--port", "0", "--stop-with-stdin"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert b"://" in await asyncio.wait_for(process.stdout.readline(), TIMEOUT_S)
        process.stdin.close()
        _, errors = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    finally:
        if process.returncode is None:
            process.kill()
    assert errors == b""
    assert process.returncode == 0


async def turn(url: str) -> list[dict[str, Any]]:
    """The events of one response."""
    events: list[dict[str, Any]] = []
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{url}/v1/realtime?model=any") as socket,
    ):
        await socket.send_json({"type": "response.create"})
        while not events or events[-1]["type"] != "response.done":
            events.append(await socket.receive_json(timeout=TIMEOUT_S))
    return events


async def test_a_mock_is_recorded_and_the_recording_played(tmp_path: Path) -> None:
    async with (
        running("mock", "--seed", "7") as url,
        running("record", "--upstream", f"{url}/v1/realtime", "--folder", str(tmp_path)) as before,
    ):
        recorded = await turn(before)
    path = tmp_path / "0001.jsonl"
    assert read_recording(path).head.query == {"model": "any"}
    async with running("mock", "--recording", str(path)) as url:
        played = await turn(url)
    assert [event["type"] for event in played] == [event["type"] for event in recorded]
    assert played[-1]["response"]["id"] == recorded[-1]["response"]["id"]
