from __future__ import annotations

import base64
import json
import string
import typing
from collections.abc import Callable
from typing import Any

import msgspec
import pybase64
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.errors import ProtocolError
from antiphon.protocol import client, items, server, session
from antiphon.protocol.codec import (
    CLIENT_EVENT_TYPES,
    MAX_DEPTH,
    decode_client_event,
    encode_server_event,
)
from antiphon.protocol.timeline import Segment, Timeline

# --- What is refused, and in which words ---------------------------------------

NESTED = "[" * MAX_DEPTH + "]" * MAX_DEPTH
LONG = "e" * 513

REFUSED: list[tuple[str, str, str | None, str]] = [
    # message, code, param, the error's message
    ("", "invalid_event", None, "not valid JSON"),
    ("{", "invalid_event", None, "not valid JSON"),
    ("\ufeff{}", "invalid_event", None, "not valid JSON"),
    ('{"type": "\\ud800"}', "invalid_event", None, "not valid JSON"),
    ("null", "invalid_event", None, "must be a JSON object"),
    ("[]", "invalid_event", None, "must be a JSON object"),
    ("7", "invalid_event", None, "must be a JSON object"),
    ("{}", "invalid_event", None, "The 'type' field is missing."),
    ('{"type": 7}', "invalid_type", "type", "expected a string"),
    ('{"type": null}', "invalid_type", "type", "expected a string"),
    ('{"type": "x"}', "invalid_value", "type", "Invalid value: 'x'. Supported values are: "),
    ('{"type": "response.done"}', "invalid_value", "type", "'response.create'"),
    ('{"type": "session.update"}', "missing_required_parameter", "session", "'session'"),
    (
        '{"type": "session.update", "session": {"type": "x"}}',
        "invalid_value",
        "session.type",
        "Supported values are: 'realtime', 'transcription'.",
    ),
    (
        '{"type": "session.update", "session": {"audio": {"input": {"format": "pcm16"}}}}',
        "invalid_type",
        "session.audio.input.format",
        "expected an object, but got a string instead.",
    ),
    (
        '{"type": "session.update", "session": {"audio": {"output": {"speed": 2}}}}',
        "invalid_value",
        "session.audio.output.speed",
        "1.5",
    ),
    (
        '{"type": "session.update", "session": {"tools": [{"type": "function"}]}}',
        "missing_required_parameter",
        "session.tools[0].name",
        "'session.tools[0].name'",
    ),
    (
        f'{{"type": "session.update", "session": {{"prompt": {{"id": "p", "variables": {{"a": '
        f"{NESTED}}}}}}}}}",
        "invalid_event",
        None,
        "nested too deeply",
    ),
    (
        '{"type": "session.update", "session": {"prompt": {"id": "p", "variables": {"a": [1'
        + "0" * 20
        + "]}}}}",
        "invalid_value",
        "session.prompt.variables.a[0]",
        "64 bits",
    ),
    (
        '{"type": "session.update", "session": {"audio": {"input": {"noise_reduction": '
        '{"type": "near_field", "strength": 1.5}}}}}',
        "invalid_value",
        "session.audio.input.noise_reduction.strength",
        "<= 1.0",
    ),
    (
        '{"type": "response.create", "response": {"audio": {"output": {"speed": 9}}}}',
        "invalid_value",
        "response.audio.output.speed",
        "<= 1.5",
    ),
    (
        '{"type": "session.update", "session": {"tracing": 5}}',
        "invalid_type",
        "session.tracing",
        "expected",
    ),
    (
        '{"type": "input_audio_buffer.append", "audio": "A"}',
        "invalid_value",
        "audio",
        "not valid base64",
    ),
    (
        '{"type": "input_audio_buffer.append", "audio": null}',
        "invalid_type",
        "audio",
        "expected a string, but got null instead.",
    ),
    (
        '{"type": "conversation.item.create", "item": {"type": "message", "role": "user",'
        ' "content": [{"type": "input_text"}]}}',
        "missing_required_parameter",
        "item.content[0].text",
        "Missing required parameter: 'item.content[0].text'.",
    ),
    (
        '{"type": "conversation.item.create", "item": {"type": "message", "role": "user",'
        ' "content": ["hi"]}}',
        "invalid_type",
        "item.content[0]",
        "expected an object, but got a string instead.",
    ),
    (
        f'{{"type": "response.create", "response": {{"metadata": {{"{"k" * 65}": "v"}}}}}}',
        "string_above_max_length",
        "response.metadata",
        "maximum length is 64",
    ),
    (
        '{"type": "response.create", "response": {"max_output_tokens": "many"}}',
        "invalid_value",
        "response.max_output_tokens",
        "'inf'",
    ),
]


