"""Faults of a connection that is open."""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import replace

from antiphon.errors import ProtocolError
from antiphon.mock.filters import after, altered, dropped, each, once, with_fields
from antiphon.mock.kinds import FOR_EVER_MS, fault, refused_event
from antiphon.mock.outcomes import Deaf, Filter, HangUp, Later, Outcome, Silence, Tear, Text
from antiphon.mock.refusals import SERVER_ERROR
from antiphon.protocol import server
from antiphon.protocol.client import ClientEvent, SessionUpdate
from antiphon.protocol.closes import CloseCode

EXPIRED = "Your session hit the maximum duration of 60 minutes."


def _error(message: str, code: str | None, type: str = "invalid_request_error") -> server.Error:  # noqa: A002
    detail = server.ErrorDetail(type=type, code=code, message=message)
    return server.Error(event_id="event_mock_fault", error=detail)


def _in(ms: int, *outcomes: Outcome) -> Filter:
    """After ``ms`` from the greeting, whatever happens meanwhile."""
    return after(server.SessionCreated, *(Later(outcome, ms) for outcome in outcomes))


@fault("connection", ms=5_000)
def session_expires(ms: int) -> Filter:
    """After `ms` the session's hour is over: `session_expired`, and close 1001."""
    reason = HangUp(CloseCode.GOING_AWAY, EXPIRED)
    return _in(ms, _error(EXPIRED, "session_expired"), reason)


@fault("connection", ms=2_000)
def server_restarts(ms: int) -> Filter:
    """After `ms` close 1012, without an error before."""
    return _in(ms, HangUp(CloseCode.RESTART, "The server is restarting; connect again."))


@fault("connection", ms=2_000)
def server_fails(ms: int) -> Filter:
    """After `ms` a `server_error` without a code, and close 1011."""
    failed = HangUp(CloseCode.INTERNAL_ERROR, "server_error")
    return _in(ms, _error(SERVER_ERROR, None, "server_error"), failed)


@fault("connection", ms=2_000)
def connection_reset(ms: int) -> Filter:
    """After `ms` the connection is reset (TCP RST)."""
    return _in(ms, Tear(reset=True))


@fault("connection", ms=2_000)
def closed_without_frame(ms: int) -> Filter:
    """After `ms` the stream ends without a close frame (1006)."""
    return _in(ms, Tear(reset=False))


@fault("connection", ms=1_000)
def error_from_nowhere(ms: int) -> Filter:
    """After `ms` an `error` that answers nothing; the session goes on."""
    return _in(ms, _error(SERVER_ERROR, None, "server_error"))


@fault("connection")
def no_greeting(_: int) -> Filter:
    """`session.created` never comes."""
    return dropped(server.SessionCreated)


@fault("connection")
def greeted_with_nonsense(_: int) -> Filter:
    """A message that is no JSON comes before `session.created`."""
    return once(server.SessionCreated, lambda event: (Text(b"hello?"), event))


@fault("connection")
def greeted_with_unknown_fields(_: int) -> Filter:
    """`session.created` has fields that nobody knows."""
    return altered(server.SessionCreated, with_fields(weather={"sky": "blue"}, version=9))


@fault("connection")
def update_unacknowledged(_: int) -> Filter:
    """`session.updated` never comes; the settings hold."""
    return dropped(server.SessionUpdated)


@fault("connection")
def events_doubled(_: int) -> Filter:
    """Each event comes twice, under the same id."""
    return each(object, lambda event: (event, event))


@fault("connection")
def rate_limits_low(_: int) -> Filter:
    """Each `rate_limits.updated` tells that next to nothing remains, for a minute."""
    limits = (
        server.RateLimit("requests", 1000, 0, 60.0),
        server.RateLimit("tokens", 40000, 12, 60.0),
    )
    return each(server.RateLimitsUpdated, lambda event: (replace(event, rate_limits=limits),))


@fault("connection", ms=5_000, needs="websocket")
def slow_reader(ms: int) -> Filter:
    """Nothing of what the client sends is read for `ms`."""
    return after(server.SessionCreated, Deaf(ms))


@fault("connection", ms=FOR_EVER_MS, needs="call")
def media_lost(ms: int) -> Filter:
    """No sound passes for `ms`, either way; events do."""
    return after(server.SessionCreated, Silence(ms))


@fault("connection", ms=2_000, needs="call")
def call_lost(ms: int) -> Filter:
    """After `ms` the call ends; nothing is said before."""
    return _in(ms, Tear(reset=True))


@refused_event
def voice_refused(event: ClientEvent) -> ProtocolError | None:
    """Each `session.update` that names a voice is refused whole."""
    if not isinstance(event, SessionUpdate):
        return None
    audio = event.session.audio
    output = audio.output if audio else UNSET
    if not output or not output.voice:
        return None
    message = f"Invalid value: '{output.voice}'. This voice is not available to you."
    return _refused(event, "invalid_value", message, "session.audio.output.voice")


@refused_event
def model_change_refused(event: ClientEvent) -> ProtocolError | None:
    """Each `session.update` that names a model is refused whole."""
    if not isinstance(event, SessionUpdate) or not event.session.model:
        return None
    message = "A session's model cannot be changed."
    return _refused(event, "cannot_update_model", message, "session.model")


@refused_event
def prompt_refused(event: ClientEvent) -> ProtocolError | None:
    """Each `session.update` that names a stored prompt is refused whole."""
    if not isinstance(event, SessionUpdate) or not event.session.prompt:
        return None
    message = "The prompt was not found."
    return _refused(event, "invalid_value", message, "session.prompt.id")


@refused_event
def settings_refused(event: ClientEvent) -> ProtocolError | None:
    """Each `session.update` is refused whole, whatever it says."""
    if not isinstance(event, SessionUpdate):
        return None
    message = "Unknown parameter: 'session.audio'."
    return _refused(event, "unknown_parameter", message, "session.audio")


def _refused(event: ClientEvent, code: str, message: str, param: str) -> ProtocolError:
    return ProtocolError(code, message, param=param, event_id=event.event_id)
