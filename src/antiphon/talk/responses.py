"""The server's responses: the one in progress, the one awaited, the one to be asked for."""

from __future__ import annotations

AWAIT_MS = 20_000
"""A response that has not begun by then is not awaited any more."""


class Responses:
    """One is in progress at a time; whoever asks for another must wait for its end.

    Attributes:
        active: The response in progress, by its id.
        done: How many were made to their end, function calls aside.
        failed: How many failed.
        is_wanted: We shall ask for one as soon as none is in progress.
    """

    def __init__(self) -> None:
        self.active: str | None = None
        self.done = 0
        self.failed = 0
        self.is_wanted = False
        self._is_mute = False
        """Nothing of the active one has come."""
        self._has_called = False
        self._awaited_since_ms: float | None = None
        """One must begin: we asked for it, or the server starts it by itself."""

    @property
    def is_owed(self) -> bool:
        return self._awaited_since_ms is not None or self.is_wanted or self.active is not None

    def ask(self, now_ms: float) -> bool:
        """Whether to ask for one now; else it is wanted when none is in progress."""
        self.is_wanted = self.active is not None or self._awaited_since_ms is not None
        if self.is_wanted:
            return False
        self.awaits(now_ms)
        return True

    def awaits(self, now_ms: float) -> None:
        if self._awaited_since_ms is None:
            self._awaited_since_ms = now_ms

    def began(self, response_id: str) -> None:
        self.active = response_id
        self._is_mute = True
        self._has_called = False
        self._awaited_since_ms = None

    def something_came(self) -> None:
        self._is_mute = False

    def called(self) -> None:
        """It has called a function."""
        self._is_mute = False
        self._has_called = True

    def ended(self, status: str, *, continues: bool) -> None:
        """The active one is over.

        Args:
            status: As in `response.done`.
            continues: We answer its function calls: the server never goes on by itself.
        """
        self.active = None
        self._is_mute = False
        self.failed += status == "failed"
        if status == "cancelled":
            return
        if not self._has_called:
            self.done += 1
        elif continues:
            self.is_wanted = True

    def came_too_late(self) -> None:
        """Ours was refused, since another is in progress."""
        self._awaited_since_ms = None
        self.is_wanted = True

    def lost(self) -> None:
        """The connection is gone.  One of which nothing has come is asked for again."""
        self.is_wanted = self.is_wanted or self._awaited_since_ms is not None or self._is_mute
        self._awaited_since_ms = None
        self.active = None
        self._is_mute = False

    def time_passes(self, now_ms: float) -> None:
        if self._awaited_since_ms is not None and now_ms - self._awaited_since_ms > AWAIT_MS:
            self._awaited_since_ms = None
