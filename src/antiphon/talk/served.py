"""What really answers: an extension of the session that other servers leave out."""

from __future__ import annotations

import msgspec
from msgspec import Struct


def served_by(session: Struct) -> tuple[str, str]:
    """The engine and the voice, each "" where the server does not tell.

    The session's own `model` and `voice` are echoes of what was asked for.
    """
    told = getattr(session, "antiphon", None)
    fields = msgspec.to_builtins(told) if isinstance(told, Struct) else told
    if not isinstance(fields, dict):
        return "", ""
    engine, voice = (fields.get(name) for name in ("engine", "voice"))
    return (
        engine if isinstance(engine, str) else "",
        voice if isinstance(voice, str) else "",
    )
