"""A session's line to its engine: commands there, news back, and a fresh start where it fails."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from antiphon.core.causes import EngineLost, EngineNews
from antiphon.core.effects import EngineCommand
from antiphon.engines.engine import Engine, EngineSession
from antiphon.errors import AntiphonError

log = logging.getLogger(__name__)

MAX_ENGINE_RESTARTS = 3
"""Within one session; then it closes."""


class Listener(Protocol):
    """Who the news is for."""

    def on_engine_news(self, news: EngineNews) -> None: ...

    async def caught_up(self) -> None:
        """Waited for after each piece of news, so that a slow reader slows the engine."""
        ...

    def on_engine_gone(self, reason: str) -> None:
        """The engine failed, and could not be had any more."""
        ...


class EngineLine:
    def __init__(self, engine: Engine, session_id: str, listener: Listener) -> None:
        self.engine_name = engine.name
        self._engine = engine
        self._session_id = session_id
        self._closed = False
        self._session: EngineSession = engine.open(session_id)
        # The task alone refers to the listener, so that both are free when it is done.
        self._news: asyncio.Task[None] | None = asyncio.get_running_loop().create_task(
            self._follow(listener)
        )

    def send(self, command: EngineCommand) -> None:
        self._session.send(command)

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

    async def _follow(self, listener: Listener) -> None:
        restarts = 0
        while not self._closed:
            try:
                async for news in self._session:
                    listener.on_engine_news(news)
                    await listener.caught_up()
                problem = "it stopped"
            except AntiphonError as error:
                problem = str(error)
            except Exception as error:
                log.exception("session %s: engine %s failed", self._session_id, self.engine_name)
                problem = type(error).__name__
            if self._closed:
                return
            log.warning(
                "session %s: engine %s lost: %s", self._session_id, self.engine_name, problem
            )
            await self._session.aclose()
            restarts += 1
            if restarts > MAX_ENGINE_RESTARTS:
                listener.on_engine_gone("The engine failed too often.")
                return
            if not self._reopen():
                listener.on_engine_gone("The engine failed and could not be started afresh.")
                return
            listener.on_engine_news(EngineLost(problem))

    def _reopen(self) -> bool:
        try:
            self._session = self._engine.open(self._session_id)
        except Exception:
            log.exception(
                "session %s: engine %s did not come back", self._session_id, self.engine_name
            )
            return False
        return True
