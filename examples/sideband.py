"""What a backend does for voice sessions: it lets clients in, and joins the sessions they open."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from openai import AsyncOpenAI, NotFoundError, OpenAIError
from openai.resources.realtime.realtime import (
    AsyncRealtimeConnection,
    AsyncRealtimeConnectionManager,
)
from openai.types.realtime import RealtimeSessionCreateRequestParam
from websockets.exceptions import ConnectionClosed, WebSocketException

from examples.serving import VoiceServer

log = logging.getLogger(__name__)

SECRET_TTL_S = 60
"""From the click on "talk" to the connection: long enough to think about the microphone."""
END_TIMEOUT_S = 10
"""From a client's hanging up until the server has noticed, and kept what was heard."""
MAX_ID_LENGTH = 32
MAY_SEND = (
    "input_audio_buffer.append",
    "conversation.item.create",
    "conversation.item.retrieve",
    "conversation.item.truncate",
    "output_audio_buffer.clear",
    "response.create",
    "response.cancel",
)
"""To talk, to type and to interrupt.  Not `session.update`: the agent stays the backend's."""

Attend = Callable[[AsyncRealtimeConnection, asyncio.Event], Awaitable[None]]
"""What a backend does in a session, until it ends; it sets the event once the client may go on."""
RunTool = Callable[[str, str], Any]
"""Of a function's name and its arguments (JSON): its output, as JSON can hold it."""


def instructions_of(path: Path) -> str:
    """A script for the offline engine (.toml), or plain words for a language model."""
    text = path.read_text(encoding="utf-8")
    return f"#!antiphon-script\n{text}" if path.suffix == ".toml" else text


