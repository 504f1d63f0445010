"""A key that a reload no longer finds in the settings: what it opened, and what it minted."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from aiohttp import ClientWebSocketResponse, WSServerHandshakeError

from antiphon.engines.scripted import Script, ScriptedEngine
from antiphon.server.app import KEY_REMOVED
from antiphon.server.secret import Secret
from antiphon.server.settings import AuthSettings, Config
from antiphon.testing import in_virtual_time, serving

SECRETS = "/v1/realtime/client_secrets"


@pytest.mark.parametrize("on_removed", ["close", "keep"])
def test_a_key_that_the_settings_lack_on_a_reload(on_removed: Literal["close", "keep"]) -> None:
    """Sessions of the others never notice; the audit log knows."""
    config = Config(auth=AuthSettings(on_removed=on_removed))

    @in_virtual_time
    async def story() -> None:
        engine = ScriptedEngine(Script(replies=()))
        async with (
            serving(engine, keys=["old-key", "stays"], config=config) as server,
            server.client() as http,
        ):

            async def join(key: str) -> ClientWebSocketResponse:
                headers = {"Authorization": f"Bearer {key}"}
                ws = await http.ws_connect("/v1/realtime?model=test", headers=headers)
                assert (await ws.receive_json())["type"] == "session.created"
                return ws

            headers = {"Authorization": "Bearer old-key"}
            async with http.post(SECRETS, headers=headers, json={}) as minted:
                secret = (await minted.json())["value"]
            theirs = [await join("old-key"), await join(secret)]
            other = await join("stays")
            server.api.bearers.replace_keys([Secret("stays"), Secret("new-key")])
            if on_removed == "close":
                for ws in theirs:
                    message = await ws.receive()
                    assert (message.data, message.extra) == (3000, KEY_REMOVED)
                with pytest.raises(AssertionError):
                    await join(secret)
            await asyncio.sleep(5)
            assert len(server.hub.sessions) == (1 if on_removed == "close" else 3)
            assert not other.closed
            with pytest.raises((WSServerHandshakeError, AssertionError)):
                await join("old-key")
            operator = {"Authorization": "Bearer new-key"}
            async with http.get("/v1/antiphon/audit", headers=operator) as told:
                deeds = {deed["what"]: deed for deed in (await told.json())["data"]}
            assert deeds["key.removed"]["about"]["keys"] == 1
            assert ("sessions.closed" in deeds) == (on_removed == "close")
            if on_removed == "close":
                assert deeds["sessions.closed"]["about"]["sessions"] == 2

    story()
