"""Lines added up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from msgspec import Struct

from antiphon.metering.lines import Line
from antiphon.metering.money import Nano

Dimension = Literal["tenant", "user", "key", "session", "day", "model", "kind"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
"""What a bill can be told apart by."""

CACHED = ("text_cached", "audio_cached", "image_cached")
INPUT = ("text_in", "audio_in", "image_in", *CACHED)
OUTPUT = ("text_out", "audio_out")


class Total(Struct, frozen=True, kw_only=True):
    """What some lines come to."""

    lines: int = 0
    unpriced_lines: int = 0
    """Of those, the ones that cost what nobody knows; their known part is in ``nano``."""
    nano: Nano = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    """Of the input, what the model had seen before."""
    output_tokens: int = 0
    ms: int = 0

    def __add__(self, other: Total) -> Total:
        names = self.__struct_fields__
        return Total(**{name: getattr(self, name) + getattr(other, name) for name in names})


NOTHING = Total()


def total_of(line: Line) -> Total:
    return Total(
        lines=0 if line.is_correction else 1,
        unpriced_lines=0 if line.is_correction else int(line.is_unpriced),
        nano=line.nano,
        input_tokens=line.quantity(*INPUT),
        cached_tokens=line.quantity(*CACHED),
        output_tokens=line.quantity(*OUTPUT),
        ms=line.quantity("ms"),
    )


def bill(lines: Iterable[Line]) -> Total:
    return sum(map(total_of, lines), NOTHING)


def value_of(line: Line, dimension: Dimension) -> str:
    """Where the line belongs; "": nowhere, as one without a user."""
    match dimension:
        case "tenant":
            return line.account.tenant
        case "user":
            return line.account.user or ""
        case "key":
            return line.account.key or ""
        case "session":
            return line.session_id
        case "day":
            return line.day
        case "model":
            return line.billed_as
        case "kind":
            return line.kind


def bill_by(lines: Iterable[Line], *by: Dimension) -> dict[tuple[str, ...], Total]:
    """In the order of what they are told apart by."""
    found: dict[tuple[str, ...], Total] = {}
    for line in lines:
        place = tuple(value_of(line, dimension) for dimension in by)
        found[place] = found.get(place, NOTHING) + total_of(line)
    return dict(sorted(found.items()))
