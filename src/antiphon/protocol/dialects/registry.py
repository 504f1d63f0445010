"""All dialects, and who gets which (docs/concepts/dialects.md)."""

from __future__ import annotations

from collections.abc import Collection

from antiphon.protocol.codec import CLIENT_EVENT_TYPES
from antiphon.protocol.dialects import beta, ga
from antiphon.protocol.dialects.dialect import NamedDialect

DIALECTS = {dialect.name: dialect for dialect in (ga.DIALECT, beta.DIALECT)}

CLIENT_EVENTS = {name: name for name in CLIENT_EVENT_TYPES} | {
    own: ga_name for dialect in DIALECTS.values() for own, ga_name in dialect.own_client_events
}
"""The types of client events in any dialect, and what GA calls each."""


def asked_for(header: str, subprotocols: Collection[str]) -> NamedDialect | None:
    """The dialect that a request asks for, if it does.

    Args:
        header: The value of ``OpenAI-Beta``; "" where there is none.
        subprotocols: Those that the client offers.
    """
    for dialect in DIALECTS.values():
        if dialect.header is not None and dialect.header in header:
            return dialect
        if dialect.subprotocol is not None and dialect.subprotocol in subprotocols:
            return dialect
    return None
