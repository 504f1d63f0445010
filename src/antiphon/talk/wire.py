"""Messages: what this client reads of the server's events, and how it writes its own.

`antiphon.protocol.server` says what Antiphon promises.  A client should understand
looser and newer servers too, so these types name only the fields it uses, and an
event it does not know, or that does not fit, is none of its business.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from antiphon.protocol.client import ClientEvent


class ErrorDetail(Struct, frozen=True):
    message: str
    type: str | None = None
    code: str | None = None
    param: str | None = None
    event_id: str | None = None


class Part(Struct, frozen=True):
    type: str
    text: str | None = None
    transcript: str | None = None


class Item(Struct, frozen=True):
    id: str
    type: str
    role: Literal["system", "user", "assistant"] | None = None
    status: str | None = None
    content: tuple[Part, ...] = ()
    name: str | None = None
    call_id: str | None = None
    arguments: str | None = None
    output: str | None = None


class SessionView(Struct, frozen=True):
    id: str = ""
    model: str = ""


class StatusDetails(Struct, frozen=True):
    reason: str | None = None
    error: ErrorDetail | None = None


class ResponseView(Struct, frozen=True):
    id: str
    status: str = "in_progress"
    status_details: StatusDetails | None = None


class _Event(Struct, frozen=True, kw_only=True, tag_field="type"):
    pass


class Error(_Event, frozen=True, kw_only=True, tag="error"):
    error: ErrorDetail


class SessionCreated(_Event, frozen=True, kw_only=True, tag="session.created"):
    session: SessionView


class SessionUpdated(_Event, frozen=True, kw_only=True, tag="session.updated"):
    session: SessionView


class ItemAdded(_Event, frozen=True, kw_only=True, tag="conversation.item.added"):
    item: Item
    previous_item_id: str | None = None


class ItemDone(_Event, frozen=True, kw_only=True, tag="conversation.item.done"):
    item: Item
    previous_item_id: str | None = None


class ItemDeleted(_Event, frozen=True, kw_only=True, tag="conversation.item.deleted"):
    item_id: str


class TranscriptionDelta(
    _Event, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.delta"
):
    item_id: str
    delta: str = ""


class TranscriptionCompleted(
    _Event, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.completed"
):
    item_id: str
    transcript: str


class TranscriptionFailed(
    _Event, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.failed"
):
    item_id: str
    error: ErrorDetail


class SpeechStarted(_Event, frozen=True, kw_only=True, tag="input_audio_buffer.speech_started"):
    item_id: str


class SpeechStopped(_Event, frozen=True, kw_only=True, tag="input_audio_buffer.speech_stopped"):
    item_id: str


class Committed(_Event, frozen=True, kw_only=True, tag="input_audio_buffer.committed"):
    item_id: str


class ResponseCreated(_Event, frozen=True, kw_only=True, tag="response.created"):
    response: ResponseView


class ResponseDone(_Event, frozen=True, kw_only=True, tag="response.done"):
    response: ResponseView


class OutputItemDone(_Event, frozen=True, kw_only=True, tag="response.output_item.done"):
    item: Item


class _PartEvent(_Event, frozen=True, kw_only=True):
    item_id: str
    content_index: int = 0


class TextDelta(_PartEvent, frozen=True, kw_only=True, tag="response.output_text.delta"):
    delta: str


class TextDone(_PartEvent, frozen=True, kw_only=True, tag="response.output_text.done"):
    text: str


class AudioDelta(_PartEvent, frozen=True, kw_only=True, tag="response.output_audio.delta"):
    delta: bytes
    """Base64 on the wire, in the session's output format."""


class AudioDone(_PartEvent, frozen=True, kw_only=True, tag="response.output_audio.done"):
    pass


class TranscriptDelta(
    _PartEvent, frozen=True, kw_only=True, tag="response.output_audio_transcript.delta"
):
    delta: str


class TranscriptDone(
    _PartEvent, frozen=True, kw_only=True, tag="response.output_audio_transcript.done"
):
    transcript: str


ServerEvent = (
    Error
    | SessionCreated
    | SessionUpdated
    | ItemAdded
    | ItemDone
    | ItemDeleted
    | TranscriptionDelta
    | TranscriptionCompleted
    | TranscriptionFailed
    | SpeechStarted
    | SpeechStopped
    | Committed
    | ResponseCreated
    | ResponseDone
    | OutputItemDone
    | TextDelta
    | TextDone
    | AudioDelta
    | AudioDone
    | TranscriptDelta
    | TranscriptDone
)

_decoder: msgspec.json.Decoder[ServerEvent] = msgspec.json.Decoder(ServerEvent)
_encoder = msgspec.json.Encoder()


def read(message: str | bytes) -> ServerEvent | None:
    """One server event, or None for one that this client has no use for."""
    try:
        return _decoder.decode(message)
    except msgspec.DecodeError:
        return None


def write(event: ClientEvent) -> str:
    """One client event; what is not set is left out, for servers that take no null."""
    keys: dict[str, object] = msgspec.to_builtins(event)
    return _encoder.encode({k: v for k, v in keys.items() if v is not None}).decode()


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
