"""A stand-in for a Realtime transcription server, as OpenAI's or as vLLM's, over WebSocket.

It understands what it was told beforehand, turn by turn, and may refuse, hang, hang up or talk
nonsense instead.  In virtual time it has no socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal, Self

import aiohttp
import msgspec
from aiohttp import WSMsgType, web
from msgspec import Struct

from antiphon.testing.memory_network import MemoryConnector
from antiphon.testing.virtual_loop import VirtualTimeLoop

_EVENT = "conversation.item.input_audio_transcription"


class HeardTurn(Struct, frozen=True, kw_only=True):
    """What becomes of one connection."""

    pieces: tuple[str, ...] = ()
    """The words, one piece with each half second of sound; the rest after the commit."""
    greets: bool = True
    status: int = 101
    """Another one refuses the connection."""
    closes: bool = False
    """Hangs up at the first sound."""
    silent: bool = False
    """Never says the end."""
    slow_s: float = 0.0
    """Before the end."""
    error: str = ""
    """In place of the end."""
    nonsense: str = ""
    """What is said in place of the end."""


class TranscriptionServer:
    """``async with`` starts and stops it.

    Attributes:
        received: all messages, of all connections.
    """

    def __init__(self, *turns: HeardTurn, kind: Literal["openai", "vllm"] = "openai") -> None:
        self._turns = list(turns)
        self._kind = kind
        self.received: list[dict[str, Any]] = []
        self.authorizations: list[str | None] = []
        self.make_connector: Callable[[], aiohttp.BaseConnector] | None = None
        self._closing = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/v1/realtime", self._serve)
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
    def url(self) -> str:
        if self.make_connector is not None:
            return "ws://localhost/v1/realtime"
        return f"ws://127.0.0.1:{self._runner.addresses[0][1]}/v1/realtime"

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        turn = self._turns.pop(0) if len(self._turns) > 1 else self._turns[0]
        self.authorizations.append(request.headers.get("Authorization"))
        if turn.status != 101:
            return web.Response(status=turn.status)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if turn.greets:
            session = {} if self._kind == "vllm" else {"session": {"type": "transcription"}}
            await socket.send_json({"type": "session.created", **session})
        await self._hear(socket, turn)
        return socket

    async def _hear(self, socket: web.WebSocketResponse, turn: HeardTurn) -> None:
        pieces = list(turn.pieces)
        heard_s = 0.0
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                return
            event = msgspec.json.decode(message.data)
            self.received.append(event)
            if event["type"] == "input_audio_buffer.append":
                if turn.closes:
                    await socket.close(code=1011)
                    return
                heard_s += len(event["audio"]) * 3 / 4 / 2 / 24_000
                while heard_s >= 0.5 and len(pieces) > 1:
                    heard_s -= 0.5
                    await socket.send_json(self._delta(pieces.pop(0)))
            elif event["type"] == "input_audio_buffer.commit" and event.get("final", True):
                await self._end(socket, turn, pieces)

    async def _end(self, socket: web.WebSocketResponse, turn: HeardTurn, pieces: list[str]) -> None:
        if turn.silent:
            await self._closing.wait()
        await asyncio.sleep(turn.slow_s)
        if turn.error:
            error: Any = turn.error if self._kind == "vllm" else {"message": turn.error}
            await socket.send_json({"type": "error", "error": error})
        elif turn.nonsense:
            await socket.send_str(turn.nonsense)
        else:
            for piece in pieces:
                await socket.send_json(self._delta(piece))
            await socket.send_json(self._done("".join(turn.pieces)))

    def _delta(self, piece: str) -> dict[str, Any]:
        if self._kind == "vllm":
            return {"type": "transcription.delta", "delta": piece}
        return {"type": f"{_EVENT}.delta", "item_id": "item_1", "content_index": 0, "delta": piece}

    def _done(self, text: str) -> dict[str, Any]:
        if self._kind == "vllm":
            return {"type": "transcription.done", "text": text, "usage": {}}
        return {
            "type": f"{_EVENT}.completed",
            "item_id": "item_1",
            "content_index": 0,
            "transcript": text,
        }
