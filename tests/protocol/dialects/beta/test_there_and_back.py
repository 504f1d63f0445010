"""A session that is told in beta is the same session, event by event and in both directions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from antiphon.errors import ProtocolError
from antiphon.protocol import client
from antiphon.protocol.codec import CLIENT_EVENT_TYPES, client_event_from, decode_client_event
from antiphon.protocol.dialects.beta.events import BetaCodec
from antiphon.protocol.items import BetaAudio, BetaText, Message, OutputAudio, OutputText
from antiphon.protocol.server import ServerEvent
from antiphon.protocol.session import AnySession, Session
from antiphon.testing.conformance import VIRTUAL, read_script
from tests.conformance.played import SCRIPTS, events_of
from tests.protocol.dialects.beta.dialects import (
    Json,
    client_event_to_beta,
    event_to_ga,
    flattened,
    nested,
)
from tests.protocol.sessions import realtime_sessions, transcription_sessions


def told_in_beta(codec: BetaCodec, event: Json) -> list[Json]:
    typed = msgspec.convert(event, ServerEvent)
    return [json.loads(message) for message in codec.encode(typed)]


def what_beta_can_tell(event: Json, conversation_id: str | None) -> Json | None:
    """A GA event without what beta has no place for."""
    match event["type"]:
        case "conversation.item.done":
            return None
        case "response.function_call_arguments.done":
            return {key: value for key, value in event.items() if key != "name"}
        case "response.created" | "response.done":
            response = event["response"]
            if response["conversation_id"] is not None:
                response = response | {"conversation_id": conversation_id}
            return event | {"response": response}
        case "error" if event["error"]["param"] == "session.type":
            # Beta sessions have no type: what is wrong is that of the event.
            message = event["error"]["message"].replace("'session.type'", "'type'")
            return event | {"error": event["error"] | {"param": "type", "message": message}}
        case _:
            return event


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_session_told_in_beta_and_back_is_the_same_session(path: Path) -> None:
    assert read_script(path).runs_on(VIRTUAL)
    codec = BetaCodec()
    conversation_id = None
    for event in events_of(path):
        if event["type"] == "(closed)":
            continue
        messages = told_in_beta(codec, event)
        if messages and event["type"] == "session.created" and len(messages) > 1:
            conversation = messages.pop()
            assert conversation["type"] == "conversation.created"
            conversation_id = conversation["conversation"]["id"]
        expected = what_beta_can_tell(event, conversation_id)
        assert [event_to_ga(message) for message in messages] == (
            [] if expected is None else [expected]
        )


def has_a_named_voice(session: AnySession) -> bool:
    """Beta knows no others."""
    return not isinstance(session, Session) or isinstance(session.audio.output.voice, str)


@given(st.one_of(realtime_sessions(), transcription_sessions).filter(has_a_named_voice))
def test_any_session_told_in_beta_is_nested_back_to_the_same(session: AnySession) -> None:
    for kind in ("session.created", "session.updated"):
        event = {"type": kind, "event_id": "e", "session": json.loads(msgspec.json.encode(session))}
        assert event_to_ga(told_in_beta(BetaCodec(), event)[0]) == event


# --- What clients say --------------------------------------------------------


def said_in(path: Path) -> list[Json]:
    """What a client says in a script, where it is right in GA; names stay placeholders."""
    said = []
    for statement in read_script(path).statements:
        if statement.act == "C>":
            try:
                decode_client_event(statement.text, strict=True)
            except ProtocolError:
                continue
            said.append(json.loads(statement.text))
    return said


def canonical(event: client.ClientEvent) -> client.ClientEvent:
    """With what may be spelled in two ways spelled as in GA; the core takes both."""
    match event:
        case client.ConversationItemCreate(item=Message() as item):
            content = tuple(map(_canonical_part, item.content))
            return replace(event, item=replace(item, content=content))
        case client.SessionUpdate():
            return replace(event, session=_speaking(event.session))
        case client.ResponseCreate(response=client.ResponseOptions() as options):
            return replace(event, response=_speaking(options))
        case _:
            return event


def _canonical_part(part: Any) -> Any:
    match part:
        case BetaText():
            return OutputText(part.text)
        case BetaAudio():
            return OutputAudio(part.transcript, part.audio)
        case _:
            return part


def _speaking(settings: Any) -> Any:
    is_both = set(settings.output_modalities or ()) == {"text", "audio"}
    return replace(settings, output_modalities=("audio",)) if is_both else settings


def heard(event: Json) -> client.ClientEvent:
    return canonical(BetaCodec(strict=True).decode(json.dumps(client_event_to_beta(event))))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_what_clients_say_means_the_same_in_both(path: Path) -> None:
    for event in said_in(path):
        assert heard(event) == canonical(client_event_from(event, strict=True))


def test_the_scripts_say_all_that_clients_can() -> None:
    said = {event["type"] for path in SCRIPTS for event in said_in(path)}
    assert said == {name for name in CLIENT_EVENT_TYPES if not name.startswith("antiphon.")}


formats = st.sampled_from(
    [{"type": "audio/pcm", "rate": 24000}, {"type": "audio/pcmu"}, {"type": "audio/pcma"}]
)
modalities = st.sampled_from([["audio"], ["text"]])
max_tokens = st.just("inf") | st.integers(1, 4096)
choices = st.sampled_from(["auto", "none", "required", {"type": "function", "name": "f"}])
tools = st.lists(st.just({"type": "function", "name": "f", "parameters": {}}), max_size=1)
voices = st.sampled_from(["alloy", "ash", "marin"])
detections = st.none() | st.fixed_dictionaries(
    {"type": st.just("server_vad")},
    optional={
        "threshold": st.floats(0, 1),
        "prefix_padding_ms": st.integers(0, 5000),
        "silence_duration_ms": st.integers(0, 5000),
        "create_response": st.booleans(),
        "interrupt_response": st.booleans(),
    },
)
inputs = st.fixed_dictionaries(
    {},
    optional={
        "format": formats,
        "transcription": st.none() | st.fixed_dictionaries({"model": st.text(max_size=5)}),
        "noise_reduction": st.none() | st.just({"type": "near_field"}),
        "turn_detection": detections,
    },
).filter(bool)
outputs = st.fixed_dictionaries(
    {}, optional={"format": formats, "voice": voices, "speed": st.floats(0.25, 1.5)}
).filter(bool)
updates = st.fixed_dictionaries(
    {"type": st.just("realtime")},
    optional={
        "output_modalities": modalities,
        "instructions": st.text(max_size=9),
        "tools": tools,
        "tool_choice": choices,
        "max_output_tokens": max_tokens,
        "tracing": st.sampled_from([None, "auto"]),
        "audio": st.fixed_dictionaries({}, optional={"input": inputs, "output": outputs}).filter(
            bool
        ),
    },
)
listening = st.fixed_dictionaries(
    {"type": st.just("transcription")},
    optional={"audio": st.fixed_dictionaries({"input": inputs})},
)
responses = st.fixed_dictionaries(
    {},
    optional={
        "output_modalities": modalities,
        "instructions": st.text(max_size=9),
        "tools": tools,
        "tool_choice": choices,
        "max_output_tokens": max_tokens,
        "conversation": st.sampled_from(["auto", "none"]),
        "metadata": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
        "input": st.just([{"type": "item_reference", "id": "item_1"}]),
        "audio": st.fixed_dictionaries(
            {
                "output": st.fixed_dictionaries(
                    {}, optional={"format": formats, "voice": voices}
                ).filter(bool)
            }
        ),
    },
)


@given(st.one_of(updates, listening))
def test_any_update_means_the_same_in_both(session: Json) -> None:
    event = {"type": "session.update", "event_id": "e", "session": session}
    assert heard(event) == client_event_from(event, strict=True)


@given(responses)
def test_any_request_for_a_response_means_the_same_in_both(response: Json) -> None:
    event = {"type": "response.create", "response": response}
    assert heard(event) == client_event_from(event, strict=True)


@given(updates)
def test_the_naive_tables_are_each_others_inverse(session: Json) -> None:
    """Or the tests above would prove nothing."""
    assert nested(flattened(session)) | {"type": "realtime"} == session
