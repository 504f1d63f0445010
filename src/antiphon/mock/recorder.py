"""Sits before any server of the Realtime API, and writes down what passes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
from aiohttp import BaseConnector, WSMsgType, web
from multidict import CIMultiDictProxy

from antiphon.errors import ConfigurationError
from antiphon.mock.answering import Address, answering
from antiphon.mock.recordings import FORMAT, Ending, Entry, Head, RecordingWriter, Side
from antiphon.mock.redaction import Redaction
from antiphon.server.api_errors import ApiError, errors_as_json
from antiphon.server.auth import SUBPROTOCOL, presented_key
from antiphon.server.client_routes import PREFIXES
from antiphon.upstream.connection import CannotConnect, Closed, Connection
from antiphon.upstream.websocket import MESSAGE_LIMIT_BYTES, WebSocketConnector

log = logging.getLogger(__name__)

SENDABLE_CLOSES = range(3000, 5000)
"""Beside the few of RFC 6455, 7.4.1 that may be sent."""
MAX_RECORDINGS = 100_000


@asynccontextmanager
async def recording(
    upstream: str,
    folder: Path,
    *,
    key: str | None = None,
    keep_content: bool = False,
    make_connector: Callable[[], BaseConnector] | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    in_memory: bool | None = None,
) -> AsyncIterator[Address]:
    """Answer clients by WebSocket with what ``upstream`` says, and write a file for each.

    Args:
        upstream: ``wss://…/v1/realtime``; what the client asks for in its query is added.
        folder: Where the files go; it is made.
        key: For the upstream, in place of the client's.
        keep_content: Keep what was said, and its sound.
        make_connector: Another way to the upstream than TCP.
        host: Where it listens.
        port: Of it; 0 is a free one.
        in_memory: As of `mocking`.

    Raises:
        ConfigurationError: the folder cannot be made, or it cannot listen there.
    """
    _make_folder(folder)
    if urlsplit(upstream).scheme not in ("ws", "wss", "http", "https"):
        raise ConfigurationError(
            f"'{upstream}' is no address of a server, as wss://host/v1/realtime."
        )
    recorder = _Recorder(upstream, folder, key, make_connector, keep_content=keep_content)
    app = web.Application(middlewares=[errors_as_json])
    for prefix in PREFIXES:
        app.router.add_get(f"{prefix}/realtime", recorder.handle)
    async with answering(app, host=host, port=port, in_memory=in_memory) as address:
        yield address


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{folder}: the folder cannot be made: {error}.") from None


class _Recorder:
    def __init__(
        self,
        upstream: str,
        folder: Path,
        key: str | None,
        make_connector: Callable[[], BaseConnector] | None,
        *,
        keep_content: bool,
    ) -> None:
        self._upstream = upstream
        self._folder = folder
        self._key = key
        self._make_connector = make_connector
        self._keep_content = keep_content

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise ApiError(426, "websocket_required", "Only WebSockets are recorded.")
        try:
            upstream = await self._connector(request)()
        except CannotConnect as error:
            raise _refusal(error) from None
        client = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,), max_msg_size=MESSAGE_LIMIT_BYTES, compress=False
        )
        try:
            await client.prepare(request)
            writer = self._begin(request)
            try:
                await _Passage(
                    client, upstream, writer, Redaction(keep_content=self._keep_content)
                )()
            finally:
                writer.close()
        finally:
            await upstream.close()
        return client

    def _connector(self, request: web.Request) -> WebSocketConnector:
        url = self._upstream
        if request.query_string:
            url += ("&" if "?" in url else "?") + urlencode(list(request.query.items()))
        key = self._key or presented_key(request.headers)
        return WebSocketConnector(url, key, _passed_on(request.headers), self._make_connector)

    def _begin(self, request: web.Request) -> RecordingWriter:
        head = Head(
            antiphon_recording=FORMAT,
            query={"model": request.query.get("model", "")},
            keeps_content=self._keep_content,
        )
        for number in range(1, MAX_RECORDINGS):
            try:
                return RecordingWriter(self._folder / f"{number:04}.jsonl", head)
            except FileExistsError:
                continue
        raise ApiError(507, "folder_full", f"{self._folder} holds too many recordings.")


def _refusal(error: CannotConnect) -> ApiError:
    """As it is told to the client: its own key, or a server that it does not know of."""
    if error.trouble == "key":
        return ApiError(401, "invalid_api_key", f"{error}.")
    return ApiError(502, "upstream_unavailable", f"{error}.", type="server_error")


def _passed_on(headers: CIMultiDictProxy[str]) -> dict[str, str]:
    """The API's own headers; the key is sent as one of ours."""
    return {name: value for name, value in headers.items() if name.lower().startswith("openai-")}


class _Passage:
    """One connection, both ways."""

    def __init__(
        self,
        client: web.WebSocketResponse,
        upstream: Connection,
        writer: RecordingWriter,
        redaction: Redaction,
    ) -> None:
        self._client = client
        self._upstream = upstream
        self._writer = writer
        self._redaction = redaction
        self._began_s = asyncio.get_running_loop().time()

    async def __call__(self) -> None:
        """Until one side closes."""
        ways = [
            asyncio.ensure_future(self._to_upstream()),
            asyncio.ensure_future(self._to_client()),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for ended in await asyncio.gather(*ways, return_exceptions=True):
                if isinstance(ended, Exception) and not isinstance(ended, ConnectionError):
                    log.error("a recording ended early", exc_info=ended)

    async def _to_upstream(self) -> None:
        async for message in self._client:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                data = message.data
                text = data if isinstance(data, str) else data.decode(errors="replace")
                self._note("client", text)
                await self._upstream.send(text)
        self._note_end("client", Ending(code=self._client.close_code or 1006))

    async def _to_client(self) -> None:
        while not isinstance(message := await self._upstream.receive(), Closed):
            self._note("server", message)
            await self._client.send_str(message)
        self._note_end("server", Ending(code=message.code, reason=message.reason))
        code = message.code if _may_be_sent(message.code) else 1011
        await self._client.close(code=code, message=message.reason.encode()[:123])

    def _note(self, by: Side, message: str) -> None:
        try:
            event: Any = msgspec.json.decode(message)
        except msgspec.DecodeError:
            event = None
        if isinstance(event, dict):
            self._writer.add(Entry(at_ms=self._at_ms, by=by, event=self._redaction.redacted(event)))
        else:
            masked = self._redaction.redacted({"text": message})["text"]
            self._writer.add(Entry(at_ms=self._at_ms, by=by, text=masked))

    def _note_end(self, by: Side, ending: Ending) -> None:
        self._writer.add(Entry(at_ms=self._at_ms, by=by, closed=ending))

    @property
    def _at_ms(self) -> int:
        return round((asyncio.get_running_loop().time() - self._began_s) * 1000)


def _may_be_sent(code: int) -> bool:
    return code in (1000, 1001, 1002, 1003, *range(1007, 1015)) or code in SENDABLE_CLOSES
