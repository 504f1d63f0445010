"""A session that does not begin to listen before its sideband is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from antiphon.core.causes import Attached, Cause, ClientSent, Heard, Ms

GRACE_MS: Ms = 500
"""How long a sideband that has come may take to say its first word: mostly settings."""
MAX_KEPT = 2_000
"""Of what the owner says meanwhile.  Overflow policy: the session goes on without its sideband."""


class SidebandWait:
    """Keeps what the session's owner says and sounds until a sideband has come and said something,
    or `GRACE_MS` after it came, or ``at_most_ms`` after the owner came.  All of it comes then.

    Args:
        release: Is given what was kept, in order.
    """

    def __init__(
        self, at_most_ms: Ms, release: Callable[[list[Cause]], None], on_timeout: Callable[[], None]
    ) -> None:
        self._at_most_ms = at_most_ms
        self._release = release
        self._on_timeout = on_timeout
        self._kept: list[Cause] = []
        self._sidebands: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.is_over = False

    def keeps(self, cause: Cause) -> bool:
        """The cause is kept for later."""
        if self.is_over:
            return False
        match cause:
            case Attached(connection, owns=False):
                self._sidebands.add(connection)
                self._end_in(GRACE_MS)
            case Attached() if self._timer is None:
                self._end_in(self._at_most_ms, self._on_timeout)
            case ClientSent() if cause.connection in self._sidebands:
                # Once this has been carried out.
                asyncio.get_running_loop().call_soon(self.end)
            case ClientSent() | Heard():
                self._kept.append(cause)
                if len(self._kept) > MAX_KEPT:
                    self.end()
                return True
        return False

    def end(self) -> None:
        if self.is_over:
            return
        self.is_over = True
        self._stop()
        kept, self._kept = self._kept, []
        self._release(kept)

    def close(self) -> None:
        """The session has ended: nothing comes any more."""
        self.is_over = True
        self._stop()
        self._kept.clear()

    def _end_in(self, ms: Ms, also: Callable[[], None] = lambda: None) -> None:
        self._stop()

        def end() -> None:
            also()
            self.end()

        self._timer = asyncio.get_running_loop().call_later(ms / 1000, end)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
