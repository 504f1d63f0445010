"""All faults, in one table."""

from __future__ import annotations

from antiphon.mock import answer_faults, connection_faults, refusals
from antiphon.mock.kinds import FAULTS, FaultKind, UnknownFault, by_place, kind_of

MODULES = (refusals, connection_faults, answer_faults)
"""Importing them has filled the table, in this order."""

__all__ = ["FAULTS", "MODULES", "FaultKind", "UnknownFault", "by_place", "kind_of"]
