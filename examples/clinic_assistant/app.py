"""The backend: who is there, and how their conversation goes on, in writing or by voice."""

from __future__ import annotations

import asyncio
import datetime as dt
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from examples.clinic_assistant.accounts import Accounts, NotLoggedIn, Patient
from examples.clinic_assistant.appointments import TOOLS, Appointments
from examples.clinic_assistant.conversations import Conversations, shown
from examples.serving import VoiceServer, add_pages
from examples.sideband import (
    Sidebands,
    answer_calls_of,
    conversation_of,
    instructions_of,
    voice_server_away,
)

HERE = Path(__file__).parent
SCRIPT = instructions_of(HERE / "agent.toml")
"""The assistant for the offline engine."""
INSTRUCTIONS = instructions_of(HERE / "agent.md")
"""The same one for a language model."""
MAX_TEXT_LENGTH = 2000
ANSWER_TIMEOUT_S = 60


class Login(msgspec.Struct):
    login: str
    password: str


class Written(msgspec.Struct):
    text: str


def clinic_time() -> dt.datetime:
    return dt.datetime.now()


def make_app(
    accounts: Accounts,
    db: sqlite3.Connection,
    voice_server: VoiceServer,
    *,
    instructions: str = SCRIPT,
    now: Callable[[], dt.datetime] = clinic_time,
) -> web.Application:
    app = web.Application(middlewares=[voice_server_away])
    clinic = Clinic(accounts, db, Sidebands(voice_server), instructions, now)
    app.cleanup_ctx.append(clinic.sidebands.running)
    app.router.add_post("/login", clinic.log_in)
    app.router.add_get("/conversation", clinic.conversation)
    app.router.add_post("/conversation", clinic.write)
    app.router.add_post("/voice", clinic.let_in)
    app.router.add_post("/voice/{visit}/join", clinic.join)
    add_pages(app, HERE / "page")
    return app


class Clinic:
    def __init__(
        self,
        accounts: Accounts,
        db: sqlite3.Connection,
        sidebands: Sidebands,
        instructions: str,
        now: Callable[[], dt.datetime],
    ) -> None:
        self.sidebands = sidebands
        self._accounts = accounts
        self._conversations = Conversations(db)
        self._appointments = Appointments(db, now)
        self._instructions = instructions
        self._writing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    # Who is there.

    async def log_in(self, request: web.Request) -> web.Response:
        given = await _body(request, Login)
        try:
            token = self._accounts.log_in(given.login, given.password)
        except NotLoggedIn as error:
            raise _unauthorized(error) from None
        return web.json_response({"token": token, "name": self._accounts.patient(token).name})

    def _patient(self, request: web.Request) -> Patient:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            return self._accounts.patient(token if scheme == "Bearer" else "")
        except NotLoggedIn as error:
            raise _unauthorized(error) from None

    # In writing.

    async def conversation(self, request: web.Request) -> web.Response:
        """With `?hung_up`: as it is when the call that the page hangs up has ended."""
        patient = self._patient(request)
        if "hung_up" in request.query:
            await self.sidebands.until_ended(self._conversations.end_user_of(patient.id))
        return web.json_response(await self._shown(patient))

    async def write(self, request: web.Request) -> web.Response:
        """Add a message, and answer it."""
        patient = self._patient(request)
        text = (await _body(request, Written)).text.strip()
        if not 0 < len(text) <= MAX_TEXT_LENGTH:
            raise web.HTTPBadRequest(text=f"A message has 1 to {MAX_TEXT_LENGTH} characters.")
        async with (
            self._writing[patient.id],
            asyncio.timeout(ANSWER_TIMEOUT_S),
            self.sidebands.session(await self._kept(patient)) as session,
        ):
            await self._answer(patient, session, text)
        return web.json_response(await self._shown(patient))

    async def _answer(self, patient: Patient, session: AsyncRealtimeConnection, text: str) -> None:
        await session.session.update(
            session={
                "type": "realtime",
                "instructions": self._instructions,
                "output_modalities": ["text"],
                "tools": TOOLS,
            }
        )
        await session.conversation.item.create(
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": text}],
            }
        )
        await session.response.create()
        begun = self._noting(patient)
        async for event in session:
            begun(event)
            if await self._run_calls(patient, session, event):
                continue  # Their outputs are answered next.
            if event.type == "response.done":
                if event.response.status != "completed":
                    raise web.HTTPBadGateway(text="The assistant cannot answer now.")
                return

    # By voice.

    async def let_in(self, request: web.Request) -> web.Response:
        """A secret for one connection, which goes on with the patient's conversation."""
        patient = self._patient(request)
        visit = self._conversations.end_user_of(patient.id)
        secret = await self.sidebands.mint(
            visit,
            {
                "type": "realtime",
                "instructions": self._instructions,
                "audio": {"input": {"transcription": {"model": "whisper-1"}}},
            },
            origin=request.headers.get("Origin"),
            conversation_id=await self._kept(patient),
        )
        return web.json_response({"id": visit, "secret": secret, "url": self.sidebands.url})

    async def join(self, request: web.Request) -> web.Response:
        """Come into the session of a patient; when this is answered, it has its functions."""
        patient = self._patient(request)
        visit = request.match_info["visit"]
        if visit != self._conversations.end_user_of(patient.id):
            raise web.HTTPNotFound(text="There is no such visit.")
        await self.sidebands.join(visit, partial(self._attend, patient))
        return web.Response(status=204)

    async def _attend(
        self, patient: Patient, sideband: AsyncRealtimeConnection, ready: asyncio.Event
    ) -> None:
        await sideband.session.update(session={"type": "realtime", "tools": TOOLS})
        begun = self._noting(patient)
        async for event in sideband:
            begun(event)
            if event.type == "session.updated":
                ready.set()
            await self._run_calls(patient, sideband, event)

    # Both.

    async def _run_calls(
        self, patient: Patient, sideband: AsyncRealtimeConnection, event: Any
    ) -> bool:
        return await answer_calls_of(sideband, event, partial(self._appointments.run, patient.id))

    def _noting(self, patient: Patient) -> Callable[[Any], None]:
        """Note which conversation it is, once something has been said in it."""
        conversation_id: str | None = None

        def note(event: Any) -> None:
            nonlocal conversation_id
            if event.type == "session.created":
                conversation_id = conversation_of(event)
            if event.type == "conversation.item.done" and conversation_id is not None:
                self._conversations.put(patient.id, conversation_id)

        return note

    async def _kept(self, patient: Patient) -> str | None:
        """The patient's conversation; None: there is none, or the voice server has erased it."""
        name = self._conversations.of(patient.id)
        if name is not None and await self.sidebands.items(name) is None:
            self._conversations.put(patient.id, None)
            return None
        return name

    async def _shown(self, patient: Patient) -> dict[str, Any]:
        name = self._conversations.of(patient.id)
        items = None if name is None else await self.sidebands.items(name)
        return {
            "items": shown(items or ()),
            "appointments": [at.isoformat() for at in self._appointments.of(patient.id)],
        }


async def _body(request: web.Request, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.DecodeError as error:
        raise web.HTTPBadRequest(text=f"The body is wrong: {error}") from None


def _unauthorized(error: NotLoggedIn) -> web.HTTPUnauthorized:
    return web.HTTPUnauthorized(text=str(error), headers={"WWW-Authenticate": "Bearer"})
