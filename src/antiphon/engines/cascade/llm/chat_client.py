"""HTTP to one chat-completions server: one request, one stream of thoughts.

Nothing is decided here: whatever prevents an answer is raised as a `Refusal`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import time
import urllib.request
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
from msgspec import Struct
from yarl import URL

from antiphon.engines.cascade.llm.chat_messages import VOICE_HINT
from antiphon.engines.cascade.llm.chat_stream import ChatStream, UpstreamError
from antiphon.engines.cascade.llm.refusals import Refusal, Why, read_refusal
from antiphon.engines.cascade.llm.sse import MAX_EVENT_BYTES, MalformedStream, SseReader
from antiphon.engines.cascade.parts import Thinking

_AFTER_FINISH_S = 2.0
"""How long to wait for the usage, once the answer itself is whole."""
_MAX_ERROR_BYTES = 64 * 1024


log = logging.getLogger(__name__)


class ChatSettings(Struct, frozen=True, kw_only=True):
    """Where the model is, and how long it may take."""

    base_url: str
    """With the version: ``http://127.0.0.1:8000/v1``."""
    model: str
    api_key: str = ""
    connect_timeout_s: float = 5.0
    first_token_timeout_s: float = 30.0
    """The longest silence until the answer begins, the wait for a slot included.  Streamed
    reasoning begins it; comments that keep the connection open are no silence."""
    idle_timeout_s: float = 15.0
    """The longest silence after that."""
    retries: int = 2
    """How often a request that failed for the moment is sent again, before the first token."""
    voice_hint: str = VOICE_HINT
    """Added to the instructions of answers that are spoken; "" for none."""
    extra_body: dict[str, Any] = {}
    """Fields of every request; they overrule our own."""

    def __repr__(self) -> str:
        return f"ChatSettings(base_url={self.base_url!r}, model={self.model!r})"


