"""What is counted, at which prices, and how much may be spent: settings."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Dollars = str | float
"""A text is exact however long it is; a number is, as it is written."""


class PriceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of `[[metering.prices]]`, in US dollars; see `antiphon.metering.prices.Price`."""

    model: str
    since: str | None = None
    text_in: Dollars | None = None
    text_cached: Dollars | None = None
    text_out: Dollars | None = None
    audio_in: Dollars | None = None
    audio_cached: Dollars | None = None
    audio_out: Dollars | None = None
    image_in: Dollars | None = None
    image_cached: Dollars | None = None
    characters: Dollars | None = None
    minute: Dollars | None = None
    source: str | None = None
    noted: str | None = None

    @property
    def row(self) -> dict[str, object]:
        """What is said in it."""
        given = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return {name: value for name, value in given if value is not None}


class MeteringSettings(Struct, frozen=True, kw_only=True):
    """What is used and what it costs."""

    enabled: Annotated[bool, Meta(description="Count it, and keep it beside the journal.")] = True
    keep_always: Annotated[
        bool,
        Meta(
            description="Keep it in the journal's place also where [journal] keeps no conversation "
            '(`retention = "none"`). Otherwise it is then counted until the server stops.'
        ),
    ] = False
    prices: Annotated[
        tuple[PriceSettings, ...],
        Meta(
            description="Prices that go before those that come along, each a table "
            "`[[metering.prices]]`: `model` (or a pattern), `since` (a day), and in US dollars for "
            "a million tokens `text_in`, `text_cached`, `text_out`, `audio_in`, `audio_cached`, "
            "`audio_out`, `image_in`, `image_cached`, for a million spoken `characters`, or for a "
            "`minute`; in the variable as JSON."
        ),
    ] = ()
    retention_days: Annotated[
        float,
        Meta(ge=1, description="Lines of the bill are forgotten after this long."),
    ] = 400


Amount = Annotated[float, Meta(gt=0)]


class PlanSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table `[budgets.plans.NAME]`; amounts as in `[budgets]`."""

    session: Amount | None = None
    user_day: Amount | None = None
    user_month: Amount | None = None
    key_day: Amount | None = None
    key_month: Amount | None = None


class TenantBudgetSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table `[budgets.tenants.NAME]`."""

    day: Amount | None = None
    month: Amount | None = None


class BudgetSettings(Struct, frozen=True, kw_only=True):
    """How much may be spent, in US dollars. Absent: any amount."""

    session: Annotated[Amount | None, Meta(description="By one session.")] = None
    user_day: Annotated[Amount | None, Meta(description="By one end user in a day (UTC).")] = None
    user_month: Annotated[Amount | None, Meta(description="By one in a month.")] = None
    key_day: Annotated[
        Amount | None,
        Meta(description="With one API key in a day; keys of one name in a tenant are one."),
    ] = None
    key_month: Annotated[Amount | None, Meta(description="With one in a month.")] = None
    tenant_day: Annotated[
        Amount | None,
        Meta(description="By one tenant in a day, where it is not among `tenants`."),
    ] = None
    tenant_month: Annotated[Amount | None, Meta(description="By one in a month.")] = None
    tenants: Annotated[
        dict[str, TenantBudgetSettings],
        Meta(
            description="Budgets of single tenants, as tables `[budgets.tenants.NAME]` of `day` "
            "and `month`, in place of `tenant_day` and `tenant_month`."
        ),
    ] = {}
    plans: Annotated[
        dict[str, PlanSettings],
        Meta(
            description="Budgets that keys and tokens name, as tables `[budgets.plans.NAME]` of "
            "`session`, `user_day`, `user_month`, `key_day`, `key_month`. They narrow what stands "
            "here, and widen nothing."
        ),
    ] = {}
    default_plan: Annotated[
        str | None,
        Meta(description="The plan of those who name none, or one that is not there."),
    ] = None
    tell_percent: Annotated[
        int, Meta(ge=1, le=100, description="From here on clients and sidebands are told.")
    ] = 80
    cheaper_percent: Annotated[
        int,
        Meta(ge=1, le=100, description="From here on `cheaper_model` answers, if there is one."),
    ] = 90
    text_percent: Annotated[
        int, Meta(ge=1, le=100, description="From here on answers are text. 100: they never are.")
    ] = 95
    cheaper_model: Annotated[
        str | None, Meta(description="The model that goes on then; absent: the same one does.")
    ] = None
    farewell: Annotated[
        str | None,
        Meta(
            description="What is said when it is all spent, before the session ends. Absent: that "
            "we have to stop here, in the language of the session."
        ),
    ] = None
