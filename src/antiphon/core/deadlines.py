"""Named timers, in driver time."""

from __future__ import annotations

from enum import Enum

from antiphon.core.causes import Ms


class Deadline(Enum):
    """Every reason for which the conversation asks to be woken."""

    SESSION_EXPIRES = "the session has lasted as long as it may"
    OWNER_STAYS_AWAY = "the last connection that owned the session is gone, and none came back"
    SOUND_ENDS = "a response's sound ends, and that of another waits behind it"
    AUDIO_STAYS_AWAY = "a turn has begun, and no more of the microphone has come for a while"
    USER_IS_IDLE = "the user has said nothing since the assistant's last words were heard"


class Deadlines:
    def __init__(self) -> None:
        self._at_ms: dict[Deadline, Ms] = {}
        self.next_ms: Ms | None = None
        """Kept, not looked for: it is asked after each cause, and seldom changes."""

    def set(self, name: Deadline, at_ms: Ms) -> None:
        self._at_ms[name] = at_ms
        self._find_next()

    def is_set(self, name: Deadline) -> bool:
        return name in self._at_ms

    def clear(self, name: Deadline) -> None:
        if self._at_ms.pop(name, None) is not None:
            self._find_next()

    def take_due(self, now_ms: Ms) -> list[Deadline]:
        """The timers that have come, earliest first; each comes once."""
        due = sorted((at, name.name, name) for name, at in self._at_ms.items() if at <= now_ms)
        for _, _, name in due:
            del self._at_ms[name]
        self._find_next()
        return [name for _, _, name in due]

    def _find_next(self) -> None:
        self.next_ms = min(self._at_ms.values(), default=None)
