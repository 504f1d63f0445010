"""Faults of those who would come in: refused requests, and upgrades that lead nowhere."""

from __future__ import annotations

import asyncio
import re

from aiohttp import web

from antiphon.mock.kinds import Handler, refusal
from antiphon.protocol.closes import CloseCode
from antiphon.protocol.server import Error, ErrorDetail
from antiphon.server.admission import overloaded
from antiphon.server.api_errors import INCORRECT_KEY, ApiError, Unauthorized
from antiphon.server.auth import SUBPROTOCOL
from antiphon.server.dialects import dialect_of
from antiphon.transports.websocket import WebSocketConnection

SERVER_ERROR = "The server had an error while processing your request. Sorry about that!"
RATE_LIMITED = "Rate limit reached for requests. Please try again in 5 s."
QUOTA = "You exceeded your current quota, please check your plan and billing details."
FATAL = 4000
"""Of a client's error with which no session can be: "`error`, close 4000, reason <type>.<code>"."""


async def _told(request: web.Request, code: str, message: str, close: int) -> web.StreamResponse:
    """The upgrade is answered; the refusal is an event, and a close."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise ApiError(401 if close == CloseCode.UNAUTHORIZED else 400, code, message)
    connection = WebSocketConnection(
        request,
        protocols=(SUBPROTOCOL,),
        dialect=dialect_of(request.headers, None, strict=False),
    )
    await connection.accept()
    detail = ErrorDetail(code=code, message=message)
    error = Error(event_id="event_mock_refusal", error=detail)
    await connection.refuse(error, close, f"{detail.type}.{code}")
    return connection.response


@refusal("connection")
async def rate_limited_at_connect(_: web.Request, __: Handler, ___: int) -> web.StreamResponse:
    """HTTP 429 with `Retry-After: 5`."""
    raise ApiError(
        429,
        "rate_limit_exceeded",
        RATE_LIMITED,
        type="rate_limit_error",
        headers={"Retry-After": "5"},
    )


@refusal("connection")
async def quota_exhausted_at_connect(_: web.Request, __: Handler, ___: int) -> web.StreamResponse:
    """HTTP 429 with `insufficient_quota`; waiting will not help."""
    raise ApiError(429, "insufficient_quota", QUOTA, type="insufficient_quota")


@refusal("connection")
async def overloaded_at_connect(_: web.Request, __: Handler, ___: int) -> web.StreamResponse:
    """HTTP 503 with `Retry-After: 5`."""
    raise overloaded("The server is overloaded; try again.")


@refusal("connection")
async def server_error_at_connect(_: web.Request, __: Handler, ___: int) -> web.StreamResponse:
    """HTTP 500, in the API's shape."""
    raise ApiError(500, None, SERVER_ERROR, type="server_error")


@refusal("connection")
async def bad_gateway_at_connect(_: web.Request, __: Handler, ___: int) -> web.StreamResponse:
    """HTTP 502 with a page of HTML, as a proxy sends it."""
    page = "<html><body><h1>502 Bad Gateway</h1></body></html>"
    return web.Response(status=502, text=page, content_type="text/html")


@refusal("connection")
async def key_refused(_: web.Request, __: Handler, ___: int) -> web.StreamResponse:
    """HTTP 401 with `invalid_api_key`, before the upgrade."""
    raise Unauthorized


@refusal("connection")
async def key_invalid(request: web.Request, _: Handler, __: int) -> web.StreamResponse:
    """The upgrade is answered; then `invalid_api_key` and close 3000."""
    return await _told(request, "invalid_api_key", INCORRECT_KEY, CloseCode.UNAUTHORIZED)


@refusal("connection")
async def secret_expired(request: web.Request, _: Handler, __: int) -> web.StreamResponse:
    """The client secret has expired: as an invalid key, with a message of its own."""
    message = "The client secret has expired; ask for a new one."
    return await _told(request, "invalid_api_key", message, CloseCode.UNAUTHORIZED)


@refusal("connection")
async def model_refused(request: web.Request, _: Handler, __: int) -> web.StreamResponse:
    """The model does not exist, or not for this key: `model_not_found` and close 4000."""
    model = request.query.get("model", "")[:100]
    message = f"The model '{model}' does not exist or you do not have access to it."
    return await _told(request, "model_not_found", message, FATAL)


@refusal("connection", ms=60_000)
async def handshake_stalls(request: web.Request, handler: Handler, ms: int) -> web.StreamResponse:
    """The request is taken, and not answered for `ms`."""
    await asyncio.sleep(ms / 1000)
    return await handler(request)


@refusal("connection")
async def handshake_torn(request: web.Request, _: Handler, __: int) -> web.StreamResponse:
    """The connection is gone before the request is answered."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)  # It goes nowhere.


@refusal("connection", needs="call")
async def ice_fails(request: web.Request, handler: Handler, _: int) -> web.StreamResponse:
    """The answer's ICE password is wrong, so that no media connection comes up."""
    response = await handler(request)
    if isinstance(response, web.Response) and response.text is not None:
        response.text = re.sub(r"a=ice-pwd:\S+", "a=ice-pwd:" + "w" * 24, response.text)
    return response


@refusal("secret")
async def secret_not_minted(_: web.Request, __: Handler, ___: int) -> web.StreamResponse:
    """No client secret is minted: HTTP 500, in the API's shape."""
    raise ApiError(500, None, SERVER_ERROR, type="server_error")


@refusal("secret")
async def secret_rate_limited(_: web.Request, __: Handler, ___: int) -> web.StreamResponse:
    """No client secret is minted: HTTP 429 with `Retry-After: 5`."""
    raise ApiError(
        429,
        "rate_limit_exceeded",
        RATE_LIMITED,
        type="rate_limit_error",
        headers={"Retry-After": "5"},
    )