@web.middleware
async def voice_server_away(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A page is told that it is not its own fault."""
    try:
        return await handler(request)
    except (OpenAIError, WebSocketException, OSError, TimeoutError) as error:
        log.warning("the voice server did not answer: %s", type(error).__name__)
        raise web.HTTPBadGateway(text="The voice server is away. Try again in a moment.") from None


class Sidebands:
    """The backend's connections to a voice server, with the key that no client gets."""

    def __init__(self, server: VoiceServer) -> None:
        self.url = server.url
        self._openai = AsyncOpenAI(base_url=server.url, api_key=server.key)
        self._attending: set[asyncio.Task[None]] = set()

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """For `cleanup_ctx`.  At the end it leaves all sessions; they go on."""
        async with self._openai:
            yield
            for task in self._attending:
                task.cancel()
            await asyncio.gather(*self._attending, return_exceptions=True)

    async def mint(
        self,
        visit: str,
        session: RealtimeSessionCreateRequestParam,
        *,
        origin: str | None = None,
        hides: Sequence[str] = ("instructions",),
        conversation_id: str | None = None,
    ) -> str:
        """A secret for one connection; one that was lost is opened again with another.

        Args:
            visit: under which name `join` finds the session.  No client can choose another.
            session: all of it; who has the secret cannot change it.
            origin: the only page that may use it; None: any client.
            hides: what the client is not shown of the session.
            conversation_id: what the session goes on with; None: the visit's own, if the server
                has kept one.
        """
        limits: dict[str, Any] = {
            "max_sessions": 1,
            "client_events": list(MAY_SEND),
            "hides": list(hides),
            "end_user_id": visit,
        }
        if origin is not None:
            limits["allowed_origins"] = [origin]
        conversation_id = conversation_id or await self._conversation_of(visit)
        if conversation_id is not None:
            limits["conversation_id"] = conversation_id
        minted = await self._openai.realtime.client_secrets.create(
            session=session,
            expires_after={"anchor": "created_at", "seconds": SECRET_TTL_S},
            extra_body={"antiphon": limits},
        )
        return minted.value

    async def join(self, visit: str, attend: Attend) -> None:
        """Come into the session of a visit, and `attend` it; returns once the client may go on.

        The server's list, not the client, says which session that is: a client could name another.

        Raises:
            HTTPConflict: no such session is live.
        """
        listed: Any = await self._openai.get("/antiphon/sessions", cast_to=object)
        own = [session for session in listed["data"] if session["end_user_id"] == visit]
        if not own:
            raise web.HTTPConflict(text="Connect first, with the secret of this visit.")
        newest = max(own, key=lambda session: session["began_at"])
        sideband = await self._openai.realtime.connect(call_id=newest["id"]).enter()
        ready = asyncio.Event()
        task = asyncio.create_task(self._attend(sideband, attend, ready), name=visit)
        self._attending.add(task)
        task.add_done_callback(self._attending.discard)
        await ready.wait()

    async def until_ended(self, visit: str) -> None:
        """Wait for the session of a visit whose client hangs up: then is kept what was heard of it.

        It may be over already.  One that goes on, as for another page, is not waited for long.
        """
        attending = [task for task in self._attending if task.get_name() == visit]
        if attending:
            await asyncio.wait(attending, timeout=END_TIMEOUT_S)

    def session(self, conversation_id: str | None = None) -> AsyncRealtimeConnectionManager:
        """One of the backend's own, to be entered; it goes on with a conversation, if one is named.

        It is taken over from whoever has it.
        """
        query: dict[str, object] = (
            {} if conversation_id is None else {"conversation_id": conversation_id}
        )
        return self._openai.realtime.connect(model="gpt-realtime", extra_query=query)

    async def _conversation_of(self, visit: str) -> str | None:
        query = {"end_user_id": visit, "limit": 1}
        try:
            kept: Any = await self._openai.get(
                "/antiphon/conversations", cast_to=object, options={"params": query}
            )
        except NotFoundError:  # It keeps none.
            return None
        name: str | None = kept["first_id"]
        return name

    async def items(self, conversation_id: str) -> list[dict[str, Any]] | None:
        """What was said; None: the server does not have it (any more)."""
        path = f"/antiphon/conversations/{conversation_id}"
        try:
            kept: Any = await self._openai.get(path, cast_to=object)
        except NotFoundError:
            return None
        items: list[dict[str, Any]] = kept["items"]
        return items

    @staticmethod
    async def _attend(
        sideband: AsyncRealtimeConnection, attend: Attend, ready: asyncio.Event
    ) -> None:
        try:
            await attend(sideband, ready)
        except ConnectionClosed:
            pass  # Whether the client went or the server: nobody is there any more.
        except Exception:
            log.exception("A session goes on without its backend.")
        finally:
            ready.set()
            await sideband.close()


def conversation_of(event: Any) -> str | None:
    """The conversation's id, of the `session.created` of a server that keeps it."""
    resume = (event.session.to_dict().get("antiphon") or {}).get("resume") or {}
    name: str | None = resume.get("conversation_id")
    return name


async def answer_calls(sideband: AsyncRealtimeConnection, run: RunTool) -> None:
    """Run the functions that the agent calls, until the session ends."""
    async for event in sideband:
        await answer_calls_of(sideband, event, run)


async def answer_calls_of(sideband: AsyncRealtimeConnection, event: Any, run: RunTool) -> bool:
    """Run what a response calls, all of it, and then ask for one more; whether it called any."""
    if event.type != "response.done":
        return False
    calls = [item for item in event.response.output or () if item.type == "function_call"]
    for call in calls:
        output = run(call.name or "", call.arguments or "{}")
        await sideband.conversation.item.create(
            item={
                # As a client names it that tells the conversation anew: so it is there once.
                "id": f"out_{call.id}"[:MAX_ID_LENGTH],
                "type": "function_call_output",
                "call_id": call.call_id or "",
                "output": json.dumps(output),
            }
        )
    if calls:
        modalities = event.response.output_modalities or ["audio"]
        await sideband.response.create(response={"output_modalities": modalities})
    return bool(calls)
