"""Who may have how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

Amount = Annotated[float, Meta(ge=0)]


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one subject, in total; 0: no limit."""

    sessions_per_minute: Amount = 0
    sessions_at_once: Annotated[int, Meta(ge=0)] = 0
    minutes_per_day: Amount = 0
    """Of all its sessions together; the day is UTC's."""
    responses_per_minute: Amount = 0
    tokens_per_minute: Amount = 0
    """Of answers: what they saw and what they said."""
    messages_per_second: Amount = 0
    bytes_per_second: Amount = 0

    def __str__(self) -> str:
        amounts = {name: getattr(self, name) for name in self.__struct_fields__}
        return ", ".join(f"{name} {most:g}" for name, most in amounts.items() if most) or "–"


NO_LIMITS = Limits()


class Subject(NamedTuple):
    """Whom a limit is for."""

    kind: Literal["address", "user", "key", "tenant"]
    name: str

    def __str__(self) -> str:
        return "your address" if self.kind == "address" else f"this {self.kind}"


Who = Mapping[Subject, Limits]
"""All whose limits hold for a session, those that have none left out."""


class Policy(Struct, frozen=True, kw_only=True):
    """What the operator allows."""

    address: Limits = NO_LIMITS
    user: Limits = NO_LIMITS
    """Each user of each tenant; of those that no plan is for."""
    key: Limits = NO_LIMITS
    """Each API key that no plan is for."""
    tenant: Limits = NO_LIMITS
    """Each tenant that is not among ``tenants``."""
    tenants: Mapping[str, Limits] = {}
    plans: Mapping[str, Limits] = {}
    """By name, for keys and tokens that name one."""

    @property
    def limits_minutes(self) -> bool:
        """Whether anybody's minutes are counted."""
        each = (self.address, self.user, self.key, self.tenant)
        every = (*each, *self.tenants.values(), *self.plans.values())
        return any(limits.minutes_per_day for limits in every)

    def who(
        self,
        *,
        tenant: str,
        user: str | None = None,
        key_id: str | None = None,
        plan: str | None = None,
        address: str = "",
    ) -> Who:
        """A plan is for the key, or where there is none, for the user.

        Whoever names a plan that is not there has the usual limits.
        """
        planned = None if plan is None else self.plans.get(plan)
        found = {Subject("tenant", tenant): self.tenants.get(tenant, self.tenant)}
        if key_id is not None:
            found[Subject("key", key_id)] = planned or self.key
        if user is not None:
            of_user = self.user if key_id is not None or planned is None else planned
            found[Subject("user", f"{tenant}/{user}")] = of_user
        if address:
            found[Subject("address", address)] = self.address
        return {subject: limits for subject, limits in found.items() if limits != NO_LIMITS}
