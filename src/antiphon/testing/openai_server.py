"""A stand-in for a server of OpenAI's API: language model, ears or voice.

It answers what it is told to, as the real ones frame it, and keeps what it was asked.  It may be
slow, hang, lie about what it sends, fail in the middle or close early.  It has no model and checks
little: that a client agrees with it proves the framing only.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Any, Self

import aiohttp
from aiohttp import BodyPartReader, web
from msgspec import Struct

from antiphon.testing.memory_network import MemoryConnector
from antiphon.testing.virtual_loop import VirtualTimeLoop


class Answer(Struct, frozen=True, kw_only=True):
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
    slow_s: float = 0.0
    """Before the head of the answer."""
    pause_s: float = 0.0
    """Between the writes."""
    drops: bool = False
    """After ``body`` the connection is cut; without one, before the head of the answer."""


class OpenAIServer:
    """Answers requests in turn, the last answer for ever; ``async with`` starts and stops it.

    In virtual time it has no socket, and a client reaches it by its `make_connector`.

    Attributes:
        requests: the bodies that came, decoded; of a form, its fields and the bytes of its file.
        paths: what they were sent to.
        authorizations: their ``Authorization`` headers.
        hosts: the hosts that they were for; others than its own where it stands in for a proxy.
        left: how many clients went away while they were being answered.
    """

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.authorizations: list[str | None] = []
        self.hosts: list[str] = []
        self.connections: set[Any] = set()
        self.left = 0
        self.gone = asyncio.Event()
        """Set when a client goes away."""
        self.asked = asyncio.Event()
        """Set when a request has come."""
        self._closing = asyncio.Event()
        self.make_connector: Callable[[], aiohttp.BaseConnector] | None = None
        """How a client reaches it where it has no socket."""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        if isinstance(asyncio.get_running_loop(), VirtualTimeLoop):
            server = self._runner.server
            assert server is not None, "it has been set up"
            self.make_connector = lambda: MemoryConnector(server)
        else:
            await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        await self._runner.cleanup()

    @property
    def base_url(self) -> str:
        if self.make_connector is not None:
            return "http://localhost/v1"
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    def then(self, *answers: Answer) -> None:
        """Other answers from now on."""
        self._answers = list(answers)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(await _read(request))
        self.paths.append(request.path)
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

    async def _stream(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        if answer.silent:
            await self._closing.wait()
        await asyncio.sleep(answer.slow_s)
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


async def _read(request: web.Request) -> dict[str, Any]:
    if request.content_type != "multipart/form-data":
        body: dict[str, Any] = await request.json()
        return body
    fields: dict[str, Any] = {}
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader), "a form has no parts within parts"
        sent = bytes(await part.read())
        fields[part.name or ""] = sent if part.filename else sent.decode()
    return fields


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


# --- What servers of the Responses API send ----------------------------------


def response_texts(*pieces: str, index: int = 0) -> list[dict[str, Any]]:
    """A message of the Responses API, piece by piece; without the end of the response."""
    item = {"type": "message", "id": f"msg_{index}", "role": "assistant", "content": []}
    return [
        {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": index, "item": item},
        *(
            {
                "type": "response.output_text.delta",
                "item_id": item["id"],
                "output_index": index,
                "content_index": 0,
                "delta": piece,
            }
            for piece in pieces
        ),
    ]


def response_call(index: int, name: str, *pieces: str, call_id: str) -> list[dict[str, Any]]:
    """A function call of the Responses API, piece by piece; the last event ends it."""
    item = {"type": "function_call", "id": f"fc_{index}", "call_id": call_id, "name": name}
    kind = "response.function_call_arguments"
    return [
        {
            "type": "response.output_item.added",
            "output_index": index,
            "item": {**item, "arguments": ""},
        },
        *(
            {"type": f"{kind}.delta", "item_id": item["id"], "output_index": index, "delta": piece}
            for piece in pieces
        ),
        {
            "type": f"{kind}.done",
            "item_id": item["id"],
            "output_index": index,
            "arguments": "".join(pieces),
        },
    ]


def response_ends(
    *,
    incomplete: str | None = None,
    usage: dict[str, Any] | None = None,
    output: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """The last event; ``incomplete`` is the reason of an answer that was cut."""
    status = "completed" if incomplete is None else "incomplete"
    response: dict[str, Any] = {"id": "resp_1", "object": "response", "status": status}
    response["output"] = output or []
    response["usage"] = usage
    if incomplete is not None:
        response["incomplete_details"] = {"reason": incomplete}
    return {"type": f"response.{status}", "response": response}
