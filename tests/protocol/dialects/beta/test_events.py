"""Beta messages in and out, judged by the beta models of openai-python."""

from __future__ import annotations

import base64
import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.beta.realtime import RealtimeServerEvent
from openai.types.beta.realtime.session import Session as BetaSession
from openai.types.beta.realtime.transcription_session_updated_event import (
    TranscriptionSessionUpdatedEvent,
)
from pydantic import TypeAdapter

from antiphon.core.settings import replace, update_session, voice_name
from antiphon.errors import ProtocolError
from antiphon.protocol import client, server
from antiphon.protocol.dialects import ga
from antiphon.protocol.dialects.beta import events as beta
from antiphon.protocol.dialects.beta.events import BetaCodec
from antiphon.protocol.dialects.beta.settings import session_to_beta
from antiphon.protocol.items import (
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputText,
    Item,
    Message,
    OutputAudio,
    OutputText,
)
from antiphon.protocol.server import ServerEvent
from antiphon.protocol.session import (
    AnySession,
    PcmFormat,
    PcmuFormat,
    ServerVad,
    Session,
    SessionPatch,
    TranscriptionSession,
)
from antiphon.protocol.timeline import Segment, Timeline
from tests.protocol.sessions import realtime_sessions, transcription_sessions

oracle: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)

SESSION = Session(id="sess_1", model="gpt-4o-realtime-preview", expires_at=9)
LISTENING = TranscriptionSession(id="sess_1", expires_at=9)
SPOKEN = Message(
    id="item_1", status="completed", role="assistant", content=(OutputAudio("Hi.", b"\0\0"),)
)
WRITTEN = Message(id="item_2", status="completed", role="assistant", content=(OutputText("Hi."),))
HEARD = Message(id="item_3", status="completed", role="user", content=(InputAudio(None),))
CALL = FunctionCall(id="item_4", status="completed", name="f", call_id="call_1", arguments="{}")
ANSWER = FunctionCallOutput(id="item_5", call_id="call_1", output="7")
ITEMS: tuple[Item, ...] = (SPOKEN, WRITTEN, HEARD, CALL, ANSWER)

PART: dict[str, Any] = {
    "response_id": "resp_1",
    "item_id": "item_1",
    "output_index": 0,
    "content_index": 0,
}


def response(**changes: Any) -> server.Response:
    fields: dict[str, Any] = {
        "id": "resp_1",
        "status": "in_progress",
        "conversation_id": "conv_core",
        "output_modalities": ("audio",),
        "max_output_tokens": "inf",
        "audio": server.ResponseAudioOut(server.ResponseVoice(PcmuFormat(), "ash")),
    }
    return server.Response(**(fields | changes))


DONE = response(status="completed", output=ITEMS, usage=server.Usage(), metadata={"a": "b"})
FAILED = response(
    status="failed",
    status_details=server.StatusDetails(type="failed", error=server.ResponseError(message="x")),
    usage=server.Usage(),
)
CALL_OF: dict[str, Any] = {
    "response_id": "resp_1",
    "item_id": "item_4",
    "output_index": 0,
    "call_id": "call_1",
}
DETAIL = server.ErrorDetail(code="invalid_value", message="No.", param="session.audio.input.format")
FAILURE = server.TranscriptionError("server_error", "x", "y")

