"""How one connection spells the events: bytes to events, and events to messages.

Inside everything is GA.  A dialect belongs to one connection, since some remember what they
have told it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from antiphon.protocol.beta.codec import BetaCodec
from antiphon.protocol.client import ClientEvent
from antiphon.protocol.codec import decode_client_event, encode_server_event
from antiphon.protocol.server import ServerEvent


class Dialect(NamedTuple):
    decode: Callable[[bytes | str], ClientEvent]
    """Raises `ProtocolError`."""
    encode: Callable[[ServerEvent], tuple[bytes, ...]]
    """One event may be one message, none or several."""


def _encode_ga(event: ServerEvent) -> tuple[bytes]:
    return (encode_server_event(event),)


GA = Dialect(decode_client_event, _encode_ga)
GA_STRICT = Dialect(partial(decode_client_event, strict=True), _encode_ga)
"""Refuses unknown keys, as OpenAI's server does."""


def beta(*, strict: bool = False, temperature: float | None = None) -> Dialect:
    """The dialect of before August 2025, for one connection; arguments as of `BetaCodec`."""
    codec = BetaCodec(strict=strict, temperature=temperature)
    return Dialect(codec.decode, codec.encode)
