"""What a function of the client's answered, as something to say."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Struct

from antiphon.engines.cascade.llm.offline.numbers import spoken_number
from antiphon.engines.cascade.llm.offline.words import listed

_MAX_SPOKEN_CHARS = 600
_MAX_ITEMS = 5
_ERROR_WORDS = re.compile(
    r"\s*(error|an error occurred|failed|failure|exception|traceback)\b", re.I
)


class Result(Struct, frozen=True):
    text: str
    """One or more short sentences."""
    failed: bool
    fields: dict[str, str | int | float | bool]
    """The scalar fields of a JSON object, nested ones with dots."""


def read_result(output: str) -> Result:
    """Read a function's output: plain text, or JSON."""
    value: Any
    try:
        value = msgspec.json.decode(output)
    except (msgspec.DecodeError, RecursionError):
        value = output.strip()
    if isinstance(value, dict):
        return _from_object(value)
    if value in ("", None):
        return Result("It is done. There was no answer to tell.", failed=False, fields={})
    failed = isinstance(value, str) and bool(_ERROR_WORDS.match(value))
    text = _sentence(value) if not isinstance(value, list) else _list_sentence(value)
    return Result(_failed(text) if failed else text, failed, {})


def _from_object(value: dict[str, Any]) -> Result:
    fields = dict(_flat(value))
    why = value.get("error") or (value.get("errors") if "errors" in value else None)
    failed = bool(why) or any(value.get(key) is False for key in ("ok", "success"))
    failed = failed or value.get("isError") is True or value.get("status") in ("error", "failed")
    if failed:
        if isinstance(why, dict):
            why = why.get("message") or why.get("type")
        why = why if isinstance(why, str) else value.get("message", "")
        return Result(_failed(_sentence(why) if why else ""), failed=True, fields=fields)
    for key in ("message", "speech", "spoken", "text", "answer", "result"):
        only = value.get(key)
        if (
            isinstance(only, str)
            and only.strip()
            and (len(value) == 1 or key in ("speech", "spoken"))
        ):
            return Result(_sentence(only), failed=False, fields=fields)
    sentences = [_field_sentence(name, inner) for name, inner in list(value.items())[:8]]
    text = " ".join(sentence for sentence in sentences if sentence)
    return Result(_cut(text) or "It is done.", failed=False, fields=fields)


def _failed(why: str) -> str:
    return f"That did not work. {why}".strip()


def _flat(value: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, inner in value.items():
        if isinstance(inner, dict):
            found += _flat(inner, f"{before}{name}.")
        elif isinstance(inner, str | int | float | bool):
            found.append((f"{before}{name}", inner))
    return found


def _field_sentence(name: str, value: Any) -> str:
    spoken = _spoken(value)
    if not spoken:
        return ""
    label = _label(name)
    if isinstance(value, bool):
        return f"{label}: {'yes' if value else 'no'}."
    verb = "are" if isinstance(value, list) and label.endswith("s") else "is"
    return f"The {label.lower()} {verb} {spoken.rstrip('.')}."


def _label(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-.]+", " ", name).strip().capitalize()


def _list_sentence(value: list[Any]) -> str:
    if not value:
        return "There is nothing."
    return _sentence(_spoken(value))


def _spoken(value: Any) -> str:
    match value:
        case None:
            return "unknown"
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return spoken_number(value) if abs(value) < 10**6 else str(value)
        case str():
            return value.strip()
        case list():
            shown = [text for text in (_spoken(inner) for inner in value[:_MAX_ITEMS]) if text]
            more = len(value) - _MAX_ITEMS
            shown += [f"{spoken_number(more)} more"] if more > 0 else []
            return listed(shown)
        case dict():
            parts = [
                f"{_label(n).lower()} {_spoken(inner)}" for n, inner in list(value.items())[:6]
            ]
            return ", ".join(parts)
    return str(value)


def _sentence(value: Any) -> str:
    text = _cut(_spoken(value))
    if not text:
        return ""
    return text if text[-1] in ".!?…" else text + "."


def _cut(text: str) -> str:
    """Nobody listens to a page: the end is left out, and that is said."""
    if len(text) <= _MAX_SPOKEN_CHARS:
        return text
    return text[:_MAX_SPOKEN_CHARS].rsplit(" ", 1)[0] + ", and there is more"
