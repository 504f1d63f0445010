"""A fault as it is asked for: its name, and when it is to strike."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Place = Literal["secret", "connection", "turn", "response"]
"""What faults strike, and are counted by: clients that ask for a client secret; those that connect;
the user's turns of a session; its responses."""


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    """One of `antiphon.mock.FAULTS`."""
    at: Annotated[int, Meta(ge=1)] | None = None
    """The number of the connection, turn or response that it strikes.  Connections are counted from
    the mock's start, turns and responses from their session's.  None: the next one."""
    times: Annotated[int, Meta(ge=1)] | None = 1
    """How often it strikes before it is spent; None: each time, until it is cleared."""
    ms: Annotated[int, Meta(ge=0)] | None = None
    """How long, for those that take time; None: as the fault has it."""
