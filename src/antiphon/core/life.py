"""The session's own life: who owns it, how long it waits for them, when it is over."""

from __future__ import annotations

from enum import Enum, auto

from antiphon.core.causes import Ms
from antiphon.core.deadlines import Deadline, Deadlines
from antiphon.core.lifecycle import Lifecycle


class Life(Enum):
    NEW = auto()
    OPEN = auto()
    ALONE = auto()
    """Its owner is gone and may come back."""
    DRAINING = auto()
    """The server goes away: what runs may end, nothing begins."""
    CLOSED = auto()


class LifeMove(Enum):
    ATTACH = auto()
    LEAVE = auto()
    RETURN = auto()
    DRAIN = auto()
    CLOSE = auto()


SESSION = Lifecycle(
    "session",
    {
        (Life.NEW, LifeMove.ATTACH): Life.OPEN,
        (Life.OPEN, LifeMove.LEAVE): Life.ALONE,
        (Life.ALONE, LifeMove.RETURN): Life.OPEN,
        (Life.NEW, LifeMove.DRAIN): Life.DRAINING,
        (Life.OPEN, LifeMove.DRAIN): Life.DRAINING,
        (Life.ALONE, LifeMove.DRAIN): Life.DRAINING,
        (Life.OPEN, LifeMove.CLOSE): Life.CLOSED,
        (Life.ALONE, LifeMove.CLOSE): Life.CLOSED,
        (Life.DRAINING, LifeMove.CLOSE): Life.CLOSED,
    },
)


class SessionLife:
    """Args:
    linger_ms: How long a session without its owner waits; 0: not at all.
    """

    def __init__(self, deadlines: Deadlines, *, linger_ms: Ms) -> None:
        self.owners: frozenset[str] = frozenset()
        """The connections whose session it is; others are sidebands."""
        self.sidebands: tuple[str, ...] = ()
        self._deadlines = deadlines
        self._linger_ms = linger_ms
        self._phase = Life.NEW
        # Kept, not looked for: they are asked with each cause.
        self.is_draining = False
        self.is_closed = False

    def attach(self, connection: str, *, owns: bool) -> bool:
        """Returns whether this is the first to join: the session begins."""
        if owns:
            self.owners |= {connection}
        else:
            self.sidebands += (connection,)
        if self._phase is Life.NEW:
            self._move(LifeMove.ATTACH)
            return True
        if owns and self._phase is Life.ALONE:
            self._move(LifeMove.RETURN)
            self._deadlines.clear(Deadline.OWNER_STAYS_AWAY)
        return False

    def detach(self, connection: str, now_ms: Ms, *, for_good: bool = False) -> bool:
        """Returns whether the session is over with that: its last owner left, for good."""
        owned = connection in self.owners
        self.owners -= {connection}
        self.sidebands = tuple(name for name in self.sidebands if name != connection)
        if not owned or self.owners:
            return False
        if self._phase is Life.OPEN and self._linger_ms and not for_good:
            self._move(LifeMove.LEAVE)
            self._deadlines.set(Deadline.OWNER_STAYS_AWAY, now_ms + self._linger_ms)
            return False
        return True

    def drain(self) -> None:
        if not self.is_draining:
            self._move(LifeMove.DRAIN)

    def close(self) -> None:
        self._move(LifeMove.CLOSE)

    def _move(self, move: LifeMove) -> None:
        self._phase = SESSION.next(self._phase, move)
        self.is_draining = self._phase is Life.DRAINING
        self.is_closed = self._phase is Life.CLOSED
