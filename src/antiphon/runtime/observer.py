"""Those who look on while a session goes: its tape, a journal, a meter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from antiphon.core.causes import Cause, Ms
from antiphon.core.effects import Effect


class Observer(Protocol):
    """Sees everything that happens in one session, and changes none of it.  Never waits."""

    def saw(self, now_ms: Ms, cause: Cause, effects: Sequence[Effect]) -> None:
        """A cause and what followed, before it is carried out; nothing, where we failed on it."""
        ...

    def close(self) -> None:
        """The session has ended."""
        ...
