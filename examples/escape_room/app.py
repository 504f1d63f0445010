"""The backend of the escape room: it mints secrets and, in the server build, holds the code."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from aiohttp import web
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from examples.escape_room.game import RIDDLES, TOOLS, Game, draw_code
from examples.serving import VoiceServer, add_pages
from examples.sideband import Sidebands, answer_calls, instructions_of, voice_server_away

Tool = Literal["browser", "server"]
"""Where the puzzle master's functions run."""

HERE = Path(__file__).parent
SCRIPT = instructions_of(HERE / "puzzle_master.toml")
"""The puzzle master for the offline engine, which has no language model."""
INSTRUCTIONS = instructions_of(HERE / "puzzle_master.md")
"""The same one for a language model."""
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
    app = web.Application(middlewares=[voice_server_away])
    room = EscapeRoom(voice_server, tool, instructions, draw)
    app.cleanup_ctx.append(room.sidebands.running)
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
        self.sidebands = Sidebands(voice_server)
        self._tool = tool
        self._instructions = instructions
        self._draw = draw
        self._games: dict[str, Game] = {}
        """By an id that only its player knows."""

    async def begin(self, _: web.Request) -> web.Response:
        """A new game with a new code, which in the browser build the page draws itself."""
        game_id = secrets.token_urlsafe(16)
        if len(self._games) >= MAX_GAMES:
            del self._games[next(iter(self._games))]
        self._games[game_id] = Game(self._draw())
        return web.json_response({"id": game_id, "url": self.sidebands.url, "tool": self._tool})

    async def riddles(self, _: web.Request) -> web.Response:
        """The browser build's page asks them itself."""
        return web.json_response(RIDDLES)

    async def mint_secret(self, request: web.Request) -> web.Response:
        self._game(request)
        secret = await self.sidebands.mint(
            request.match_info["game"],
            {
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
            origin=str(request.url.origin()),
        )
        return web.json_response({"value": secret})

    async def join(self, request: web.Request) -> web.Response:
        """Come into the session of a game, and answer the puzzle master's calls."""
        game = self._game(request)

        async def attend(sideband: AsyncRealtimeConnection, ready: asyncio.Event) -> None:
            ready.set()
            await answer_calls(sideband, game.answer)

        await self.sidebands.join(request.match_info["game"], attend)
        return web.Response(status=204)

    def _game(self, request: web.Request) -> Game:
        game = self._games.get(request.match_info["game"])
        if game is None:
            raise web.HTTPNotFound(text="There is no such game, or not any more.")
        return game
