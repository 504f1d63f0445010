"""What is asked of a Redis (or Valkey) that servers share, and that may be away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from antiphon.server.quotas import CountsAway

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 0.5
AWAY_S: Final = 2.0
"""So long it is not asked again when it did not answer: nobody waits twice."""


class RedisLine:
    """Args:
    url: As "redis://user:password@host:6379/0".
    """

    def __init__(self, url: str) -> None:
        redis: Any = Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        self.redis = redis
        self._away_until_s = 0.0

    async def ask(self, question: Callable[[Any], Awaitable[Any]]) -> Any:
        """Raises:
        CountsAway: it does not answer, or did not a moment ago.
        """
        loop = asyncio.get_running_loop()
        if loop.time() < self._away_until_s:
            raise CountsAway
        try:
            answer = await question(self.redis)
        except (RedisError, OSError, TimeoutError) as error:
            if not self._away_until_s:
                log.warning("Redis: %s; each server counts for itself", type(error).__name__)
            self._away_until_s = loop.time() + AWAY_S
            raise CountsAway from None
        if self._away_until_s:
            log.warning("Redis answers again")
            self._away_until_s = 0.0
        return answer

    async def aclose(self) -> None:
        await self.redis.aclose()