@pytest.mark.parametrize(("message", "code", "param", "words"), REFUSED)
def test_a_bad_message_is_explained(message: str, code: str, param: str | None, words: str) -> None:
    for data in (message, message.encode()):
        with pytest.raises(ProtocolError) as raised:
            decode_client_event(data)
        assert (raised.value.code, raised.value.param) == (code, param)
        assert words in raised.value.message


@pytest.mark.parametrize(
    ("given_id", "known"), [('"mine"', "mine"), ("7", None), (f'"{LONG}"', None), ("null", None)]
)
def test_an_error_names_the_event_that_caused_it(given_id: str, known: str | None) -> None:
    with pytest.raises(ProtocolError) as raised:
        decode_client_event(f'{{"type": "unheard of", "event_id": {given_id}}}')
    assert raised.value.event_id == known


def test_an_error_does_not_repeat_a_long_value() -> None:
    with pytest.raises(ProtocolError) as raised:
        decode_client_event(json.dumps({"type": "x" * 100_000}))
    assert len(raised.value.message) < 1_000


@pytest.mark.parametrize(("audio", "decoded"), [("AAAA", bytes(3)), ("AAA", bytes(2)), ("", b"")])
def test_base64_may_lack_its_padding(audio: str, decoded: bytes) -> None:
    event = decode_client_event(
        json.dumps({"type": "input_audio_buffer.append", "event_id": "e", "audio": audio})
    )
    assert event == client.InputAudioBufferAppend(event_id="e", audio=decoded)


def test_base64_in_an_item_may_lack_its_padding_too() -> None:
    part = {"type": "input_audio", "audio": "AAA"}
    item = {"type": "message", "role": "user", "content": [part]}
    event = decode_client_event(json.dumps({"type": "conversation.item.create", "item": item}))
    assert isinstance(event, client.ConversationItemCreate)
    assert event.item == items.Message(role="user", content=(items.InputAudio(audio=bytes(2)),))
    part["audio"] = "A*A"
    with pytest.raises(ProtocolError, match="not valid base64"):
        decode_client_event(json.dumps({"type": "conversation.item.create", "item": item}))


def test_unknown_keys_are_ignored() -> None:
    assert decode_client_event(
        '{"type": "response.cancel", "extra": {"a": 1}}'
    ) == client.ResponseCancel(response_id=None)


def test_nesting_counts_brackets_outside_strings_only() -> None:
    text = "[" * 500 + '\\"{'
    event = decode_client_event(
        json.dumps({"type": "session.update", "session": {"instructions": text}})
    )
    assert isinstance(event, client.SessionUpdate)
    assert event.session.instructions == text


# --- Whatever comes, only a ProtocolError comes out -----------------------------

VALID: list[dict[str, Any]] = [
    {
        "type": "session.update",
        "event_id": "e",
        "session": {
            "type": "realtime",
            "instructions": "Be brief.",
            "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
            "tool_choice": {"type": "function", "name": "f"},
            "max_output_tokens": 100,
            "truncation": {"type": "retention_ratio", "retention_ratio": 0.5},
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "transcription": {"model": "m", "languages": ["de"]},
                    "turn_detection": {"type": "server_vad", "threshold": 0.5},
                },
                "output": {"voice": {"id": "voice_1"}, "speed": 1.0},
            },
        },
    },
    {"type": "input_audio_buffer.append", "audio": "AAAA"},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "output_audio_buffer.clear"},
    {
        "type": "conversation.item.create",
        "previous_item_id": "root",
        "item": {
            "id": "i",
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "hi"},
                {"type": "input_audio", "audio": "AAAA", "transcript": None},
            ],
        },
    },
    {
        "type": "conversation.item.create",
        "item": {"type": "function_call_output", "call_id": "c", "output": ""},
    },
    {"type": "conversation.item.retrieve", "item_id": "i"},
    {
        "type": "conversation.item.truncate",
        "item_id": "i",
        "content_index": 0,
        "audio_end_ms": 100,
    },
    {"type": "conversation.item.delete", "item_id": "i"},
    {
        "type": "response.create",
        "response": {
            "conversation": "none",
            "input": [{"type": "item_reference", "id": "i"}],
            "metadata": {"a": "b"},
            "output_modalities": ["text"],
        },
    },
    {"type": "response.cancel", "response_id": "r"},
    {"type": "antiphon.session.move", "model": "m", "voice": "v"},
]


