"""The backend of the escape room: it mints secrets and, in the server build, holds the code."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Literal

from aiohttp import web
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from websockets.exceptions import ConnectionClosed

from examples.escape_room.game import RIDDLES, TOOLS, Game, draw_code
from examples.serving import VoiceServer, add_pages

Tool = Literal["browser", "server"]
"""Where the puzzle master's functions run."""

HERE = Path(__file__).parent
SCRIPT = "#!antiphon-script\n" + (HERE / "puzzle_master.toml").read_text(encoding="utf-8")
"""The puzzle master for the offline engine, which has no language model."""
INSTRUCTIONS = (HERE / "puzzle_master.md").read_text(encoding="utf-8")
"""The same one for a language model."""

PAGE_MAY_SEND = [
    "input_audio_buffer.append",
    "conversation.item.create",
    "conversation.item.retrieve",
    "conversation.item.truncate",
    "output_audio_buffer.clear",
    "response.create",
    "response.cancel",
]
"""To talk, to type and to interrupt.  Not `session.update`: the puzzle master stays himself."""
MAX_GAMES = 1000


def make_app(
    voice_server: VoiceServer,
    *,
    tool: Tool,
    instructions: str = SCRIPT,
    draw: Callable[[], str] = draw_code,
) -> web.Application:
    """The page with its backend.

    Args:
        voice_server: where the conversations are held.
        tool: where the puzzle master's functions run, and so, who knows the code.
        instructions: the puzzle master's.
        draw: gives each game of the server build its code.
    """
    app = web.Application()
    room = EscapeRoom(voice_server, tool, instructions, draw)
    app.cleanup_ctx.append(room.running)
    app.router.add_post("/games", room.begin)
    app.router.add_post("/games/{game}/secret", room.mint_secret)
    if tool == "server":
        app.router.add_post("/games/{game}/join", room.join)
    else:
        app.router.add_get("/riddles.json", room.riddles)
    add_pages(app, HERE / "page")
    return app


class EscapeRoom:
    def __init__(
        self, voice_server: VoiceServer, tool: Tool, instructions: str, draw: Callable[[], str]
    ) -> None:
        self._voice_server = voice_server
        self._tool = tool
        self._instructions = instructions
        self._draw = draw
        self._games: dict[str, Game] = {}
        """By an id that only its player knows."""
        self._sidebands: set[asyncio.Task[None]] = set()

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        server = self._voice_server
        async with AsyncOpenAI(base_url=server.url, api_key=server.key) as self._openai:
            yield
            for task in self._sidebands:
                task.cancel()
            await asyncio.gather(*self._sidebands, return_exceptions=True)

    async def begin(self, _: web.Request) -> web.Response:
        """A new game with a new code, which in the browser build the page draws itself."""
        game_id = secrets.token_urlsafe(16)
        if len(self._games) >= MAX_GAMES:
            del self._games[next(iter(self._games))]
        self._games[game_id] = Game(self._draw())
        return web.json_response({"id": game_id, "url": self._voice_server.url, "tool": self._tool})

    async def riddles(self, _: web.Request) -> web.Response:
        """The browser build's page asks them itself."""
        return web.json_response(RIDDLES)

    async def mint_secret(self, request: web.Request) -> web.Response:
        """For one connection of the page; one that was lost is opened again with another."""
        self._game(request)
        minted = await self._openai.realtime.client_secrets.create(
            expires_after={"anchor": "created_at", "seconds": 60},
            session={
                "type": "realtime",
                "instructions": self._instructions,
                "tools": TOOLS,
                "audio": {
                    "input": {
                        "transcription": {"model": "whisper-1"},
                        # Who says a code makes pauses between its digits.
                        "turn_detection": {"type": "server_vad", "silence_duration_ms": 700},
                    },
                    "output": {"voice": "cedar"},
                },
            },
            extra_body={
                "antiphon": {
                    "max_sessions": 1,
                    "allowed_origins": [str(request.url.origin())],
                    "client_events": PAGE_MAY_SEND,
                    "hides": ["instructions"],
                    "end_user_id": request.match_info["game"],
                }
            },
        )
        return web.json_response({"value": minted.value})

    async def join(self, request: web.Request) -> web.Response:
        """Come into the session of a game as a sideband, and answer its function calls.

        The server's list, not the page, says which session that is: a page could name another.
        """
        game = self._game(request)
        listed: Any = await self._openai.get("/antiphon/sessions", cast_to=object)
        own = [s for s in listed["data"] if s["end_user_id"] == request.match_info["game"]]
        if not own:
            raise web.HTTPConflict(text="The page is not connected.")
        newest = max(own, key=lambda session: session["began_at"])
        sideband = await self._openai.realtime.connect(call_id=newest["id"]).enter()
        task = asyncio.create_task(answer_calls(sideband, game))
        self._sidebands.add(task)
        task.add_done_callback(self._sidebands.discard)
        return web.Response(status=204)

    def _game(self, request: web.Request) -> Game:
        game = self._games.get(request.match_info["game"])
        if game is None:
            raise web.HTTPNotFound(text="There is no such game, or not any more.")
        return game


async def answer_calls(sideband: AsyncRealtimeConnection, game: Game) -> None:
    """Run the puzzle master's functions, until the session ends."""
    try:
        async for event in sideband:
            if event.type != "response.done":
                continue
            calls = [i for i in event.response.output or () if i.type == "function_call"]
            for call in calls:
                answer = json.dumps(game.answer(call.name, call.arguments))
                await sideband.conversation.item.create(
                    item={
                        "type": "function_call_output",
                        "call_id": call.call_id or "",
                        "output": answer,
                    }
                )
            if calls:
                await sideband.response.create(
                    response={"output_modalities": event.response.output_modalities or ["audio"]}
                )
    except ConnectionClosed:
        pass  # Whether the page went or the server: nobody is there to be answered.
    finally:
        await sideband.close()
