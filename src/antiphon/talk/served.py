"""What really answers, and what is kept: an extension that other servers leave out."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct


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


def kept_by(session: Struct) -> tuple[str | None, bool]:
    """The id under which the server keeps the conversation, None where it does not tell; and
    whether it went on with one.
    """
    resume = _extension(session).get("resume")
    if not isinstance(resume, dict):
        return None, False
    name = resume.get("conversation_id")
    return (name if isinstance(name, str) else None), resume.get("continues") is not None


def _extension(session: Struct) -> dict[str, Any]:
    """What Antiphon adds to the session; other servers do not."""
    told = getattr(session, "antiphon", None)
    fields = msgspec.to_builtins(told) if isinstance(told, Struct) else told
    return fields if isinstance(fields, dict) else {}
