"""A stand-in for an OpenAI-compatible chat-completions server, on a real socket.

It streams what it is told to, as the real ones frame it, and keeps what it was asked.
It has no model and checks little: that a client agrees with it proves the framing only.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any, Self

from aiohttp import web
from msgspec import Struct


class ChatAnswer(Struct, frozen=True, kw_only=True):
    """How to answer one request."""

    body: bytes = b""
    cuts: tuple[int, ...] = ()
    """Positions of ``body`` at which it is cut into writes."""
    status: int = 200
    headers: dict[str, str] = {}
    content_type: str = "text/event-stream"
    waits: bool = False
    """After ``body`` nothing more comes, and the connection stays open."""
    silent: bool = False
    """Not even the head of the answer comes."""
    pause_s: float = 0.0
    """Between the writes."""
    drops: bool = False
    """After ``body`` the connection is cut; without one, before the head of the answer."""


class ChatServer:
    """Answers requests in turn; ``async with`` starts and stops it.

    Attributes:
        requests: the bodies that came, decoded.
        authorizations: their ``Authorization`` headers.
        hosts: the hosts that they were for; others than its own where it stands in for a proxy.
        left: how many clients went away while they were being answered.
    """

    def __init__(self, *answers: ChatAnswer) -> None:
        self._answers = list(answers)
        self.requests: list[dict[str, Any]] = []
        self.authorizations: list[str | None] = []
        self.hosts: list[str] = []
        self.connections: set[Any] = set()
        self.left = 0
        self.gone = asyncio.Event()
        """Set when a client goes away."""
        self.asked = asyncio.Event()
        """Set when a request has come."""
        self._closing = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await self._site.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        await self._runner.cleanup()

    @property
    def base_url(self) -> str:
        port = self._runner.addresses[0][1]
        return f"http://127.0.0.1:{port}/v1"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(await request.json())
        self.authorizations.append(request.headers.get("Authorization"))
        self.hosts.append(request.host)
        self.connections.add(request.transport)
        self.asked.set()
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        try:
            return await self._stream(request, answer)
        except (asyncio.CancelledError, ConnectionResetError):
            self.left += 1
            self.gone.set()
            raise

    async def _stream(self, request: web.Request, answer: ChatAnswer) -> web.StreamResponse:
        if answer.silent:
            await self._closing.wait()
        if answer.drops and not answer.body:
            assert request.transport is not None
            request.transport.close()
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        response.content_type = answer.content_type
        await response.prepare(request)
        start = 0
        for end in (*answer.cuts, len(answer.body)):
            await response.write(answer.body[start:end])
            await asyncio.sleep(answer.pause_s if end < len(answer.body) else 0)
            start = end
        if answer.drops:
            assert request.transport is not None
            request.transport.abort()
        if answer.waits:
            await self._closing.wait()
        await response.write_eof()
        return response


# --- What such servers send --------------------------------------------------


def events(chunks: Iterable[dict[str, Any]], *, done: bool = True) -> bytes:
    """``chunks`` as server-sent events."""
    data = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    return (data + ("data: [DONE]\n\n" if done else "")).encode()


def text_chunks(
    *pieces: str, finish_reason: str | None = "stop", usage: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """An answer of text, piece by piece."""
    chunks = [delta_chunk({"role": "assistant", "content": ""})]
    chunks += [delta_chunk({"content": piece}) for piece in pieces]
    if finish_reason:
        chunks.append(delta_chunk({}, finish_reason))
    if usage:
        chunks.append({"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": usage})
    return chunks


def delta_chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def call_piece(
    index: int, arguments: str = "", *, call_id: str | None = None, name: str | None = None
) -> dict[str, Any]:
    """A piece of a tool call, as it stands in a delta."""
    function: dict[str, Any] = {"arguments": arguments}
    if name:
        function["name"] = name
    piece: dict[str, Any] = {"index": index, "function": function}
    if call_id:
        piece |= {"id": call_id, "type": "function"}
    return piece