def test_the_examples_are_of_every_type_and_valid() -> None:
    decoded = [decode_client_event(json.dumps(message)) for message in VALID]
    assert sorted({str(e.__struct_config__.tag) for e in decoded}) == list(CLIENT_EVENT_TYPES)


def decodes_or_is_refused(data: bytes | str) -> None:
    try:
        decode_client_event(data)
    except ProtocolError as error:
        assert error.code
        assert error.message
        # It must be possible to say so on the wire.
        encode_server_event(
            server.Error(
                event_id="event_1",
                error=server.ErrorDetail(
                    code=error.code,
                    message=error.message,
                    param=error.param,
                    event_id=error.event_id,
                ),
            )
        )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
KEYS = sorted(
    {"type", "event_id", "session", "audio", "item", "content", "response", "input", "tools", "id"}
)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    decodes_or_is_refused(data)


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    decodes_or_is_refused(text)


@given(
    st.sampled_from([*CLIENT_EVENT_TYPES, "x"]),
    st.dictionaries(st.sampled_from(KEYS) | st.text(string.printable), JSON, max_size=5),
)
def test_any_object_with_a_type(kind: str, fields: dict[str, Any]) -> None:
    decodes_or_is_refused(json.dumps({**fields, "type": kind}))


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path] + [place for key, v in inside for place in _places(v, (*path, key))]


