"""Which voice answers where a name is asked for."""

from __future__ import annotations

import zlib
from collections.abc import Sequence


def answering_voice(name: str, voices: Sequence[str]) -> str | None:
    """The voice of that name; else one of the others, always the same for the same name.

    None: the engine has no voices of its own.
    """
    if name in voices or not voices:
        return name if voices else None
    return voices[zlib.crc32(name.encode()) % len(voices)]
