"""What is said between us and the process that runs Smart Turn; audio as of `stt.wire`."""

from __future__ import annotations

from msgspec import Struct

from antiphon.engines.cascade.stt.wire import Audio, Cancel

Command = Audio | Cancel


class Judged(Struct, frozen=True, tag="judged", array_like=True):
    """In a pause: how likely the turn is over."""

    probability: float


News = Judged
