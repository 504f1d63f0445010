"""A language model behind an OpenAI-compatible ``/chat/completions``, as a brain.

One HTTP request a thought, streamed.  Closing the iterator closes the connection, which
is how such servers learn that nobody listens any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import logging
import secrets
import time
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from antiphon.core.effects import Generate
from antiphon.engines.cascade.llm.chat_messages import VOICE_HINT, chat_request
from antiphon.engines.cascade.llm.chat_stream import ChatStream, UpstreamError
from antiphon.engines.cascade.llm.sse import MalformedStream, SseReader
from antiphon.engines.cascade.parts import Grammar, Thinking
from antiphon.errors import ConfigurationError, EngineUnavailable
from antiphon.protocol.items import FunctionCall
from antiphon.protocol.session import FunctionTool

log = logging.getLogger(__name__)

_AFTER_FINISH_S = 2.0
"""How long to wait for the usage, once the answer itself is whole."""
_MAX_ERROR_BYTES = 64 * 1024


class ChatSettings(Struct, frozen=True, kw_only=True):
    """Where the model is, and how long it may take."""

    base_url: str
    """With the version: ``http://127.0.0.1:8000/v1``."""
    model: str
    api_key: str = ""
    connect_timeout_s: float = 5.0
    first_token_timeout_s: float = 30.0
    """From the request to the first piece of the answer, the wait for a slot included."""
    idle_timeout_s: float = 15.0
    """Between pieces."""
    voice_hint: str = VOICE_HINT
    """Added to the instructions of answers that are spoken; "" for none."""

    def __repr__(self) -> str:
        return f"ChatSettings(base_url={self.base_url!r}, model={self.model!r})"


class OpenAIChatBrain:
    """An OpenAI-compatible language model, shared by all sessions of the process."""

    def __init__(self, settings: ChatSettings) -> None:
        """Nothing is connected yet.

        Raises:
            ConfigurationError: a setting cannot be right.
        """
        if not settings.base_url.startswith(("http://", "https://")):
            raise ConfigurationError(
                f"llm.base_url '{settings.base_url}' must begin with http:// or https://"
                " and usually ends in /v1"
            )
        if not settings.model:
            raise ConfigurationError("llm.model is empty: name the model that llm.base_url serves")
        if not (settings.api_key.isascii() and settings.api_key.isprintable()):
            raise ConfigurationError("llm.api_key holds characters that no HTTP header may carry")
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._refused: set[str] = set()

    @property
    def name(self) -> str:
        return self._settings.model

    async def start(self) -> None:
        headers = {"Accept": "text/event-stream"}
        if self._settings.api_key:
            headers["Authorization"] = f"Bearer {self._settings.api_key}"
        self._session = aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=self._settings.connect_timeout_s
            ),
            connector=aiohttp.TCPConnector(limit=0),
        )

    def open(self, session_id: str) -> OpenAIChatMind:
        del session_id
        if self._session is None:
            raise EngineUnavailable(self.name, "the language model's client was not started")
        return OpenAIChatMind(self._session, self._settings, self._refused)

    async def aclose(self) -> None:
        if self._session:
            await self._session.close()
            self._session = None


