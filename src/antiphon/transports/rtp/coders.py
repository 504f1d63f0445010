"""Each codec by its name."""

from __future__ import annotations

from typing import Final

from antiphon.transports.rtp.codec import (
    G711_RATE_HZ,
    CodecName,
    Decoder,
    Encoder,
    G711Decoder,
    G711Encoder,
)
from antiphon.transports.rtp.opus import RTP_RATE_HZ, OpusDecoder, OpusEncoder

RATES_HZ: Final[dict[CodecName, int]] = {
    "opus": RTP_RATE_HZ,
    "PCMU": G711_RATE_HZ,
    "PCMA": G711_RATE_HZ,
}
"""Of the RTP clock."""


def encoder(name: CodecName) -> Encoder:
    return OpusEncoder() if name == "opus" else G711Encoder(name)


def decoder(name: CodecName) -> Decoder:
    return OpusDecoder() if name == "opus" else G711Decoder(name)
