"""`/v1/antiphon/sessions/{id}/…`: what an operator does with a live session.

Listening, instructing, muting and hanging up, each noted in the audit log; docs/guides/operate.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from antiphon.core.faults import Fault
from antiphon.errors import ProtocolError
from antiphon.identity.principal import Principal
from antiphon.protocol.closes import CloseCode
from antiphon.protocol.codec import decode_object, encode_server_event, from_json
from antiphon.protocol.server import ServerEvent
from antiphon.runtime.door import SessionDoor
from antiphon.runtime.supervision import Supervised, Supervision
from antiphon.server.api_errors import ApiError
from antiphon.server.audit import NO_AUDIT, Audit
from antiphon.server.auth import Gate
from antiphon.server.directory import Directory, listed

MAX_INSTRUCTIONS_CHARS: Final = 8_000
MAX_LISTENERS: Final = 16
"""Of one session.  Overflow policy: the next one is refused."""
MAX_UNREAD: Final = 2_000
"""Events.  Overflow policy: a reader that is further behind is told so, and its stream ends."""
BEAT_S: Final = 1.0
"""So often it is looked whether the listener is still there."""
BEATS_A_COMMENT: Final = 10
"""So often something is sent, as proxies drop a connection that is silent for long."""
HUNG_UP: Final = "The session was ended by its operator."

Why = Literal["session_ended", "key_revoked", "too_slow"]
"""Why captions end."""


class _Instruct(Struct, frozen=True, forbid_unknown_fields=True):
    instructions: Annotated[str, Meta(min_length=1, max_length=MAX_INSTRUCTIONS_CHARS)]
    answer: bool = False


class _Mute(Struct, frozen=True, forbid_unknown_fields=True):
    muted: bool = True


Wish = TypeVar("Wish", _Instruct, _Mute)


class _Ended(Struct, frozen=True, tag_field="type", tag="antiphon.captions.ended"):
    reason: Why


class Captions:
    """A `Listener`: what one reader has not been sent yet."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self._unread: asyncio.Queue[bytes] = asyncio.Queue(MAX_UNREAD)
        self._why: Why | None = None

    def told(self, event: ServerEvent) -> None:
        if self._why is not None:
            return
        try:
            self._unread.put_nowait(encode_server_event(event))
        except asyncio.QueueFull:
            self.end("too_slow")

    def ended(self) -> None:
        self.end("session_ended")

    def end(self, why: Why) -> None:
        """Nothing more; what a reader is behind with is dropped where there is no room."""
        if self._why is not None:
            return
        self._why = why
        while self._unread.full():
            self._unread.get_nowait()
        self._unread.put_nowait(msgspec.json.encode(_Ended(why)))

    async def next(self) -> bytes | None:
        """None: there is nothing more."""
        if self._why is not None and self._unread.empty():
            return None
        return await self._unread.get()


