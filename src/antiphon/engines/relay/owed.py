"""The answer that an upstream owes of itself, after a turn that it found."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from antiphon.core.causes import EngineBegan, EngineFailed, EngineNews
from antiphon.engines.relay.answers import LOST_CODE, STILL_ACTIVE
from antiphon.protocol.client import ClientEvent, ResponseCreate
from antiphon.protocol.server import ErrorDetail

OWN = "own"
"""What an event by which we ask for it is called."""
MAX_ASKED = 1
"""What the upstream did not begin of itself is asked for once."""


class OwedAnswer:
    """Args:
    write, tell: Events for the upstream, and news for the core.
    now_s: A clock.
    """

    def __init__(
        self,
        write: Callable[[ClientEvent], None],
        tell: Callable[[EngineNews], None],
        now_s: Callable[[], float],
    ) -> None:
        self._write = write
        self._tell = tell
        self._now_s = now_s
        self._since_s: float | None = None
        """When the turn ended, or it was asked for; None: nothing is owed."""
        self._is_missed = False
        """The upstream that is there does not know of it."""
        self._asked = 0
        self._numbers = itertools.count(1)

    @property
    def is_due(self) -> bool:
        return self._since_s is not None

    def is_overdue(self, stall_s: float) -> bool:
        return self._since_s is not None and self._now_s() - self._since_s > stall_s

    def turn_ended(self) -> None:
        self._since_s, self._asked, self._is_missed = self._now_s(), 0, False

    def begun(self) -> None:
        self._since_s = None

    def miss(self) -> None:
        """Another upstream is there."""
        self._is_missed = self.is_due

    def ask(self) -> None:
        """An upstream that did not hear the turn's end is to answer it."""
        if not self._is_missed or not self.is_due:
            return
        self._is_missed = False
        if self._asked == MAX_ASKED:
            self.fail("The upstream server did not answer.", LOST_CODE)
            return
        self._asked += 1
        self._since_s = self._now_s()
        self._write(ResponseCreate(event_id=OWN))

    def on_refused(self, detail: ErrorDetail) -> None:
        if detail.code != STILL_ACTIVE:  # Else it has begun to, of itself.
            self._fail(detail.message, detail.code, detail.type, is_unavailable=False)

    def fail(self, message: str, code: str) -> None:
        """There is no upstream that would give it."""
        self._fail(message, code, "server_error", is_unavailable=True)

    def _fail(self, message: str, code: str | None, kind: str, *, is_unavailable: bool) -> None:
        if self._since_s is None:
            return
        self._since_s = None
        name = f"owed_{next(self._numbers)}"
        self._tell(EngineBegan(name))
        self._tell(EngineFailed(name, message, code, kind, is_unavailable=is_unavailable))
