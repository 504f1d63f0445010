"""Which trace a request belongs to, as its client says (W3C `traceparent`).

A browser's WebSocket has no headers of its own, so the address may say it too.  Who mints a client
secret within a trace has the sessions of that secret in it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Final

from aiohttp import web

HEADER: Final = "traceparent"
_FORM: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_current: ContextVar[str | None] = ContextVar("traceparent", default=None)


def current() -> str | None:
    """Of the request that is handled."""
    return _current.get()


def belong_to(traceparent: str | None) -> None:
    """The rest of the request, where it did not say so itself."""
    if _current.get() is None:
        _current.set(traceparent)


@web.middleware
async def noted(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    told = request.headers.get(HEADER) or request.query.get(HEADER) or ""
    token = _current.set(told if _FORM.fullmatch(told) else None)
    try:
        return await handler(request)
    finally:
        _current.reset(token)
