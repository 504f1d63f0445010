"""The dialect of 2024-10 (`OpenAI-Beta: realtime=v1`), translated at the edge.

Nothing inside knows of it: a connection's `BetaCodec` reads beta messages as GA events
and writes GA events as beta messages.
"""

from __future__ import annotations

from antiphon.protocol.dialects.beta.events import OWN_CLIENT_EVENTS, BetaCodec
from antiphon.protocol.dialects.beta.settings import SETTINGS
from antiphon.protocol.dialects.dialect import Dialect, Extras, NamedDialect


def _connect(*, strict: bool, extras: Extras) -> Dialect:
    codec = BetaCodec(strict=strict, temperature=extras.get("temperature"))
    return Dialect(codec.decode, codec.encode)


DIALECT = NamedDialect(
    name="beta",
    header="realtime=v1",
    subprotocol="openai-beta.realtime-v1",
    connect=_connect,
    settings=SETTINGS,
    own_client_events=OWN_CLIENT_EVENTS,
)
