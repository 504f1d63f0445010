"""A short text that matches a regular expression, for the ordinary ones."""

from __future__ import annotations

import math
import random
import re
from typing import Any

import rstr

_MAX_REPEAT = 512
_COUNTS = re.compile(r"\{(\d+)")


class _First(random.Random):
    """Chance that always takes the least: no repetition, the first way, a plain letter."""

    def randint(self, a: int, b: int) -> int:
        del b
        return a

    def choice(self, seq: Any) -> Any:
        # The library's own sets of letters have no order.
        return min(seq, key=lambda c: (not c.isalnum(), c)) if isinstance(seq[0], str) else seq[0]


def text_matching(pattern: str) -> str | None:
    """A text for ``pattern``, which the caller checks; None where none can be made."""
    if math.prod(max(1, int(count)) for count in _COUNTS.findall(pattern)) > _MAX_REPEAT:
        return None
    try:
        return rstr.Rstr(_First(0)).xeger(pattern)
    except (re.error, LookupError, ValueError, OverflowError, RecursionError):
        return None
