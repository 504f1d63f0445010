"""A GA client that still spells settings as in beta is understood, unless that is unwanted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antiphon.errors import ProtocolError
from antiphon.protocol import client
from antiphon.protocol.dialects import ga
from antiphon.protocol.session import PcmuFormat, SessionPatch


def take(message: dict[str, Any], *, strict: bool = False) -> client.ClientEvent:
    return ga.DIALECT.connect(strict=strict, extras={}).decode(json.dumps(message))


def update(settings: dict[str, Any], kind: str = "session.update") -> SessionPatch:
    event = take({"type": kind, "event_id": "c1", "session": settings})
    assert isinstance(event, client.SessionUpdate)
    assert event.event_id == "c1"
    return event.session


def refuse(message: dict[str, Any], *, strict: bool = False) -> ProtocolError:
    with pytest.raises(ProtocolError) as error:
        take({"event_id": "c1"} | message, strict=strict)
    assert error.value.event_id == "c1"
    return error.value


def test_flat_settings_mean_what_they_meant() -> None:
    flat = update(
        {
            "modalities": ["text"],
            "voice": "ash",
            "input_audio_format": "g711_ulaw",
            "turn_detection": None,
            "input_audio_transcription": {"model": "m"},
            "max_response_output_tokens": 9,
            "temperature": 0.8,
        }
    )
    nested = update(
        {
            "output_modalities": ["text"],
            "max_output_tokens": 9,
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "turn_detection": None,
                    "transcription": {"model": "m"},
                },
                "output": {"voice": "ash"},
            },
        }
    )
    assert flat == nested


def test_what_is_spelled_in_ga_wins() -> None:
    both = update({"voice": "ash", "audio": {"output": {"voice": "marin", "speed": 1.2}}})
    assert both == update({"audio": {"output": {"voice": "marin", "speed": 1.2}}})


def test_half_migrated_settings_beside_the_type_are_taken_too() -> None:
    named = update({"type": "realtime", "voice": "ash", "modalities": ["text"]})
    assert named == update(
        {
            "type": "realtime",
            "output_modalities": ["text"],
            "audio": {"output": {"voice": "ash"}},
        }
    )


@pytest.mark.parametrize("root", ["session", "response"])
def test_a_temperature_is_taken_or_refused_by_name(root: str) -> None:
    kind = {"session": "session.update", "response": "response.create"}[root]
    take({"type": kind, root: {"type": "realtime", "temperature": 0.8}})
    error = refuse({"type": kind, root: {"type": "realtime", "temperature": 9}})
    assert (error.code, error.param) == ("invalid_value", f"{root}.temperature")


def test_a_session_as_it_is_minted_is_read_alike() -> None:
    settings, extras = ga.DIALECT.settings.read({"type": "realtime", "voice": "ash"})
    assert settings == {"type": "realtime", "audio": {"output": {"voice": "ash"}}}
    assert extras == {}


def test_a_transcription_update_is_taken() -> None:
    settings = update({"input_audio_format": "g711_ulaw"}, "transcription_session.update")
    assert settings.type == "transcription"
    assert settings.audio
    assert settings.audio.input
    assert settings.audio.input.format == PcmuFormat()


def test_a_response_is_understood_too() -> None:
    event = take({"type": "response.create", "response": {"modalities": ["text"]}})
    assert isinstance(event, client.ResponseCreate)
    assert event.response == client.ResponseOptions(output_modalities=("text",))


def test_mistakes_are_named_as_they_were_sent() -> None:
    flat = {"type": "session.update", "session": {"turn_detection": {"threshold": 2}}}
    assert refuse(flat).param == "session.turn_detection.threshold"
    mixed = {"voice": "ash", "audio": {"input": {"format": "mp3"}}}
    error = refuse({"type": "session.update", "session": mixed})
    assert error.param == "session.audio.input.format"
    assert error.message == (
        "Invalid type for 'session.audio.input.format': "
        "expected an object, but got a string instead."
    )


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        (
            {"type": "session.update", "session": {"voice": "ash"}},
            "missing_required_parameter",
            "session.type",
        ),
        (
            {"type": "session.update", "session": {"type": "realtime", "voice": "ash"}},
            "unknown_parameter",
            "session.voice",
        ),
        (
            {"type": "response.create", "response": {"modalities": ["text"]}},
            "unknown_parameter",
            "response.modalities",
        ),
        ({"type": "transcription_session.update", "session": {}}, "invalid_value", "type"),
    ],
)
def test_strict_takes_ga_alone(message: dict[str, Any], code: str, param: str) -> None:
    error = refuse(message, strict=True)
    assert (error.code, error.param) == (code, param)
