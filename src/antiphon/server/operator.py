"""`/v1/antiphon/keys` and `/v1/antiphon/audit`: for those who run the server, or a tenant of it.

Beyond OpenAI's API (docs/guides/keys.md, docs/guides/security.md).
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from antiphon.errors import ProtocolError
from antiphon.identity.keys import KeyInvalid, KeyRecord, KeyWish, allowed_wish, new_key
from antiphon.identity.principal import SCOPES, Principal
from antiphon.protocol.codec import decode_object, from_json
from antiphon.protocol.dialects.registry import CLIENT_EVENTS
from antiphon.server.api_errors import ApiError
from antiphon.server.audit import Audit, Deed
from antiphon.server.auth import Gate
from antiphon.server.key_store import KeyStoreError, KnownKeys
from antiphon.server.query import limit_of, number_of

log = logging.getLogger(__name__)

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000


Everywhere = Callable[[Principal, int, float | None], Awaitable[Sequence[Sequence[Deed]]]]


def merged(told: Iterable[Sequence[Deed]]) -> Sequence[Deed]:
    """Newest first; of the same millisecond, in the order of ``told``, each of which keeps its own.
    What two of them read in the file when they began is one deed.
    """
    each = {msgspec.json.encode(deed): deed for deeds in told for deed in deeds}
    return sorted(each.values(), key=lambda deed: deed.at, reverse=True)


class OperatorRoutes:
    """Args:
    keys: Those that are made and revoked here.
    gate: Whose keys may do that.
    audit: Told of it, and shown.
    """

    def __init__(self, keys: KnownKeys, *, gate: Gate, audit: Audit) -> None:
        self._keys = keys
        self._gate = gate
        self._audit = audit
        self.everywhere: Everywhere = self._here
        """As `last`, of each process of the server; in the same order, whichever is asked."""

    def last(
        self, principal: Principal, *, limit: int, before_s: float | None = None
    ) -> Sequence[Deed]:
        """As `Audit.last`: through this process, and what stood in the file when it began."""
        return self._audit.last(principal, limit=limit, before_s=before_s)

    def routes(self, prefix: str = "/v1") -> list[web.RouteDef]:
        keys = f"{prefix}/antiphon/keys"
        return [
            web.post(keys, self.create),
            web.get(keys, self.list),
            web.delete(f"{keys}/{{id}}", self.revoke),
            web.get(f"{prefix}/antiphon/audit", self.audit),
        ]

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """What is done is written down, and keys are known, as long as the server lives."""
        async with self._audit.running(), self._keys.kept_up():
            yield

    async def create(self, request: web.Request) -> web.Response:
        maker = await self._gate.require(request, "operate")
        try:
            body = {
                "tenant": maker.tenant,
                "scopes": [scope for scope in SCOPES if scope in maker.scopes],
            } | decode_object(await request.read())
            wish = allowed_wish(checked(from_json(body, KeyWish, strict=True)), maker)
            made = new_key(wish, now_s=time.time(), random_bytes=secrets.token_bytes)
        except ProtocolError as error:
            raise ApiError(400, error.code, error.message, param=error.param) from None
        except KeyInvalid as error:
            raise ApiError(400, "invalid_value", str(error), param=error.param) from None
        try:
            await self._keys.add(made.record)
        except KeyStoreError as error:
            raise _unavailable(error) from None
        record = made.record
        log.info("key %s: made for tenant %s", record.id, record.tenant)
        self._note("key.created", request, maker, record)
        return _json(shown(record) | {"value": made.value}, headers={"Cache-Control": "no-store"})

    async def list(self, request: web.Request) -> web.Response:
        principal = await self._gate.require(request, "operate")
        tenant = request.query.get("tenant")
        data = [
            shown(record)
            for record in self._keys.records
            if principal.sees(record.tenant, record.user) and tenant in (None, record.tenant)
        ]
        return _json({"object": "list", "data": data})

    async def revoke(self, request: web.Request) -> web.Response:
        principal = await self._gate.require(request, "operate")
        key_id = request.match_info["id"]
        record = self._keys.get(key_id)
        is_there = record is not None and principal.sees(record.tenant, record.user)
        try:
            if record is None or not is_there or not await self._keys.revoke(key_id):
                message = "There is no API key with this id that could be revoked."
                raise ApiError(404, "key_not_found", message)
        except KeyStoreError as error:
            raise _unavailable(error) from None
        log.info("key %s: revoked", key_id)
        self._note("key.revoked", request, principal, record)
        return _json({"id": key_id, "object": "antiphon.key", "deleted": True})

    async def audit(self, request: web.Request) -> web.Response:
        principal = await self._gate.require(request, "operate")
        limit = limit_of(request, default=DEFAULT_LIMIT, most=MAX_LIMIT)
        before_s = number_of(request, "before")
        found = merged(await self.everywhere(principal, limit, before_s))
        return _json({"object": "list", "data": found[:limit]})

    async def _here(
        self, principal: Principal, limit: int, before_s: float | None
    ) -> Sequence[Sequence[Deed]]:
        return (self.last(principal, limit=limit, before_s=before_s),)

    def _note(
        self, what: str, request: web.Request, principal: Principal, record: KeyRecord
    ) -> None:
        address = self._gate.address_of(request)
        about = {"id": record.id, "name": record.name, "tenant": record.tenant}
        self._audit.note(what, principal, address, **about)


def checked(wish: KeyWish) -> KeyWish:
    """The wish with its events by the names that GA has for them.

    Raises:
        KeyInvalid: there is no such event.
    """
    if wish.client_events is None:
        return wish
    for name in wish.client_events:
        if name not in CLIENT_EVENTS:
            raise KeyInvalid("client_events", f"There is no client event '{name[:100]}'.")
    events = tuple(CLIENT_EVENTS[name] for name in wish.client_events)
    return msgspec.structs.replace(wish, client_events=events)


def shown(record: KeyRecord) -> dict[str, Any]:
    """All that is told of a key, its value excepted."""
    events = record.client_events
    return {
        "id": record.id,
        "object": "antiphon.key",
        "name": record.name,
        "hint": f"…{record.hint}",
        "tenant": record.tenant,
        "user": record.user,
        "scopes": [scope for scope in SCOPES if scope in record.scopes],
        "limits": record.limits,
        "budget": record.budget,
        "client_events": None if events is None else sorted(events),
        "retention": record.retention,
        "created_at": record.created_at,
        "expires_at": record.expires_at,
        "revoked_at": record.revoked_at,
    }


def _unavailable(error: KeyStoreError) -> ApiError:
    log.warning("%s", error)
    message = "The server's store of keys failed; its log tells why."
    return ApiError(500, "key_store_unavailable", message, type="server_error")


def _json(body: Any, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body), content_type="application/json", headers=headers
    )
