"""The relay: conversations that another server of the Realtime protocol holds.

Media, turns of the client's protocol and items stay here; what answers is there.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlsplit

from aiohttp import BaseConnector

from antiphon.engines.engine import Abilities
from antiphon.engines.relay.link import open_link
from antiphon.engines.relay.session import RelayRules, RelaySession, World
from antiphon.protocol.session import AnySession, Session
from antiphon.upstream.websocket import WebSocketConnector

VOICES = ("alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse")
"""Of OpenAI."""


class RelayEngine:
    """Args:
    url: ``wss://…/v1/realtime``.  The model is added, unless the URL names it itself
        (``?model=``, ``?deployment=``) or has a place for it, ``{model}``.
    key: Sent as a bearer token.
    model: The upstream's name of it; None: the one that the client names.
    headers: Sent as well: ``api-key`` for Azure.
    voices: What it can speak with, as it is told to those who ask.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        name: str = "relay",
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        voices: tuple[str, ...] = VOICES,
        rules: RelayRules | None = None,
        world: World | None = None,
        make_connector: Callable[[], BaseConnector] | None = None,
    ) -> None:
        self.name = name
        self._url = url
        self._key = key
        self._model = model
        self._headers = dict(headers or {})
        self._voices = voices
        self._rules = rules or RelayRules()
        self._world = world or World(random.random)
        self._make_connector = make_connector

    @property
    def place(self) -> str:
        """Where the upstream is, without anything secret."""
        return urlsplit(self._url).hostname or self._url

    @property
    def description(self) -> str:
        return f"Relays to the Realtime API at {self.place}: what is said leaves this machine."

    @property
    def abilities(self) -> Abilities:
        finding = self._rules.turn_detection
        return Abilities(
            finds_turns=finding != "ours",
            full_duplex=finding == "duplex",
            takes_images=True,
            voices=self._voices,
        )

    async def start(self) -> None:
        """Nothing to get ready: an upstream that is away now may be back for the next call."""

    def open(self, session_id: str) -> RelaySession:
        return RelaySession(self.name, session_id, self.connector_for, self._rules, self._world)

    async def aclose(self) -> None:
        """Sessions are closed by those who opened them."""

    async def probe(self, model: str) -> None:
        """Begin a session there, and end it.

        Raises:
            CannotConnect: there is none; the message says why.
        """
        session = Session(id="probe", model=model, expires_at=0)
        link = await open_link(self.connector_for(session))
        await link.close()

    def connector_for(self, session: AnySession) -> WebSocketConnector:
        url = self._url
        if isinstance(session, Session):
            url = url_for(url, self._model or session.model)
        else:
            url = _with_query(url.partition("?")[0], "intent=transcription")
        return WebSocketConnector(url, self._key, self._headers, self._make_connector)


def url_for(url: str, model: str) -> str:
    """Where a model is served."""
    if "{model}" in url:
        return url.replace("{model}", quote(model, safe=""))
    query = urlsplit(url).query
    if any(part.startswith(("model=", "deployment=")) for part in query.split("&")):
        return url
    return _with_query(url, f"model={quote(model, safe='')}")


def _with_query(url: str, parameter: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{parameter}"