E_: dict[str, Any] = {"event_id": "event_1"}
EVENTS: list[ServerEvent] = [
    server.Error(**E_, error=DETAIL),
    server.SessionCreated(**E_, session=SESSION),
    server.SessionUpdated(**E_, session=SESSION),
    server.RateLimitsUpdated(**E_, rate_limits=(server.RateLimit("requests", 9, 9, 0.0),)),
    *(server.ConversationItemAdded(**E_, previous_item_id=None, item=item) for item in ITEMS),
    server.ConversationItemDone(**E_, previous_item_id="item_0", item=SPOKEN),
    *(server.ConversationItemRetrieved(**E_, item=item) for item in ITEMS),
    server.ConversationItemTruncated(**E_, item_id="item_1", content_index=0, audio_end_ms=5),
    server.ConversationItemDeleted(**E_, item_id="item_1"),
    server.TranscriptionDelta(**E_, item_id="item_1", delta="a"),
    server.TranscriptionCompleted(
        **E_, item_id="item_1", transcript="a", usage=server.TranscriptionUsage(1.5)
    ),
    server.TranscriptionFailed(**E_, item_id="item_1", error=FAILURE),
    server.SpeechStarted(**E_, audio_start_ms=1, item_id="item_1"),
    server.PartFailed(**E_, part="voice", code="voice_replaced", message="It is hoarse."),
    server.CostTold(
        **E_,
        kind="response",
        response_id="resp_1",
        item_id=None,
        nano_usd=5,
        session_nano_usd=9,
        estimated=False,
        unpriced=False,
    ),
    server.TimelineTold(
        **E_,
        timeline=Timeline(
            response_id="resp_1",
            kind="typed",
            began_ms=1,
            ended_ms=3,
            ends_with="sent",
            segments=(Segment("thinking", 2),),
        ),
    ),
    server.BudgetTold(
        **E_,
        stage="tell",
        scope="user",
        period="day",
        limit_nano_usd=10,
        spent_nano_usd=8,
    ),
    server.OverlapChanged(**E_, item_id="item_1", state="open"),
    server.SpeechStopped(**E_, audio_end_ms=2, item_id="item_1"),
    server.InputAudioBufferCommitted(**E_, previous_item_id=None, item_id="item_1"),
    server.InputAudioBufferCleared(**E_),
    server.InputAudioBufferTimeoutTriggered(
        **E_, audio_start_ms=1, audio_end_ms=2, item_id="item_1"
    ),
    server.OutputAudioBufferStarted(**E_, response_id="resp_1"),
    server.OutputAudioBufferStopped(**E_, response_id="resp_1"),
    server.OutputAudioBufferCleared(**E_, response_id="resp_1"),
    server.ResponseCreated(**E_, response=response()),
    server.ResponseDone(**E_, response=DONE),
    server.ResponseDone(**E_, response=FAILED),
    server.ResponseOutputItemAdded(**E_, response_id="resp_1", output_index=0, item=SPOKEN),
    server.ResponseOutputItemDone(**E_, response_id="resp_1", output_index=0, item=CALL),
    server.ResponseContentPartAdded(**E_, **PART, part=server.AudioPart()),
    server.ResponseContentPartDone(**E_, **PART, part=server.TextPart("Hi.")),
    server.ResponseOutputTextDelta(**E_, **PART, delta="H"),
    server.ResponseOutputTextDone(**E_, **PART, text="Hi."),
    server.ResponseOutputAudioDelta(**E_, **PART, delta=b"\1\2\3\4"),
    server.ResponseOutputAudioDone(**E_, **PART),
    server.ResponseOutputAudioTranscriptDelta(**E_, **PART, delta="H"),
    server.ResponseOutputAudioTranscriptDone(**E_, **PART, transcript="Hi."),
    server.ResponseFunctionCallArgumentsDelta(**E_, **CALL_OF, delta="{"),
    server.ResponseFunctionCallArgumentsDone(**E_, **CALL_OF, name="f", arguments="{}"),
]


def tell(event: ServerEvent, codec: BetaCodec | None = None) -> list[Any]:
    return [json.loads(message) for message in (codec or BetaCodec()).encode(event)]


def ask(message: dict[str, Any], codec: BetaCodec | None = None) -> client.ClientEvent:
    return (codec or BetaCodec()).decode(json.dumps(message))


def refuse(message: Any, codec: BetaCodec | None = None) -> ProtocolError:
    data = message if isinstance(message, str | bytes) else json.dumps(message)
    with pytest.raises(ProtocolError) as error:
        (codec or BetaCodec()).decode(data)
    return error.value


# --- Server events -----------------------------------------------------------


def test_every_server_event_has_its_place_in_one_table() -> None:
    tables = [set(beta.RENAMED), beta.SAME, beta.TRANSLATED, beta.WITHOUT_BETA_FORM]
    tags = [str(kind.__struct_config__.tag) for kind in get_args(ServerEvent)]
    assert sorted(tags) == sorted(tag for table in tables for tag in table)
    assert {type(event) for event in EVENTS} == set(get_args(ServerEvent)), "each one is tried"


