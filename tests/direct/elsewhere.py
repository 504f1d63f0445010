"""Another server that answers offers, told what to say; and Antiphon before it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import (
    BaseConnector,
    BodyPartReader,
    ClientSession,
    ClientWebSocketResponse,
    FormData,
    WSMsgType,
    web,
)

from antiphon.engines.relay.engine import RelayEngine
from antiphon.engines.relay.session import World
from antiphon.engines.relay.upstreams import Upstream
from antiphon.journal.memory import MemoryJournal
from antiphon.server.metering_settings import BudgetSettings
from antiphon.server.serve import running
from antiphon.server.settings import Config, JournalSettings, RelaySettings
from antiphon.server.wiring import Parts
from antiphon.testing import serving
from antiphon.testing.memory_network import MemoryConnector
from antiphon.testing.served import Served

KEY = "sk-theirs-0123456789"
OFFER, ANSWER = "v=0\r\no=page\r\n", "v=0\r\no=them\r\n"
THEIR_CALL = "rtc_theirs"
SESSION = {"type": "realtime", "id": "sess_theirs", "model": "their-model", "expires_at": 99}


class Elsewhere:
    """Keeps what it is asked, and answers as it is told."""

    def __init__(self) -> None:
        self.offers: list[tuple[dict[str, str], dict[str, Any], str]] = []
        """Headers, the session, the SDP."""
        self.hung_up: list[str] = []
        self.refusal: web.Response | None = None
        """Of all offers and hang-ups."""
        self.delay_s = 0.0
        """Before an offer is answered."""
        self.upgrade_status: int | None = None
        """With which sidebands are refused."""
        self.dialled = 0
        self.told: list[dict[str, Any]] = []
        """By sidebands."""
        self.sideband: web.WebSocketResponse | None = None
        self._changed = asyncio.Condition()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v1/realtime/calls", self._answer)
        app.router.add_post("/v1/realtime/calls/{id}/hangup", self._hang_up)
        app.router.add_get("/v1/realtime", self._follow)
        return app

    async def say(self, kind: str, **fields: Any) -> None:
        """To the sideband, once there is one."""
        await self.until(lambda: self.sideband is not None)
        assert self.sideband is not None
        await self.sideband.send_json({"type": kind, "event_id": "event_theirs", **fields})

    async def drop(self, code: int = 1000) -> None:
        await self.until(lambda: self.sideband is not None)
        assert self.sideband is not None
        sideband, self.sideband = self.sideband, None
        await sideband.close(code=code)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(600), self._changed:
            await self._changed.wait_for(condition)

    async def _answer(self, request: web.Request) -> web.Response:
        form = {}
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            form[part.name] = (await part.read()).decode()
        session, sdp = form["session"], form["sdp"]
        self.offers.append((dict(request.headers), json.loads(session), sdp))
        await asyncio.sleep(self.delay_s)
        if self.refusal is not None:
            return self.refusal
        location = f"/v1/realtime/calls/{THEIR_CALL}"
        headers = {"Location": location, "Content-Type": "application/sdp"}
        return web.Response(status=201, text=ANSWER, headers=headers)

    async def _hang_up(self, request: web.Request) -> web.Response:
        if self.refusal is not None:
            return self.refusal
        self.hung_up.append(request.match_info["id"])
        return web.Response()

    async def _follow(self, request: web.Request) -> web.StreamResponse:
        self.dialled += "call_id" in request.query
        if self.upgrade_status is not None:
            return web.Response(status=self.upgrade_status)
        if request.query.get("call_id") != THEIR_CALL:
            return web.Response(status=404)
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        created = {"type": "session.created", "event_id": "event_theirs", "session": SESSION}
        await ws.send_json(created)
        await self._note(lambda: setattr(self, "sideband", ws))
        async for message in ws:
            if message.type == WSMsgType.TEXT:
                await self._note(lambda: self.told.append(json.loads(message.data)))  # noqa: B023
        return ws

    async def _note(self, change: Callable[[], None]) -> None:
        async with self._changed:
            change()
            self._changed.notify_all()


class Here:
    """Antiphon before it."""

    def __init__(self, there: Elsewhere, served: Served, http: ClientSession) -> None:
        self.there = there
        self.served = served
        self.http = http

    async def call(
        self,
        query: str = "model=gpt-realtime",
        session: dict[str, Any] | None = None,
        *,
        key: str | None = None,
    ) -> tuple[int, dict[str, str], Any]:
        """Status, headers and body."""
        body: Any = OFFER
        headers = {"Content-Type": "application/sdp"}
        if session is not None:
            body, headers = FormData(default_to_multipart=True), {}
            body.add_field("sdp", OFFER)
            body.add_field("session", json.dumps({"type": "realtime", **session}))
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        path = f"/v1/realtime/calls?{query}"
        async with self.http.post(path, data=body, headers=headers) as answered:
            is_json = answered.content_type == "application/json"
            told = await answered.json() if is_json else await answered.text()
            return answered.status, dict(answered.headers), told

    async def begun(self, query: str = "model=gpt-realtime") -> str:
        """Our id of a call that is followed."""
        status, headers, told = await self.call(query)
        assert (status, told) == (201, ANSWER)
        await self.there.until(lambda: self.there.sideband is not None)
        return headers["Location"].rpartition("/")[2]

    async def join(self, call_id: str, query: str = "") -> ClientWebSocketResponse:
        return await self.http.ws_connect(f"/v1/realtime?call_id={call_id}{query}")

    async def sessions(self) -> list[dict[str, Any]]:
        async with self.http.get("/v1/antiphon/sessions") as listed:
            data: list[dict[str, Any]] = (await listed.json())["data"]
            return data

    async def conversations(self) -> list[dict[str, Any]]:
        async with self.http.get("/v1/antiphon/conversations") as listed:
            data = (await listed.json())["data"]
        found = []
        for one in data:
            async with self.http.get(f"/v1/antiphon/conversations/{one['id']}") as shown:
                found.append(await shown.json())
        return found

    async def hang_up(self, call_id: str) -> tuple[int, Any]:
        async with self.http.post(f"/v1/realtime/calls/{call_id}/hangup") as told:
            return told.status, await told.text()

    async def until_ended(self) -> None:
        while self.served.hub.sessions:  # noqa: ASYNC110 -- The time is virtual.
            await asyncio.sleep(1)


@asynccontextmanager
async def before_another(
    *upstreams: Upstream,
    retention: Any = "items",
    key: str | None = None,
    budgets: BudgetSettings | None = None,
) -> AsyncIterator[Here]:
    there = Elsewhere()
    async with running(there.app(), shutdown_timeout_s=0.1) as runner:
        server = runner.server
        assert server is not None, "it has been set up"

        def make_connector() -> BaseConnector:
            return MemoryConnector(server)

        relay = RelayEngine(
            *(upstreams or (Upstream(url="ws://there/v1/realtime", key=KEY),)),
            world=World(lambda: 1.0),
            make_connector=make_connector,
        )
        config = Config(
            relay=RelaySettings(media="direct"),
            journal=JournalSettings(retention=retention),
            budgets=budgets or BudgetSettings(),
        )
        parts = Parts(journal=MemoryJournal())
        keys = [] if key is None else [key]
        bearer = {} if key is None else {"Authorization": f"Bearer {key}"}
        async with (
            serving(relay, config=config, parts=parts, keys=keys) as served,
            served.client(headers=bearer) as http,
        ):
            yield Here(there, served, http)


async def until(ws: ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    while True:
        event: dict[str, Any] = await ws.receive_json(timeout=60)
        if event["type"] == kind:
            return event
