"""Events that a connection can take at once: a WebSocket, or a data channel.  Pure.

docs/reference/protocol.md, "Events longer than a connection takes", is the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from antiphon.protocol.codec import encode_server_event
from antiphon.protocol.server import Error, ErrorDetail

MIN_MESSAGE_BYTES: Final = 1024
"""Room for the error that tells of what was left out."""
MIN_TEXT_LENGTH: Final = 64
"""Texts that are not longer stay as they are: ids, names, kinds."""
ELLIPSIS: Final = "…"
_AUDIO_DELTAS: Final = frozenset({"response.output_audio.delta", "response.audio.delta"})
MAX_TOOLS_BYTES: Final = 1_048_576
"""Of tools that are longer, parameters and descriptions are not tried: each look takes seconds."""
_BASE64_CHARACTERS: Final = 4
"""Together they are whole bytes."""

Event = dict[str, Any]


def fitting(message: bytes, limit_bytes: int | None) -> list[bytes]:
    """The messages that bring an event: itself, mostly."""
    if limit_bytes is None or len(message) <= limit_bytes:
        return [message]
    event: Event = msgspec.json.decode(message)
    if isinstance(event.get("delta"), str):
        return list(_split(event, limit_bytes))
    if len(msgspec.json.encode(_tools(event))) > MAX_TOOLS_BYTES:
        event = _without_descriptions(_without_parameters(event))
    event = _cut(event, limit_bytes)  # Nothing longer fits, and a copy of it costs.
    for attempt in _ATTEMPTS:
        if (shorter := attempt(_cut(event, limit_bytes), limit_bytes)) is not None:
            return [shorter]
    return [_left_out(event, len(message), limit_bytes)]


def _split(event: Event, limit_bytes: int) -> Iterator[bytes]:
    """A long delta as several: nothing of it is lost."""
    text, number = event["delta"], 0
    unit = _BASE64_CHARACTERS if event["type"] in _AUDIO_DELTAS else 1
    while text:
        number += 1
        event_id = event["event_id"] if number == 1 else f"{event['event_id']}_{number}"

        whole = event | {"event_id": event_id}

        def fits(units: int, whole: Event = whole, text: str = text) -> bool:
            return len(_encoded(whole | {"delta": text[: unit * units]})) <= limit_bytes

        most = min(len(text), limit_bytes)
        length = unit * (_longest(fits, 1, -(-most // unit)) or 1)
        yield _encoded(whole | {"delta": text[:length]})
        text = text[length:]


def _cut_to_fit(event: Event, limit_bytes: int) -> bytes | None:
    """All long texts cut to one length, the greatest that fits."""
    lengths = list(_lengths(event))
    most = _longest(
        lambda length: sum(min(one, length) for one in lengths) <= limit_bytes,
        MIN_TEXT_LENGTH,
        limit_bytes,
    )
    if most is None:
        return None
    length = _longest(
        lambda length: len(_encoded(_cut(event, length))) <= limit_bytes, MIN_TEXT_LENGTH, most
    )
    return None if length is None else _encoded(_cut(event, length))


def _longest(fits: Callable[[int], bool], low: int, high: int) -> int | None:
    """The greatest length from ``low`` to ``high`` that fits, as all shorter ones do."""
    if high < low or not fits(low):
        return None
    best, low = low, low + 1
    while low <= high:
        length = (low + high) // 2
        if fits(length):
            best, low = length, length + 1
        else:
            high = length - 1
    return best


def _cut(value: Any, length: int) -> Any:
    match value:
        case str():
            return value if len(value) <= length else value[: length - 1] + ELLIPSIS
        case list():
            return [_cut(one, length) for one in value]
        case dict():
            return {key: _cut(one, length) for key, one in value.items()}
        case _:
            return value


def _lengths(value: Any) -> Iterator[int]:
    """Of all texts."""
    match value:
        case str():
            yield len(value)
        case list():
            for one in value:
                yield from _lengths(one)
        case dict():
            for one in value.values():
                yield from _lengths(one)


def _without_media(event: Event) -> Event:
    """The client has sent it, or was sent it by other events, or by a track."""
    for part in _parts(event):
        part.pop("audio", None)
        image_url = part.get("image_url")
        if isinstance(image_url, str) and image_url.startswith("data:"):
            part["image_url"] = image_url[: image_url.find(",") + 1][:MIN_TEXT_LENGTH] + ELLIPSIS
    return event


def _parts(event: Event) -> Iterator[Event]:
    items = [event.get("item"), *((event.get("response") or {}).get("output") or ())]
    for item in items:
        yield from (item.get("content") or ()) if isinstance(item, dict) else ()
    if isinstance(part := event.get("part"), dict):
        yield part


def _without_descriptions(event: Event) -> Event:
    for tool in _tools(event):
        tool.pop("description", None)
    return event


def _without_parameters(event: Event) -> Event:
    for tool in _tools(event):
        if "parameters" in tool:
            tool["parameters"] = {}
    return event


def _without_tools(event: Event) -> Event:
    _tools(event).clear()
    return event


def _tools(event: Event) -> list[Event]:
    for holder in (event.get("session"), event.get("response")):
        if isinstance(holder, dict) and isinstance(tools := holder.get("tools"), list):
            return tools
    return []


def _if_it_fits(event: Event, limit_bytes: int) -> bytes | None:
    data = _encoded(event)
    return data if len(data) <= limit_bytes else None


_ATTEMPTS: Final[tuple[Callable[[Event, int], bytes | None], ...]] = (
    lambda event, limit: _if_it_fits(_without_media(event), limit),
    lambda event, limit: _if_it_fits(_without_descriptions(_without_media(event)), limit),
    lambda event, limit: _cut_to_fit(_without_media(event), limit),
    lambda event, limit: _cut_to_fit(_without_parameters(_without_media(event)), limit),
    lambda event, limit: _cut_to_fit(_without_tools(_without_media(event)), limit),
)


def _left_out(event: Event, size_bytes: int, limit_bytes: int) -> bytes:
    error = ErrorDetail(
        type="server_error",
        code="event_too_long",
        message=(
            f"The event '{event['type']}' ({event['event_id']}) has {size_bytes} bytes, and cannot"
            f" be shortened to the {limit_bytes} that your connection takes: it was left out."
        ),
    )
    return encode_server_event(Error(event_id=f"{event['event_id']}_left_out", error=error))


def _encoded(event: Event) -> bytes:
    return msgspec.json.encode(event)
