"""Names of clients that mean nothing here: each is told once, to the log."""

from __future__ import annotations

import logging
from typing import Final

MAX_REMEMBERED: Final = 1_000
"""Anybody may use any name.  Overflow policy: further ones are not told."""
MAX_QUOTED_CHARS: Final = 100


class UnknownNames:
    """Args:
    log: Where they are told.
    message: With two places: the name, and what is done instead.
    """

    def __init__(self, log: logging.Logger, message: str) -> None:
        self._log = log
        self._message = message
        self._told: set[str] = set()

    def tell(self, name: str, instead: str) -> None:
        name = name[:MAX_QUOTED_CHARS]
        if name not in self._told and len(self._told) < MAX_REMEMBERED:
            self._told.add(name)
            self._log.info(self._message, name, instead)
