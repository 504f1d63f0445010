"""How a call is begun and ended at another server: an offer goes there, its answer comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from msgspec import Struct

from antiphon.engines.cascade.http.safe_words import safe_words
from antiphon.engines.relay.session import explain
from antiphon.engines.relay.upstreams import Upstream
from antiphon.errors import AntiphonError
from antiphon.protocol.session import SessionPatch
from antiphon.upstream.connection import CannotConnect
from antiphon.upstream.websocket import explain as explain_failure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OFFER_S, HANGUP_S = 10.0, 5.0
"""So long the other server may take."""
MAX_BODY_BYTES = 1024 * 1024
"""Of its answers.  Overflow policy: a longer one is none."""


class CallRefused(AntiphonError):
    """The other server answered, and there is no call; the message may be shown to a client.

    Attributes:
        status: Of its answer; None: what it answered makes no sense.
        code, param: As in its error.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s

    @property
    def may_pass(self) -> bool:
        """Another server, or this one later, may take the same offer."""
        return self.status is None or self.status in (401, 403, 404, 429) or self.status >= 500


class NotReached(AntiphonError):
    """The other server gave no answer; the message says whose fault it is, and what to do."""


class Answered(Struct, frozen=True):
    call_id: str
    """As it is called there."""
    sdp: str


class Signalling:
    """Args:
    make_connector: Another way than TCP, as `Served.make_connector` is.
    """

    def __init__(self, make_connector: Callable[[], aiohttp.BaseConnector] | None = None) -> None:
        self._make_connector = make_connector

    async def offer(
        self, upstream: Upstream, sdp: str, *, model: str, patch: SessionPatch
    ) -> Answered:
        """Raises:
        CallRefused: it does not take the call.
        NotReached: it cannot be reached.
        """
        session = session_for(upstream, model=model, patch=patch)
        form = aiohttp.FormData(default_to_multipart=True)
        form.add_field("sdp", sdp, content_type="application/sdp")
        settings = msgspec.json.encode(session).decode()
        form.add_field("session", settings, content_type="application/json")
        url = upstream.calls_url(model)
        async with self._asked(upstream, url, OFFER_S, data=form) as response:
            body = await _body(response)
            if response.status not in (200, 201):
                raise _refusal(response, body, upstream, private=patch)
            call_id = _last_part(response.headers.get("Location", ""))
            answer = body.decode(errors="replace")
            if not call_id or not answer.startswith("v=0"):
                raise CallRefused(f"{upstream.place} answered the offer with no call.")
            return Answered(call_id, answer)

    async def hang_up(self, upstream: Upstream, call_id: str, *, model: str) -> None:
        """End a call; one that is over already is no mistake.

        Raises:
            CallRefused, NotReached: as `offer`; the call may live on.
        """
        url = upstream.hangup_url(model, call_id)
        async with self._asked(upstream, url, HANGUP_S) as response:
            body = await _body(response)
            if response.status >= 300 and response.status != 404:
                raise _refusal(response, body, upstream)

    @asynccontextmanager
    async def _asked(
        self, upstream: Upstream, url: str, timeout_s: float, **body: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        bearer = {"Authorization": f"Bearer {upstream.bearer}"} if upstream.bearer else {}
        headers = {**bearer, **upstream.headers}
        http = aiohttp.ClientSession(
            connector=None if self._make_connector is None else self._make_connector(),
            trust_env=self._make_connector is None,
        )
        try:
            async with asyncio.timeout(timeout_s), http:
                # A redirection would take the key elsewhere.
                request = http.post(url, headers=headers, allow_redirects=False, **body)
                async with request as response:
                    yield response
        except TimeoutError:
            message = f"{upstream.place} did not answer within {timeout_s:g} s"
            raise NotReached(explain(CannotConnect(message))) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NotReached(explain(explain_failure(error, url))) from error


def session_for(upstream: Upstream, *, model: str, patch: SessionPatch) -> dict[str, Any]:
    """What the call begins with there: all that was asked for, and nothing of our own."""
    session: dict[str, Any] = msgspec.to_builtins(patch)
    return {**session, "type": "realtime", "model": upstream.model or model}


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return b""
    return bytes(body)


def _last_part(location: str) -> str:
    return location.partition("?")[0].rstrip("/").rpartition("/")[2]


def _refusal(
    response: aiohttp.ClientResponse,
    body: bytes,
    upstream: Upstream,
    *,
    private: SessionPatch | None = None,
) -> CallRefused:
    error = _error_in(body)
    said = error.get("message")
    words = ""
    if isinstance(said, str):
        # It may quote what the page is not to know.
        kept = [] if private is None else [msgspec.json.encode(private).decode()]
        words = safe_words(said, secrets=[upstream.key or ""], private=kept)
    after = response.headers.get("Retry-After", "")
    return CallRefused(
        words or f"HTTP {response.status}",
        status=response.status,
        code=_text(error.get("code")),
        param=_text(error.get("param")),
        retry_after_s=int(after) if after.isdecimal() else None,
    )


def _error_in(body: bytes) -> Mapping[str, Any]:
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}
    error = told.get("error") if isinstance(told, dict) else None
    return error if isinstance(error, dict) else {}


def _text(value: object) -> str | None:
    return value[:200] if isinstance(value, str) else None
