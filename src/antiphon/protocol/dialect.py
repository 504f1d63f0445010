"""What transports know of dialects: that a connection has one, and that it is GA unless told."""

from __future__ import annotations

from antiphon.protocol.dialects.dialect import Dialect
from antiphon.protocol.dialects.ga import GA

__all__ = ["GA", "Dialect"]
