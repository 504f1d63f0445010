"""Conversations that are kept: going on with one, listing, reading and erasing them.

`GET /v1/antiphon/conversations` and below are beyond OpenAI's API; client secrets see nothing
there (docs/guides/resuming.md, docs/guides/retention.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct

from antiphon.core.records import Past
from antiphon.errors import ProtocolError
from antiphon.identity.principal import DEFAULT_TENANT, Principal, Scope
from antiphon.journal.entries import JournalError, LogEntry, Opened, Sounded
from antiphon.journal.expiry import Expiry
from antiphon.journal.fork import ItemNotFound
from antiphon.journal.journal import Journal, Kept, Wanted
from antiphon.journal.recall import Recalled
from antiphon.journal.transcript import transcript
from antiphon.protocol.closes import CloseCode
from antiphon.protocol.codec import decode_object, from_json
from antiphon.runtime.door import SessionDoor
from antiphon.runtime.hub import Hub
from antiphon.runtime.kept_conversations import ConversationInUse, ConversationNotFound
from antiphon.server.admission import Admitted
from antiphon.server.api_errors import ApiError
from antiphon.server.audit import NO_AUDIT, Audit
from antiphon.server.auth import Gate
from antiphon.server.query import limit_of, number_of
from antiphon.server.returning import Comeback, TokenUnknown, shown_token

log = logging.getLogger(__name__)

DAY_S = 24 * 60 * 60
SWEEP_EVERY_S = 60 * 60
DEFAULT_LIMIT, MAX_LIMIT = 20, 100


def asked_conversation(request: web.Request) -> str | None:
    """Which conversation the request wants to go on with."""
    return request.query.get("conversation_id") or None


@asynccontextmanager
async def going_on(
    hub: Hub, request: web.Request, admitted: Admitted, comeback: Comeback | None = None
) -> AsyncIterator[Past | None]:
    """What the session that is opened in the body goes on with; None: it begins anew.

    A live session that has the conversation ends, where that may be.

    Raises:
        TokenUnknown: it came with a token that is not known any more, and has no other right.
        ApiError: 403, the bearer's secret is not for that conversation; 404, there is none;
            409, another user's live session has it; 500, it cannot be read.
    """
    grant = admitted.grant
    asked = asked_conversation(request)
    # Its token is of a server that has restarted: what it may not have by name is told of that.
    lost_its_way = comeback is None and shown_token(request.headers) is not None
    if lost_its_way and asked not in (None, grant.conversation_id):
        raise TokenUnknown
    if comeback is None and asked not in (None, grant.conversation_id):
        raise ApiError(
            403,
            "conversation_not_allowed",
            "This client secret is not for that conversation. Mint one with "
            "'antiphon': {'conversation_id': …}, or connect with a server key.",
            param="conversation_id",
        )

    def may_take_over(session: SessionDoor) -> bool:
        if comeback is not None or admitted.secret_digest is None:
            return True
        return is_deserted(session) or (
            session.about.principal.tenant == grant.principal.tenant
            and session.about.end_user_id == grant.end_user_id
        )

    conversation_id = grant.conversation_id if comeback is None else comeback.conversation_id
    if conversation_id is not None and admitted.secret_digest is None:
        await check_sees(hub, admitted.bearer, conversation_id)
    async with contextlib.AsyncExitStack() as stack:
        with _problems_told():
            try:
                past = await stack.enter_async_context(
                    hub.conversations.recalled(conversation_id, may_take_over=may_take_over)
                )
            except ConversationNotFound:
                if lost_its_way:
                    raise TokenUnknown from None
                if comeback is None:
                    raise
                past = None  # Nothing was said in it.
        yield past


def is_deserted(session: SessionDoor) -> bool:
    """It waits for an owner who may not come."""
    return "owner" not in session.connection_roles.values()


def is_seen(principal: Principal, entries: Sequence[LogEntry]) -> bool:
    """Whether a conversation with this log is there for the principal."""
    opened = [entry for entry in entries if isinstance(entry, Opened)]
    users = [entry.end_user_id for entry in opened if entry.end_user_id is not None]
    return not opened or principal.sees(opened[0].tenant, users[-1] if users else None)


async def check_sees(hub: Hub, principal: Principal, conversation_id: str) -> None:
    """Raises:
    ApiError: 404, the conversation is another tenant's, or another user's.  (One that is not
        there at all is the caller's to tell.)
    """
    if principal.user is None and principal.tenant == DEFAULT_TENANT:
        return
    if (live := hub.conversations.live_in(conversation_id)) is not None:
        is_there = live.about.is_seen_by(principal)
    elif hub.keeping is None:
        return
    else:
        with _problems_told():
            is_there = is_seen(principal, await hub.keeping.journal.read(conversation_id))
    if not is_there:
        raise _not_found(conversation_id)


class _ForkRequest(Struct, frozen=True, kw_only=True):
    item_id: str | None = None


async def forked_from(hub: Hub, conversation_id: str, item_id: str | None) -> str:
    """The id of a new conversation that begins as that one went.

    Raises:
        ApiError: 404, there is none, or no such item; 500, the journal failed.
    """
    with _problems_told():
        try:
            return await hub.conversations.fork(conversation_id, item_id=item_id)
        except ItemNotFound as error:
            raise ApiError(404, "item_not_found", str(error), param="item_id") from None


class Conversations:
    """Args:
    hub: Who knows the journal, and what is live.
    gate: Whose server keys may read and erase.
    retention_days: How long a conversation is kept after it changed last.
    days_of_tenants: The same, in place of it, for those of some.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        gate: Gate,
        retention_days: float,
        days_of_tenants: Mapping[str, float],
        audit: Audit = NO_AUDIT,
    ) -> None:
        self._hub = hub
        self._gate = gate
        self._audit = audit
        self._retention_s = retention_days * DAY_S
        self._days_of_tenants = days_of_tenants

    def routes(self, prefix: str = "/v1") -> list[web.RouteDef]:
        path = f"{prefix}/antiphon/conversations"
        return [
            web.get(path, self.list),
            web.get(f"{path}/{{id}}", self.show),
            web.get(f"{path}/{{id}}/export", self.export),
            web.get(f"{path}/{{id}}/recordings", self.recordings),
            web.get(f"{path}/{{id}}/recording", self.recording),
            web.delete(f"{path}/{{id}}", self.erase),
            web.post(f"{path}/{{id}}/fork", self.fork),
        ]

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """The journal is open as long as the server lives, and what is too old is erased."""
        if self._hub.keeping is None:
            yield
            return
        journal = self._hub.keeping.journal
        await journal.start()
        sweeping = asyncio.create_task(self._sweep(journal))
        try:
            yield
        finally:
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)
            await journal.aclose()

    async def _sweep(self, journal: Journal) -> None:
        while True:
            try:
                count = await journal.sweep(self._expiry(time.time()))
            except JournalError as error:
                log.warning("old conversations could not be erased: %s", error)
            else:
                if count:
                    log.info("%d old conversations were erased", count)
            await asyncio.sleep(SWEEP_EVERY_S)

    def _expiry(self, now_s: float) -> Expiry:
        of_tenants = {name: now_s - days * DAY_S for name, days in self._days_of_tenants.items()}
        return Expiry(before_s=now_s - self._retention_s, of_tenants=of_tenants)

    # --- Handlers ------------------------------------------------------------

    async def list(self, request: web.Request) -> web.Response:
        journal, principal = await self._journal(request, "read")
        query = request.query
        sees_all = principal.tenant == DEFAULT_TENANT and principal.user is None
        wanted = Wanted(
            tenant=query.get("tenant") if sees_all else principal.tenant,
            end_user_id=principal.user or query.get("user") or query.get("end_user_id"),
            model=query.get("model"),
            began_after_s=number_of(request, "began_after"),
            began_before_s=number_of(request, "began_before"),
        )
        limit = limit_of(request, default=DEFAULT_LIMIT, most=MAX_LIMIT)
        with _problems_told():
            page = await journal.listed(wanted, after=query.get("after"), limit=limit)
        data = [listed(kept) for kept in page.conversations]
        return _json(
            {
                "object": "list",
                "data": data,
                "first_id": data[0]["id"] if data else None,
                "last_id": data[-1]["id"] if data else None,
                "has_more": page.has_more,
            }
        )

    async def show(self, request: web.Request) -> web.Response:
        entries = await self._read(request)
        return _json(whole(request.match_info["id"], Recalled(entries)))

    async def export(self, request: web.Request) -> web.Response:
        """Every entry of its log, one a line; or what people read of it."""
        asked = request.query.get("format", "jsonl")
        if asked not in ("jsonl", "text"):
            raise ApiError(
                400,
                "invalid_value",
                "Invalid value for 'format': it is 'jsonl' or 'text'.",
                param="format",
            )
        entries = await self._read(request)
        name = request.match_info["id"]
        if asked == "text":
            lines = "".join(f"{line}\n" for line in transcript(Recalled(entries), UTC))
            return _download(lines.encode(), "text/plain", f"{name}.txt")
        log_lines = b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
        return _download(log_lines, "application/jsonl", f"{name}.jsonl")

    async def recordings(self, request: web.Request) -> web.Response:
        """Of which sessions there is sound, in order."""
        journal, principal = await self._journal(request, "read")
        conversation_id = request.match_info["id"]
        await check_sees(self._hub, principal, conversation_id)
        with _problems_told():
            pieces = await journal.read_apart(conversation_id, Sounded)
        sizes: dict[str, int] = {}
        for piece in pieces:
            sizes[piece.session_id] = sizes.get(piece.session_id, 0) + len(piece.data)
        data = [{"session_id": name, "size_bytes": size} for name, size in sizes.items()]
        return _json({"object": "list", "data": data})

    async def recording(self, request: web.Request) -> web.Response:
        """One session's sound: that which is asked for, or the last one that was recorded."""
        journal, principal = await self._journal(request, "read")
        conversation_id = request.match_info["id"]
        await check_sees(self._hub, principal, conversation_id)
        with _problems_told():
            pieces = await journal.read_apart(conversation_id, Sounded)
        recorded = [piece.session_id for piece in pieces]
        session_id = request.query.get("session_id") or (recorded[-1] if recorded else "")
        if session_id not in recorded:
            message = f"Nothing of conversation '{conversation_id[:100]}' was recorded."
            raise ApiError(404, "recording_not_found", message, param="session_id")
        self._note("conversation.recording_read", request, principal)
        sound = b"".join(piece.data for piece in pieces if piece.session_id == session_id)
        return web.Response(body=sound, content_type="audio/ogg")

    async def erase(self, request: web.Request) -> web.Response:
        journal, principal = await self._journal(request, "operate")
        conversation_id = request.match_info["id"]
        await check_sees(self._hub, principal, conversation_id)
        live = self._hub.conversations.live_in(conversation_id)
        if live is not None and is_deserted(live):
            live.close(CloseCode.NORMAL, "The conversation is erased.")
        with _problems_told(), self._hub.conversations.claimed(conversation_id):
            was_there = await journal.erase(conversation_id)
        if not was_there:
            raise _not_found(conversation_id)
        log.info("conversation %s: erased by request", conversation_id)
        self._note("conversation.erased", request, principal)
        return _json({"id": conversation_id, "object": "antiphon.conversation", "deleted": True})

    async def fork(self, request: web.Request) -> web.Response:
        _, principal = await self._journal(request, "read")
        conversation_id = request.match_info["id"]
        await check_sees(self._hub, principal, conversation_id)
        data = await request.read()
        try:
            body = decode_object(data) if data.strip() else {}
            asked: _ForkRequest = from_json(body, _ForkRequest)
        except ProtocolError as error:
            raise ApiError(400, error.code, error.message, param=error.param) from None
        fork_id = await forked_from(self._hub, conversation_id, asked.item_id)
        return _json(
            {
                "id": fork_id,
                "object": "antiphon.conversation",
                "forked_from": {"conversation_id": conversation_id, "item_id": asked.item_id},
            }
        )

    async def _read(self, request: web.Request) -> Sequence[LogEntry]:
        """The log that is asked for, by one who may read it."""
        journal, principal = await self._journal(request, "read")
        conversation_id = request.match_info["id"]
        with _problems_told():
            entries = await journal.read(conversation_id)
        if not entries or not is_seen(principal, entries):
            raise _not_found(conversation_id)
        self._note("conversation.read", request, principal)
        return self._hub.conversations.with_what_was_heard(conversation_id, entries)

    def _note(self, what: str, request: web.Request, principal: Principal) -> None:
        address = self._gate.address_of(request)
        self._audit.note(what, principal, address, conversation_id=request.match_info["id"])

    async def _journal(self, request: web.Request, scope: Scope) -> tuple[Journal, Principal]:
        principal = await self._gate.require(request, scope)
        if self._hub.keeping is None:
            raise ApiError(
                404,
                "journal_off",
                "This server keeps no conversations. (Its operator can set [journal] retention.)",
            )
        return self._hub.keeping.journal, principal


