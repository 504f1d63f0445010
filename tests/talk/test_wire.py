from __future__ import annotations

import json
from types import UnionType
from typing import get_args

import msgspec
import pytest

from antiphon.protocol import server
from antiphon.protocol.client import (
    ConversationItemCreate,
    InputAudioBufferAppend,
    ResponseCreate,
    ResponseOptions,
)
from antiphon.protocol.items import InputText, Message
from antiphon.talk import wire


def _by_tag(union: UnionType) -> dict[str, type[msgspec.Struct]]:
    return {kind.__struct_config__.tag: kind for kind in get_args(union)}


OURS, THEIRS = _by_tag(wire.ServerEvent), _by_tag(server.ServerEvent)


@pytest.mark.parametrize("tag", OURS)
def test_each_event_that_is_read_is_one_that_servers_send(tag: str) -> None:
    promised = set(THEIRS[tag].__struct_fields__)
    read = set(OURS[tag].__struct_fields__)
    assert read <= promised, f"{tag} has no {read - promised}"


def test_what_a_server_adds_is_passed_over() -> None:
    message = '{"type":"input_audio_buffer.speech_started","item_id":"i","new":[1]}'
    assert wire.read(message) == wire.SpeechStarted(item_id="i")


@pytest.mark.parametrize("message", ['{"type":"brand.new"}', "{", "[]", '{"type":"error"}'])
def test_what_cannot_be_read_is_nothing(message: str) -> None:
    assert wire.read(message) is None


def test_usage_by_tokens_is_understood() -> None:
    message = {
        "type": "conversation.item.input_audio_transcription.completed",
        "event_id": "e",
        "item_id": "i",
        "content_index": 0,
        "transcript": "hi",
        "usage": {"type": "tokens", "total_tokens": 3},
    }
    assert wire.read(json.dumps(message)) == wire.TranscriptionCompleted(
        item_id="i", transcript="hi"
    )


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
