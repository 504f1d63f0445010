"""HTTP to one language model's server: one request, one stream of thoughts.

Nothing is decided here: whatever prevents an answer is raised as a `Refusal`.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import aiohttp
from msgspec import Struct

from antiphon.engines.cascade.http.client import (
    HttpClient,
    MakeConnector,
    next_bytes,
    refusal_of,
)
from antiphon.engines.cascade.http.refusals import Refused, Why, read_refusal, refused
from antiphon.engines.cascade.http.sse import MAX_EVENT_BYTES, MalformedStream, SseReader
from antiphon.engines.cascade.llm.apis import APIS, ApiName
from antiphon.engines.cascade.llm.chat_messages import VOICE_HINT
from antiphon.engines.cascade.llm.chat_stream import ChatStream, UpstreamError
from antiphon.engines.cascade.parts import Thinking

_AFTER_FINISH_S = 2.0
"""How long to wait for the usage, once the answer itself is whole."""


class ChatSettings(Struct, frozen=True, kw_only=True):
    """Where the model is, and how long it may take."""

    base_url: str
    """With the version: ``http://127.0.0.1:8000/v1``."""
    model: str
    api: ApiName = "chat"
    """Which one the server is asked by."""
    api_key: str = ""
    connect_timeout_s: float = 5.0
    first_token_timeout_s: float = 15.0
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


_HEADERS = {"Accept": "text/event-stream", "Content-Type": "application/json"}


class ChatClient:
    """All connections to one server."""

    def __init__(
        self, settings: ChatSettings, *, make_connector: MakeConnector | None = None
    ) -> None:
        """Call it on the event loop that will use it."""
        self._settings = settings
        self._http = HttpClient(
            settings.base_url,
            api_key=settings.api_key,
            connect_timeout_s=settings.connect_timeout_s,
            make_connector=make_connector,
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    async def answer(self, body: bytes, stream: ChatStream) -> AsyncGenerator[Thinking, None]:
        """What comes back for ``body``, to its end; closing it closes the connection.

        Raises:
            Refused: there is no answer, or it ends before it is whole.
        """
        settings = self._settings
        response = await self._http.post(
            APIS[settings.api].path,
            body,
            headers=_HEADERS,
            timeout_s=settings.first_token_timeout_s,
        )
        try:
            if response.status != 200:
                raise Refused(await refusal_of(response, timeout_s=settings.idle_timeout_s))
            async with contextlib.aclosing(self._read(response, stream)) as thoughts:
                async for thought in thoughts:
                    yield thought
        finally:
            if not response.content.at_eof():
                response.close()  # The server shall stop working.
        for thought in stream.end():
            yield thought
        if stream.broke_a_call:
            raise refused(Why.BROKEN_OFF, "a function call that is no JSON")

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
                raise refused(Why.MALFORMED, "an answer of more than 1 MiB")
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
            return await next_bytes(response, timeout_s=limit_s)
        except TimeoutError:
            if stream.finish_reason is not None:
                return b""  # Only the usage is missing.
            raise refused(Why.STOPPED if stream.thinks else Why.SILENT) from None


def _taken(reader: SseReader, chunk: bytes | None, stream: ChatStream) -> Iterator[Thinking]:
    """The thoughts in more bytes, those before an error too; None: in what is left at the end."""
    try:
        for data in reader.end() if chunk is None else reader.feed(chunk):
            yield from stream.take(data)
    except MalformedStream as error:
        raise refused(Why.MALFORMED, str(error)) from None
    except UpstreamError as error:
        raise Refused(read_refusal(200, error.body)) from None


def _taken_whole(body: bytes, content_type: str, stream: ChatStream) -> list[Thinking]:
    """The thoughts in a body that is no stream of events."""
    if stream.thinks or not body.strip():
        raise refused(Why.BROKEN_OFF)
    try:
        thoughts = stream.take(body)
    except (MalformedStream, UpstreamError):
        thoughts = []
    if stream.finish_reason is None and not thoughts:
        raise Refused(read_refusal(200, body, content_type=content_type))
    return thoughts
