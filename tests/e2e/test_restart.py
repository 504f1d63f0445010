"""A server that is restarted, and a client that comes back by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from openai.types.websocket_reconnection import ReconnectingEvent, ReconnectingOverrides

from tests.clients.judged import STRICT, TIMEOUT_S, sdk
from tests.server_process import ServerProcess


async def test_a_restart_lets_the_reply_end_and_the_client_reconnects(tmp_path: Path) -> None:
    closed_with: list[int] = []

    def on_reconnecting(event: ReconnectingEvent) -> ReconnectingOverrides | None:
        closed_with.append(event.close_code)
        return None

    before = ServerProcess(tmp_path, hears=False)
    ended: list[str | None] = []
    sessions: list[str] = []
    async with (
        asyncio.timeout(TIMEOUT_S),
        sdk(before) as client,
        client.realtime.connect(
            model="gpt-realtime",
            on_reconnecting=on_reconnecting,
            max_retries=100,
            initial_delay=0.2,
            max_delay=0.5,
        ) as connection,
    ):
        restarting: asyncio.Task[ServerProcess] | None = None
        event: Any  # The SDK's types know no id of a session.
        async for event in connection:
            STRICT.validate_python(event.to_dict())
            if event.type == "session.created":
                sessions.append(event.session.id)
                if restarting is not None:
                    break
                await connection.response.create(
                    response={"instructions": "Say exactly: I am almost done."}
                )
            elif event.type == "response.done":
                ended.append(event.response.status)
            elif event.type == "response.created":
                before.ask_to_stop()
                restarting = asyncio.create_task(asyncio.to_thread(restarted, before, tmp_path))
    assert restarting is not None
    after = await restarting
    after.stop()
    assert closed_with[0] == 1012
    assert ended == ["completed"], "what had begun was finished first"
    assert len(set(sessions)) == 2


def restarted(before: ServerProcess, folder: Path) -> ServerProcess:
    before.stop()
    assert "with code 1012;" in before.log.read_text()
    return ServerProcess(folder, port=before.port, hears=False)
