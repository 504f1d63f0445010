"""The flat settings of the beta dialect, and where GA keeps each of them.

Source: docs/reference/protocol.md, "Beta (flat) mapping".
"""

from __future__ import annotations

import logging
import re

import msgspec

from antiphon.errors import ProtocolError
from antiphon.protocol.dialects.dialect import Extras, Json, Settings
from antiphon.protocol.session import (
    AnySession,
    AudioFormat,
    CustomVoice,
    PcmaFormat,
    PcmFormat,
    PcmuFormat,
    Session,
    Voice,
)
from antiphon.protocol.unknown_names import UnknownNames

_told_of = UnknownNames(logging.getLogger(__name__), "'%s' has no effect: %s")

DEFAULT_TEMPERATURE = 0.8
MIN_TEMPERATURE = 0.6
MAX_TEMPERATURE = 1.2

SESSION_KEYS = {
    "modalities": "output_modalities",
    "input_audio_format": "audio.input.format",
    "input_audio_transcription": "audio.input.transcription",
    "input_audio_noise_reduction": "audio.input.noise_reduction",
    "turn_detection": "audio.input.turn_detection",
    "output_audio_format": "audio.output.format",
    "voice": "audio.output.voice",
    "speed": "audio.output.speed",
    "max_response_output_tokens": "max_output_tokens",
}
"""Where a session's flat key lives in GA.  Keys not named here are the same in both."""

RESPONSE_KEYS = {
    "modalities": "output_modalities",
    "output_audio_format": "audio.output.format",
    "voice": "audio.output.voice",
    "max_response_output_tokens": "max_output_tokens",
}

FORMATS: dict[str, AudioFormat] = {
    "pcm16": PcmFormat(),
    "g711_ulaw": PcmuFormat(),
    "g711_alaw": PcmaFormat(),
}
_FORMAT_NAMES = {type(format_): name for name, format_ in FORMATS.items()}
_FORMAT_KEYS = ("input_audio_format", "output_audio_format")

# --- Beta to GA --------------------------------------------------------------


def is_flat(settings: object, keys: dict[str, str] = SESSION_KEYS) -> bool:
    """Whether a session (or response) uses a key that only the beta dialect has."""
    return isinstance(settings, dict) and not keys.keys().isdisjoint(settings)


def event_to_ga(raw: Json) -> Json:
    """A beta client event as the GA event that means the same; others stay as they are.

    Both are JSON objects that nobody has checked yet; what does not fit stays where GA's
    checks find it.

    Raises:
        ProtocolError: a value that has no GA spelling, under its beta path.
    """
    kind = raw.get("type")
    if kind == "session.update" and isinstance(raw.get("session"), dict):
        return raw | {"session": settings_to_ga(raw["session"], "session")}
    if kind == "transcription_session.update":
        ga = raw | {"type": "session.update"}
        if isinstance(raw.get("session"), dict):
            session = settings_to_ga(raw["session"], "session")
            ga["session"] = session | {"type": "transcription"}
        return ga
    if kind == "response.create" and isinstance(raw.get("response"), dict):
        return raw | {"response": settings_to_ga(raw["response"], "response")}
    return raw


def settings_to_ga(flat: Json, root: str) -> Json:
    """The flat settings of a session or response (``root``), nested as in GA.

    Settings that are spelled as in GA stay, and win over flat ones.
    """
    keys = SESSION_KEYS if root == "session" else RESPONSE_KEYS
    ga = {key: value for key, value in flat.items() if key not in keys and key != "temperature"}
    for key, path in keys.items():
        if key in flat:
            value = flat[key]
            if key in _FORMAT_KEYS:
                value = _format_to_ga(value, f"{root}.{key}")
            _put(ga, path.split("."), value)
    choice = ga.get("tool_choice")
    if isinstance(choice, dict) and isinstance(choice.get("function"), dict):
        # The form in the beta reference; clients also send GA's, and both meant the same.
        ga["tool_choice"] = {"type": "function", **choice["function"]}
    return ga


def _format_to_ga(value: object, param: str) -> object:
    if not isinstance(value, str):
        return value
    if value not in FORMATS:
        listed = ", ".join(f"'{name}'" for name in FORMATS)
        raise ProtocolError(
            "invalid_value",
            f"Invalid value: '{value[:100]}'. Supported values are: {listed}.",
            param=param,
        )
    return msgspec.to_builtins(FORMATS[value])


def _put(settings: Json, path: list[str], value: object) -> None:
    for name in path[:-1]:
        inner = settings.get(name)
        if inner is not None and not isinstance(inner, dict):
            return  # That is the mistake to complain about.
        settings[name] = dict(inner or {})
        settings = settings[name]
    settings.setdefault(path[-1], value)


