"""What may stand in a setting, in words: for the reference page and for errors."""

from __future__ import annotations

from typing import Any, get_args, get_origin

import msgspec

from antiphon.server.secret import Secret


def type_in_words(kind: Any) -> str:
    """As ``integer, ≥ 1`` or ``"json" or "text"``; of the type of a field of a section."""
    if hasattr(kind, "__metadata__"):
        meta = next(m for m in kind.__metadata__ if isinstance(m, msgspec.Meta))
        bounds = [
            f"{sign} {bound:g}" if isinstance(bound, float) else f"{sign} {bound}"
            for sign, bound in ((">", meta.gt), ("≥", meta.ge), ("≤", meta.le))
            if bound is not None
        ]
        return ", ".join([type_in_words(get_args(kind)[0]), *bounds])
    if kind is Secret:
        return "string"
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return "table"
    if get_origin(kind) is tuple:
        return f"list of {type_in_words(get_args(kind)[0])}s"
    if get_origin(kind) is dict:
        return "table"
    arguments = get_args(kind)
    if arguments and all(isinstance(a, str) for a in arguments):
        return " or ".join(f'"{a}"' for a in arguments)
    if arguments:
        return " or ".join(type_in_words(a) for a in arguments if a is not type(None))
    return {str: "string", int: "integer", float: "number", bool: "true or false"}[kind]
