"""The relay: conversations that another server of the Realtime protocol holds.

Media, turns of the client's protocol and items stay here; what answers is there.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

from aiohttp import BaseConnector
from msgspec.structs import replace

from antiphon.engines.engine import Abilities
from antiphon.engines.relay.link import Link, open_link
from antiphon.engines.relay.session import RelayRules, RelaySession, World
from antiphon.engines.relay.upstreams import Upstream, Upstreams
from antiphon.protocol.session import AnySession, Session
from antiphon.upstream.connection import CannotConnect
from antiphon.upstream.websocket import WebSocketConnector

log = logging.getLogger(__name__)

VOICES = ("alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse")
"""Of OpenAI."""


class RelayEngine:
    """Args:
    *upstreams: Those that hold the models, one at least.
    voices: What they can speak with, as it is told to those who ask.
    """

    def __init__(
        self,
        *upstreams: Upstream,
        name: str = "relay",
        voices: tuple[str, ...] = VOICES,
        rules: RelayRules | None = None,
        world: World | None = None,
        make_connector: Callable[[], BaseConnector] | None = None,
    ) -> None:
        self.name = name
        self._voices = voices
        self._rules = rules or RelayRules()
        self._world = world or World(random.random)
        self.make_connector = make_connector
        self.pool = Upstreams(
            upstreams,
            random=self._world.random,
            now_s=lambda: asyncio.get_running_loop().time(),
        )
        """Which of them is dialled."""

    @property
    def upstreams(self) -> tuple[Upstream, ...]:
        return self.pool.all

    @property
    def description(self) -> str:
        places = self.pool.places
        return f"Relays to the Realtime API at {places}: what is said leaves this machine."

    @property
    def abilities(self) -> Abilities:
        finding = self._rules.turn_detection
        return Abilities(
            finds_turns=finding != "ours",
            full_duplex=finding == "duplex",
            takes_images=True,
            follows_items=True,
            voices=self._voices,
        )

    def that_waits(self) -> RelayEngine | None:
        """To the same upstreams, which answer only what they are asked for there; None: they do
        here as well.
        """
        if self._rules.turn_detection != "duplex":
            return None
        waits = RelayEngine(
            *self.upstreams,
            name=self.name,
            voices=self._voices,
            rules=replace(self._rules, turn_detection="theirs"),
            world=self._world,
            make_connector=self.make_connector,
        )
        waits.pool = self.pool  # Which of them are well is known.
        return waits

    async def start(self) -> None:
        """Nothing to get ready: an upstream that is away now may be back for the next call."""

    def open(self, session_id: str) -> RelaySession:
        return RelaySession(self.name, session_id, self, self._rules, self._world)

    async def aclose(self) -> None:
        """Sessions are closed by those who opened them."""

    # --- Dialling ------------------------------------------------------------

    async def dial(self, session: AnySession) -> Link:
        """A session of one of the upstreams.

        Raises:
            CannotConnect: of those that are well none wants it, as the last of them says.
        """
        tried: list[Upstream] = []
        while True:
            upstream = self.pool.pick(tried)
            assert upstream is not None, "there is one to begin with"
            try:
                link = await self._dial(upstream, session)
            except CannotConnect as error:
                self.pool.failed(upstream)
                tried.append(upstream)
                if self.pool.pick(tried) is None:
                    raise
                log.warning("relay: %s: %s; another upstream is dialled", upstream.place, error)
            else:
                link.upstream = upstream
                return link

    async def _dial(self, upstream: Upstream, session: AnySession) -> Link:
        timeout_s = self._rules.dial_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                return await open_link(self.connector_for(session, upstream))
        except TimeoutError:
            raise CannotConnect(f"no session began within {timeout_s:g} s") from None

    def was_lost(self, link: Link, *, was_good: bool) -> None:
        """``was_good``: it had held for long."""
        if link.upstream is None:
            return
        if was_good:
            self.pool.succeeded(link.upstream)
        else:
            self.pool.failed(link.upstream)

    async def probe(self, upstream: Upstream, model: str) -> None:
        """Begin a session there, and end it.

        Raises:
            CannotConnect: there is none; the message says why.
        """
        session = Session(id="probe", model=model, expires_at=0)
        link = await self._dial(upstream, session)
        await link.close()

    def connector_for(self, session: AnySession, upstream: Upstream) -> WebSocketConnector:
        return WebSocketConnector(
            upstream.url_for(session), upstream.bearer, upstream.headers, self.make_connector
        )
