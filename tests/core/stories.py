"""Words with which the stories of the core begin."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from antiphon.protocol import client
from antiphon.protocol import session as wire
from antiphon.protocol.items import FunctionCall, FunctionCallOutput, InputText, Message, OutputText
from antiphon.protocol.server import Error, ServerEvent
from antiphon.testing.virtual_call import session
from tests.core.witness import LawfulCall


def hands_free(detection: wire.TurnDetection | None = None, **terms: Any) -> LawfulCall:
    """The server finds the turns."""
    return call_with(terms, turn_detection=detection or wire.ServerVad())


def by_hand(**terms: Any) -> LawfulCall:
    """The client commits."""
    return call_with(terms, turn_detection=None)


def call_with(terms: dict[str, Any] | None = None, **audio_input: Any) -> LawfulCall:
    audio = wire.Audio(input=wire.AudioInput(**audio_input))
    return LawfulCall(session(audio=audio), **(terms or {}))


def pcm(ms: float) -> bytes:
    return bytes(2 * int(ms * 24))


def append(ms: float) -> client.InputAudioBufferAppend:
    return client.InputAudioBufferAppend(audio=pcm(ms))


def update(**patch: Any) -> client.SessionUpdate:
    return client.SessionUpdate(session=wire.SessionPatch(**patch))


def update_input(**patch: Any) -> client.SessionUpdate:
    return update(audio=wire.AudioPatch(input=wire.AudioInputPatch(**patch)))


def text(words: str, item_id: str = "", role: Any = "user") -> client.ConversationItemCreate:
    content = OutputText(words) if role == "assistant" else InputText(words)
    message = Message(role=role, content=(content,), id=item_id or UNSET)
    return client.ConversationItemCreate(item=message)


def function_call(call_id: str = "call_1") -> client.ConversationItemCreate:
    call = FunctionCall(name="look", call_id=call_id, arguments="{}")
    return client.ConversationItemCreate(item=call)


def function_output(call_id: str = "call_1", output: str = "") -> client.ConversationItemCreate:
    return client.ConversationItemCreate(item=FunctionCallOutput(call_id=call_id, output=output))


def respond(**options: Any) -> client.ResponseCreate:
    return client.ResponseCreate(response=client.ResponseOptions(**options) if options else None)


def refusal(call: LawfulCall) -> tuple[str | None, str | None]:
    """The code and the parameter of the one error that followed."""
    error = call.one(Error).error
    return error.code, error.param


def ids(call: LawfulCall) -> list[str]:
    return [str(item.id) for item in call.conversation.items]


def of_kind(events: list[ServerEvent], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]
