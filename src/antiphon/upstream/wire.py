"""Messages: server events read, client events written.

The types are `antiphon.protocol`'s.  Servers may be looser than they are, or newer: see
`loosely`, and `Foreign` for what is not known here at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Union, get_args

import msgspec
import pybase64
from msgspec import Struct

from antiphon.protocol.client import ClientEvent, InputAudioBufferAppend
from antiphon.protocol.server import ResponseOutputAudioDelta, ServerEvent
from antiphon.upstream import loosely


class _AudioDelta(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="response.output_audio.delta"
):
    """`ResponseOutputAudioDelta`, still in base64, for which msgspec takes long."""

    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    delta: str


_others = tuple(kind for kind in get_args(ServerEvent) if kind is not ResponseOutputAudioDelta)
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Union[(_AudioDelta, *_others)])
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True)
class Foreign:
    """A message that is no event known here, kept whole.

    Attributes:
        type: "" where it names none.
        fields: All of it; {} where it is no JSON object.
        problem: Why a known type does not fit; None where the type is unknown.
    """

    type: str
    fields: dict[str, Any]
    problem: str | None = None


def read(message: str | bytes) -> ServerEvent | Foreign:
    """One message of a server; it never raises."""
    try:
        event: ServerEvent | _AudioDelta = _decoder.decode(message)
        return _audio_delta(event) if isinstance(event, _AudioDelta) else event
    except (msgspec.DecodeError, ValueError, RecursionError):
        return _read_loosely(message)


def _audio_delta(event: _AudioDelta) -> ServerEvent:
    return ResponseOutputAudioDelta(
        event_id=event.event_id,
        response_id=event.response_id,
        item_id=event.item_id,
        output_index=event.output_index,
        content_index=event.content_index,
        delta=pybase64.b64decode(event.delta, validate=True),
    )


def _read_loosely(message: str | bytes) -> ServerEvent | Foreign:
    try:
        fields = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return Foreign("", {}, f"it is no JSON: {error}")
    name = fields.get("type") if isinstance(fields, dict) else None
    if not isinstance(name, str):
        found = fields if isinstance(fields, dict) else {}
        return Foreign("", found, "it is no object with a type")
    kind = _kinds().get(name)
    if kind is None:
        return Foreign(name, fields)
    try:
        event: ServerEvent = loosely.make(fields, kind)
    except loosely.DoesNotFit as misfit:
        return Foreign(name, fields, str(misfit))
    return event


@cache
def _kinds() -> dict[str, msgspec.inspect.Type]:
    union = msgspec.inspect.type_info(ServerEvent)
    assert isinstance(union, msgspec.inspect.UnionType)
    structs = [kind for kind in union.types if isinstance(kind, msgspec.inspect.StructType)]
    return {str(struct.tag): struct for struct in structs}


def write(event: ClientEvent) -> str:
    """One client event; what is not set is left out, for servers that take no null."""
    if isinstance(event, InputAudioBufferAppend) and event.event_id is None:
        audio = pybase64.b64encode_as_string(event.audio)
        return f'{{"type":"input_audio_buffer.append","audio":"{audio}"}}'
    fields = {"type": event.__struct_config__.tag, **msgspec.structs.asdict(event)}
    return _encoder.encode({k: v for k, v in fields.items() if v is not None}).decode()


def without_audio(message: str | bytes) -> str:
    """The message for a log: audio is replaced by its size."""
    try:
        value = msgspec.json.decode(message)
    except msgspec.DecodeError:
        return f"(no JSON, {len(message)} long)"
    return _encoder.encode(_strip(value)).decode()


def _strip(value: object, key: str = "") -> object:
    if isinstance(value, dict):
        is_audio = str(value.get("type", "")).endswith("audio.delta")
        return {
            k: f"({len(v)} base64 characters)"
            if isinstance(v, str) and (k == "audio" or (k == "delta" and is_audio))
            else _strip(v, k)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [_strip(v, key) for v in value]
    return value
