"""Which conversations are too old to be kept, the same in SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class Expiry(Struct, frozen=True, kw_only=True):
    """What has not changed since is erased; all times are Unix times."""

    before_s: float
    of_tenants: Mapping[str, float] = {}
    """In place of it, for the conversations of some."""

    def covers(self, tenant: str, changed_at_s: float) -> bool:
        return changed_at_s < self.of_tenants.get(tenant, self.before_s)


def expired(expiry: Expiry) -> tuple[str, tuple[Any, ...]]:
    """A condition on rows of conversations."""
    limit, values = "CAST(? AS double precision)", []
    if expiry.of_tenants:
        cases = []
        for tenant, before_s in expiry.of_tenants.items():
            cases.append(f"WHEN ? THEN {limit}")
            values += [tenant, before_s]
        limit = f"CASE tenant {' '.join(cases)} ELSE {limit} END"
    return f"changed_at_s < {limit}", (*values, expiry.before_s)
