"""What the operator does not want to keep is taken out before anything is written."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec

from antiphon.core.records import Change

log = logging.getLogger(__name__)

Redact = Callable[[str], str]
"""A text to what may be kept of it."""

TEXTS: Final = {"text", "transcript", "arguments", "output", "instructions", "description"}
"""Fields with words of people, of models and of those who instruct them, wherever they stand."""
FAILED: Final = "[not kept: its redaction failed]"

_change: msgspec.msgpack.Decoder[Change] = msgspec.msgpack.Decoder(Change)


def redacted(change: Change, redact: Redact) -> Change:
    """The change, with each text as ``redact`` leaves it.

    Where it changes what the assistant said aloud, the words' places in the sound go too: they
    count in the text as it was.
    """
    raw = msgspec.msgpack.decode(msgspec.msgpack.encode(change))
    return _change.decode(msgspec.msgpack.encode(_walked(raw, redact)))


def _walked(value: Any, redact: Redact) -> Any:
    match value:
        case list():
            return [_walked(one, redact) for one in value]
        case dict():
            walked = {
                key: _safely(one, redact)
                if key in TEXTS and isinstance(one, str)
                else _walked(one, redact)
                for key, one in value.items()
            }
            if "words" in walked and walked.get("transcript") != value.get("transcript"):
                walked["words"] = []
            return walked
        case _:
            return value


def _safely(text: str, redact: Redact) -> str:
    try:
        kept = redact(text) if text else text
        if isinstance(kept, str):
            return kept
        reason = f"it gave {type(kept).__name__}, not a string"
    except Exception as error:
        reason = type(error).__name__  # Its message may hold the text.
    log.error("journal: a text was not kept, as its redaction failed: %s", reason)
    return FAILED