NOT_IN_THE_SDK = {
    "input_audio_buffer.timeout_triggered",
    "antiphon.overlap",
    "antiphon.part_failed",
    "antiphon.cost",
    "antiphon.timeline",
    "antiphon.budget",
}
"""Younger than beta, or ours; only ever sent to a client that asked for what they tell of."""


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: str(e.__struct_config__.tag))
def test_what_is_sent_is_valid_beta(event: ServerEvent) -> None:
    for message in tell(event):
        if message["type"] not in NOT_IN_THE_SDK:
            oracle.validate_python(message)


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: str(e.__struct_config__.tag))
def test_the_event_id_and_the_order_stay(event: ServerEvent) -> None:
    messages = tell(event)
    assert messages or event.__struct_config__.tag in beta.WITHOUT_BETA_FORM
    if messages:
        assert messages[0]["event_id"] == "event_1"
    assert len({message["event_id"] for message in messages}) == len(messages)


@pytest.mark.parametrize(
    ("ga", "name"),
    [
        ("response.output_text.delta", "response.text.delta"),
        ("response.output_text.done", "response.text.done"),
        ("response.output_audio.delta", "response.audio.delta"),
        ("response.output_audio.done", "response.audio.done"),
        ("response.output_audio_transcript.delta", "response.audio_transcript.delta"),
        ("response.output_audio_transcript.done", "response.audio_transcript.done"),
        ("conversation.item.added", "conversation.item.created"),
    ],
)
def test_names_are_those_of_beta(ga: str, name: str) -> None:
    for event in EVENTS:
        if event.__struct_config__.tag == ga:
            assert [message["type"] for message in tell(event)] == [name]


def test_audio_arrives_unchanged() -> None:
    delta = server.ResponseOutputAudioDelta(**E_, **PART, delta=bytes(range(256)))
    (message,) = tell(delta)
    assert base64.b64decode(message.pop("delta")) == bytes(range(256))
    assert message == {"type": "response.audio.delta", "event_id": "event_1", **PART}


def test_a_session_begins_with_the_session_and_its_conversation() -> None:
    created, conversation = tell(server.SessionCreated(event_id="event_7", session=SESSION))
    assert created["type"] == "session.created"
    assert created["session"] == {
        "object": "realtime.session",
        "id": "sess_1",
        "model": "gpt-4o-realtime-preview",
        "expires_at": 9,
        "modalities": ["text", "audio"],
        "instructions": SESSION.instructions,
        "voice": "marin",
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "input_audio_transcription": None,
        "input_audio_noise_reduction": None,
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
            "create_response": True,
            "interrupt_response": True,
        },
        "tools": [],
        "tool_choice": "auto",
        "temperature": 0.8,
        "max_response_output_tokens": "inf",
        "speed": 1.0,
        "tracing": None,
        "include": None,
    }
    assert conversation == {
        "type": "conversation.created",
        "event_id": "event_7c",
        "conversation": {"id": "conv_1", "object": "realtime.conversation"},
    }


def test_responses_name_the_conversation_that_was_announced() -> None:
    codec = BetaCodec()
    tell(server.SessionCreated(**E_, session=SESSION), codec)
    (done,) = tell(server.ResponseDone(**E_, response=DONE), codec)
    assert done["response"]["conversation_id"] == "conv_1"
    aside = response(conversation_id=None)
    (created,) = tell(server.ResponseCreated(**E_, response=aside), codec)
    assert created["response"]["conversation_id"] is None


def test_a_response_is_flat_and_its_items_speak_beta() -> None:
    (done,) = tell(server.ResponseDone(**E_, response=DONE))
    told = done["response"]
    assert told["modalities"] == ["text", "audio"]
    assert (told["voice"], told["output_audio_format"]) == ("ash", "g711_ulaw")
    assert (told["max_output_tokens"], told["metadata"]) == ("inf", {"a": "b"})
    assert told.keys().isdisjoint({"audio", "output_modalities"})
    contents = [part["type"] for item in told["output"] for part in item.get("content", ())]
    assert contents == ["audio", "text", "input_audio"]


