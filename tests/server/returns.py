"""A client that loses its connection and comes back, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Self

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from antiphon.testing.served import Served

KEY = "server-key"
QUIET = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}


class Phone:
    """One client: what it was told, and how it comes back."""

    def __init__(self, http: ClientSession, *, key: str = KEY) -> None:
        self.told: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self.token = ""
        self._http = http
        self._key = key
        self._ws: ClientWebSocketResponse | None = None
        self._reading: asyncio.Task[None] | None = None

    # --- The line ------------------------------------------------------------

    async def dial(
        self, query: str = "model=test", headers: Mapping[str, str] | None = None
    ) -> Self:
        await self.hush()
        shown = {"Authorization": f"Bearer {self._key}"} | dict(headers or {})
        self.close_code = None
        self._ws = await self._http.ws_connect(f"/v1/realtime?{query}", headers=shown)
        self._reading = asyncio.create_task(self._read(self._ws))
        await asyncio.sleep(0.001)
        return self

    async def return_(self, *, after: str | None = None, token: str | None = None) -> Self:
        """With the token, and the last event as cursor."""
        cursor = (self.cursor if after is None else after) or ""
        token = self.token if token is None else token
        return await self.dial(f"after={cursor}", {"Antiphon-Resume": token})

    def drop(self) -> None:
        """Both ends learn it at once, without a word."""
        assert self._ws is not None
        self._ws._writer.transport.abort()

    async def hush(self) -> None:
        """The client is gone, and the server does not know."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            self._reading = None

    async def close(self, code: int = 1000) -> None:
        assert self._ws is not None
        await self.hush()
        await self._ws.close(code=code)

    async def say(self, kind: str, **event: Any) -> None:
        assert self._ws is not None
        await self._ws.send_json({"type": kind, **event})
        await asyncio.sleep(0.001)

    async def says(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        await self.say("conversation.item.create", item=item)

    async def _read(self, ws: ClientWebSocketResponse) -> None:
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                event = message.json()
                self.told.append(event)
                if event["type"] == "session.created":
                    self.token = self.resume.get("token", "")
        self.close_code = ws.close_code

    # --- What it knows -------------------------------------------------------

    @property
    def cursor(self) -> str | None:
        return self.told[-1]["event_id"] if self.told else None

    @property
    def created(self) -> dict[str, Any]:
        """The last one."""
        found: dict[str, Any] = [e for e in self.told if e["type"] == "session.created"][-1]
        return found["session"]  # type: ignore[no-any-return]

    @property
    def resume(self) -> dict[str, Any]:
        found: dict[str, Any] = self.created["antiphon"].get("resume", {})
        return found

    def types(self) -> list[str]:
        return [event["type"] for event in self.told]

    def ids(self) -> list[str]:
        return [e["event_id"] for e in self.told if e["type"] != "session.created"]

    def since_created(self) -> list[str]:
        kinds = self.types()
        last = len(kinds) - 1 - kinds[::-1].index("session.created")
        return kinds[last + 1 :]


async def minted(server: Served, http: ClientSession, **antiphon: Any) -> str:
    """A client secret."""
    assert server.hub is not None
    body = {"session": QUIET, "antiphon": antiphon}
    headers = {"Authorization": f"Bearer {KEY}"}
    url = "/v1/realtime/client_secrets"
    async with http.post(url, json=body, headers=headers) as response:
        told = await response.json()
        assert response.status == 200, told
        value: str = told["value"]
        return value
