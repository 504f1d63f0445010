"""Bytes ⇄ events, and what is wrong with bytes that are no event.

Decoding checks the whole message at once; a message that does not fit becomes a
`ProtocolError` with the API's own code and the path of the field at fault.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any, Union, get_args

import msgspec
import pybase64
from msgspec import UNSET, Struct
from msgspec.structs import replace

from antiphon.errors import ProtocolError
from antiphon.protocol.client import (
    ClientEvent,
    EventId,
    InputAudioBufferAppend,
    ResponseOptions,
    SessionUpdate,
)
from antiphon.protocol.server import ResponseOutputAudioDelta, ServerEvent
from antiphon.protocol.session import (
    AudioInputPatch,
    AudioOutputPatch,
    AudioPatch,
    NoiseReductionPatch,
    OverlapPatch,
    SessionPatch,
    TranscriptionPatch,
    TurnDetectionPatch,
)
from antiphon.protocol.unknown_names import UnknownNames


class _Append(Struct, frozen=True, kw_only=True, tag_field="type", tag="input_audio_buffer.append"):
    """`InputAudioBufferAppend`, still in base64: nearly all messages are that, and nearly all the
    time that msgspec takes for one goes into its audio.
    """

    event_id: EventId | None = None
    audio: str


_others = tuple(kind for kind in get_args(ClientEvent) if kind is not InputAudioBufferAppend)
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Union[(_Append, *_others)])
_plain_decoder: msgspec.json.Decoder[ClientEvent] = msgspec.json.Decoder(ClientEvent)
_encoder = msgspec.json.Encoder()
_unknown_fields = UnknownNames(logging.getLogger(__name__), "unknown field '%s': %s")

CLIENT_EVENT_TYPES = tuple(sorted(str(kind.__struct_config__.tag) for kind in ClientEvent.__args__))
MAX_DEPTH = 100
"""How deeply the values of a message may be nested."""
MAX_QUOTED_CHARS = 100
"""How much of a client's own value an error repeats."""


def encode_server_event(event: ServerEvent) -> bytes:
    """One JSON object, UTF-8."""
    if isinstance(event, ResponseOutputAudioDelta):
        # Its last field, and nearly all the time that msgspec takes.
        around = _encoder.encode(replace(event, delta=b""))
        return around[:-2] + pybase64.b64encode(event.delta) + around[-2:]
    return _encoder.encode(event)


def decode_client_event(data: bytes | str, *, strict: bool = False) -> ClientEvent:
    """Read one message of a client (GA).

    Keys that no field has are ignored; ``strict`` refuses them, as OpenAI's server does.

    Raises:
        ProtocolError: with ``code``, ``message``, ``param`` and ``event_id`` as the API has them.
    """
    try:
        event: ClientEvent | _Append = _decoder.decode(data)
        if isinstance(event, _Append):
            event = _append(event, data)
        else:
            _check_depth(data)
            _check_numbers(data)
            if strict:
                _be_strict(event, msgspec.json.decode(data))
    except msgspec.ValidationError as error:
        return _second_look(data, str(error), strict=strict)
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise _not_json(error) from None
    return event


def _append(event: _Append, data: bytes | str) -> ClientEvent:
    try:
        audio = pybase64.b64decode(event.audio, validate=True)
    except ValueError:
        plain: ClientEvent = _plain_decoder.decode(data)  # It says what is wrong.
        return plain
    return InputAudioBufferAppend(event_id=event.event_id, audio=audio)


def decode_object(data: bytes | str) -> dict[str, Any]:
    """One JSON object, with nothing known about its fields yet.

    Raises:
        ProtocolError: it is none (``invalid_event``).
    """
    try:
        _check_depth(data)
        _check_numbers(data)
        raw = msgspec.json.decode(data)
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise _not_json(error) from None
    if not isinstance(raw, dict):
        raise ProtocolError("invalid_event", "A client event must be a JSON object.")
    return raw


def from_json(raw: dict[str, Any], kind: Any, *, strict: bool = False) -> Any:
    """Make a struct (or one of a union of them) of a JSON object.

    Raises:
        ProtocolError: as `decode_client_event` raises it.
    """
    try:
        made = msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        if (padded := _with_padding(raw, str(error))) is not None:
            return from_json(padded, kind, strict=strict)
        code, message, param = _explain(str(error), raw, kind)
        raise ProtocolError(code, message, param=param, event_id=event_id_of(raw)) from None
    if strict:
        _check_keys(raw)
    return made


def client_event_from(raw: dict[str, Any], *, strict: bool = False) -> ClientEvent:
    """A client event whose JSON was decoded (and perhaps translated) before."""
    event: ClientEvent = from_json(raw, ClientEvent, strict=strict)
    return event


