"""What really answers, and what is kept: an extension that other servers leave out."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from antiphon.protocol.session import Resume


def served_by(session: Struct) -> tuple[str, str]:
    """The engine and the voice, each "" where the server does not tell.

    The session's own `model` and `voice` are echoes of what was asked for.
    """
    fields = _extension(session)
    engine, voice = (fields.get(name) for name in ("engine", "voice"))
    return (
        engine if isinstance(engine, str) else "",
        voice if isinstance(voice, str) else "",
    )


def resume_of(session: Struct) -> Resume | None:
    """How to come back to it; None where the server does not tell."""
    try:
        return msgspec.convert(_extension(session).get("resume"), Resume | None)
    except msgspec.ValidationError:
        return None


def _extension(session: Struct) -> dict[str, Any]:
    """What Antiphon adds to the session; other servers do not."""
    told = getattr(session, "antiphon", None)
    fields = msgspec.to_builtins(told) if isinstance(told, Struct) else told
    return fields if isinstance(fields, dict) else {}