def _replaced(value: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    if not path:
        return change(value)
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _replaced(copy[path[0]], path[1:], change)
    return copy


@given(st.data())
def test_a_valid_event_with_something_else_in_one_place(data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(VALID))
    path = data.draw(st.sampled_from(_places(message)))
    other = data.draw(JSON)
    decodes_or_is_refused(json.dumps(_replaced(message, path, lambda _: other)))


@given(st.data())
def test_a_valid_event_without_one_of_its_keys(data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(VALID))
    path = data.draw(st.sampled_from([p for p in _places(message) if p]))
    changed = _replaced(
        message,
        path[:-1],
        lambda v: (
            {k: x for k, x in v.items() if k != path[-1]}
            if isinstance(v, dict)
            else v[: path[-1]] + v[path[-1] + 1 :]
        ),
    )
    decodes_or_is_refused(json.dumps(changed))


@given(st.data())
def test_a_valid_event_cut_or_garbled_anywhere(data: st.DataObject) -> None:
    raw = json.dumps(data.draw(st.sampled_from(VALID))).encode()
    at = data.draw(st.integers(0, len(raw) - 1))
    put = data.draw(st.binary(max_size=3))
    decodes_or_is_refused(raw[:at] + put + raw[at + data.draw(st.integers(0, 2)) :])


# --- What we send can be read again ----------------------------------------------

SERVER_DECODER = msgspec.json.Decoder(server.ServerEvent)
MESSAGE = items.Message(
    id="item_1",
    status="completed",
    role="user",
    content=(items.InputText("hé"), items.InputAudio(None), items.InputAudio("x", b"\0\1")),
)
RESPONSE = server.Response(
    id="resp_1",
    status="failed",
    status_details=server.StatusDetails(
        type="failed", error=server.ResponseError(message="It broke.")
    ),
    output=(
        MESSAGE,
        items.FunctionCall(id="i", status="completed", name="f", call_id="c", arguments="{}"),
    ),
    conversation_id=None,
    output_modalities=("text",),
    max_output_tokens="inf",
    audio=server.ResponseAudioOut(server.ResponseVoice(session.PcmuFormat(), "marin")),
    usage=server.Usage(total_tokens=1, input_tokens=1),
    metadata={"a": "b"},
)
SESSION = session.Session(id="sess_1", model="m", expires_at=1, tool_choice="required")
VALUES: dict[str, Any] = {
    "event_id": "event_1",
    "previous_item_id": None,
    "item_id": "item_1",
    "response_id": "resp_1",
    "call_id": "call_1",
    "output_index": 1,
    "content_index": 2,
    "audio_start_ms": 3,
    "audio_end_ms": 4,
    "state": "open",
    "delta": "d",
    "text": "t",
    "transcript": "tr",
    "name": "f",
    "arguments": "{}",
    "item": MESSAGE,
    "response": RESPONSE,
    "session": SESSION,
    "part": server.AudioPart("said"),
    "usage": server.TranscriptionUsage(1.5),
    "logprobs": (server.Logprob("t", -0.5, (116,)),),
    "rate_limits": (server.RateLimit("tokens", 1, 2, 0.5),),
}


TIMELINE = Timeline(
    response_id="resp_1",
    kind="spoken",
    began_ms=1_000,
    ended_ms=1_700,
    ends_with="played",
    segments=(Segment("silence", 500), Segment("recognition+thinking", 200)),
)


@pytest.mark.parametrize(
    "kind", typing.get_args(server.ServerEvent), ids=lambda k: str(k.__struct_config__.tag)
)
def test_a_server_event_survives_the_wire(kind: type[msgspec.Struct]) -> None:
    specials: dict[Any, dict[str, Any]] = {
        server.Error: {"error": server.ErrorDetail(message="m", code="c", event_id="e")},
        server.TranscriptionFailed: {"error": server.TranscriptionError("t", "c", "m")},
        server.ResponseOutputAudioDelta: {"delta": b"\0\1\2"},
        server.TimelineTold: {"timeline": TIMELINE},
        server.PartFailed: {"part": "voice", "code": "voice_replaced", "message": "It is hoarse."},
    }
    money = {"kind": "response", "estimated": False, "unpriced": True, "scope": "user"}
    money |= {"stage": "end", "period": "day"}
    money |= {f: 7 for f in kind.__struct_fields__ if f.endswith("nano_usd")}
    if kind in (server.CostTold, server.BudgetTold):
        specials[kind] = money
    special = specials.get(kind, {})
    fields = {f: special.get(f, VALUES.get(f)) for f in kind.__struct_fields__}
    event: Any = kind(**fields)
    data = encode_server_event(event)
    assert SERVER_DECODER.decode(data) == event
    plain = json.loads(data)
    assert plain["type"] == kind.__struct_config__.tag
    assert set(kind.__struct_fields__) <= set(plain)


def test_audio_is_base64_on_the_wire() -> None:
    event = server.ResponseOutputAudioDelta(
        event_id="e", response_id="r", item_id="i", output_index=0, content_index=0, delta=b"\0\1"
    )
    assert json.loads(encode_server_event(event))["delta"] == "AAE="


def test_absent_keys_are_left_out_and_the_transcript_of_user_audio_is_not() -> None:
    call = items.FunctionCall(name="f", arguments="{}")
    assert set(json.loads(msgspec.json.encode(call))) == {"type", "object", "name", "arguments"}
    assert json.loads(msgspec.json.encode(items.InputAudio())) == {
        "type": "input_audio",
        "transcript": None,
    }


# --- Audio, whose base64 goes another way than all else -------------------------

BASE64 = st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode())
NEARLY_BASE64 = st.one_of(
    BASE64,
    BASE64.map(lambda text: text.rstrip("=")),
    BASE64.map(lambda text: text[:-1]),
    st.text(alphabet="AQZaz09+/=-_ \n", max_size=12),
    st.text(max_size=5),
)


@given(NEARLY_BASE64)
def test_what_is_base64_is_so_to_both_who_read_it(audio: str) -> None:
    """Else a client would be told of its audio what does not hold, or nothing."""
    message = json.dumps({"type": "input_audio_buffer.append", "event_id": "e", "audio": audio})
    try:
        expected = msgspec.json.decode(message, type=client.InputAudioBufferAppend)
    except msgspec.ValidationError:
        with pytest.raises(ValueError):  # noqa: PT011
            pybase64.b64decode(audio, validate=True)
    else:
        assert decode_client_event(message) == expected


@given(st.binary(max_size=40))
def test_the_audio_of_an_event_is_written_as_msgspec_writes_it(pcm: bytes) -> None:
    event = server.ResponseOutputAudioDelta(
        event_id="e", response_id="r", item_id='"i', output_index=1, content_index=2, delta=pcm
    )
    assert encode_server_event(event) == msgspec.json.encode(event)
