"""How often a session may be answered: asked before each answer, and told to the client."""

from __future__ import annotations

from typing import Protocol

from antiphon.core.causes import Cause, EngineFailed, RateLimitsChanged
from antiphon.core.effects import Generate
from antiphon.engines.engine import Engine
from antiphon.protocol.server import RateLimit, Response


class Pace(Protocol):
    """What the limits say of one session that are in force when it is asked: it may have none."""

    def ask(self) -> tuple[str, str] | None:
        """Take an answer; else which limit is in the way ("requests", "tokens"), in words too."""
        ...

    def use(self, tokens: int) -> None: ...

    def told(self) -> tuple[RateLimit, ...] | None:
        """As `rate_limits.updated` tells it; None: there never was a limit to tell of."""
        ...


class Paced(Protocol):
    """What is asked of the session."""

    @property
    def engine(self) -> Engine: ...

    def tell(self, cause: Cause) -> None: ...


class PaceGuard:
    """Every session's, whether or not its answers are limited now.

    Args:
        farewell: An engine that is not held up: it says that the session ends.
    """

    def __init__(self, session: Paced, pace: Pace, *, farewell: Engine | None = None) -> None:
        self._session = session
        self._pace = pace
        self._farewell = farewell
        self._admitted = ""

    def admits(self, command: Generate) -> bool:
        """Whether the engine is to be asked for it now; else the answer fails, and says why."""
        if command.response_id == self._admitted or self._session.engine is self._farewell:
            return True  # Asked again, of another engine.
        refused = self._pace.ask()
        if refused is not None:
            kind, message = refused
            failed = EngineFailed(command.response_id, message, "rate_limit_exceeded", kind)
            self._session.tell(failed)
            return False
        self._admitted = command.response_id
        self._tell()
        return True

    def answered(self, response: Response) -> None:
        """It is over."""
        if response.usage is not None:
            self._pace.use(response.usage.total_tokens)
            self._tell()

    def _tell(self) -> None:
        if (told := self._pace.told()) is not None:
            self._session.tell(RateLimitsChanged(told))
