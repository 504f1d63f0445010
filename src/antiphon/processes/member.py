"""One process of several: finds what is with the others, and answers for what is here."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
from aiohttp import web

from antiphon.identity.principal import Principal
from antiphon.processes.bus import Bus, BusLost
from antiphon.processes.merging import merged_health, merged_metrics
from antiphon.processes.messages import (
    Deeds,
    Drains,
    Errors,
    Guessed,
    Has,
    Health,
    HealthTold,
    Listed,
    Load,
    Measured,
    Question,
    Taken,
)
from antiphon.processes.shared import (
    ClaimsOfAll,
    CountsOfAll,
    GuessesOfAll,
    RatesOfAll,
    SecretsOfAll,
)
from antiphon.processes.splice import FORWARDED, Connect, splice
from antiphon.runtime.door import SessionDoor
from antiphon.server.admission import overloaded
from antiphon.server.app import Api
from antiphon.server.audit import Deed
from antiphon.server.auth import presented_key
from antiphon.server.directory import Directory, ListedSession, LocalDirectory
from antiphon.server.readiness import DRAIN_PATH, READY_PATH
from antiphon.server.recent_errors import RecentError
from antiphon.server.returning import shown_token
from antiphon.server.secret_store import PREFIX as SECRET_PREFIX
from antiphon.server.secret_store import SecretRefused, SecretStore
from antiphon.server.siblings import Handler

log = logging.getLogger(__name__)

LOAD_EVERY_S: Final = 0.1
BEGINNINGS: Final = ("/realtime", "/realtime/calls", "/realtimertc")
"""Routes on which sessions begin."""
HEALTH_PATH: Final = "/healthz"


class DirectoryOfAll:
    """A `Directory`."""

    def __init__(self, bus: Bus, local: LocalDirectory) -> None:
        self._bus = bus
        self._local = local

    async def find(self, name: str) -> SessionDoor | None:
        return await self._local.find(name)

    async def elsewhere(self, name: str) -> str | None:
        if self._local.has(name):
            return None
        answers = await self._bus.ask(Has(name), bool)
        return next((process for process, has in answers.items() if has), None)

    async def listed(self) -> Sequence[ListedSession]:
        found = list(await self._local.listed())
        for theirs in (await self._bus.ask(Listed(), list[ListedSession])).values():
            found += theirs
        return sorted(found, key=lambda session: session.began_at)


class Member:
    """`Siblings` of a server, by way of their supervisor.

    Args:
        name: Of this process.
        token: What all processes of the server show each other.
        connect: Gives a connection to another process by its name.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        name: str,
        token: str,
        connect: Callable[[str, Callable[[], asyncio.Protocol]], Awaitable[asyncio.Transport]],
    ) -> None:
        self.name = name
        self.secrets: SecretStore = SecretsOfAll(bus)
        self.bus = bus
        self._token = token
        self._connect = connect
        self._carried: set[asyncio.Task[object] | None] = set()
        """Requests of clients that another process answers."""
        self._nothing_carried = asyncio.Event()
        self._nothing_carried.set()
        self._api: Api
        self._directory: DirectoryOfAll
        self._counts = CountsOfAll(bus)
        self._rates: dict[str, RatesOfAll]
        self._guesses: GuessesOfAll

    # --- `Siblings` ----------------------------------------------------------

    @property
    def group(self) -> str:
        return hashlib.sha256(self._token.encode()).hexdigest()[:12]

    def directory(self, local: LocalDirectory) -> Directory:
        self._directory = DirectoryOfAll(self.bus, local)
        return self._directory

    def join(self, api: Api) -> None:
        self._api = api
        hub, quotas = api.hub, api.quotas
        quotas.shared = self._counts
        tell = self.bus.tell_others
        self._rates = {
            "messages": RatesOfAll("messages", quotas.messages, tell),
            "answers": RatesOfAll("answers", quotas.answers, tell),
        }
        self._guesses = GuessesOfAll(api.gate, tell)
        api.operations.errors.everywhere = self._errors_of_all
        api.operations.operator.everywhere = self._deeds_of_all
        hub.conversations.claiming = ClaimsOfAll(self.bus, self._directory.elsewhere).claiming
        hub.on_adopted.append(lambda door: self._counts.live(door.id, quotas.who_of(door)))
        hub.on_released.append(lambda door: self._counts.ended(door.id))
        self.bus.answer_by(self.answer)
        if api.operations.metrics is not None:
            api.operations.metrics.completed = self._measured

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        shown = request.headers.get(FORWARDED)
        if shown is not None:
            token, _, address = shown.partition(" ")
            if hmac.compare_digest(token.encode(), self._token.encode()):
                # It was sent here for what is here; so nobody is asked again.
                return await handler(request.clone(remote=address))
        if request.method == "OPTIONS":
            return await handler(request)
        try:
            owner = await self._owner(request)
            if owner is not None:
                return await self._carry(request, owner)
            response = await handler(request)
            return await self._with_others(request, response)
        except BusLost as error:
            log.warning("%s", error)
            raise overloaded("A part of this server has failed; try again.") from None

    # --- Whose a request is --------------------------------------------------

    async def _owner(self, request: web.Request) -> str | None:
        """The other process that has what the request is about; None: it is ours to answer."""
        for name in await self._names(request):
            if (process := await self._directory.elsewhere(name)) is not None:
                return process
        if request.method == "POST" and _begins_call(request):
            # Clients behind a proxy share its connections, and so come to one process; their media
            # need not.
            freest = await self.bus.freest()
            return None if freest == self.name else freest
        return None

    async def _names(self, request: web.Request) -> list[str]:
        """Of sessions and conversations that the request is about."""
        route = _route(request)
        if "/calls/{id}" in route or "/sessions/{id}" in route:
            return [request.match_info["id"]]
        if route.endswith("/conversations/{id}") and request.method == "DELETE":
            return [request.match_info["id"]]
        if not route.endswith(BEGINNINGS):
            return []
        if call_id := request.query.get("call_id"):
            return [call_id]
        named = (shown_token(request.headers), request.query.get("conversation_id"))
        names = [name for name in named if name]
        if not names and (key := presented_key(request.headers) or "").startswith(SECRET_PREFIX):
            names += await self._bound(key, request.headers.get("Origin"))
        return names

    async def _bound(self, secret: str, origin: str | None) -> list[str]:
        """The conversation that a client secret is bound to."""
        try:
            grant = await self.secrets.check(secret, origin=origin)
        except SecretRefused:
            return []  # Whoever is in charge says so.
        return [] if grant.conversation_id is None else [grant.conversation_id]

    async def _carry(self, request: web.Request, process: str) -> web.StreamResponse:
        task = asyncio.current_task()
        self._carried.add(task)
        self._nothing_carried.clear()
        connect: Connect = lambda protocol: self._connect(process, protocol)  # noqa: E731
        try:
            return await splice(request, connect, shows=f"{self._token} {request.remote or ''}")
        finally:
            self._carried.discard(task)
            if not self._carried:
                self._nothing_carried.set()

    async def nothing_carried(self) -> None:
        """Wait until no client of ours is with another process."""
        await self._nothing_carried.wait()

    # --- What all processes together say -------------------------------------

    async def _with_others(
        self, request: web.Request, response: web.StreamResponse
    ) -> web.StreamResponse:
        path = request.path
        if not isinstance(response, web.Response):
            return response
        if path in (HEALTH_PATH, READY_PATH):
            ours = HealthTold(self._api.health_now(), dict(self._api.checks_now()))
            told = {self.name: ours, **await self.bus.ask(Health(), HealthTold)}
            health = merged_health(dict(sorted(told.items())))
            if path == HEALTH_PATH:
                return _json(health.health)
            is_ready = all(verdict == "ok" for verdict in health.checks.values())
            body_of = {"ready": is_ready, "checks": health.checks}
            return _json(body_of, status=200 if is_ready else 503)
        if path == DRAIN_PATH and response.status == 200:
            return await self._drained(request, response)
        return response

    async def _measured(self, ours: str) -> str:
        texts = {self.name: ours, **await self.bus.ask(Measured(), str)}
        return merged_metrics(dict(sorted(texts.items())))

    async def _drained(self, request: web.Request, response: web.Response) -> web.Response:
        wish = {"GET": None, "POST": True, "DELETE": False}[request.method]
        text = await request.text() if wish else ""
        within_s = msgspec.json.decode(text).get("within_seconds") if text.strip() else None
        theirs = await self.bus.ask(Drains(wish, within_s), int)
        body = msgspec.json.decode(response.text or "{}")
        return _json(body | {"sessions": body["sessions"] + sum(theirs.values())})

    async def _errors_of_all(
        self, seen_by: Principal, limit: int
    ) -> Sequence[Sequence[RecentError]]:
        ours = self._api.operations.errors.last(seen_by, limit)
        told = {self.name: ours, **await self.bus.ask(Errors(seen_by, limit), list[RecentError])}
        return [told[process] for process in sorted(told)]

    async def _deeds_of_all(
        self, seen_by: Principal, limit: int, before_s: float | None
    ) -> Sequence[Sequence[Deed]]:
        ours = self._api.operations.operator.last(seen_by, limit=limit, before_s=before_s)
        question = Deeds(seen_by, limit, before_s)
        told = {self.name: ours, **await self.bus.ask(question, list[Deed])}
        return [told[process] for process in sorted(told)]

    # --- What the others ask -------------------------------------------------

    async def answer(self, question: Question) -> object:
        api = self._api
        match question:
            case Has():
                return api.local_directory.has(question.name)
            case Listed():
                return await api.local_directory.listed()
            case Measured():
                return "" if api.operations.metrics is None else api.operations.metrics.own_text()
            case Health():
                return HealthTold(api.health_now(), dict(api.checks_now()))
            case Drains():
                if question.on:
                    api.operations.drain.begin(question.within_s)
                elif question.on is False and api.admission.draining:
                    api.operations.drain.end()
                return len(api.hub.sessions)
            case Errors():
                return api.operations.errors.last(question.seen_by, question.limit)
            case Deeds():
                by, limit, before_s = question.seen_by, question.limit, question.before_s
                return api.operations.operator.last(by, limit=limit, before_s=before_s)
            case Guessed():
                self._guesses.heard(question)
            case Taken():
                self._rates[question.of].heard(question, api.quotas.now_s())
        return None

    async def tell_load(self) -> None:
        """Until it is cancelled."""
        while True:
            self.bus.send(self.load)
            await asyncio.sleep(LOAD_EVERY_S)

    @property
    def load(self) -> Load:
        api = self._api
        return Load(len(api.hub.sessions), api.late_ms, api.admission.takes_sessions)


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical


def _begins_call(request: web.Request) -> bool:
    return _route(request).endswith(BEGINNINGS)


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json"
    )