class SupervisionRoutes:
    """Beyond OpenAI's API."""

    def __init__(self, directory: Directory, *, gate: Gate, audit: Audit = NO_AUDIT) -> None:
        self._directory = directory
        self._gate = gate
        self._audit = audit
        self._listening: dict[str, list[Captions]] = {}
        """By the ids of sessions."""

    def routes(self, prefix: str = "/v1") -> list[web.RouteDef]:
        session = f"{prefix}/antiphon/sessions/{{id}}"
        return [
            web.get(f"{session}/captions", self.captions, allow_head=False),
            web.post(f"{session}/instruct", self.instruct),
            web.post(f"{session}/mute", self.mute),
            web.post(f"{session}/hangup", self.hang_up),
        ]

    def end_captions(self, of: Callable[[Principal], bool]) -> None:
        """Those that are read by such a one, whose key is over."""
        for readers in self._listening.values():
            for captions in readers:
                if of(captions.principal):
                    captions.end("key_revoked")

    # --- Handlers ------------------------------------------------------------

    async def captions(self, request: web.Request) -> web.StreamResponse:
        """What was said, and then what is being said: server-sent events until the session ends."""
        principal, session = await self._found(request)
        supervision = _supervision(session)
        readers = self._listening.setdefault(session.id, [])
        if len(readers) >= MAX_LISTENERS:
            raise ApiError(
                429,
                "too_many_listeners",
                f"{MAX_LISTENERS} already listen to this session; one of them must leave first.",
                type="rate_limit_error",
            )
        captions = Captions(principal)
        readers.append(captions)
        stop = supervision.listen(captions)
        self._note("session.listened", request, principal, session)
        try:
            return await _streamed(request, captions)
        finally:
            stop()
            readers.remove(captions)
            if not readers:
                self._listening.pop(session.id, None)

    async def instruct(self, request: web.Request) -> web.Response:
        """Add a system message; its words are the operator's, and not in the audit log."""
        principal, session = await self._found(request)
        wish = await _read(request, _Instruct)
        with _faults_told():
            answers = _supervision(session).instruct(wish.instructions, answer=wish.answer)
        self._note("session.instructed", request, principal, session)
        return _json({"id": session.id, "object": "antiphon.session", "answers": answers})

    async def mute(self, request: web.Request) -> web.Response:
        principal, session = await self._found(request)
        wish = await _read(request, _Mute)
        with _faults_told():
            _supervision(session).mute(wish.muted)
        what = "session.muted" if wish.muted else "session.unmuted"
        self._note(what, request, principal, session)
        return _json(listed(session))

    async def hang_up(self, request: web.Request) -> web.Response:
        """All its connections are closed, its call as well."""
        principal, session = await self._found(request)
        session.close(CloseCode.NORMAL, HUNG_UP)
        self._note("session.hung_up", request, principal, session)
        return _json({"id": session.id, "object": "antiphon.session", "ended": True})

    # --- Steps ---------------------------------------------------------------

    async def _found(self, request: web.Request) -> tuple[Principal, SessionDoor]:
        principal = await self._gate.require(request, "operate")
        session = await self._directory.find(request.match_info["id"])
        if session is None or not session.about.is_seen_by(principal):
            raise ApiError(404, "session_not_found", "No live session has that id.")
        return principal, session

    def _note(
        self, what: str, request: web.Request, principal: Principal, session: SessionDoor
    ) -> None:
        address = self._gate.address_of(request)
        self._audit.note(what, principal, address, session_id=session.id)


def _supervision(session: SessionDoor) -> Supervision:
    if not isinstance(session, Supervised):
        message = "This session lives in another process, where it cannot be supervised from here."
        raise ApiError(501, "not_supervised_here", message)
    return session.supervision


async def _streamed(request: web.Request, captions: Captions) -> web.StreamResponse:
    headers = {
        "Content-Type": "text/event-stream; charset=utf-8",
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",  # Else nginx keeps what is said until there is more of it.
    }
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    await response.write(b": captions\n\n")
    beats = 0
    while True:
        try:
            async with asyncio.timeout(BEAT_S):
                event = await captions.next()
        except TimeoutError:
            if request.transport is None or request.transport.is_closing():
                return response
            beats += 1
            if beats % BEATS_A_COMMENT == 0:
                await response.write(b": \n\n")
            continue
        if event is None:
            break
        await response.write(b"data: " + event + b"\n\n")
    await response.write_eof()
    return response


async def _read(request: web.Request, kind: type[Wish]) -> Wish:
    try:
        text = await request.text()
        wish: Wish = from_json(decode_object(text or "{}"), kind, strict=True)
    except ProtocolError as error:
        raise ApiError(400, error.code, error.message, param=error.param) from None
    return wish


@contextmanager
def _faults_told() -> Iterator[None]:
    try:
        yield
    except Fault as fault:
        status = {"not_in_direct_calls": 501, "upstream_unavailable": 503}.get(fault.code, 400)
        raise ApiError(status, fault.code, fault.message, param=fault.param) from None


def _json(body: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
