"""What the queries of several lists have in common."""

from __future__ import annotations

import msgspec
from aiohttp import web

from antiphon.server.api_errors import ApiError


def limit_of(request: web.Request, *, default: int, most: int) -> int:
    """How many are asked for.

    Raises:
        ApiError: none, or more than ``most``.
    """
    given = request.query.get("limit", str(default))
    # Longer than the largest is not read at all: Python refuses to, beyond some length.
    if len(given) > len(str(most)) or not given.isdecimal() or not 1 <= int(given) <= most:
        raise ApiError(400, "invalid_value", f"1 to {most} are listed.", param="limit")
    return int(given)


def number_of(request: web.Request, name: str) -> float | None:
    """None: it is not asked for.

    Raises:
        ApiError: it is no number.
    """
    text = request.query.get(name)
    if text is None:
        return None
    try:
        return msgspec.convert(text, float, strict=False)
    except msgspec.ValidationError:
        message = f"Invalid value for '{name}': expected a number."
        raise ApiError(400, "invalid_value", message, param=name) from None
