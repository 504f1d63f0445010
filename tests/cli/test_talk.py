"""The command, from its arguments to its exit code."""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from antiphon.cli import talk


def command(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    talk.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["talk", *arguments])
    return int(args.run(args))


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Answers each typed message with a written reply."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)

    async def emit(event_type: str, **keys: Any) -> None:
        await socket.send_str(json.dumps({"type": event_type, "event_id": "e", **keys}))

    session = {"id": "sess_1", "model": request.query["model"]}
    replies = 0
    await emit("session.created", session=session)
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            break
        event = msgspec.json.decode(message.data)
        if event["type"] == "session.update":
            await emit("session.updated", session=session)
        elif event["type"] == "response.create":
            replies += 1
            await emit("response.created", response={"id": "r1"})
            item_id = f"a{replies}"
            await emit("response.output_text.delta", item_id=item_id, delta="Hello there.")
            await emit("response.output_text.done", item_id=item_id, text="Hello there.")
            await emit("response.done", response={"id": "r1", "status": "completed"})
    return socket


async def run_against_echo(*arguments: str) -> int:
    app = web.Application()
    app.router.add_get("/v1/realtime", echo)
    async with TestServer(app) as server:
        url = f"http://127.0.0.1:{server.port}"
        return await asyncio.to_thread(command, "--url", url, "--model", "m", *arguments)


async def test_a_text_is_sent_and_the_lines_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert await run_against_echo("--text", "hi", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = {line["event"]: line for line in lines}
    assert told["connected"]["model"] == "m"
    assert told["user"]["text"] == "hi"
    assert told["agent"]["text"] == "Hello there."
    assert (told["summary"]["exit"], told["summary"]["turns"]) == (0, 1)


async def test_lines_may_come_from_a_pipe_and_events_go_to_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("first\n\nsecond\n"))
    log = tmp_path / "events.log"
    assert await run_against_echo("--no-mic", "--events", str(log)) == 0
    out = capsys.readouterr().out
    assert out.index("you     first") < out.index("agent   Hello there.")
    assert out.count("agent   Hello there.") == 2
    assert "\x1b" not in out
    assert '> {"type":"session.update"' in log.read_text()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--file", "missing.wav"], "--file missing.wav: No such file"),
        (["--text", "a", "--url", "ftp://h"], "give a base such as"),
        (["--text", "a", "--speed", "3"], "--speed 3.0: it must lie between 0.25 and 1.5"),
        (["--text", "a", "--tool-result", "f"], "write it as name=JSON"),
        (["--text", "a", "--save", "/no/such/x.wav"], "cannot be written"),
        (["--text", "a", "--events", "/no/such/log"], "--events /no/such/log: No such file"),
    ],
)
def test_wrong_usage_is_told_with_exit_code_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("antiphon talk: ")
    assert complaint in error


def test_without_a_microphone_the_way_out_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert command() == 5
    assert capsys.readouterr().err.count("\n") == 1
