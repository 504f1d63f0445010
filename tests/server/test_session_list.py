from __future__ import annotations

import time

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from antiphon.identity.principal import Principal
from antiphon.runtime.hub import Hub
from antiphon.server.api_errors import errors_as_json
from antiphon.server.auth import Gate
from antiphon.server.directory import LocalDirectory
from antiphon.server.secret import Secret
from antiphon.server.session_list import SessionList
from tests.runtime.stubs import EchoEngine, Line

KEYED = {"Authorization": "Bearer k"}


async def test_the_operator_sees_who_is_live_and_others_do_not() -> None:
    engine = EchoEngine()
    hub = Hub(lambda _: engine)
    app = web.Application(middlewares=[errors_as_json])
    directory = LocalDirectory(hub, of_call=lambda _: None)
    app.add_routes(SessionList(directory, gate=Gate([Secret("k")])).routes())
    async with TestClient(TestServer(app)) as client:
        for headers in ({}, {"Authorization": "Bearer ek_1"}):
            async with client.get("/v1/antiphon/sessions", headers=headers) as response:
                assert response.status == 401
                assert (await response.json())["error"]["code"] == "invalid_api_key"

        before = int(time.time())
        talk = hub.open(kind="realtime", model="gpt-realtime", principal=Principal(user="hash-1"))
        talk.attach(Line("ws_1"))
        talk.attach(Line("ws_2"), owns=False)
        hub.open(kind="transcription", model="whisper-1")
        async with client.get("/v1/antiphon/sessions", headers=KEYED) as response:
            body = await response.json()

        assert body["object"] == "list"
        first, second = body["data"]
        began_at = first.pop("began_at")
        assert before <= began_at <= time.time()
        assert abs(first.pop("expires_at") - began_at - 3600) <= 1
        assert first == {
            "id": talk.id,
            "object": "antiphon.session",
            "type": "realtime",
            "conversation_id": talk.about.conversation_id,
            "model": "gpt-realtime",
            "engine": "echo",
            "transport": "websocket",
            "state": "idle",
            "tenant": "default",
            "user": "hash-1",
            "end_user_id": "hash-1",
            "key": None,
            "cost": None,
            "muted": False,
            "quality": {"latency_ms": None, "call": None},
            "connections": [
                {"id": "ws_1", "role": "owner"},
                {"id": "ws_2", "role": "sideband"},
            ],
        }
        assert (second["type"], second["model"]) == ("transcription", None)
        await hub.aclose()
        async with client.get("/v1/antiphon/sessions", headers=KEYED) as response:
            assert (await response.json())["data"] == []