def event_id_of(raw: Any) -> str | None:
    """The client's own id of a message, where it has one that can be repeated to it."""
    event_id = raw.get("event_id") if isinstance(raw, dict) else None
    return event_id if isinstance(event_id, str) and len(event_id) <= 512 else None


# --- Strictness --------------------------------------------------------------


def _be_strict(event: ClientEvent, raw: dict[str, Any]) -> None:
    if isinstance(event, SessionUpdate) and event.session.type is UNSET:
        raise ProtocolError(
            "missing_required_parameter",
            "Missing required parameter: 'session.type'.",
            param="session.type",
            event_id=event.event_id,
        )
    _check_keys(raw)


def _not_json(error: Exception) -> ProtocolError:
    return ProtocolError("invalid_event", f"The message is not valid JSON: {error}.")


def _too_deep() -> ProtocolError:
    return ProtocolError(
        "invalid_event", f"The message is nested too deeply: {MAX_DEPTH} levels at most."
    )


_KNOWN_KEYS: dict[str, type[msgspec.Struct]] = {
    "session": SessionPatch,
    "session.audio": AudioPatch,
    "session.audio.input": AudioInputPatch,
    "session.audio.input.transcription": TranscriptionPatch,
    "session.audio.input.noise_reduction": NoiseReductionPatch,
    "session.audio.input.turn_detection": TurnDetectionPatch,
    "session.audio.input.turn_detection.overlap": OverlapPatch,
    "session.audio.output": AudioOutputPatch,
    "response": ResponseOptions,
}


def note_unknown_keys(raw: dict[str, Any]) -> None:
    """Tell the log, once each, of keys that no field has."""
    for path in _unknown_keys(raw):
        _unknown_fields.tell(path, "it is ignored")


def _check_keys(raw: dict[str, Any]) -> None:
    for path in _unknown_keys(raw):
        raise ProtocolError(
            "unknown_parameter",
            f"Unknown parameter: '{path}'.",
            param=path,
            event_id=event_id_of(raw),
        )


def _unknown_keys(raw: dict[str, Any]) -> Iterator[str]:
    for path, struct in _KNOWN_KEYS.items():
        node: Any = raw
        for name in path.split("."):
            node = node.get(name) if isinstance(node, dict) else None
        for key in node if isinstance(node, dict) else ():
            if key not in struct.__struct_fields__:
                yield f"{path}.{key}"


_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')


def _check_depth(data: bytes | str) -> None:
    """What a session holds must also be encoded again, on a stack that is not endless."""
    raw = data.encode() if isinstance(data, str) else data
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for byte in _STRINGS.sub(b"", raw):
        depth += (byte in b"[{") - (byte in b"]}")
        if depth > MAX_DEPTH:
            raise RecursionError


_LONG_NUMBER = re.compile(rb"[0-9]{19}")


def _check_numbers(data: bytes | str) -> None:
    """Integers that no log and no engine can write again are nobody's settings.

    Raises:
        ProtocolError: one has more than 64 bits.
    """
    raw = data.encode() if isinstance(data, str) else data
    if not _LONG_NUMBER.search(raw):
        return
    message = msgspec.json.decode(raw)
    waiting: list[tuple[str, Any]] = [("", message)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{path}.{key}" if path else key, one) for key, one in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{path}[{index}]", one) for index, one in enumerate(value)]
        elif isinstance(value, int) and not -(2**63) <= value < 2**64:
            raise ProtocolError(
                "invalid_value",
                f"Invalid '{path}': integers have 64 bits at most.",
                param=path,
                event_id=event_id_of(message),
            )


def _second_look(data: bytes | str, complaint: str, *, strict: bool) -> ClientEvent:
    """Find the words for what does not fit; and take base64 that only lacks its padding."""
    try:
        raw = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise _not_json(error) from None
    except RecursionError:
        raise _too_deep() from None
    event_id = event_id_of(raw)
    if (padded := _with_padding(raw, complaint)) is not None:
        return decode_client_event(msgspec.json.encode(padded), strict=strict)
    code, message, param = _explain(complaint, raw, ClientEvent)
    raise ProtocolError(code, message, param=param, event_id=event_id)


_PATH = re.compile(r" - at (?:`key` in )?`\$?\.?(?P<path>.*)`$")
_NAMES = {
    "object": "an object",
    "array": "an array",
    "str": "a string",
    "bytes": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "null": "null",
}


