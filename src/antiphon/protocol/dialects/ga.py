"""GA, of August 2025: the language inside, so there is nothing to translate.

Its events are `antiphon.protocol.client`'s and `.server`'s, its settings `.session`'s.
Clients that came from beta mix the two; unless it is to be strict, what they mean is taken.
"""

from __future__ import annotations

from functools import partial

from antiphon.errors import ProtocolError
from antiphon.protocol.client import ClientEvent, ResponseCreate, SessionUpdate
from antiphon.protocol.codec import (
    client_event_from,
    decode_client_event,
    decode_object,
    encode_server_event,
    event_id_of,
    note_unknown_keys,
)
from antiphon.protocol.dialects.beta import settings as flat
from antiphon.protocol.dialects.dialect import Dialect, Extras, Json, NamedDialect, Settings
from antiphon.protocol.server import ServerEvent


def decode(data: bytes | str) -> ClientEvent:
    """One message of a client, whose settings may be spelled in beta's flat way.

    Raises:
        ProtocolError: as `decode_client_event` raises it.
    """
    try:
        event = decode_client_event(data)
    except ProtocolError as error:
        if error.param != "type":
            raise
        raw = decode_object(data)
        if raw.get("type") != "transcription_session.update":
            raise
        return _from_flat(raw, raw.get("session"))
    match event:
        case SessionUpdate():
            return _without_flat_settings(event, data, "session")
        case ResponseCreate() if event.response is not None:
            return _without_flat_settings(event, data, "response")
        case _:
            return event


def _without_flat_settings(event: ClientEvent, data: bytes | str, root: str) -> ClientEvent:
    raw = decode_object(data)
    try:
        flat.take_temperature(raw[root], root)  # Checked, as no engine has one.
    except ProtocolError as error:
        error.event_id = event_id_of(raw)
        raise
    keys = flat.SESSION_KEYS if root == "session" else flat.RESPONSE_KEYS
    if not flat.is_flat(raw[root], keys):
        note_unknown_keys(raw)
        return event
    return _from_flat(raw, raw[root])


def _from_flat(raw: Json, sent: object) -> ClientEvent:
    try:
        return client_event_from(flat.event_to_ga(raw))
    except ProtocolError as error:
        raise flat.error_to_beta(error, sent, event_id=event_id_of(raw)) from None


def _encode(event: ServerEvent) -> tuple[bytes]:
    return (encode_server_event(event),)


GA = Dialect(decode, _encode)
_STRICT = Dialect(partial(decode_client_event, strict=True), _encode)


def _connect(*, strict: bool, extras: Extras) -> Dialect:
    del extras  # It has none.
    return _STRICT if strict else GA


def _read(settings: Json) -> tuple[Json, Extras]:
    """A session's settings, whatever of them is spelled in beta's flat way."""
    flat.take_temperature(settings, "session")
    if flat.is_flat(settings):
        settings = flat.settings_to_ga(settings, "session")
    return settings, {}


DIALECT = NamedDialect(name="ga", connect=_connect, settings=Settings(read=_read))
