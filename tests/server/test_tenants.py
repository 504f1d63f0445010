"""Who has how many sessions, spent what, and is how near its limits."""

from __future__ import annotations

from typing import Any

from antiphon.engines.scripted import Script, Write
from antiphon.journal.memory import MemoryJournal
from antiphon.limits.policy import Limits
from antiphon.server.metering_settings import BudgetSettings, MeteringSettings, PriceSettings
from antiphon.server.settings import Config, LimitSettings
from tests.server.place import KEY, Place, places, until

TENANTS = "/v1/antiphon/tenants"
PRICE = PriceSettings(model="scripted", text_in="1000", text_out="1000", source="us")
CONFIG = Config(
    metering=MeteringSettings(prices=(PRICE,)),
    limits=LimitSettings(tenants={"acme": Limits(sessions_at_once=5, minutes_per_day=30)}),
    budgets=BudgetSettings(tenant_day=2.0, tenant_month=20.0),
)
HELLO = Script(replies=((Write(text="Hello there."),),))
TEXT = {"type": "realtime", "output_modalities": ["text"]}


async def listed(place: Place, key: str = KEY) -> dict[str, Any]:
    told = await place.ask("GET", TENANTS, key=key)
    assert told.status == 200, told
    assert told.body["has_more"] is False
    return {entry["tenant"]: entry for entry in told.body["data"]}


async def key_of(place: Place, tenant: str, **wish: object) -> str:
    told = await place.ask("POST", "/v1/antiphon/keys", json={"name": "k", "tenant": tenant} | wish)
    value: str = told.body["value"]
    return value


async def test_each_tenant_with_its_sessions_its_spending_and_its_limits() -> None:
    async with places(HELLO, journal=MemoryJournal(), config=CONFIG) as place:
        acme, rival = await key_of(place, "acme"), await key_of(place, "rival")
        ws = await place.join(key=acme)
        await ws.send_json({"type": "session.update", "session": TEXT})
        await ws.send_json({"type": "response.create"})
        await until(ws, "response.done")

        everybody = await listed(place)
        assert list(everybody) == ["acme", "default"], "those with sessions first"
        of_acme = everybody["acme"]
        assert of_acme["sessions"] == 1
        assert of_acme["today"] == of_acme["month"]
        spent = of_acme["today"]["usd"]
        assert 0 < spent < 2
        assert of_acme["today"]["unpriced_lines"] == 0
        limits = {limit.pop("what"): limit for limit in of_acme["limits"]}
        minutes = limits.pop("minutes_per_day")
        assert minutes["limit"] == 30
        assert 0 <= minutes["used"] <= 1
        assert limits == {
            "sessions_at_once": {"used": 1, "limit": 5},
            "tenant_day": {"used": spent, "limit": 2},
            "tenant_month": {"used": spent, "limit": 20},
        }
        assert everybody["default"]["today"] == {"nano_usd": 0, "usd": 0, "unpriced_lines": 0}

        assert await listed(place, acme) == {"acme": await only(place, "acme")}
        assert list(await listed(place, rival)) == ["rival"]
        assert (await listed(place, rival))["rival"]["sessions"] == 0

        bob = await key_of(place, "acme", user="bob")
        of_bob = (await listed(place, bob))["acme"]
        assert (of_bob["sessions"], of_bob["today"]["nano_usd"], of_bob["limits"]) == (0, 0, [])


async def only(place: Place, tenant: str) -> dict[str, Any]:
    found: dict[str, Any] = (await listed(place))[tenant]
    return found


async def test_where_nobody_counts_nothing_is_claimed() -> None:
    config = Config(metering=MeteringSettings(enabled=False))
    async with places(HELLO, config=config) as place:
        (entry,) = (await listed(place)).values()
        assert (entry["today"], entry["month"], entry["limits"]) == (None, None, [])
