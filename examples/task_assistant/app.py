"""The backend: the list for the page, secrets for clients, and the tools in their sessions."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import secrets
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from examples.serving import VoiceServer, add_pages
from examples.sideband import Sidebands, answer_calls_of, instructions_of, voice_server_away
from examples.task_assistant import tools
from examples.task_assistant.tasks import TaskError, TaskList

HERE = Path(__file__).parent
SCRIPT = instructions_of(HERE / "agent.toml")
"""The assistant for the offline engine."""
INSTRUCTIONS = instructions_of(HERE / "agent.md")
"""The same one for a language model."""
MAX_VISITS = 1000


def make_app(
    tasks: TaskList, voice_server: VoiceServer, *, instructions: str = SCRIPT
) -> web.Application:
    """The list's page with its backend.

    Who reaches it may read and change the list: put your log-in before it.
    """
    app = web.Application(middlewares=[voice_server_away])
    assistant = TaskAssistant(tasks, voice_server, instructions)
    app.cleanup_ctx.append(assistant.sidebands.running)
    app.on_shutdown.append(assistant.close)
    app.router.add_get("/tasks", assistant.watch)
    app.router.add_patch("/tasks/{task:[0-9]+}", assistant.set_done)
    app.router.add_post("/voice", assistant.let_in)
    app.router.add_post("/voice/{visit}/join", assistant.join)
    add_pages(app, HERE / "page")
    return app


class Ticked(msgspec.Struct):
    done: bool


class TaskAssistant:
    def __init__(self, tasks: TaskList, voice_server: VoiceServer, instructions: str) -> None:
        self.sidebands = Sidebands(voice_server)
        self._tasks = tasks
        self._instructions = instructions
        self._visits: dict[str, None] = {}
        """Those that were begun here; the oldest first."""
        self._watching: set[asyncio.Task[Any]] = set()

    async def close(self, _: web.Application) -> None:
        for watching in self._watching:
            watching.cancel()

    # The list.

    async def watch(self, request: web.Request) -> web.StreamResponse:
        """The whole list, now and after each change: server-sent events."""
        stream = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await stream.prepare(request)
        this = asyncio.current_task()
        assert this is not None
        self._watching.add(this)
        try:
            async for tasks in self._tasks.watch():
                shown = json.dumps([task.shown() for task in tasks])
                await stream.write(f"data: {shown}\n\n".encode())
        finally:
            self._watching.discard(this)
        return stream

    async def set_done(self, request: web.Request) -> web.Response:
        """Tick a task off, or open it again: ``{"done": true}``."""
        try:
            wanted = msgspec.json.decode(await request.read(), type=Ticked)
            task = self._tasks.set_done(int(request.match_info["task"]), wanted.done)
        except msgspec.DecodeError as error:
            raise web.HTTPBadRequest(text=f'The body is {{"done": true}}. {error}') from None
        except TaskError as error:
            raise web.HTTPNotFound(text=str(error)) from None
        return web.json_response(task.shown())

    # The voice.

    async def let_in(self, request: web.Request) -> web.Response:
        """A visit, or another connection of one, and a secret for that."""
        visit = request.query.get("visit", "")
        if visit not in self._visits:
            visit = secrets.token_urlsafe(16)
            if len(self._visits) >= MAX_VISITS:
                del self._visits[next(iter(self._visits))]
            self._visits[visit] = None
        today = dt.datetime.now().astimezone().date()
        secret = await self.sidebands.mint(
            visit,
            {
                "type": "realtime",
                "instructions": f"{self._instructions}\n# Today is {today:%A}, {today}.",
                "audio": {"input": {"transcription": {"model": "whisper-1"}}},
            },
            origin=request.headers.get("Origin"),
        )
        return web.json_response({"id": visit, "secret": secret, "url": self.sidebands.url})

    async def join(self, request: web.Request) -> web.Response:
        await self.sidebands.join(request.match_info["visit"], self._attend)
        return web.Response(status=204)

    async def _attend(self, sideband: AsyncRealtimeConnection, ready: asyncio.Event) -> None:
        renewing = asyncio.create_task(self._renew_tools(sideband))
        try:
            async for event in sideband:
                if event.type == "session.updated":
                    ready.set()
                await answer_calls_of(sideband, event, partial(tools.run, self._tasks))
        finally:
            renewing.cancel()

    async def _renew_tools(self, sideband: AsyncRealtimeConnection) -> None:
        """From now on, and with the titles as they are, so that the agent expects to hear them.

        Not with the secret: a function that is called before anyone is there is not answered.
        """
        async for _ in self._tasks.watch():
            await sideband.session.update(
                session={"type": "realtime", "tools": tools.declarations(self._tasks)}
            )
