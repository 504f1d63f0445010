"""How fast a connection's messages are taken."""

from __future__ import annotations

from typing import Protocol

from antiphon.errors import ProtocolError


class Throttle(Protocol):
    @property
    def is_over(self) -> bool:
        """So many messages were refused in a row that the connection is to be closed."""
        ...

    def wait_s(self, size_bytes: int, *, can_wait: bool = True) -> float | None:
        """How long a message must wait before it is handled; None: it is refused (`too_fast`)."""
        ...


TOO_FAST = "Messages came faster than this server lets them, for too long."


def too_fast(event_id: str | None = None) -> ProtocolError:
    """A message was refused; nothing has changed."""
    return ProtocolError(
        "rate_limit_exceeded",
        "Messages come faster than this server lets them. This one was not handled; send it again "
        "in a while.",
        event_id=event_id,
    )
