from __future__ import annotations

from tests.arrangements import arrangement

__all__ = ["arrangement"]
