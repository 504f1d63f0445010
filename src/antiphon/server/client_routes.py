"""OpenAI's API: sessions over WebSocket and WebRTC, the secrets that open them, the models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

import msgspec
from aiohttp import web
from msgspec import Struct

from antiphon.direct.calls import DirectCalls
from antiphon.runtime.door import SessionDoor
from antiphon.runtime.hub import Hub
from antiphon.server.api_errors import ApiError
from antiphon.server.audit import Audit
from antiphon.server.background import Running
from antiphon.server.calls import CallRoutes
from antiphon.server.client_secrets import ClientSecrets
from antiphon.server.conversations import check_sees, forked_from
from antiphon.server.directory import Directory, LocalDirectory
from antiphon.server.entrance import Entrance
from antiphon.server.memory import Memory
from antiphon.server.quality import LastTurns, Quality
from antiphon.server.realtime import Realtime
from antiphon.server.siblings import Siblings
from antiphon.transports.webrtc.settings import WebRtcSettings
from antiphon.transports.websocket import WebSocketLimits

PREFIXES: Final = ("/v1", "/openai/v1", "/openai")
"""OpenAI's own, and the two of Azure."""


class Model(Struct, frozen=True, kw_only=True):
    """An entry of `GET /v1/models`."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = "antiphon"
    description: str = ""


class Media(Struct, frozen=True, kw_only=True):
    """How clients' sound comes and goes."""

    websocket: WebSocketLimits | None = None
    webrtc: WebRtcSettings | None = None
    direct_calls: DirectCalls | None = None
    """Calls that another server answers."""


class ClientRoutes:
    """Args:
    memory: What sessions are told of their users.
    models: Those that are listed.
    siblings: The other processes of the same server.
    strict: Refuse unknown settings, as OpenAI does.
    """

    def __init__(
        self,
        hub: Hub,
        entrance: Entrance,
        *,
        memory: Memory,
        models: Callable[[], Sequence[Model]],
        media: Media,
        last_turns: LastTurns,
        siblings: Siblings | None,
        audit: Audit,
        strict: bool,
    ) -> None:
        self._gate = gate = entrance.gate
        self._models = models
        self._last_turns = last_turns
        self.calls = CallRoutes(
            hub,
            gate=gate,
            admission=entrance.admission,
            returning=entrance.returning,
            quotas=entrance.quotas,
            memory=memory,
            settings=media.webrtc,
            direct_calls=media.direct_calls,
            audit=audit,
            strict=strict,
        )
        self.local_directory = LocalDirectory(
            hub, of_call=self.calls.session_of, qualities=self._qualities
        )
        self.directory: Directory = self.local_directory
        if siblings is not None:
            self.directory = siblings.directory(self.local_directory)
        self.realtime = Realtime(
            hub,
            gate=gate,
            admission=entrance.admission,
            directory=self.directory,
            returning=entrance.returning,
            quotas=entrance.quotas,
            memory=memory,
            limits=media.websocket,
            strict=strict,
        )
        self._secrets = ClientSecrets(
            entrance.secret_store,
            gate=gate,
            rules=hub.rules,
            fork=partial(forked_from, hub),
            check_sees=partial(check_sees, hub),
            audit=audit,
            strict=strict,
        )

    def routes(self) -> Iterator[web.RouteDef]:
        yield web.get("/v1/antiphon/calls/{id}", self.calls.show)
        for prefix in PREFIXES:
            yield web.get(f"{prefix}/realtime", self.realtime.handle)
            yield from self._secrets.routes(prefix)
            yield from self.calls.routes(prefix)
            yield web.get(f"{prefix}/models", self.list_models)
            yield web.get(f"{prefix}/models/{{id}}", self.one_model)

    def running(self) -> Iterator[Running]:
        yield self.calls.running

    async def list_models(self, request: web.Request) -> web.Response:
        await self._gate.require(request)
        return _json({"object": "list", "data": self._models()})

    async def one_model(self, request: web.Request) -> web.Response:
        await self._gate.require(request)
        name = request.match_info["id"]
        for model in self._models():
            if model.id == name:
                return _json(model)
        raise ApiError(404, "model_not_found", f"There is no model '{name[:200]}' in the list.")

    def _qualities(self) -> Callable[[SessionDoor], Quality]:
        calls = {call.session.id: call for call in self.calls.live if call.session is not None}

        def quality_of(session: SessionDoor) -> Quality:
            call = calls.get(session.id)
            return Quality(
                latency_ms=self._last_turns.latency_ms(session.id),
                call=None if call is None else call.quality,
            )

        return quality_of


def _json(body: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
