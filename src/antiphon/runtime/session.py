"""One live session: what connections talk to."""

from __future__ import annotations

from antiphon.errors import ProtocolError
from antiphon.protocol.client import ClientEvent
from antiphon.runtime.connection import Connection


class LiveSession:
    """One conversation and the connections to it.  No method waits.

    When the last client-owned connection detaches, the session ends.
    """

    id: str

    def attach(self, connection: Connection) -> None:
        """Join; ``session.created`` is the first event the connection is sent."""
        raise NotImplementedError

    def detach(self, connection: Connection) -> None:
        """The connection is gone; nothing is sent to it any more."""
        raise NotImplementedError

    def receive(self, connection: Connection, event: ClientEvent) -> None:
        raise NotImplementedError

    def refuse(self, connection: Connection, error: ProtocolError) -> None:
        """A message was no client event: answer with one ``error``, change nothing."""
        raise NotImplementedError
