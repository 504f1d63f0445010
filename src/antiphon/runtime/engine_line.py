"""A session's line to its engine: commands there, news back, and another one where it fails.

An engine that cannot serve any more gives way to the next of its `Route`; where there is none, it
is started afresh.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from antiphon.core.causes import EngineFailed, EngineFinished, EngineLost, EngineNews
from antiphon.core.effects import EngineCommand
from antiphon.engines.engine import Engine, EngineSession, GivesWay
from antiphon.errors import AntiphonError
from antiphon.runtime.route import Route

log = logging.getLogger(__name__)

MAX_ENGINE_RESTARTS = 3
"""Within one session; then it closes."""


class Listener(Protocol):
    """Who the news is for."""

    def on_engine_news(self, news: EngineNews) -> None: ...

    def on_engine_moved(self, engine: Engine, message: str, code: str) -> None:
        """Another engine has taken over; it is on the line already, and knows nothing."""
        ...

    async def caught_up(self) -> None:
        """Waited for after each piece of news, so that a slow reader slows the engine."""
        ...

    @property
    def is_idle(self) -> bool:
        """Nobody speaks, and nothing is awaited."""
        ...

    def on_engine_gone(self, reason: str) -> None:
        """The engine failed, and could not be had any more."""
        ...


class EngineLine:
    """Args:
    engine: Of ``route``, the one that serves first.
    """

    def __init__(self, engine: Engine, route: Route, session_id: str, listener: Listener) -> None:
        self._engine = engine
        self._route = route
        self._session_id = session_id
        self._closed = False
        self._session: EngineSession = engine.open(session_id)
        self._partings: set[asyncio.Task[None]] = set()
        """Sessions of engines that others took over from."""
        # The task alone refers to the listener, so that both are free when it is done.
        self._news: asyncio.Task[None] | None = asyncio.get_running_loop().create_task(
            self._follow(listener)
        )

    @property
    def engine(self) -> Engine:
        """The one that serves."""
        return self._engine

    def send(self, command: EngineCommand) -> None:
        self._session.send(command)

    def move(self, engine: Engine, route: Route) -> None:
        """Let another engine serve; the caller tells the conversation.

        Raises:
            Exception: it cannot be opened; nothing has changed.
        """
        self._take(engine)
        self._route = route

    def hang_up(self) -> None:
        """No more news; `aclose` frees the rest."""
        self._closed = True

    async def aclose(self) -> None:
        self._closed = True
        await self._session.aclose()
        news, self._news = self._news, None
        if news is not None:
            news.cancel()
            await asyncio.gather(news, return_exceptions=True)
        await asyncio.gather(*self._partings, return_exceptions=True)

    # --- News ----------------------------------------------------------------

    async def _follow(self, listener: Listener) -> None:
        restarts = 0
        while not self._closed:
            session = self._session
            problem = await self._listen(session, listener)
            if self._closed:
                return
            if session is not self._session:
                continue  # Another engine has taken over.
            log.warning(
                "session %s: engine %s lost: %s", self._session_id, self._engine.name, problem
            )
            if self._fall_back(listener, problem, "engine_lost"):
                continue
            await session.aclose()
            restarts += 1
            if restarts > MAX_ENGINE_RESTARTS:
                listener.on_engine_gone("The engine failed too often.")
                return
            if not self._reopen():
                listener.on_engine_gone("The engine failed and could not be started afresh.")
                return
            listener.on_engine_news(EngineLost(problem))

    async def _listen(self, session: EngineSession, listener: Listener) -> str:
        """Until it ends, or another one has taken over.  Returns what was wrong."""
        try:
            async for news in session:
                if session is not self._session:
                    break
                if isinstance(news, GivesWay):
                    if self._fall_back(listener, news.message, news.code):
                        break
                    continue
                if (
                    isinstance(news, EngineFailed)
                    and news.is_unavailable
                    and self._fall_back(listener, news.message, news.code or "engine_lost")
                ):
                    break
                listener.on_engine_news(news)
                if isinstance(news, EngineFinished):
                    self._answered(listener)
                await listener.caught_up()
        except AntiphonError as error:
            return str(error)
        except Exception as error:
            log.exception("session %s: engine %s failed", self._session_id, self._engine.name)
            return type(error).__name__
        return "it stopped"

    # --- Another engine ------------------------------------------------------

    def _fall_back(self, listener: Listener, message: str, code: str) -> bool:
        """Returns whether another engine serves now."""
        self._route.failed(self._engine)
        while (other := self._route.instead_of(self._engine)) is not None:
            if self._try(other, listener, message, code):
                return True
        return False

    def _answered(self, listener: Listener) -> None:
        self._route.served(self._engine)
        better = self._route.before(self._engine)
        if better is not None and listener.is_idle:
            self._try(better, listener, f"'{better.name}' is there again.", "engine_moved")

    def _try(self, engine: Engine, listener: Listener, message: str, code: str) -> bool:
        try:
            self._take(engine)
        except Exception:
            log.exception("session %s: engine %s did not open", self._session_id, engine.name)
            self._route.failed(engine)
            return False
        listener.on_engine_moved(engine, message, code)
        return True

    def _take(self, engine: Engine) -> None:
        session = engine.open(self._session_id)
        log.info(
            "session %s: engine %s took over from %s",
            self._session_id,
            engine.name,
            self._engine.name,
        )
        before, self._session, self._engine = self._session, session, engine
        parting = asyncio.get_running_loop().create_task(before.aclose())
        self._partings.add(parting)
        parting.add_done_callback(self._partings.discard)

    def _reopen(self) -> bool:
        try:
            self._session = self._engine.open(self._session_id)
        except Exception:
            log.exception(
                "session %s: engine %s did not come back", self._session_id, self._engine.name
            )
            return False
        return True
