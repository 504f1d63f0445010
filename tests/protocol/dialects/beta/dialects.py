"""The two dialects as the reference's tables have them, naively and apart from the product.

Source: docs/reference/protocol.md, "Beta (flat) mapping" and "Server events".
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

Json = dict[str, Any]

SETTINGS = {
    "modalities": "output_modalities",
    "input_audio_format": "audio.input.format",
    "output_audio_format": "audio.output.format",
    "voice": "audio.output.voice",
    "speed": "audio.output.speed",
    "input_audio_transcription": "audio.input.transcription",
    "input_audio_noise_reduction": "audio.input.noise_reduction",
    "turn_detection": "audio.input.turn_detection",
    "max_response_output_tokens": "max_output_tokens",
}
FORMATS: dict[str, Json] = {
    "pcm16": {"type": "audio/pcm", "rate": 24000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
EVENTS = {
    "conversation.item.created": "conversation.item.added",
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "transcription_session.created": "session.created",
    "transcription_session.updated": "session.updated",
}
"""Where the names differ; all others are the same."""
CONTENTS = {"text": "output_text", "audio": "output_audio"}


def _value_to_ga(key: str, value: Any) -> Any:
    if key.endswith("_audio_format"):
        return FORMATS[value]
    if key == "modalities":
        return ["audio"] if "audio" in value else value
    return value


def _value_to_beta(key: str, value: Any) -> Any:
    if key.endswith("_audio_format"):
        return next(name for name, ga in FORMATS.items() if ga["type"] == value["type"])
    if key == "modalities":
        return ["text", "audio"] if value == ["audio"] else value
    return value


def nested(flat: Json) -> Json:
    """Settings of beta where GA keeps them."""
    ga: Json = {}
    for key, value in flat.items():
        if key == "temperature":
            continue
        *parents, last = SETTINGS.get(key, key).split(".")
        place = ga
        for name in parents:
            place = place.setdefault(name, {})
        place[last] = _value_to_ga(key, value)
    return ga


def flattened(ga: Json) -> Json:
    """Settings of GA under their names in beta."""
    rest = deepcopy(ga)
    flat: Json = {}
    for key, path in SETTINGS.items():
        *parents, last = path.split(".")
        place = rest
        for name in parents:
            place = place.get(name) or {}
        if last in place:
            flat[key] = _value_to_beta(key, place.pop(last))
    rest.pop("audio", None)
    rest.pop("type", None)
    return rest | flat


def item_to_ga(item: Json) -> Json:
    if item.get("role") != "assistant":
        return item
    parts = [part | {"type": CONTENTS[part["type"]]} for part in item["content"]]
    return item | {"content": parts}


def item_to_beta(item: Json) -> Json:
    names = {ga: beta for beta, ga in CONTENTS.items()}
    if "content" not in item:
        return item
    parts = [part | {"type": names.get(part["type"], part["type"])} for part in item["content"]]
    return item | {"content": parts}


def session_to_ga(flat: Json) -> Json:
    is_realtime = "modalities" in flat
    ga = nested(flat) | {"type": "realtime" if is_realtime else "transcription"}
    if is_realtime:
        # Beta has no word for these, and tells them only where they differ.
        ga = {"truncation": "auto", "prompt": None} | ga
    detection = ga["audio"]["input"]["turn_detection"]
    if detection is not None and detection["type"] == "server_vad":
        detection.setdefault("idle_timeout_ms", None)
    return ga


def response_to_ga(response: Json) -> Json:
    ga = {
        key: value
        for key, value in response.items()
        if key not in ("modalities", "voice", "output_audio_format", "temperature")
    }
    output = {"format": FORMATS[response["output_audio_format"]], "voice": response["voice"]}
    return ga | {
        "output_modalities": _value_to_ga("modalities", response["modalities"]),
        "audio": {"output": output},
        "output": [item_to_ga(item) for item in response["output"]],
    }


def path_to_ga(path: str | None) -> str | None:
    root, dot, rest = (path or "").partition(".")
    if root not in ("session", "response") or not dot:
        return path
    for key, nested_path in SETTINGS.items():
        if rest == key or rest.startswith((f"{key}.", f"{key}[")):
            return f"{root}.{nested_path}{rest.removeprefix(key)}"
    return path


def event_to_ga(message: Json) -> Json:
    """What a beta message says, as GA says it."""
    ga = message | {"type": EVENTS.get(message["type"], message["type"])}
    if "session" in ga:
        ga["session"] = session_to_ga(ga["session"])
    if "item" in ga:
        ga["item"] = item_to_ga(ga["item"])
    if "response" in ga:
        ga["response"] = response_to_ga(ga["response"])
    if ga["type"] == "error":
        param = ga["error"]["param"]
        there = path_to_ga(param)
        text = ga["error"]["message"].replace(f"'{param}'", f"'{there}'")
        ga["error"] = ga["error"] | {"param": there, "message": text}
    return ga


def client_event_to_beta(event: Json) -> Json:
    """What a GA client says, as a beta client says it."""
    match event["type"]:
        case "session.update" if event["session"].get("type") == "transcription":
            session = flattened(event["session"])
            return event | {"type": "transcription_session.update", "session": session}
        case "session.update":
            return event | {"session": flattened(event["session"])}
        case "response.create" if event.get("response"):
            return event | {"response": flattened(event["response"])}
        case "conversation.item.create":
            return event | {"item": item_to_beta(event["item"])}
        case _:
            return event
