"""`GET /v1/antiphon/errors`: what went wrong last, in words.

From two sides: warnings and errors of the server's own log, which tells no secrets and nothing that
was said; and what failed in sessions, by its code, since the words of such errors may be others'.
"""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, Literal

import msgspec
from aiohttp import web
from msgspec import Struct

from antiphon.core.causes import Cause, Ms
from antiphon.core.effects import Effect, SendTo
from antiphon.core.terms import Terms
from antiphon.identity.principal import Principal
from antiphon.protocol import server
from antiphon.runtime.door import SessionDoor
from antiphon.runtime.supervision import OPERATOR
from antiphon.server.auth import Gate
from antiphon.server.query import limit_of

MAX_KEPT: Final = 500
"""Overflow policy: the oldest are forgotten."""
MAX_LISTED: Final = 200
DEFAULT_LISTED: Final = 50
MAX_MESSAGE_CHARS: Final = 400

_SESSION_ID: Final = re.compile(r"\bsess_[A-Za-z0-9]{21}\b")
_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_PATH: Final = re.compile(r"[A-Za-z0-9_.\[\]-]{1,80}")
_FAILURES: Final = (
    SendTo,
    server.Error,
    server.PartFailed,
    server.ResponseDone,
    server.TranscriptionFailed,
)


class RecentError(Struct, frozen=True, kw_only=True):
    at: float
    """Unix time."""
    source: Literal["server", "engine", "client"]
    """Whose fault it seems to be."""
    level: Literal["warning", "error"]
    message: str
    session_id: str | None = None
    tenant: str | None = None
    """Of the session; None: of none, or one that was over by then."""
    user: str | None = None


class RecentErrors:
    """Args:
    now_s: Unix time.
    """

    def __init__(self, *, now_s: Callable[[], float] = time.time) -> None:
        self._now_s = now_s
        self._kept: deque[RecentError] = deque(maxlen=MAX_KEPT)
        self.find: Callable[[str], SessionDoor | None] = lambda _: None
        """The live session with an id."""

    def observer(self, terms: Terms) -> FailureObserver:
        return FailureObserver(terms.session.id, self)

    def note(
        self,
        source: Literal["server", "engine", "client"],
        message: str,
        *,
        session_id: str | None = None,
        level: Literal["warning", "error"] = "error",
    ) -> None:
        session = None if session_id is None else self.find(session_id)
        principal = None if session is None else session.about.principal
        self._kept.append(
            RecentError(
                at=round(self._now_s(), 3),
                source=source,
                level=level,
                message=message[:MAX_MESSAGE_CHARS],
                session_id=session_id,
                tenant=None if principal is None else principal.tenant,
                user=None if principal is None else principal.user,
            )
        )

    def last(self, principal: Principal, limit: int) -> Sequence[RecentError]:
        """The newest that the principal may see, newest first: what no session had is for those
        who see all tenants.
        """
        seen = (e for e in reversed(self._kept) if principal.sees(e.tenant or "", e.user))
        return [error for error, _ in zip(seen, range(limit), strict=False)]


class FailureObserver:
    """An `Observer` of one session."""

    def __init__(self, session_id: str, errors: RecentErrors) -> None:
        self._session_id = session_id
        self._errors = errors

    def saw(self, now_ms: Ms, cause: Cause, effects: Sequence[Effect]) -> None:
        del now_ms, cause
        for effect in effects:
            if isinstance(effect, _FAILURES):
                if not isinstance(effect, SendTo):
                    self._look(effect)
                elif effect.connection != OPERATOR:  # Who is told by the answer itself.
                    self._look(effect.event)

    def close(self) -> None:
        pass

    def _look(self, event: object) -> None:
        match event:
            case server.Error(error=detail):
                where = f" at '{detail.param}'" if _PATH.fullmatch(detail.param or "") else ""
                if detail.type == "server_error":
                    self._note("engine", f"The client was told of an error: {_code(detail.code)}")
                else:
                    told = f"A client's message was refused: {_code(detail.code)}{where}"
                    self._note("client", told, level="warning")
            case server.PartFailed(part=part, code=code):
                self._note("engine", f"The {part.replace('_', ' ')} failed: {_code(code)}")
            case server.TranscriptionFailed(error=error):
                self._note("engine", f"The words of a turn are not known: {_code(error.code)}")
            case server.ResponseDone(response=response) if response.status == "failed":
                failed = response.status_details and response.status_details.error
                code_of_it = failed.code if isinstance(failed, server.ResponseError) else None
                self._note("engine", f"An answer failed: {_code(code_of_it)}")

    def _note(
        self,
        source: Literal["server", "engine", "client"],
        message: str,
        *,
        level: Literal["warning", "error"] = "error",
    ) -> None:
        self._errors.note(source, message, session_id=self._session_id, level=level)


class _LogHandler(logging.Handler):
    def __init__(self, errors: RecentErrors) -> None:
        super().__init__(logging.WARNING)
        self._errors = errors

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:
            self.handleError(record)
            return
        if record.exc_info and record.exc_info[0] is not None:
            message = f"{message} ({record.exc_info[0].__name__})"
        found = _SESSION_ID.search(message)
        self._errors.note(
            "server",
            message,
            session_id=None if found is None else found[0],
            level="error" if record.levelno >= logging.ERROR else "warning",
        )


Everywhere = Callable[[Principal, int], Awaitable[Sequence[Sequence[RecentError]]]]


class RecentErrorRoutes:
    def __init__(self, errors: RecentErrors, *, gate: Gate) -> None:
        self._errors = errors
        self._gate = gate
        self.everywhere: Everywhere = self._here
        """As `last`, of each process of the server; in the same order, whichever is asked."""

    def last(self, principal: Principal, limit: int) -> Sequence[RecentError]:
        """As `RecentErrors.last`, of this process."""
        return self._errors.last(principal, limit)

    def routes(self, prefix: str = "/v1") -> list[web.RouteDef]:
        return [web.get(f"{prefix}/antiphon/errors", self.list)]

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """The log is followed as long as the server lives."""
        handler, ours = _LogHandler(self._errors), logging.getLogger("antiphon")
        ours.addHandler(handler)
        yield
        ours.removeHandler(handler)

    async def list(self, request: web.Request) -> web.Response:
        principal = await self._gate.require(request, "operate")
        limit = limit_of(request, default=DEFAULT_LISTED, most=MAX_LISTED)
        told = await self.everywhere(principal, limit)
        found = [error for errors in told for error in errors]
        # Of the same millisecond, those of one process stay as they came.
        found.sort(key=lambda error: error.at, reverse=True)
        body = {"object": "list", "data": found[:limit]}
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")

    async def _here(self, principal: Principal, limit: int) -> Sequence[Sequence[RecentError]]:
        return (self.last(principal, limit),)


def _code(code: str | None) -> str:
    """As it is, where it is one and not a text."""
    return code if code and _CODE.fullmatch(code) else "no code"
