from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.protocol import server
from antiphon.protocol.client import (
    ConversationItemCreate,
    InputAudioBufferAppend,
    ResponseCreate,
    ResponseOptions,
)
from antiphon.protocol.codec import decode_client_event, encode_server_event
from antiphon.protocol.items import InputText, Message, OutputAudio
from antiphon.upstream import wire

KINDS = {
    str(kind.__struct_config__.tag): kind.__struct_fields__ for kind in get_args(server.ServerEvent)
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(0, 1) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "type", "output", "content", "x"]), inner)
    ),
    max_leaves=6,
)


def test_an_event_of_our_own_server_is_read_as_it_was_written() -> None:
    event = server.SpeechStarted(event_id="e", audio_start_ms=40, item_id="i")
    assert wire.read(encode_server_event(event)) == event


def test_what_a_server_adds_is_passed_over() -> None:
    message = (
        '{"type":"input_audio_buffer.speech_started",'
        '"event_id":"e","audio_start_ms":40,"item_id":"i","new":[1]}'
    )
    assert wire.read(message) == server.SpeechStarted(event_id="e", audio_start_ms=40, item_id="i")


def test_what_a_server_leaves_out_is_empty() -> None:
    message = '{"type":"input_audio_buffer.speech_started","item_id":"i"}'
    assert wire.read(message) == server.SpeechStarted(event_id="", audio_start_ms=0, item_id="i")


def test_an_unknown_event_is_kept_whole() -> None:
    fields = {"type": "brand.new", "event_id": "e", "more": {"n": [1, None]}}
    assert wire.read(json.dumps(fields)) == wire.Foreign("brand.new", fields)


@pytest.mark.parametrize(
    ("message", "type_", "problem"),
    [
        ("{", "", "it is no JSON"),
        (b"\xff", "", "it is no JSON"),
        ("[" * 100_000, "", "it is no JSON"),
        ("[]", "", "it is no object with a type"),
        ('{"type":7}', "", "it is no object with a type"),
        ('{"type":"error"}', "error", "error is missing"),
        ('{"type":"session.created","session":[]}', "session.created", "session is no"),
        (
            '{"type":"conversation.item.added","item":{"type":"mcp_call"}}',
            "conversation.item.added",
            "item is of an unknown type, 'mcp_call'",
        ),
        (
            '{"type":"response.output_audio.delta","item_id":"i","delta":"?"}',
            "response.output_audio.delta",
            "delta is no bytes",
        ),
    ],
)
def test_what_cannot_be_read_says_why(message: str | bytes, type_: str, problem: str) -> None:
    read = wire.read(message)
    assert isinstance(read, wire.Foreign)
    assert read.type == type_
    assert (read.problem or "").startswith(problem)


def test_a_looser_servers_response_is_read_as_far_as_it_goes() -> None:
    long_id = "item_" + "x" * 60
    response = {
        "id": "r",
        "status": "paused",
        "output": [
            {"type": "mcp_call"},
            {
                "type": "message",
                "id": long_id,
                "role": "assistant",
                "content": [{"type": "hologram"}, {"type": "output_audio", "transcript": "Hi."}],
            },
        ],
        "metadata": 5,
    }
    read = wire.read(json.dumps({"type": "response.done", "response": response}))
    assert isinstance(read, server.ResponseDone)
    assert (read.response.id, str(read.response.status)) == ("r", "paused")
    assert (read.response.conversation_id, read.response.metadata) == (None, None)
    assert read.response.output == (
        Message(id=long_id, role="assistant", content=(OutputAudio("Hi."),)),
    )


def test_usage_by_tokens_is_understood() -> None:
    message = {
        "type": "conversation.item.input_audio_transcription.completed",
        "event_id": "e",
        "item_id": "i",
        "content_index": 0,
        "transcript": "hi",
        "usage": {"type": "tokens", "total_tokens": 3},
    }
    assert wire.read(json.dumps(message)) == server.TranscriptionCompleted(
        event_id="e", item_id="i", transcript="hi", usage=server.TranscriptionTokens(3)
    )


@given(st.data())
def test_no_message_breaks_the_reader(data: st.DataObject) -> None:
    """Any event of the protocol, with any of its values replaced by any JSON."""
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    fields = {name: data.draw(JSON) for name in KINDS[kind] if data.draw(st.booleans())}
    read = wire.read(json.dumps({**fields, "type": kind}))
    if isinstance(read, wire.Foreign):
        assert read.fields == {**fields, "type": kind}
        assert read.problem
    else:
        assert read.__struct_config__.tag == kind


def test_what_is_not_set_is_not_sent() -> None:
    created = ConversationItemCreate(item=Message(role="user", content=(InputText("hi"),)))
    assert json.loads(wire.write(created)) == {
        "type": "conversation.item.create",
        "item": {
            "type": "message",
            "object": "realtime.item",
            "role": "user",
            "content": [{"type": "input_text", "text": "hi"}],
        },
    }
    asked = wire.write(ResponseCreate(response=ResponseOptions()))
    assert json.loads(asked) == {"type": "response.create", "response": {}}


def test_logs_hold_no_sound() -> None:
    message = wire.write(InputAudioBufferAppend(audio=bytes(960)))
    assert json.loads(wire.without_audio(message))["audio"] == "(1280 base64 characters)"
    delta = '{"type":"response.output_audio.delta","delta":"AAAA","item_id":"i"}'
    assert json.loads(wire.without_audio(delta))["delta"] == "(4 base64 characters)"
    words = '{"type":"response.output_audio_transcript.delta","delta":"Hello"}'
    assert json.loads(wire.without_audio(words))["delta"] == "Hello"
    item = '{"item":{"content":[{"type":"output_audio","audio":"AAAA"}]}}'
    assert "AAAA" not in wire.without_audio(item)
    assert wire.without_audio("{") == "(no JSON, 1 long)"


@given(st.binary(max_size=40))
def test_audio_there_and_back(pcm: bytes) -> None:
    spoken = server.ResponseOutputAudioDelta(
        event_id="e", response_id="r", item_id="i", output_index=1, content_index=2, delta=pcm
    )
    assert wire.read(encode_server_event(spoken)) == spoken
    append = InputAudioBufferAppend(audio=pcm)
    assert decode_client_event(wire.write(append)) == append


@pytest.mark.parametrize("delta", ["ü", "=", "QUJ", "QU JD", "not base64!"])
def test_audio_that_is_no_base64_is_told_from_an_event(delta: str) -> None:
    spoken = server.ResponseOutputAudioDelta(
        event_id="e", response_id="r", item_id="i", output_index=1, content_index=2, delta=b""
    )
    fields = json.loads(encode_server_event(spoken)) | {"delta": delta}
    assert isinstance(wire.read(json.dumps(fields)), wire.Foreign)
