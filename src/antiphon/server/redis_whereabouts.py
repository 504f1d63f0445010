"""On which server a session is, in Redis (or Valkey): whoever asks the wrong one is told."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import msgspec
from aiohttp import web
from msgspec import Struct

from antiphon.runtime.door import SessionDoor
from antiphon.runtime.kept_conversations import ConversationInUse
from antiphon.server.api_errors import ApiError
from antiphon.server.auth import Gate
from antiphon.server.quotas import CountsAway
from antiphon.server.redis_leases import AT, RedisLeases
from antiphon.server.redis_line import RedisLine
from antiphon.server.siblings import Handler

CLAIM_S: Final = 30
CLAIM: Final = "antiphon:claim:"

_RELEASE: Final = """
if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end
return 0
"""


class Whereabouts(Struct, frozen=True):
    """Of a session."""

    server: str
    address: str
    """As clients reach that server; "": it did not say."""
    tenant: str
    user: str | None


class RedisWhereabouts:
    """Args:
    line: To Redis.
    leases: By which what is here is known there.
    server: This one's name.
    address: As clients reach it; "": not told to those who come to another.
    """

    def __init__(
        self, line: RedisLine, leases: RedisLeases, *, server: str, address: str = ""
    ) -> None:
        self._line = line
        self._leases = leases
        self._server = server
        self._address = address
        self._release = line.redis.register_script(_RELEASE)
        self._gate: Gate
        self._find: Callable[[str], Awaitable[SessionDoor | None]]

    def join(self, gate: Gate, find: Callable[[str], Awaitable[SessionDoor | None]]) -> None:
        """``find`` knows what is here."""
        self._gate, self._find = gate, find

    def is_here(self, door: SessionDoor, *names: str) -> None:
        """It is found by these names, until it has ended."""
        principal = door.about.principal
        whereabouts = Whereabouts(self._server, self._address, principal.tenant, principal.user)
        self._leases.found_by(door.id, names, msgspec.msgpack.encode(whereabouts))

    async def elsewhere(self, name: str) -> Whereabouts | None:
        """The other server that has it; None: none has, or nobody knows."""
        try:
            told = await self._line.ask(lambda redis: redis.get(AT + name))
        except CountsAway:
            return None
        if told is None:
            return None
        found = msgspec.msgpack.decode(told, type=Whereabouts)
        return None if found.server == self._server else found

    # --- Who asks ------------------------------------------------------------

    async def tell(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Who asks for a session that another server has is told where it is."""
        try:
            response = await handler(request)
        except ApiError as error:
            if error.status == 404 and (name := _asked_for(request)) is not None:
                await self._check_elsewhere(request, name)
            raise
        location = response.headers.get("Location", "")
        if response.status == 201 and "/realtime/calls/" in location:
            call_id = location.rpartition("/")[2]
            if (door := await self._find(call_id)) is not None:
                self.is_here(door, door.id, door.about.conversation_id, call_id)
        return response

    async def _check_elsewhere(self, request: web.Request, name: str) -> None:
        """Raises:
        ApiError: 421, with the address of the server that has it.
        """
        if (there := await self.elsewhere(name)) is None:
            return
        try:
            principal = await self._gate.require(request)
        except ApiError:
            return
        if not principal.sees(there.tenant, there.user):
            return
        where = there.address or "another one, which does not tell its address"
        headers = {"Location": f"{there.address}{request.rel_url}"} if there.address else None
        raise ApiError(
            421,
            "session_elsewhere",
            f"'{name}' is with another server: {where}. Ask that one.",
            headers=headers,
        )

    @asynccontextmanager
    async def claiming(
        self, conversation_id: str, inner: AbstractAsyncContextManager[None]
    ) -> AsyncIterator[None]:
        """No other server opens the conversation in the body, where Redis answers.

        Raises:
            ConversationInUse: another has it, or is about to.
        """
        key, mine = CLAIM + conversation_id, secrets.token_hex(8)
        try:
            is_mine = await self._line.ask(lambda redis: redis.set(key, mine, nx=True, ex=CLAIM_S))
            found = await self.elsewhere(conversation_id)
        except CountsAway:
            async with inner:
                yield
            return
        try:
            if not is_mine or found is not None:
                where = f" on {found.address}" if found is not None and found.address else ""
                raise ConversationInUse(
                    f"Conversation '{conversation_id}' is in use by a live session{where}; end "
                    "that first."
                )
            async with inner:
                yield
        finally:
            with contextlib.suppress(CountsAway):
                await self._line.ask(lambda _: self._release(keys=[key], args=[mine]))


def _asked_for(request: web.Request) -> str | None:
    """The session that a request is about."""
    resource = request.match_info.route.resource
    route = "" if resource is None else resource.canonical
    if "/calls/{id}" in route or "/sessions/{id}" in route:
        return request.match_info["id"]
    return request.query.get("call_id") if route.endswith("/realtime") else None
