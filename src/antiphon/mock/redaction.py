"""What a recording keeps of an event: its shape, not what was said.

Of strings only those are kept whose key says that they are names, ids or settings; all others lose
their letters, and keep their length, so that deltas still add up to the text that they are of.
"""

from __future__ import annotations

import base64
from typing import Any

REDACTED_BYTES = "redacted_bytes"
"""Stands in place of sound: ``{"redacted_bytes": 4800}``."""

KEPT = frozenset(
    {
        "anchor",
        "call_id",
        "code",
        "conversation",
        "conversation_id",
        "detail",
        "eagerness",
        "effort",
        "engine",
        "event_id",
        "format",
        "id",
        "include",
        "input_audio_format",
        "item_id",
        "language",
        "max_output_tokens",
        "max_response_output_tokens",
        "modalities",
        "mode",
        "model",
        "name",
        "object",
        "output_audio_format",
        "output_modalities",
        "param",
        "previous_item_id",
        "reason",
        "response_id",
        "role",
        "status",
        "tool_choice",
        "tracing",
        "truncation",
        "type",
        "voice",
    }
)
SECRETS = frozenset({"authorization", "client_secret", "headers"})
"""Never kept, whatever is wanted."""
OPAQUE = frozenset({"metadata", "variables"})
"""The client's own keys; nothing in them is known to be a name."""
AUDIO_DELTAS = ("response.output_audio.delta", "response.audio.delta")


class Redaction:
    """Of one connection; it remembers where the arguments of each call stand.

    Args:
        keep_content: Keep what was said, and its sound; secrets go all the same.
    """

    def __init__(self, *, keep_content: bool = False) -> None:
        self._keep_content = keep_content
        self._arguments: dict[str, JsonMask] = {}

    def redacted(self, event: dict[str, Any]) -> dict[str, Any]:
        if self._keep_content:
            return _without_secrets(event)  # type: ignore[no-any-return]
        kind = str(event.get("type"))
        found: dict[str, Any] = self._masked(event, "")
        delta = event.get("delta")
        if isinstance(delta, str):
            found["delta"] = self._delta(kind, str(event.get("item_id")), delta)
        return found

    def _delta(self, kind: str, item_id: str, delta: str) -> Any:
        if kind in AUDIO_DELTAS:
            return _sound(delta)
        if kind == "response.function_call_arguments.delta":
            return self._arguments.setdefault(item_id, JsonMask()).feed(delta)
        if kind == "response.function_call_arguments.done":
            self._arguments.pop(item_id, None)
        return _without_letters(delta)

    def _masked(self, value: Any, key: str) -> Any:
        if key in SECRETS:
            return None
        if key == "logprobs":
            return []
        if isinstance(value, dict):
            opaque = key in OPAQUE
            return {name: self._masked(v, key if opaque else name) for name, v in value.items()}
        if isinstance(value, list):
            return [self._masked(one, key) for one in value]
        if not isinstance(value, str) or key in KEPT:
            return value
        if key == "audio":
            return _sound(value)
        if key == "image_url":
            return "redacted"
        if key == "arguments":
            return JsonMask().feed(value)
        return _without_letters(value)


def restored(value: Any) -> Any:
    """A redacted event as it can be sent: with silence where sound was."""
    if isinstance(value, dict):
        if set(value) == {REDACTED_BYTES}:
            return base64.b64encode(bytes(value[REDACTED_BYTES])).decode()
        return {name: restored(one) for name, one in value.items()}
    if isinstance(value, list):
        return [restored(one) for one in value]
    return value


def audio_bytes(audio: Any) -> int:
    """How long sound is, be it redacted or not."""
    if isinstance(audio, dict):
        return int(audio.get(REDACTED_BYTES, 0))
    return len(audio) * 3 // 4 - audio.count("=") if isinstance(audio, str) else 0


def _sound(text: str) -> dict[str, int]:
    return {REDACTED_BYTES: audio_bytes(text)}


def _without_letters(text: str) -> str:
    return "".join(letter if letter.isspace() else "x" for letter in text)


def _without_secrets(value: Any, key: str = "") -> Any:
    if key in SECRETS:
        return None
    if isinstance(value, dict):
        return {name: _without_secrets(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_secrets(one, key) for one in value]
    return value


class JsonMask:
    """Takes the letters out of the values of JSON that comes in pieces, and leaves JSON.

    Keys stay: they are the tool's, not what somebody said.
    """

    def __init__(self) -> None:
        self._open: list[str] = []
        """Objects and lists that are not closed."""
        self._is_key = False
        """The next string is, or the one that is open."""
        self._in_string = False
        self._escaped = False
        self._hex_left = 0

    def feed(self, piece: str) -> str:
        return "".join(map(self._mask, piece))

    def _mask(self, letter: str) -> str:
        if not self._in_string:
            return self._between(letter)
        masked = self._inside(letter)
        return letter if self._is_key else masked

    def _between(self, letter: str) -> str:
        if letter in "{[":
            self._open.append(letter)
        elif letter in "}]" and self._open:
            self._open.pop()
        if letter in "{[,:":
            self._is_key = letter in "{," and self._open[-1:] == ["{"]
        self._in_string = letter == '"'
        return "1" if letter.isdigit() and letter != "0" else letter

    def _inside(self, letter: str) -> str:
        if self._hex_left:  # Of an escape like \u00e9: another one that is a letter.
            self._hex_left -= 1
            return "0078"[3 - self._hex_left]
        if self._escaped:
            self._escaped = False
            self._hex_left = 4 if letter == "u" else 0
            return letter
        if letter == '"':
            self._in_string = False
            return letter
        self._escaped = letter == "\\"
        return letter if self._escaped or letter.isspace() else "x"
