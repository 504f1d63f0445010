"""Bytes to client events, server events to bytes (GA dialect)."""

from __future__ import annotations

from msgspec import DecodeError, ValidationError
from msgspec.json import Decoder, Encoder

from antiphon.errors import ProtocolError
from antiphon.protocol.client import ClientEvent
from antiphon.protocol.server import ServerEvent

_decoder: Decoder[ClientEvent] = Decoder(ClientEvent)
_encoder = Encoder()


def decode_client_event(data: bytes | str) -> ClientEvent:
    """Read one message.

    Raises:
        ProtocolError: it is no client event.
    """
    try:
        return _decoder.decode(data)
    except ValidationError as error:
        raise ProtocolError("invalid_value", str(error)) from None
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError("invalid_event", f"The message is not JSON: {error}") from None


def encode_server_event(event: ServerEvent) -> bytes:
    return _encoder.encode(event)
