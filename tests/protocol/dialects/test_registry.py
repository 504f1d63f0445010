from __future__ import annotations

import json

import pytest

from antiphon.errors import ProtocolError
from antiphon.protocol import server
from antiphon.protocol.codec import CLIENT_EVENT_TYPES, from_json
from antiphon.protocol.dialects.dialect import NamedDialect
from antiphon.protocol.dialects.registry import CLIENT_EVENTS, DIALECTS, asked_for
from antiphon.protocol.session import Audio, AudioInput, AudioOutput, PcmuFormat, Session

SESSION = Session(
    id="sess_1",
    model="m",
    expires_at=9,
    output_modalities=("text",),
    audio=Audio(AudioInput(format=PcmuFormat(), turn_detection=None), AudioOutput(voice="ash")),
)

each_dialect = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


@pytest.mark.parametrize(
    ("header", "subprotocols", "name"),
    [
        ("", [], None),
        ("assistants=v2", ["realtime"], None),
        ("realtime=v1", [], "beta"),
        ("assistants=v2, realtime=v1", [], "beta"),
        ("", ["realtime", "openai-beta.realtime-v1"], "beta"),
    ],
)
def test_who_gets_which(header: str, subprotocols: list[str], name: str | None) -> None:
    asked = asked_for(header, subprotocols)
    assert (asked.name if asked else None) == name


@each_dialect
def test_a_session_told_is_read_back_as_it_was(dialect: NamedDialect) -> None:
    told = dialect.settings.tell(SESSION, {})
    read, _ = dialect.settings.read(told)
    assert from_json({"type": "realtime", **read}, Session) == SESSION


@each_dialect
def test_a_session_begins_with_its_extras(dialect: NamedDialect) -> None:
    """What `read` has found is what `connect` tells, whatever it may be."""
    told = dialect.settings.tell(SESSION, {})
    _, extras = dialect.settings.read(told)
    connected = dialect.connect(strict=True, extras=extras)
    message = connected.encode(server.SessionCreated(event_id="e", session=SESSION))[0]
    assert json.loads(message)["session"] == json.loads(json.dumps(told))


@each_dialect
def test_an_error_keeps_its_code(dialect: NamedDialect) -> None:
    error = ProtocolError("invalid_value", "Bad 'session.output_modalities'.")
    assert dialect.settings.blame(error, {}).code == "invalid_value"


@each_dialect
def test_its_own_events_mean_one_of_gas(dialect: NamedDialect) -> None:
    for own, ga_name in dialect.own_client_events:
        assert own not in CLIENT_EVENT_TYPES
        assert ga_name in CLIENT_EVENT_TYPES
        assert CLIENT_EVENTS[own] == ga_name