class OpenAIChatMind:
    """One conversation; all state is in the requests."""

    def __init__(
        self, session: aiohttp.ClientSession, settings: ChatSettings, refused: set[str]
    ) -> None:
        self._session = session
        self._settings = settings
        self._refused = refused
        """Optional fields that the server does not take; learned once for all."""

    def expects(self, request: Generate) -> Grammar | None:
        """Anything may be said to a language model."""
        del request
        return None

    async def think(self, request: Generate) -> AsyncGenerator[Thinking, None]:
        body = chat_request(request, self._settings.model, voice_hint=self._settings.voice_hint)
        taken = [i.call_id for i in request.items if isinstance(i, FunctionCall)]
        stream = ChatStream(
            new_call_id=_new_call_id,
            taken=[c for c in taken if isinstance(c, str)],
            tool_names=[t.name for t in request.tools if isinstance(t, FunctionTool)],
        )
        began = time.monotonic()
        response = await self._post(body, began)
        try:
            async with contextlib.aclosing(self._read(response, stream, began)) as thoughts:
                async for thought in thoughts:
                    yield thought
        finally:
            if not response.content.at_eof():
                response.close()  # The server shall stop working.
        for thought in stream.end():
            yield thought
        if stream.broke_a_call:
            raise self._unavailable("broke off a function call", None)

    # --- The request ---

    async def _post(self, body: dict[str, Any], began: float) -> aiohttp.ClientResponse:
        """The response whose stream can be read; fields that were refused are left out."""
        for _ in range(3):
            response = await self._post_once(_without(body, self._refused), began)
            if response.status == 200:
                return response
            try:
                error = await self._error_of(response)
            finally:
                response.close()
            refused = self._refused_field(response.status, error, body)
            if refused is None:
                raise self._failure(response, error)
            log.info("llm: the server takes no %s; it is left out from now on", refused)
            self._refused.add(refused)
        raise EngineUnavailable(self._settings.model, "the language model refused the request")

    async def _post_once(self, body: dict[str, Any], began: float) -> aiohttp.ClientResponse:
        url = self._settings.base_url.rstrip("/") + "/chat/completions"
        data = msgspec.json.encode(body)
        try:
            async with asyncio.timeout(self._left(began)):
                try:
                    return await self._send(url, data)
                except (aiohttp.ServerDisconnectedError, ConnectionResetError):
                    # A kept connection that the server had just closed: a new one is made.
                    return await self._send(url, data)
        except aiohttp.ConnectionTimeoutError as error:
            raise self._unavailable("could not be reached in time", error) from None
        except TimeoutError as error:
            raise self._unavailable("did not begin to answer in time", error) from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._unavailable("cannot be reached", error) from None

    async def _send(self, url: str, data: bytes) -> aiohttp.ClientResponse:
        # Redirects are not followed: they would carry the key elsewhere.
        return await self._session.post(
            url,
            data=data,
            headers={"Content-Type": "application/json"},
            allow_redirects=False,
        )

    async def _error_of(self, response: aiohttp.ClientResponse) -> str:
        """The server's own words, for us alone: they may hold the prompt."""
        try:
            async with asyncio.timeout(self._settings.idle_timeout_s):
                body = await response.content.read(_MAX_ERROR_BYTES)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return ""
        return body.decode(errors="replace")

    def _refused_field(self, status: int, error: str, body: dict[str, Any]) -> str | None:
        """An optional field to try without, where the server complains of one."""
        if status not in (400, 422):
            return None
        for field, words in (
            ("stream_options", ("stream_options", "include_usage")),
            ("max_tokens", ("max_tokens",)),
        ):
            known = field in body and field not in self._refused
            if known and any(word in error for word in words):
                return field
        return None

    def _failure(self, response: aiohttp.ClientResponse, error: str) -> EngineUnavailable:
        status, model = response.status, self._settings.model
        log.warning("llm: HTTP %d from the language model's server (%s)", status, _code(error))
        if status == 429:
            return EngineUnavailable(
                model,
                "the language model's server is busy (HTTP 429); try again later",
                retry_after_s=_retry_after_s(response.headers.get("Retry-After", "")),
            )
        if status in (401, 403):
            why = f"refused our key (HTTP {status}); the operator must check llm.api_key"
        elif status == 404:
            why = "does not know the model or the path; check llm.model and llm.base_url (HTTP 404)"
        elif status < 400:
            why = f"sent us elsewhere (HTTP {status}); llm.base_url must be its last address"
        elif status >= 500:
            why = f"failed (HTTP {status})"
        elif status == 413 or "context_length" in error:
            why = "says that the conversation is too long for the model"
        else:
            why = f"refused the request (HTTP {status})"
        return EngineUnavailable(model, f"the language model's server {why}")

    # --- The answer ---

    async def _read(
        self, response: aiohttp.ClientResponse, stream: ChatStream, began: float
    ) -> AsyncGenerator[Thinking, None]:
        reader = SseReader()
        whole = response.content_type == "application/json"  # It does not stream.
        collected = bytearray()
        while not stream.done:
            chunk = await self._chunk(response, stream, began)
            if chunk is None:
                break
            if whole:
                collected += chunk
                if len(collected) > (1 << 20):
                    raise self._malformed("an answer of more than 1 MiB")
                continue
            for thought in self._taken(reader.feed, chunk, stream):
                yield thought
        rest = [bytes(collected)] if whole else reader.end()
        for thought in self._taken(lambda _: rest, b"", stream):
            yield thought
        if not stream.done and stream.finish_reason is None:
            raise self._unavailable("broke the answer off", None)

    async def _chunk(
        self, response: aiohttp.ClientResponse, stream: ChatStream, began: float
    ) -> bytes | None:
        """The next bytes; None at the end."""
        if stream.is_settled:
            limit = min(_AFTER_FINISH_S, self._settings.idle_timeout_s)
        elif stream.began:
            limit = self._settings.idle_timeout_s
        else:
            limit = self._left(began)
        try:
            async with asyncio.timeout(limit):
                return await response.content.readany() or None
        except TimeoutError as error:
            if stream.finish_reason is not None:
                return None  # Only the usage is missing.
            why = (
                "stopped in the middle of the answer" if stream.began else "did not answer in time"
            )
            raise self._unavailable(why, error) from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._unavailable("broke the answer off", error) from None

    def _taken(self, cut: Any, chunk: bytes, stream: ChatStream) -> list[Thinking]:
        thoughts: list[Thinking] = []
        try:
            for data in cut(chunk):
                thoughts += stream.take(data)
        except MalformedStream as error:
            raise self._malformed(str(error)) from None
        except UpstreamError:
            raise self._unavailable("reported an error in the middle", None) from None
        return thoughts

    def _left(self, began: float) -> float:
        return max(0.0, self._settings.first_token_timeout_s - (time.monotonic() - began))

    def _malformed(self, why: str) -> EngineUnavailable:
        return self._unavailable(f"sent what is no chat-completions stream: {why}", None)

    def _unavailable(self, why: str, error: BaseException | None) -> EngineUnavailable:
        log.warning("llm: the language model's server %s (%s)", why, type(error).__name__)
        return EngineUnavailable(self._settings.model, f"the language model's server {why}")


def _without(body: dict[str, Any], refused: set[str]) -> dict[str, Any]:
    left = {key: value for key, value in body.items() if key not in refused}
    if "max_tokens" in refused and "max_tokens" in body:
        # Newer models of OpenAI take this name only, most other servers only the older one.
        left["max_completion_tokens"] = body["max_tokens"]
    return left


def _code(error: str) -> str:
    """The code of an error object, which unlike its message holds nothing of the prompt."""
    try:
        code = msgspec.json.decode(error)["error"]["code"]
    except (msgspec.DecodeError, KeyError, TypeError, IndexError):
        return "no code"
    return code[:64] if isinstance(code, str) and code.isidentifier() else "no code"


def _retry_after_s(header: str) -> float | None:
    """RFC 9110, 10.2.3: seconds, or a date."""
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _new_call_id() -> str:
    return f"call_{secrets.token_hex(8)}"