def test_a_transcription_session_is_told_by_its_own_events() -> None:
    (created,) = tell(server.SessionCreated(**E_, session=LISTENING))
    (updated,) = tell(server.SessionUpdated(**E_, session=LISTENING))
    assert created["type"] == "transcription_session.created"
    assert created["session"]["object"] == "realtime.transcription_session"
    assert updated["type"] == "transcription_session.updated"
    assert "voice" not in updated["session"]
    # The SDK's model insists on a secret, which its own description says is not there.
    updated["session"]["client_secret"] = {"value": "ek_1", "expires_at": 1}
    TypeAdapter(TranscriptionSessionUpdatedEvent).validate_python(updated)


@pytest.mark.parametrize(
    ("ga", "flat"),
    [
        ("session.audio.input.format", "session.input_audio_format"),
        ("session.audio.input.turn_detection.threshold", "session.turn_detection.threshold"),
        ("session.output_modalities[0]", "session.modalities[0]"),
        ("session.output_modalities", "session.modalities"),
        ("session.max_output_tokens", "session.max_response_output_tokens"),
        ("session.max_output_tokens_not", "session.max_output_tokens_not"),
        ("response.audio.output.voice", "response.voice"),
        ("response.tools[0].name", "response.tools[0].name"),
        ("session.type", "type"),
        ("session.audio", "session.audio"),
        ("item.content[0].text", "item.content[0].text"),
        ("item_id", "item_id"),
        (None, None),
    ],
)
def test_errors_name_the_field_as_the_client_knows_it(ga: str | None, flat: str | None) -> None:
    detail = server.ErrorDetail(message=f"Invalid type for '{ga}': no.", param=ga, event_id="c1")
    (told,) = tell(server.Error(**E_, error=detail))
    assert told["error"]["param"] == flat
    assert told["error"]["message"] == f"Invalid type for '{flat}': no."
    assert told["error"]["event_id"] == "c1"


# --- Sessions, there and back ------------------------------------------------

SERVER_FILLED = ("id", "object", "expires_at")


def there_and_back(session: AnySession, fresh: AnySession, update: str) -> AnySession:
    told = tell(server.SessionUpdated(**E_, session=session))[0]["session"]
    settings = {key: value for key, value in told.items() if key not in SERVER_FILLED}
    event = ask({"type": update, "session": settings}, BetaCodec(strict=True))
    assert isinstance(event, client.SessionUpdate)
    return update_session(fresh, event.session, voice_locked=False)


@given(realtime_sessions())
def test_a_session_told_in_beta_is_the_same_session(session: Session) -> None:
    fresh = Session(id=session.id, model=session.model, expires_at=session.expires_at)
    # Beta has only names for voices.
    output = replace(session.audio.output, voice=voice_name(session.audio.output.voice))
    expected = replace(session, audio=replace(session.audio, output=output))
    assert there_and_back(session, fresh, "session.update") == expected


@given(transcription_sessions)
def test_a_transcription_session_told_in_beta_is_the_same_session(
    session: TranscriptionSession,
) -> None:
    fresh = TranscriptionSession(id=session.id, expires_at=session.expires_at)
    assert there_and_back(session, fresh, "transcription_session.update") == session


@given(realtime_sessions())
def test_every_session_is_valid_beta(session: Session) -> None:
    told = tell(server.SessionCreated(**E_, session=session))[0]["session"]
    if isinstance(told["tool_choice"], dict):
        told["tool_choice"] = "auto"  # The SDK's model knows words only; the API sent objects.
    BetaSession.model_validate(told)


# --- Client events -----------------------------------------------------------


def patch(settings: dict[str, Any]) -> SessionPatch:
    event = ask({"type": "session.update", "session": settings})
    assert isinstance(event, client.SessionUpdate)
    return event.session


def test_flat_settings_find_their_place() -> None:
    update = patch(
        {
            "modalities": ["text", "audio"],
            "input_audio_format": "g711_ulaw",
            "output_audio_format": "pcm16",
            "voice": "ash",
            "speed": 1.1,
            "input_audio_transcription": {"model": "whisper-1"},
            "input_audio_noise_reduction": {"type": "far_field"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 200},
            "max_response_output_tokens": 77,
            "temperature": 0.9,
            "instructions": "Be brief.",
        }
    )
    session = update_session(SESSION, update, voice_locked=False)
    assert isinstance(session, Session)
    assert update.type == "realtime"
    assert session.output_modalities == ("audio",)
    assert session.instructions == "Be brief."
    assert session.max_output_tokens == 77
    sound = session.audio.input
    assert sound.format == PcmuFormat()
    assert sound.transcription is not None
    assert sound.transcription.model == "whisper-1"
    assert sound.noise_reduction is not None
    assert sound.noise_reduction.type == "far_field"
    assert sound.turn_detection == ServerVad(silence_duration_ms=200)
    assert session.audio.output.format == PcmFormat()
    assert (session.audio.output.voice, session.audio.output.speed) == ("ash", 1.1)


