"""Errors of the HTTP API, in the API's shape."""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from antiphon.errors import AntiphonError
from antiphon.server.logs import shown

log = logging.getLogger(__name__)


CLIENT_GONE: Final = 499
"""As nginx has it in its logs."""


class ApiError(AntiphonError):
    """A request is answered with this; raise it from a handler."""

    def __init__(
        self,
        status: int,
        code: str | None,
        message: str,
        *,
        param: str | None = None,
        type: str = "invalid_request_error",  # noqa: A002  As the API spells it.
        headers: Mapping[str, str] | None = None,
    ) -> None:
        # It may quote a header, and that may hold bytes that are no text.
        message = message.encode(errors="replace").decode()
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers
        self.detail = {"message": message, "type": type, "code": code, "param": param}

    def response(self) -> web.Response:
        return web.Response(
            status=self.status,
            body=msgspec.json.encode({"error": self.detail}),
            content_type="application/json",
            headers=self.headers,
        )


INCORRECT_KEY = (
    "Incorrect API key provided. Send one of this server's keys as 'Authorization: Bearer <key>', "
    "or from a browser as the subprotocol 'openai-insecure-api-key.<key>'."
)
SERVER_KEYS_ONLY = (
    "Incorrect API key provided. This takes one of this server's keys, sent as "
    "'Authorization: Bearer <key>'; a client secret only opens sessions."
)


class Unauthorized(ApiError):
    """401: neither a key nor a secret that would do."""

    def __init__(self, message: str = INCORRECT_KEY) -> None:
        headers = {"WWW-Authenticate": 'Bearer realm="antiphon"'}
        super().__init__(401, "invalid_api_key", message, headers=headers)


def scope_missing(*scopes: str) -> ApiError:
    """403: a key that is good, and not for this."""
    wanted = " or ".join(f"'{scope}'" for scope in scopes)
    return ApiError(
        403,
        "insufficient_scope",
        f"This key lacks the scope {wanted}. Use one that has it; 'antiphon keys create --scope' "
        "makes one.",
    )


def slow_down(why: str, wait_s: float) -> ApiError:
    """429, with the whole seconds to wait."""
    wait = max(1, math.ceil(wait_s))
    return ApiError(
        429,
        "rate_limit_exceeded",
        f"{why}; try again in {wait} s.",
        type="rate_limit_error",
        headers={"Retry-After": str(wait)},
    )


def _of_http(request: web.Request, error: web.HTTPException) -> ApiError:
    path = request.path[:200]
    if error.status == 404:
        return ApiError(404, "unknown_url", f"Invalid URL ({request.method} {path})")
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        message = f"{path} does not take {request.method}; it takes {allowed}."
        return ApiError(405, "method_not_allowed", message, headers={"Allow": allowed})
    return ApiError(error.status, None, error.text or error.reason)


@web.middleware
async def errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiError as error:
        return error.response()
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _of_http(request, error).response()
    except ConnectionError:
        log.info("%s: the client has gone", shown(request))
        return web.Response(status=CLIENT_GONE)  # Nobody reads it.
    except (web.RequestPayloadError, HttpProcessingError) as error:
        log.info("%s: the body could not be read (%s)", shown(request), type(error).__name__)
        message = "The body could not be read: it ended early, or is not encoded as it says."
        return ApiError(400, "invalid_body", message).response()
    except Exception:
        # A client learns an id, never a stack trace.
        error_id = f"err_{secrets.token_hex(6)}"
        log.exception("%s: %s failed", error_id, shown(request))
        return ApiError(
            500,
            None,
            "The server had an error while processing your request. Sorry about that! "
            f"(Its log has more under {error_id}.)",
            type="server_error",
        ).response()
