"""The English words that all agents know, as english.toml has them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

ENGLISH: Final[dict[str, Any]] = tomllib.loads(
    Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
)
