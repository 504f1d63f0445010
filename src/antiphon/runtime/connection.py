"""What a transport lends a session: a way to send events, and to hang up."""

from __future__ import annotations

from typing import Protocol

from antiphon.protocol.server import ServerEvent


class Connection(Protocol):
    """One client's end of a session.  Only ``flushed`` ever waits.

    * ``send`` is bounded: on overflow the connection closes itself.
    * ``close`` sends what is queued, then closes.  Sending afterwards does nothing.
    * The transport calls `SessionDoor.detach` once, when the connection is gone.
    """

    @property
    def id(self) -> str: ...

    @property
    def queued_bytes(self) -> int:
        """Sent, but not yet taken by the network."""
        ...

    def send(self, event: ServerEvent) -> None: ...

    def close(self, code: int, reason: str) -> None:
        """``code`` is one of `CloseCode`."""
        ...

    async def flushed(self) -> None:
        """Wait until the network has taken all that was sent, or the connection is gone."""
        ...
