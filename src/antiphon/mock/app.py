"""The mock's HTTP beside the server's: who comes in and is struck, and the routes of the faults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
from aiohttp import web

from antiphon.mock.desk import FaultDesk, TooManyFaults, Via
from antiphon.mock.fault import Fault, Place
from antiphon.mock.faults import FaultKind, UnknownFault, by_place
from antiphon.mock.hub import struck_at_connect
from antiphon.mock.kinds import Handler
from antiphon.mock.replay import Replayer
from antiphon.server.api_errors import ApiError
from antiphon.server.client_routes import PREFIXES

Entrance = Literal["secret", "websocket", "call"]


def _entrances() -> dict[tuple[str, str], Entrance]:
    found: dict[tuple[str, str], Entrance] = {}
    for prefix in PREFIXES:
        found["GET", f"{prefix}/realtime"] = "websocket"
        for path in ("realtime", "realtimertc", "realtime/calls"):
            found["POST", f"{prefix}/{path}"] = "call"
        for path in ("client_secrets", "sessions", "transcription_sessions"):
            found["POST", f"{prefix}/realtime/{path}"] = "secret"
    return found


ENTRANCES = _entrances()


def entrance_of(request: web.Request) -> Entrance | None:
    """Where a request comes in; None: it asks for no session, or joins one as a sideband."""
    if request.query.get("call_id"):
        return None
    return ENTRANCES.get((request.method, request.path))


def at_the_entrance(desk: FaultDesk, replayer: Replayer | None = None) -> Callable[..., Any]:
    """A middleware: whoever comes in is counted, and struck by what is due.

    ``replayer``: who answers WebSockets, in the server's place.
    """

    @web.middleware
    async def struck(request: web.Request, handler: Handler) -> web.StreamResponse:
        entrance = entrance_of(request)
        if entrance is None:
            return await handler(request)
        place: Place = "secret" if entrance == "secret" else "connection"
        via: Via = "call" if entrance == "call" else "websocket"
        due = desk.due(place, desk.count(place), via)
        if replayer is not None and entrance == "websocket":
            handler = replayer.handle
        struck_at_connect.set([(kind, ms) for kind, ms in due if kind.refusal is None])
        return await _refused(request, handler, due)

    return struck


async def _refused(
    request: web.Request, handler: Handler, due: Sequence[tuple[FaultKind, int]]
) -> web.StreamResponse:
    for kind, ms in due:
        if kind.refusal is not None:
            return await kind.refusal(request, handler, ms)
    return await handler(request)


class FaultRoutes:
    """`/mock/faults`: what there is, what is armed, what has struck."""

    def __init__(self, desk: FaultDesk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        path = "/mock/faults"
        return [
            web.get(path, self.show),
            web.post(path, self.arm),
            web.delete(path, self.clear),
        ]

    async def show(self, _: web.Request) -> web.Response:
        kinds = [
            {"name": kind.name, "place": kind.place, "ms": kind.ms, "sentence": kind.sentence}
            for kind in by_place()
        ]
        return _json({"faults": kinds} | self._state())

    async def arm(self, request: web.Request) -> web.Response:
        """One fault, or a list; all of them or none."""
        body = await request.read()
        try:
            asked = msgspec.json.decode(body or b"{}", type=list[Fault] | Fault)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise ApiError(400, "invalid_value", f"This is no fault: {error}.") from None
        faults = asked if isinstance(asked, list) else [asked]
        try:
            FaultDesk(faults)  # So that of several none is armed where one is wrong.
            for fault in faults:
                self._desk.arm(fault)
        except UnknownFault as error:
            raise ApiError(404, "fault_not_found", str(error), param="name") from None
        except TooManyFaults as error:
            raise ApiError(409, "too_many_faults", str(error)) from None
        return _json(self._state(), status=201)

    async def clear(self, _: web.Request) -> web.Response:
        self._desk.clear()
        return _json(self._state())

    def _state(self) -> dict[str, Any]:
        return {"armed": self._desk.armed, "struck": tuple(self._desk.struck)}


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json"
    )