class Refused(Exception):
    """There is no answer, or no more of it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.why.name)
        self.refusal = refusal


class ChatClient:
    """All connections to one server."""

    def __init__(self, settings: ChatSettings) -> None:
        """Call it on the event loop that will use it."""
        headers = {"Accept": "text/event-stream", "Content-Type": "application/json"}
        if settings.api_key:
            headers["Authorization"] = f"Bearer {settings.api_key}"
        self._settings = settings
        self._url = settings.base_url.rstrip("/") + "/chat/completions"
        self._session = aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.connect_timeout_s),
            connector=aiohttp.TCPConnector(limit=0),
            proxy=proxy_of(self._url),
        )

    async def aclose(self) -> None:
        await self._session.close()

    async def answer(self, body: bytes, stream: ChatStream) -> AsyncGenerator[Thinking, None]:
        """What comes back for ``body``, to its end; closing it closes the connection.

        Raises:
            Refused: there is no answer, or it ends before it is whole.
        """
        response = await self._post(body)
        try:
            if response.status != 200:
                raise Refused(await self._refusal_of(response))
            async with contextlib.aclosing(self._read(response, stream)) as thoughts:
                async for thought in thoughts:
                    yield thought
        finally:
            if not response.content.at_eof():
                response.close()  # The server shall stop working.
        for thought in stream.end():
            yield thought
        if stream.broke_a_call:
            raise _refused(Why.BROKEN_OFF, "a function call that is no JSON")

    # --- The request -----------------------------------------------------------

    async def _post(self, body: bytes) -> aiohttp.ClientResponse:
        try:
            async with asyncio.timeout(self._settings.first_token_timeout_s):
                # Redirects are not followed: they would carry the key elsewhere.
                return await self._session.post(self._url, data=body, allow_redirects=False)
        except aiohttp.ConnectionTimeoutError:
            raise _refused(Why.UNREACHABLE, "no connection in llm.connect_timeout_s") from None
        except TimeoutError:
            raise _refused(Why.SILENT) from None
        except aiohttp.ClientConnectorCertificateError:
            raise _refused(Why.UNTRUSTED) from None
        except aiohttp.ClientConnectorError as error:
            raise _refused(Why.UNREACHABLE, type(error.os_error).__name__) from None
        except aiohttp.ClientHttpProxyError as error:
            raise _refused(Why.UNREACHABLE, f"the proxy says {error.status}") from None
        except (aiohttp.ServerDisconnectedError, ConnectionResetError):
            raise _refused(Why.CLOSED) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _refused(Why.UNREACHABLE, type(error).__name__) from None

    async def _refusal_of(self, response: aiohttp.ClientResponse) -> Refusal:
        body = b""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with asyncio.timeout(self._settings.idle_timeout_s):
                while len(body) < _MAX_ERROR_BYTES and (more := await response.content.readany()):
                    body += more
        return read_refusal(
            response.status,
            body[:_MAX_ERROR_BYTES],
            content_type=response.content_type,
            retry_after=response.headers.get("Retry-After", ""),
            now_s=time.time(),
        )

    # --- The answer --------------------------------------------------------------

    async def _read(
        self, response: aiohttp.ClientResponse, stream: ChatStream
    ) -> AsyncGenerator[Thinking, None]:
        reader = SseReader()
        streams = response.content_type != "application/json"
        whole = b""
        while not stream.done and (chunk := await self._chunk(response, stream)):
            if streams:
                for thought in _taken(reader, chunk, stream):
                    yield thought
            elif len(whole := whole + chunk) > MAX_EVENT_BYTES:
                raise _refused(Why.MALFORMED, "an answer of more than 1 MiB")
        for thought in _taken(reader, None, stream):
            yield thought
        if not stream.done and stream.finish_reason is None:
            # No stream came: an answer in one piece, an error, or a page.
            for thought in _taken_whole(whole or reader.stray, response.content_type, stream):
                yield thought

    async def _chunk(self, response: aiohttp.ClientResponse, stream: ChatStream) -> bytes:
        """The next bytes; none at the end."""
        settings = self._settings
        limit_s = settings.idle_timeout_s if stream.thinks else settings.first_token_timeout_s
        if stream.is_settled:
            limit_s = min(_AFTER_FINISH_S, limit_s)
        try:
            async with asyncio.timeout(limit_s):
                return await response.content.readany()
        except TimeoutError:
            if stream.finish_reason is not None:
                return b""  # Only the usage is missing.
            raise _refused(Why.STOPPED if stream.thinks else Why.SILENT) from None
        except (aiohttp.ClientError, OSError):
            raise _refused(Why.BROKEN_OFF) from None


def _taken(reader: SseReader, chunk: bytes | None, stream: ChatStream) -> list[Thinking]:
    """The thoughts in more bytes; None: in what is left at the end."""
    thoughts: list[Thinking] = []
    try:
        for data in reader.end() if chunk is None else reader.feed(chunk):
            thoughts += stream.take(data)
    except MalformedStream as error:
        raise _refused(Why.MALFORMED, str(error)) from None
    except UpstreamError as error:
        raise Refused(read_refusal(200, error.body)) from None
    return thoughts


def _taken_whole(body: bytes, content_type: str, stream: ChatStream) -> list[Thinking]:
    """The thoughts in a body that is no stream of events."""
    if stream.thinks or not body.strip():
        raise _refused(Why.BROKEN_OFF)
    try:
        thoughts = stream.take(body)
    except (MalformedStream, UpstreamError):
        thoughts = []
    if stream.finish_reason is None and not thoughts:
        raise Refused(read_refusal(200, body, content_type=content_type))
    return thoughts


def _refused(why: Why, text: str = "") -> Refused:
    return Refused(Refusal(why=why, text=text))


def proxy_of(url: str) -> URL | None:
    """The proxy that the environment (``HTTPS_PROXY``, ``NO_PROXY``, …) names for ``url``.

    This machine's own addresses are never asked for through one.
    """
    parsed = URL(url)
    host = parsed.host or ""
    if _is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    named = proxies.get(parsed.scheme) or proxies.get("all")
    if named is None:
        return None
    proxy = URL(named if "://" in named else f"http://{named}")
    if proxy.scheme not in ("http", "https"):
        log.warning("llm: the environment's proxy speaks %s, not HTTP: not used", proxy.scheme)
        return None
    return proxy


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
