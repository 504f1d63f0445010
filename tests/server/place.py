"""A whole server with one key, conversations of a scripted engine, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from antiphon.engines.scripted import Script, ScriptedEngine, Write
from antiphon.journal.journal import Journal
from antiphon.server.cascade_settings import OfflineSettings
from antiphon.server.secret_store import MemorySecretStore
from antiphon.server.settings import Config, JournalSettings, ServerSettings, WebRtcOptions
from antiphon.server.wiring import Parts
from antiphon.testing import serving
from antiphon.testing.served import Served

Headers = Mapping[str, str] | tuple[()]

KEY = "server-key"
VOICE = "cedar"
"""Of sessions that name none; not the one that the API's own sessions have."""
NOW_S = 1_795_000_000.0
EVENT_TIMEOUT_S = 60
"""A busy machine is no failure."""


class Told(NamedTuple):
    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> str | None:
        code: str | None = self.body["error"]["code"]
        return code


CONFIG = Config(
    server=ServerSettings(max_sessions=10),
    models={"test": "scripted"},
    offline=OfflineSettings(voice=VOICE),
    webrtc=WebRtcOptions(host_addresses=("127.0.0.1",)),
)
HELLO = Script(replies=((Write(text="Hello."),),))
BE_BRIEF = {"type": "realtime", "instructions": "Be brief.", "output_modalities": ["text"]}


class Clock:
    """The wall clock by which secrets expire."""

    now_s = NOW_S


class Place:
    """A running server, asked the way browsers and SDKs do."""

    def __init__(self, served: Served, client: ClientSession, clock: Clock) -> None:
        self.url = served.url
        self.hub = served.hub
        self.api = served.api
        self.clock = clock
        self._client = client

    async def ask(
        self,
        method: str,
        path: str,
        *,
        key: str | None = KEY,
        headers: Headers = (),
        **options: Any,
    ) -> Told:
        """One HTTP request, with a bearer key or none."""
        shown = dict(headers) | ({} if key is None else {"Authorization": f"Bearer {key}"})
        async with self._client.request(
            method, self.url + path, headers=shown, **options
        ) as response:
            body: Any
            match response.content_type:
                case "application/json":
                    body = await response.json()
                case "audio/ogg":
                    body = await response.read()
                case _:
                    body = await response.text()
            return Told(response.status, body, response.headers)

    async def join(
        self,
        query: str = "model=test",
        *,
        key: str | None = KEY,
        path: str = "/v1/realtime",
        protocols: tuple[str, ...] = (),
        headers: Headers = (),
    ) -> ClientWebSocketResponse:
        shown = dict(headers) | ({} if key is None else {"Authorization": f"Bearer {key}"})
        return await self._client.ws_connect(
            f"{self.url}{path}?{query}", protocols=protocols, headers=shown
        )

    async def status_of_upgrade(self, query: str, key: str) -> int:
        upgrade = {"Upgrade": "websocket"}
        return (await self.ask("GET", f"/v1/realtime?{query}", key=key, headers=upgrade)).status

    async def mint(
        self, *, seconds: int = 600, session: object = BE_BRIEF, **antiphon: object
    ) -> dict[str, Any]:
        """A client secret, as it is answered."""
        body = {
            "session": session,
            "expires_after": {"anchor": "created_at", "seconds": seconds},
            "antiphon": antiphon,
        }
        told = await self.ask("POST", "/v1/realtime/client_secrets", json=body)
        assert told.status == 200, told
        secret: dict[str, Any] = told.body
        return secret

    async def offer(self, sdp: str, *, key: str | None = KEY, path: str = "/v1/realtime") -> Told:
        headers = {"Content-Type": "application/sdp"}
        return await self.ask("POST", f"{path}/calls", key=key, headers=headers, data=sdp)


async def until(ws: ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    while True:
        event: dict[str, Any] = await ws.receive_json(timeout=EVENT_TIMEOUT_S)
        if event["type"] == kind:
            return event


async def turned_away(ws: ClientWebSocketResponse) -> str:
    """The reason, of a socket that is told why and closed with 3000."""
    error = (await ws.receive_json(timeout=EVENT_TIMEOUT_S))["error"]
    assert error["code"] == "invalid_api_key"
    closed = await ws.receive(timeout=EVENT_TIMEOUT_S)
    assert (closed.type, ws.close_code) == (WSMsgType.CLOSE, 3000)
    message: str = error["message"]
    return message


@asynccontextmanager
async def places(
    script: Script = HELLO,
    *,
    journal: Journal | None = None,
    journal_settings: JournalSettings | None = None,
    config: Config = CONFIG,
) -> AsyncIterator[Place]:
    if journal_settings is not None:
        config = msgspec.structs.replace(config, journal=journal_settings)
    clock = Clock()
    secret_store = MemorySecretStore(now_s=lambda: clock.now_s)
    parts = Parts(secret_store=secret_store, journal=journal)
    async with (
        serving(ScriptedEngine(script), keys=[KEY], config=config, parts=parts) as server,
        ClientSession() as client,
    ):
        yield Place(server, client, clock)