def test_null_clears_and_absence_keeps() -> None:
    before = patch({"input_audio_transcription": {"model": "m"}})
    session = update_session(SESSION, before, voice_locked=False)
    kept = update_session(session, patch({"turn_detection": None}), voice_locked=False)
    assert kept.audio.input.turn_detection is None
    assert kept.audio.input.transcription is not None


def test_a_response_takes_flat_settings() -> None:
    event = ask(
        {
            "type": "response.create",
            "response": {
                "modalities": ["text"],
                "voice": "ash",
                "output_audio_format": "g711_alaw",
                "max_response_output_tokens": 5,
                "temperature": 0.7,
                "tool_choice": {"type": "function", "function": {"name": "f"}},
                "input": [
                    {"type": "item_reference", "id": "item_1"},
                    {
                        "type": "message",
                        "role": "assistant",
                        "content": [{"type": "text", "text": "Hi."}],
                    },
                ],
                "metadata": {"k": "v"},
                "conversation": "none",
            },
        }
    )
    assert isinstance(event, client.ResponseCreate)
    options = event.response
    assert options is not None
    assert options.output_modalities == ("text",)
    assert options.max_output_tokens == 5
    assert isinstance(options.audio, client.ResponseAudio)
    assert options.audio.output.voice == "ash"
    assert options.conversation == "none"
    assert options.metadata == {"k": "v"}


@pytest.mark.parametrize(
    "message",
    [
        {"type": "input_audio_buffer.append", "audio": "AAAA"},
        {"type": "input_audio_buffer.commit", "event_id": "c1"},
        {"type": "response.create"},
        {"type": "response.cancel"},
        {"type": "conversation.item.retrieve", "item_id": "i"},
    ],
)
def test_the_other_client_events_are_the_same_in_both(message: dict[str, Any]) -> None:
    assert ask(message).__struct_config__.tag == message["type"]


def test_audio_in_a_request_for_a_response_may_lack_its_padding() -> None:
    heard = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": "AA"}]}
    message = {"type": "response.create", "response": {"modalities": ["text"], "input": [heard]}}
    for event in (ask(message), ga.decode(json.dumps(message))):
        assert isinstance(event, client.ResponseCreate)
        assert event.response is not None
        assert event.response.output_modalities == ("text",)
        (item,) = event.response.input or ()
        assert item == Message(role="user", content=(InputAudio(None, b"\0"),))


def test_an_item_may_be_spelled_in_beta() -> None:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi."}]}
    event = ask({"type": "conversation.item.create", "item": item})
    assert isinstance(event, client.ConversationItemCreate)
    assert event.item == Message(role="user", content=(InputText("Hi."),))


@pytest.mark.parametrize(
    ("settings", "code", "param"),
    [
        ({"input_audio_format": "mp3"}, "invalid_value", "session.input_audio_format"),
        ({"input_audio_format": 5}, "invalid_type", "session.input_audio_format"),
        ({"modalities": ["song"]}, "invalid_value", "session.modalities[0]"),
        ({"turn_detection": {"threshold": 2}}, "invalid_value", "session.turn_detection.threshold"),
        ({"voice": 5}, "invalid_type", "session.voice"),
        ({"speed": 9}, "invalid_value", "session.speed"),
        (
            {"max_response_output_tokens": 0},
            "invalid_value",
            "session.max_response_output_tokens",
        ),
        ({"temperature": "hot"}, "invalid_type", "session.temperature"),
        ({"temperature": True}, "invalid_type", "session.temperature"),
        ({"temperature": 3}, "invalid_value", "session.temperature"),
        ({"audio": 5, "voice": "ash"}, "invalid_type", "session.audio"),
        ("none", "invalid_type", "session"),
    ],
)
def test_a_setting_that_does_not_fit_is_named_as_it_was_sent(
    settings: object, code: str, param: str
) -> None:
    error = refuse({"type": "session.update", "event_id": "c1", "session": settings})
    assert (error.code, error.param, error.event_id) == (code, param, "c1")
    assert "audio.input" not in error.message