def listed(kept: Kept) -> dict[str, Any]:
    """An entry of the list."""
    return {
        "id": kept.id,
        "object": "antiphon.conversation",
        "model": kept.model,
        "engine": kept.engine,
        "transport": kept.transport,
        "tenant": kept.tenant,
        "user": kept.end_user_id,
        "end_user_id": kept.end_user_id,
        "began_at": int(kept.began_at_s),
        "changed_at": int(kept.changed_at_s),
    }


def whole(conversation_id: str, recalled: Recalled) -> dict[str, Any]:
    """All that is told of one conversation."""
    sessions = [
        {
            "id": opened.session_id,
            "type": opened.kind,
            "model": opened.model,
            "engine": opened.engine,
            "transport": opened.transport,
            "tenant": opened.tenant,
            "user": opened.end_user_id,
            "end_user_id": opened.end_user_id,
            "began_at": int(opened.at_s),
        }
        for opened in recalled.sessions
    ]
    return {
        "id": conversation_id,
        "object": "antiphon.conversation",
        "sessions": sessions,
        "items": recalled.items,
        "server_calls": recalled.past.server_calls,
        "responses": recalled.responses,
        "moves": recalled.moves,
        "timelines": recalled.timelines,
        "usage": recalled.used,
        "is_whole": recalled.whole,
    }


@contextlib.contextmanager
def _problems_told() -> Iterator[None]:
    try:
        yield
    except ConversationNotFound as error:
        raise ApiError(404, "conversation_not_found", str(error), param="conversation_id") from None
    except ConversationInUse as error:
        raise ApiError(409, "conversation_in_use", str(error), param="conversation_id") from None
    except JournalError as error:
        log.warning("%s", error)
        raise ApiError(
            500,
            "journal_unavailable",
            "The server's journal of conversations failed; its log tells why.",
            type="server_error",
        ) from None


def _not_found(conversation_id: str) -> ApiError:
    message = f"There is no conversation '{conversation_id[:100]}'."
    return ApiError(404, "conversation_not_found", message)


def _json(body: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


def _download(body: bytes, content_type: str, name: str) -> web.Response:
    return web.Response(
        body=body,
        content_type=content_type,
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
