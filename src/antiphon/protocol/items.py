"""Conversation items and their content parts, as they stand on the wire.

Absent keys are left out, never ``null``: `@openai/agents-realtime` drops an event
whose `call_id`, `name`, `role`, `status` or `id` is null.  The one exception is
the `transcript` of user audio, which must be present (null until it is known).
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Status = Literal["in_progress", "completed", "incomplete"]

# --- Content parts -----------------------------------------------------------


class InputText(Struct, frozen=True, tag="input_text", tag_field="type"):
    text: str


class InputAudio(Struct, frozen=True, tag="input_audio", tag_field="type"):
    transcript: str | None = None
    audio: bytes | UnsetType = UNSET
    """In the session's input format; sent by clients, and in `…item.retrieved`."""


class InputImage(Struct, frozen=True, tag="input_image", tag_field="type"):
    image_url: str
    detail: Literal["auto", "low", "high"] | UnsetType = UNSET


class OutputText(Struct, frozen=True, tag="output_text", tag_field="type"):
    text: str


class OutputAudio(Struct, frozen=True, tag="output_audio", tag_field="type"):
    transcript: str | None = None
    audio: bytes | UnsetType = UNSET


class BetaText(Struct, frozen=True, tag="text", tag_field="type"):
    """The older spelling of `OutputText`; taken on input in any dialect."""

    text: str


class BetaAudio(Struct, frozen=True, tag="audio", tag_field="type"):
    """The older spelling of `OutputAudio`; taken on input in any dialect."""

    transcript: str | None = None
    audio: bytes | UnsetType = UNSET


Content = InputText | InputAudio | InputImage | OutputText | OutputAudio
AnyContent = Content | BetaText | BetaAudio

# --- Items -------------------------------------------------------------------

ItemId = Annotated[str, Meta(min_length=1, max_length=32)]
CallId = Annotated[str, Meta(max_length=32, pattern="^[A-Za-z0-9_-]+$")]


class Message(Struct, frozen=True, kw_only=True, tag="message", tag_field="type"):
    id: ItemId | UnsetType = UNSET
    object: Literal["realtime.item"] = "realtime.item"
    status: Status | UnsetType = UNSET
    role: Literal["system", "user", "assistant"]
    content: tuple[AnyContent, ...]


class FunctionCall(Struct, frozen=True, kw_only=True, tag="function_call", tag_field="type"):
    id: ItemId | UnsetType = UNSET
    object: Literal["realtime.item"] = "realtime.item"
    status: Status | UnsetType = UNSET
    name: str
    call_id: CallId | UnsetType = UNSET
    arguments: str
    """JSON text."""


class FunctionCallOutput(
    Struct, frozen=True, kw_only=True, tag="function_call_output", tag_field="type"
):
    id: ItemId | UnsetType = UNSET
    object: Literal["realtime.item"] = "realtime.item"
    status: Status | UnsetType = UNSET
    call_id: CallId
    output: str


class ItemReference(Struct, frozen=True, kw_only=True, tag="item_reference", tag_field="type"):
    """Stands for an item of the conversation in `response.create`'s `input`."""

    id: str


Item = Message | FunctionCall | FunctionCallOutput
InputItem = Item | ItemReference