def test_a_response_that_does_not_fit_is_named_as_it_was_sent() -> None:
    error = refuse({"type": "response.create", "response": {"output_audio_format": "mp3"}})
    assert error.param == "response.output_audio_format"


def test_strict_refuses_what_beta_does_not_know() -> None:
    codec = BetaCodec(strict=True)
    unknown = {"type": "session.update", "session": {"turn_detection": {"x": 1}}}
    error = refuse(unknown, codec)
    assert (error.code, error.param) == ("unknown_parameter", "session.turn_detection.x")
    ask({"type": "session.update", "session": {"temperature": 0.7}}, codec)


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ("{", "invalid_event", None),
        ("[]", "invalid_event", None),
        ('{"event_id":"c1"}', "invalid_event", None),
        ('{"type":"nope"}', "invalid_value", "type"),
        ('{"type":"session.update"}', "missing_required_parameter", "session"),
        ('{"type":"transcription_session.update"}', "missing_required_parameter", "session"),
        ('{"type":"response.cancel","x":"\xff', "invalid_event", None),
        (
            '{"type":"session.update","session":' + "[" * 500 + "]" * 500 + "}",
            "invalid_event",
            None,
        ),
        ('{"type":"nope","x":' + "[" * 5000 + "]" * 5000 + "}", "invalid_event", None),
    ],
)
def test_a_bad_message_is_a_protocol_error(message: str, code: str, param: str | None) -> None:
    error = refuse(message)
    assert (error.code, error.param) == (code, param)


def test_an_unknown_type_is_told_which_there_are() -> None:
    error = refuse({"type": "nope", "event_id": "c1"})
    assert "'transcription_session.update'" in error.message
    assert error.event_id == "c1"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
keys = st.sampled_from(
    [*session_to_beta(SESSION), "audio", "output_modalities", "tool_choice", "type", "x"]
)


@given(
    st.sampled_from(["session.update", "transcription_session.update", "response.create"]),
    st.dictionaries(keys, json_values),
)
def test_whatever_comes_is_an_event_or_a_protocol_error(
    kind: str, settings: dict[str, Any]
) -> None:
    message = {"type": kind, "session": settings, "response": settings}
    for strict in (False, True):
        try:
            ask(message, BetaCodec(strict=strict))
        except ProtocolError as error:
            assert error.message


# --- Temperature -------------------------------------------------------------


def temperature_told(codec: BetaCodec) -> float:
    (told,) = tell(server.SessionUpdated(**E_, session=SESSION), codec)
    value: float = told["session"]["temperature"]
    return value


def test_the_temperature_is_echoed_once_it_is_acknowledged() -> None:
    codec = BetaCodec(temperature=0.7)
    created, _ = tell(server.SessionCreated(**E_, session=SESSION), codec)
    assert created["session"]["temperature"] == 0.7
    ask({"type": "session.update", "session": {"temperature": 1.1}}, codec)
    assert temperature_told(codec) == 1.1
    ask({"type": "session.update", "session": {"voice": "ash"}}, codec)
    assert temperature_told(codec) == 1.1


def test_a_refused_update_leaves_the_temperature() -> None:
    codec = BetaCodec()
    ask({"type": "session.update", "session": {"temperature": 1.1}}, codec)
    tell(server.Error(**E_, error=DETAIL), codec)
    assert temperature_told(codec) == 0.8


def test_a_response_has_its_own_temperature() -> None:
    codec = BetaCodec()
    ask({"type": "response.create", "response": {"temperature": 0.6}}, codec)
    told = [
        tell(event, codec)[0]["response"]["temperature"]
        for event in (
            server.ResponseCreated(**E_, response=response()),
            server.ResponseCreated(**E_, response=response(id="resp_2")),
            server.ResponseDone(**E_, response=response(id="resp_2", status="completed")),
            server.ResponseDone(**E_, response=DONE),
        )
    ]
    assert told == [0.6, 0.8, 0.8, 0.6]