def take_temperature(settings: object, root: str) -> float | None:
    """The temperature that a session or response asks for.

    No engine is told: GA has none.  It is checked, and shown in echoes.

    Raises:
        ProtocolError: it is no number, or out of range.
    """
    value = settings.get("temperature") if isinstance(settings, dict) else None
    if value is None:
        return None
    param = f"{root}.temperature"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ProtocolError(
            "invalid_type", f"Invalid type for '{param}': expected a number.", param=param
        )
    if not MIN_TEMPERATURE <= value <= MAX_TEMPERATURE:
        raise ProtocolError(
            "invalid_value",
            f"Invalid '{param}': expected a number from {MIN_TEMPERATURE} to {MAX_TEMPERATURE}.",
            param=param,
        )
    _told_of.tell("temperature", "it is checked and echoed, but no engine is told")
    return float(value)


# --- GA to beta --------------------------------------------------------------


def session_to_beta(session: AnySession, temperature: float = DEFAULT_TEMPERATURE) -> Json:
    """The session as beta clients know it.

    Settings that beta has no word for show under their GA names, but only where they differ
    from the default.
    """
    ga: Json = msgspec.to_builtins(session)
    head = {key: ga[key] for key in ("object", "id", "expires_at", "include")}
    head |= {key: ga[key] for key in ("antiphon",) if key in ga}
    sound = ga["audio"]["input"]
    listening = {
        "input_audio_format": format_to_beta(session.audio.input.format),
        "input_audio_transcription": sound["transcription"],
        "input_audio_noise_reduction": sound["noise_reduction"],
        "turn_detection": _turn_detection_to_beta(sound["turn_detection"]),
    }
    if not isinstance(session, Session):
        return head | listening
    flat = head | {
        "model": session.model,
        "modalities": modalities_to_beta(session.output_modalities),
        "instructions": session.instructions,
        "voice": voice_to_beta(session.audio.output.voice),
        **listening,
        "output_audio_format": format_to_beta(session.audio.output.format),
        "speed": session.audio.output.speed,
        "tools": ga["tools"],
        "tool_choice": ga["tool_choice"],
        "temperature": temperature,
        "max_response_output_tokens": session.max_output_tokens,
        "tracing": ga["tracing"],
    }
    unknown_to_beta = {"prompt": None, "truncation": "auto"}
    flat |= {key: ga[key] for key, default in unknown_to_beta.items() if ga[key] != default}
    flat |= {key: ga[key] for key in ("parallel_tool_calls", "reasoning") if key in ga}
    return flat


def _turn_detection_to_beta(detection: Json | None) -> Json | None:
    if detection is not None and detection.get("idle_timeout_ms", 0) is None:
        del detection["idle_timeout_ms"]  # Younger than beta.
    return detection


def format_to_beta(format_: AudioFormat) -> str:
    return _FORMAT_NAMES[type(format_)]


def modalities_to_beta(modalities: tuple[str, ...]) -> list[str]:
    """Audio always comes with its transcript, and beta lists both."""
    return ["text", "audio"] if "audio" in modalities else ["text"]


def voice_to_beta(voice: Voice) -> str:
    return voice.id if isinstance(voice, CustomVoice) else voice


# --- Paths in errors ---------------------------------------------------------

_END_OF_STEP = re.compile(r"[.\[]|$")


def path_to_beta(path: str, sent: object = None) -> str:
    """A GA path in its beta spelling: `session.audio.input.format` is
    `session.input_audio_format`.

    Args:
        path: As in an error's ``param``.
        sent: The settings a client sent, if known: only what it spelled flat is translated.
    """
    root, _, rest = path.partition(".")
    if path == "session.type":
        return "type"
    keys = {"session": SESSION_KEYS, "response": RESPONSE_KEYS}.get(root, {})
    for flat, nested in keys.items():
        if isinstance(sent, dict) and flat not in sent:
            continue
        if rest.startswith(nested) and _END_OF_STEP.match(rest, len(nested)):
            return f"{root}.{flat}{rest[len(nested) :]}"
    return path


def blame_to_beta(message: str, param: str | None, sent: object = None) -> tuple[str, str | None]:
    """An error's message and param, with the path in its beta spelling."""
    if param is None:
        return message, None
    flat = path_to_beta(param, sent)
    return message.replace(f"'{param}'", f"'{flat}'"), flat


def error_to_beta(
    error: ProtocolError, sent: object = None, *, event_id: str | None = None
) -> ProtocolError:
    message, param = blame_to_beta(error.message, error.param, sent)
    return ProtocolError(error.code, message, param=param, event_id=event_id)


# --- A session, both ways ----------------------------------------------------


def _read(flat: Json) -> tuple[Json, Extras]:
    temperature = take_temperature(flat, "session")
    extras = {} if temperature is None else {"temperature": temperature}
    return settings_to_ga(flat, "session"), extras


def _tell(session: AnySession, extras: Extras) -> Json:
    return session_to_beta(session, extras.get("temperature", DEFAULT_TEMPERATURE))


SETTINGS = Settings(read=_read, tell=_tell, blame=error_to_beta)