def _explain(complaint: str, raw: Any, kind: Any) -> tuple[str, str, str | None]:
    """Msgspec's complaint in the API's words: code, message, param."""
    found = _PATH.search(complaint)
    path = found["path"] if found else ""
    what = complaint[: found.start()] if found else complaint
    if not path and not isinstance(raw, dict):
        return "invalid_event", "A client event must be a JSON object.", None
    if missing := re.fullmatch(r"Object missing required field `(.+)`", what):
        field = missing[1]
        if not path and field == "type":
            return "invalid_event", "The 'type' field is missing.", None
        param = f"{path}.{field}" if path else field
        return "missing_required_parameter", f"Missing required parameter: '{param}'.", param
    if unknown := re.fullmatch(r"Object contains unknown field `(.+)`", what):
        param = f"{path}.{unknown[1]}" if path else unknown[1]
        return "unknown_parameter", f"Unknown parameter: '{param}'.", param
    if re.fullmatch(r"Invalid (enum )?value .*", what, re.DOTALL):
        is_event_type = path == "type" and kind is ClientEvent
        supported = CLIENT_EVENT_TYPES if is_event_type else _supported_values(path, kind)
        listed = ", ".join(f"'{value}'" for value in supported)
        hint = f" Supported values are: {listed}." if listed else ""
        return "invalid_value", f"Invalid value: {_quote(raw, path)}.{hint}", path
    if path == "type" and what == "Expected `str`":
        return "invalid_type", "Invalid type for 'type': expected a string.", path
    if wrong := re.fullmatch(r"Expected `(.+)`, got `(.+)`", what):
        wanted = " or ".join(
            _NAMES.get(name, name) for name in wrong[1].split(" | ") if name != "null"
        )
        got = _NAMES.get(wrong[2], wrong[2])
        message = f"Invalid type for '{path}': expected {wanted}, but got {got} instead."
        return "invalid_type", message, path
    if longest := re.fullmatch(r"Expected `str` of length <= (\d+)", what):
        message = f"Invalid '{path}': string too long. The maximum length is {longest[1]}."
        return "string_above_max_length", message, path
    if what.startswith("Invalid base64"):
        return "invalid_value", f"Invalid '{path}': not valid base64.", path
    return (
        "invalid_value",
        f"Invalid '{path}': {what[:1].lower()}{what[1:]}.".replace("`", ""),
        path,
    )


_PATH_STEP = re.compile(r"([^.\[\]]+)|\[(\d+|\.\.\.)\]")


def _quote(raw: Any, path: str) -> str:
    """The value at a path, shortened, or … where the path cannot be followed."""
    value = raw
    try:
        for name, index in _PATH_STEP.findall(path):
            value = value[name] if name else value[int(index)]
    except (KeyError, IndexError, TypeError, ValueError):
        return "…"
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= MAX_QUOTED_CHARS else text[:MAX_QUOTED_CHARS] + "…"


def _supported_values(path: str, kind: Any) -> list[str]:
    """The literals that a struct, or any of a union, takes at a path; [] where it takes none."""
    steps = _PATH_STEP.findall(path)
    return list(dict.fromkeys(_literals_at(msgspec.inspect.type_info(kind), steps)))


def _literals_at(kind: msgspec.inspect.Type, steps: list[tuple[str, str]]) -> list[str]:
    if isinstance(kind, msgspec.inspect.UnionType):
        return [value for member in kind.types for value in _literals_at(member, steps)]
    if not steps:
        return (
            [str(v) for v in kind.values] if isinstance(kind, msgspec.inspect.LiteralType) else []
        )
    (name, _), rest = steps[0], steps[1:]
    if isinstance(kind, msgspec.inspect.StructType):
        if name == kind.tag_field and not rest:
            return [str(kind.tag)]
        for field in kind.fields:
            if field.encode_name == name:
                return _literals_at(field.type, rest)
    if isinstance(kind, msgspec.inspect.VarTupleType | msgspec.inspect.ListType) and not name:
        return _literals_at(kind.item_type, rest)
    return []


def _with_padding(raw: Any, complaint: str) -> Any:
    """The same JSON with the padding of base64 wherever audio stands in it; None where that
    is not what the complaint is about.
    """
    if not complaint.startswith("Invalid base64"):
        return None
    padded = _padded(raw)
    return None if padded == raw else padded


def _padded(raw: Any) -> Any:
    if isinstance(raw, list):
        return [_padded(value) for value in raw]
    if not isinstance(raw, dict):
        return raw
    padded = {key: _padded(value) for key, value in raw.items()}
    audio = raw.get("audio")
    if isinstance(audio, str):
        stripped = audio.rstrip("=")
        padded["audio"] = stripped + "=" * (-len(stripped) % 4)
    return padded
