"""One connection's translation: beta messages to GA events, GA events to beta messages."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Struct

from antiphon.errors import ProtocolError
from antiphon.protocol import client, server
from antiphon.protocol.client import ClientEvent
from antiphon.protocol.codec import (
    CLIENT_EVENT_TYPES,
    client_event_from,
    decode_client_event,
    decode_object,
    encode_server_event,
    event_id_of,
)
from antiphon.protocol.dialects.beta.settings import (
    DEFAULT_TEMPERATURE,
    blame_to_beta,
    error_to_beta,
    event_to_ga,
    format_to_beta,
    modalities_to_beta,
    session_to_beta,
    take_temperature,
)
from antiphon.protocol.dialects.dialect import Json
from antiphon.protocol.server import ServerEvent
from antiphon.protocol.session import AnySession, TranscriptionSession

# --- What becomes of each server event -----------------------------------------

RENAMED = {
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
}
"""Same fields, another name."""

SAME = frozenset(
    {
        "rate_limits.updated",
        "conversation.item.truncated",
        "conversation.item.deleted",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
        "conversation.item.input_audio_transcription.failed",
        "antiphon.cost",
        "antiphon.timeline",
        "antiphon.budget",
        "antiphon.overlap",
        "antiphon.part_failed",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "input_audio_buffer.cleared",
        "input_audio_buffer.timeout_triggered",
        "output_audio_buffer.started",
        "output_audio_buffer.stopped",
        "output_audio_buffer.cleared",
        "response.content_part.added",
        "response.content_part.done",
        "response.function_call_arguments.delta",
    }
)

WITHOUT_BETA_FORM = frozenset({"conversation.item.done"})
"""Not sent: beta told of an item once, by `conversation.item.created`."""

TRANSLATED = frozenset(
    {
        "error",
        "session.created",
        "session.updated",
        "conversation.item.added",
        "conversation.item.retrieved",
        "response.created",
        "response.done",
        "response.output_item.added",
        "response.output_item.done",
        "response.function_call_arguments.done",
    }
)
"""Their fields differ."""

OWN_CLIENT_EVENTS = (("transcription_session.update", "session.update"),)
CLIENT_EVENTS = tuple(sorted((*CLIENT_EVENT_TYPES, *(own for own, _ in OWN_CLIENT_EVENTS))))
_FLAT_EVENTS = frozenset({"session.update", "transcription_session.update", "response.create"})
_CONTENT_TYPES = {"output_text": "text", "output_audio": "audio"}
_RENAMED_HEADS = {
    ga: (len(f'{{"type":"{ga}"'), f'{{"type":"{beta}"'.encode()) for ga, beta in RENAMED.items()
}


class _Head(Struct):
    type: str


_head_decoder = msgspec.json.Decoder(_Head)


class BetaCodec:
    """The beta dialect of one connection.

    It remembers what GA has no place for: the temperature that the client set (echoed, and
    without effect), of the session and of each running response.
    """

    def __init__(self, *, strict: bool = False, temperature: float | None = None) -> None:
        """Args:
        strict: as in `decode_client_event`.
        temperature: what the session begins with, as bound to a client secret.
        """
        self._strict = strict
        self._temperature = DEFAULT_TEMPERATURE if temperature is None else temperature
        self._conversation_id = ""
        # An update counts once the session has acknowledged it, not when it is read.
        self._asked_of_session: float | None = None
        self._asked_of_response: float | None = None
        self._of_responses: dict[str, float] = {}

    # --- Client to server ----------------------------------------------------

    def decode(self, data: bytes | str) -> ClientEvent:
        """Read one message of a beta client.

        Raises:
            ProtocolError: with the field at fault under its beta path.
        """
        try:
            kind = _head_decoder.decode(data).type
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return decode_client_event(data)  # It has the words for what is wrong.
        if kind in _FLAT_EVENTS:
            return self._decode_flat(kind, decode_object(data))
        if kind not in CLIENT_EVENTS:
            raise _unknown_type(kind, event_id_of(decode_object(data)))
        return decode_client_event(data, strict=self._strict)

    def _decode_flat(self, kind: str, raw: Json) -> ClientEvent:
        root = "response" if kind == "response.create" else "session"
        sent = raw.get(root)
        try:
            temperature = take_temperature(sent, root)
            ga = event_to_ga(raw)
            if kind == "session.update" and isinstance(ga.get("session"), dict):
                ga["session"].setdefault("type", "realtime")
            event = client_event_from(ga, strict=self._strict)
        except ProtocolError as error:
            raise error_to_beta(error, sent, event_id=event_id_of(raw)) from None
        if isinstance(event, client.ResponseCreate):
            self._asked_of_response = temperature
        else:
            self._asked_of_session = temperature
        return event

    # --- Server to client ----------------------------------------------------

    def encode(self, event: ServerEvent) -> tuple[bytes, ...]:
        """The messages, in order, that tell a beta client of ``event``; perhaps none."""
        kind = str(event.__struct_config__.tag)
        if kind in SAME:
            return (encode_server_event(event),)
        if kind in _RENAMED_HEADS:
            # Audio comes this way: one copy, and nothing is decoded.
            length, head = _RENAMED_HEADS[kind]
            return (head + encode_server_event(event)[length:],)
        return tuple(msgspec.json.encode(message) for message in self._translate(event))

    def _translate(self, event: ServerEvent) -> list[Json]:
        raw: Json = msgspec.to_builtins(event)
        match event:
            case server.ConversationItemDone():
                return []
            case server.Error():
                self._asked_of_session = self._asked_of_response = None
                error = event.error
                raw["error"]["message"], raw["error"]["param"] = blame_to_beta(
                    error.message, error.param
                )
            case server.SessionCreated() | server.SessionUpdated():
                return self._session(event, raw)
            case server.ConversationItemAdded():
                raw |= {"type": "conversation.item.created", "item": _item(raw["item"])}
            case (
                server.ConversationItemRetrieved()
                | server.ResponseOutputItemAdded()
                | server.ResponseOutputItemDone()
            ):
                raw["item"] = _item(raw["item"])
            case server.ResponseCreated() | server.ResponseDone():
                raw["response"] = self._response(event, raw["response"])
            case server.ResponseFunctionCallArgumentsDone():
                del raw["name"]
            case _:
                raise AssertionError(f"{raw['type']} has no place in the tables")
        return [raw]

    def _session(
        self, event: server.SessionCreated | server.SessionUpdated, raw: Json
    ) -> list[Json]:
        if self._asked_of_session is not None and isinstance(event, server.SessionUpdated):
            self._temperature, self._asked_of_session = self._asked_of_session, None
        raw["session"] = session_to_beta(event.session, self._temperature)
        if isinstance(event.session, TranscriptionSession):
            raw["type"] = f"transcription_{raw['type']}"
            return [raw]
        if isinstance(event, server.SessionUpdated):
            return [raw]
        self._conversation_id = _conversation_id(event.session)
        conversation = {"id": self._conversation_id, "object": "realtime.conversation"}
        created = {
            "type": "conversation.created",
            "event_id": f"{event.event_id}c",
            "conversation": conversation,
        }
        return [raw, created]

    def _response(self, event: server.ResponseCreated | server.ResponseDone, raw: Json) -> Json:
        response = event.response
        if isinstance(event, server.ResponseCreated):
            if self._asked_of_response is not None:
                self._of_responses[response.id] = self._asked_of_response
                self._asked_of_response = None
            temperature = self._of_responses.get(response.id, self._temperature)
        else:
            temperature = self._of_responses.pop(response.id, self._temperature)
        del raw["output_modalities"], raw["audio"]
        raw["output"] = [_item(item) for item in raw["output"]]
        if response.conversation_id is not None:
            raw["conversation_id"] = self._conversation_id
        return raw | {
            "modalities": modalities_to_beta(response.output_modalities),
            "voice": response.audio.output.voice,
            "output_audio_format": format_to_beta(response.audio.output.format),
            "temperature": temperature,
        }


def _conversation_id(session: AnySession) -> str:
    """Its own, where it can be resumed by that.  Else GA events name it only in responses; made of
    the session's id, the name is the same on every beta connection.
    """
    if session.antiphon is not UNSET and session.antiphon.resume is not None:
        return session.antiphon.resume.conversation_id
    return session.id.replace("sess_", "conv_", 1)


def _item(item: Json) -> Json:
    content: list[Json] | None = item.get("content")
    if content is None:
        return item
    return item | {
        "content": [
            part | {"type": _CONTENT_TYPES.get(part["type"], part["type"])} for part in content
        ]
    }


def _unknown_type(kind: str, event_id: str | None) -> ProtocolError:
    listed = ", ".join(f"'{name}'" for name in CLIENT_EVENTS)
    return ProtocolError(
        "invalid_value",
        f"Invalid value: '{kind[:100]}'. Supported values are: {listed}.",
        param="type",
        event_id=event_id,
    )
