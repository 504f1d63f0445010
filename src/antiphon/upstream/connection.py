"""The seam to the server: a stream of messages each way.

A WebSocket carries sound in the messages.  WebRTC carries it beside them, and its server
truncates by itself; its connection makes the same messages of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from antiphon.errors import AntiphonError
from antiphon.upstream.quality import Quality


@dataclass(frozen=True)
class Closed:
    """The end of a connection: a WebSocket close code (1006: torn), and why."""

    code: int
    reason: str = ""


class Connection(Protocol):
    """An open connection.

    * ``receive`` gives each message once, then `Closed`, and never raises for the network.
    * ``send`` after the end does nothing; it waits while the server is slow to read.
    """

    async def send(self, message: str) -> None: ...
    async def receive(self) -> str | Closed: ...
    async def close(self) -> None: ...

    @property
    def quality(self) -> Quality | None:
        """Of the way of the sound, where it is known."""
        ...


Trouble = Literal["address", "key", "nobody", "no_tls"]
"""What someone can mend: the address, the key, a server that does not run, its lack of TLS."""


class CannotConnect(AntiphonError):
    """There is no connection; the message says why.

    Attributes:
        trouble: What to mend, where that is known.  How, depends on who asked: a flag, a line
            of a configuration.
        is_refused: The server answered, and does not want us.
        may_retry: It may be different in a moment.
    """

    def __init__(
        self,
        message: str,
        *,
        trouble: Trouble | None = None,
        is_refused: bool = False,
        may_retry: bool = True,
        retry_after_s: float = 0,
    ) -> None:
        super().__init__(message)
        self.trouble = trouble
        self.is_refused = is_refused
        self.may_retry = may_retry
        self.retry_after_s = retry_after_s


class Connector(Protocol):
    async def __call__(self) -> Connection:
        """Open a connection.

        Raises:
            CannotConnect: There is none.
        """
        ...
