"""The events a client may send (GA dialect)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from antiphon.protocol.items import InputItem, Item
from antiphon.protocol.session import (
    AudioFormat,
    MaxTokens,
    Modality,
    Reasoning,
    SessionPatch,
    Speed,
    StoredPrompt,
    Tool,
    ToolChoice,
    Voice,
)

EventId = Annotated[str, Meta(max_length=512)]
MetadataKey = Annotated[str, Meta(max_length=64)]
MetadataValue = Annotated[str, Meta(max_length=512)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Meta(max_length=16)]


class _Event(Struct, frozen=True, kw_only=True, tag_field="type"):
    event_id: EventId | None = None


class SessionUpdate(_Event, frozen=True, kw_only=True, tag="session.update"):
    session: SessionPatch


class InputAudioBufferAppend(_Event, frozen=True, kw_only=True, tag="input_audio_buffer.append"):
    audio: bytes
    """Base64 on the wire, in the session's input format."""


class InputAudioBufferCommit(_Event, frozen=True, kw_only=True, tag="input_audio_buffer.commit"):
    pass


class InputAudioBufferClear(_Event, frozen=True, kw_only=True, tag="input_audio_buffer.clear"):
    pass


class OutputAudioBufferClear(_Event, frozen=True, kw_only=True, tag="output_audio_buffer.clear"):
    """Only where the server owns playout (WebRTC, SIP)."""


class ConversationItemCreate(_Event, frozen=True, kw_only=True, tag="conversation.item.create"):
    item: Item
    previous_item_id: str | None = None
    """None or "" appends, "root" puts it in front, an id puts it after that item."""


class ConversationItemRetrieve(_Event, frozen=True, kw_only=True, tag="conversation.item.retrieve"):
    item_id: str


class ConversationItemTruncate(_Event, frozen=True, kw_only=True, tag="conversation.item.truncate"):
    item_id: str
    content_index: Annotated[int, Meta(ge=0)] = 0
    audio_end_ms: Annotated[int, Meta(ge=0)]


class ConversationItemDelete(_Event, frozen=True, kw_only=True, tag="conversation.item.delete"):
    item_id: str


class ResponseAudioOutput(Struct, frozen=True):
    format: AudioFormat | UnsetType | None = UNSET
    voice: Voice | UnsetType | None = UNSET
    speed: Speed | UnsetType | None = UNSET


class ResponseAudio(Struct, frozen=True):
    output: ResponseAudioOutput = ResponseAudioOutput()


class ResponseOptions(Struct, frozen=True, kw_only=True):
    """What one response does differently from its session."""

    output_modalities: tuple[Modality, ...] | UnsetType | None = UNSET
    instructions: str | UnsetType | None = UNSET
    audio: ResponseAudio | UnsetType | None = UNSET
    tools: tuple[Tool, ...] | UnsetType | None = UNSET
    tool_choice: ToolChoice | UnsetType | None = UNSET
    max_output_tokens: MaxTokens | UnsetType | None = UNSET
    conversation: Literal["auto", "none"] | UnsetType | None = UNSET
    input: tuple[InputItem, ...] | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET
    parallel_tool_calls: bool | UnsetType | None = UNSET
    reasoning: Reasoning | UnsetType | None = UNSET
    prompt: StoredPrompt | UnsetType | None = UNSET


class ResponseCreate(_Event, frozen=True, kw_only=True, tag="response.create"):
    response: ResponseOptions | None = None


class ResponseCancel(_Event, frozen=True, kw_only=True, tag="response.cancel"):
    response_id: str | None = None


class MoveSession(_Event, frozen=True, kw_only=True, tag="antiphon.session.move"):
    """Beyond OpenAI's API: let another model, or another voice, go on with the session."""

    model: str | None = None
    """None: the one that the session has."""
    voice: str | None = None


ClientEvent = (
    SessionUpdate
    | InputAudioBufferAppend
    | InputAudioBufferCommit
    | InputAudioBufferClear
    | OutputAudioBufferClear
    | ConversationItemCreate
    | ConversationItemRetrieve
    | ConversationItemTruncate
    | ConversationItemDelete
    | ResponseCreate
    | ResponseCancel
    | MoveSession
)
