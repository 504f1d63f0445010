"""What is used, over HTTP and on the wire; prices and their mistakes in the settings."""

from __future__ import annotations

import csv
import io
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from antiphon.cli import main
from antiphon.engines.scripted import Script, ScriptedEngine, Write
from antiphon.errors import ConfigurationError
from antiphon.journal.memory import MemoryJournal
from antiphon.server.cascade_settings import SttSettings, TtsSettings
from antiphon.server.config import load
from antiphon.server.metering import billed_as, csv_of, dollars
from antiphon.server.metering_settings import (
    BudgetSettings,
    MeteringSettings,
    PlanSettings,
    PriceSettings,
    TenantBudgetSettings,
)
from antiphon.server.settings import Config, JournalSettings, RelaySettings
from antiphon.server.wiring import Parts
from antiphon.testing import serving
from antiphon.testing.virtual_loop import in_virtual_time

KEY = "server-key"
KEYED = {"Authorization": f"Bearer {KEY}"}
PRICED = Config(
    metering=MeteringSettings(
        prices=(PriceSettings(model="scripted", text_in="1", text_out="10", source="us"),)
    )
)
HELLO = Script(replies=((Write(text="Hello there, you."),),))


async def opened(http: ClientSession, *, cost: bool = True) -> ClientWebSocketResponse:
    ws = await http.ws_connect("/v1/realtime?model=test")
    session = {"type": "realtime", "output_modalities": ["text"], "antiphon": {"cost": cost}}
    await ws.send_json({"type": "session.update", "session": session})
    return ws


async def until(ws: ClientWebSocketResponse, *types: str) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    while not {event["type"] for event in seen} >= set(types):
        seen.append(await ws.receive_json())
    return seen


async def answered(ws: ClientWebSocketResponse) -> dict[str, Any]:
    await ws.send_json({"type": "response.create"})
    done: dict[str, Any] = (await until(ws, "response.done"))[-1]
    return done["response"]  # type: ignore[no-any-return]


async def get(http: ClientSession, path: str) -> tuple[int, Any]:
    async with http.get(f"/v1/antiphon/{path}") as response:
        is_json = response.content_type == "application/json"
        return response.status, await (response.json() if is_json else response.text())


@in_virtual_time
async def test_what_an_answer_cost_is_told_listed_and_added_up() -> None:
    async with (
        serving(ScriptedEngine(HELLO), keys=[KEY], config=PRICED) as server,
        server.client(headers=KEYED) as http,
    ):
        ws = await opened(http)
        response = await answered(ws)
        [told] = [e for e in await until(ws, "antiphon.cost") if e["type"] == "antiphon.cost"]
        usage = response["usage"]
        nano = usage["input_tokens"] * 1_000 + usage["output_tokens"] * 10_000
        assert nano > 0
        assert (told["response_id"], told["nano_usd"]) == (response["id"], nano)
        assert (told["session_nano_usd"], told["unpriced"]) == (nano, False)

        _, sessions = await get(http, "sessions")
        assert sessions["data"][0]["cost"] == {"nano_usd": nano, "unpriced_lines": 0}
        _, lines = await get(http, "usage/lines")
        [line] = lines["data"]
        assert (line["source_id"], line["nano_usd"]) == (response["id"], nano)
        assert line["usd"] == dollars(nano)
        assert sum(charge["nano_usd"] for charge in line["charges"]) == nano
        _, usage = await get(http, "usage?by=tenant,model,day")
        [row] = usage["data"]
        assert (row["tenant"], row["model"], row["nano_usd"]) == ("default", "scripted", nano)
        assert (usage["has_more"], usage["next"]) == (False, None)
        await ws.close()


@in_virtual_time
async def test_who_does_not_ask_is_sent_no_event_that_it_does_not_know() -> None:
    async with (
        serving(ScriptedEngine(HELLO), keys=[KEY], config=PRICED) as server,
        server.client(headers=KEYED) as http,
    ):
        ws = await opened(http, cost=False)
        await answered(ws)
        await ws.send_json({"type": "response.cancel", "event_id": "mine"})
        seen = await until(ws, "error")
        assert not [e for e in seen if e["type"].startswith("antiphon.")]
        await ws.close()


@in_virtual_time
async def test_a_model_without_a_price_is_alarmed_and_never_zero(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    async with (
        serving(ScriptedEngine(HELLO), keys=[KEY]) as server,
        server.client(headers=KEYED) as http,
    ):
        ws = await opened(http)
        await answered(ws)
        await answered(ws)
        [told] = [e for e in await until(ws, "antiphon.cost") if e["type"] == "antiphon.cost"]
        assert told["unpriced"]
        _, usage = await get(http, "usage")
        assert usage["data"][0]["unpriced_lines"] == 2
        alarms = [r.getMessage() for r in caplog.records if "has no price" in r.getMessage()]
        assert len(alarms) == 1, "once for each model"
        assert "'scripted'" in alarms[0]
        await ws.close()


@in_virtual_time
async def test_a_line_is_durable_when_the_answer_is_acknowledged() -> None:
    journal = MemoryJournal(delay_s=0.5)
    parts = Parts(journal=journal)
    async with (
        serving(ScriptedEngine(HELLO), keys=[KEY], config=PRICED, parts=parts) as server,
        server.client(headers=KEYED) as http,
    ):
        ws = await opened(http)
        response = await answered(ws)
        assert [line.source_id for line in journal.durable_lines] == [response["id"]]
        await ws.close()


@in_virtual_time
async def test_what_is_not_kept_is_counted() -> None:
    parts = Parts(journal=MemoryJournal())
    async with (
        serving(ScriptedEngine(HELLO), keys=[KEY], config=PRICED, parts=parts) as server,
        server.client(headers=KEYED) as http,
    ):
        ws = await http.ws_connect("/v1/realtime?model=test&retention=none")
        session = {"type": "realtime", "output_modalities": ["text"]}
        await ws.send_json({"type": "session.update", "session": session})
        await answered(ws)
        await ws.close()
        assert (await get(http, "usage"))[1]["data"][0]["lines"] == 1
        assert (await get(http, "conversations"))[1]["data"] == []


@in_virtual_time
async def test_the_list_comes_by_the_page_and_as_a_file() -> None:
    async with (
        serving(ScriptedEngine(HELLO), keys=[KEY], config=PRICED) as server,
        server.client(headers=KEYED) as http,
    ):
        ws = await opened(http, cost=False)
        ids = [(await answered(ws))["id"] for _ in range(5)]
        await ws.close()
        found: list[str] = []
        after = "0"
        while after is not None:
            _, page = await get(http, f"usage/lines?limit=2&after={after}")
            found += [line["source_id"] for line in page["data"]]
            after = page["next"]
        assert found == ids
        _, text = await get(http, "usage/lines?format=jsonl")
        assert [json.loads(row)["source_id"] for row in text.splitlines()] == ids
        _, text = await get(http, "usage/lines?format=csv")
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [row["source_id"] for row in rows] == ids
        assert all(int(row["text_out"]) > 0 for row in rows)
        _, text = await get(http, "usage?by=session&format=csv")
        [row] = csv.DictReader(io.StringIO(text))
        assert row["lines"] == "5"


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("usage?by=weather", "by"),
        ("usage?by=day,day", "by"),
        ("usage?from=yesterday", "from"),
        ("usage?limit=0", "limit"),
        ("usage?limit=x", "limit"),
        ("usage?limit=" + "9" * 5_000, "limit"),
        ("usage?by=day&after=%22", "after"),
        ("usage?by=day&after=WyJhIiwiYiJd", "after"),
        ("usage/lines?after=x", "after"),
        ("usage/lines?after=" + "9" * 20, "after"),
        ("usage/lines?format=xml", "format"),
    ],
)
def test_a_wrong_question_is_told_by_its_field(query: str, param: str) -> None:
    @in_virtual_time
    async def ask() -> None:
        async with (
            serving(ScriptedEngine(HELLO), keys=[KEY]) as server,
            server.client(headers=KEYED) as http,
        ):
            status, body = await get(http, query)
            assert (status, body["error"]["param"]) == (400, param)

    ask()


@in_virtual_time
async def test_server_keys_alone_see_it_and_prices_say_their_source() -> None:
    async with (
        serving(ScriptedEngine(HELLO), keys=[KEY], config=PRICED) as server,
        server.client() as stranger,
        server.client(headers=KEYED) as http,
    ):
        for path in ("usage", "usage/lines", "prices"):
            assert (await get(stranger, path))[0] == 401
        _, prices = await get(http, "prices")
        assert prices["data"][0]["model"] == "scripted", "the operator's go first"
        [found] = [row for row in prices["data"] if row["model"] == "gpt-realtime-2.1"]
        assert (found["audio_in"], found["audio_cached"]) == ("32", "0.4")
        assert found["source"].startswith("https://")


@in_virtual_time
async def test_where_nobody_counts_that_is_said() -> None:
    config = Config(metering=MeteringSettings(enabled=False))
    async with (
        serving(ScriptedEngine(HELLO), keys=[KEY], config=config) as server,
        server.client(headers=KEYED) as http,
    ):
        status, body = await get(http, "usage")
        assert (status, body["error"]["code"]) == (404, "metering_off")


BUDGETED = Config(
    metering=MeteringSettings(
        prices=(PriceSettings(model="scripted", text_in=0, text_out=100_000),)
    ),
    budgets=BudgetSettings(
        user_day=100,
        tenants={"acme": TenantBudgetSettings(day=50)},
        plans={"trial": PlanSettings(key_day=1.0, user_day=0.9)},
    ),
)


async def minted(http: ClientSession, path: str, **wish: Any) -> str:
    async with http.post(f"/v1/{path}", json=wish) as response:
        value: str = (await response.json())["value"]
        return value


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@in_virtual_time
async def test_a_key_has_the_budget_that_it_names_and_so_have_its_secrets() -> None:
    async with (
        serving(ScriptedEngine(HELLO), keys=[KEY], config=BUDGETED) as server,
        server.client(headers=KEYED) as http,
    ):
        of_key = {"tenant": "acme", "budget": "trial", "name": "shop"}
        key = await minted(http, "antiphon/keys", **of_key)
        async with server.client(headers=bearer(key)) as shop:
            user = {"end_user_id": "ada"}
            secret = await minted(shop, "realtime/client_secrets", antiphon=user)
            async with server.client(headers=bearer(secret)) as page:
                ws = await opened(page)
                first = (await answered(ws))["usage"]["output_tokens"] * 100_000_000
                assert 0.1 * 10**9 < first < 0.9 * 10**9, "one answer, and there is room for more"
                while not ws.closed:
                    await ws.send_json({"type": "response.create"})
                    if (await ws.receive()).type is not WSMsgType.TEXT:
                        break
            _, told = await get(shop, "usage/budgets")
            of = {(row["scope"], row["period"]): row for row in told["data"]}
            assert of.keys() == {("user", "day"), ("key", "day"), ("tenant", "day")}
            assert (of["user", "day"]["user"], of["key", "day"]["key"]) == ("ada", "shop")
            limits = [of[scope, "day"]["limit_nano_usd"] for scope in ("user", "key", "tenant")]
            assert limits == [900_000_000, 1_000_000_000, 50_000_000_000], (
                "its plan's, its tenant's"
            )
            spent = {row["spent_nano_usd"] for row in told["data"]}
            assert len(spent) == 1
            [nano] = spent
            assert 900_000_000 <= nano < 900_000_000 + first
            assert of["user", "day"]["stage"] == "end"
            _, told = await get(shop, "usage/budgets?key=shop")
            assert [row["scope"] for row in told["data"]] == ["key"]
        rival = await minted(http, "antiphon/keys", name="r", tenant="rival")
        async with server.client(headers=bearer(rival)) as other:
            assert (await get(other, "usage/budgets"))[1]["data"] == []
            assert (await get(other, "usage/budgets?tenant=acme"))[0] == 403


@in_virtual_time
async def test_only_the_operator_gives_a_key_a_budget() -> None:
    async with (
        serving(ScriptedEngine(HELLO), keys=[KEY], config=BUDGETED) as server,
        server.client(headers=KEYED) as http,
    ):
        key = await minted(http, "antiphon/keys", tenant="acme", budget="trial", name="boss")
        async with server.client(headers=bearer(key)) as boss:
            wish = {"name": "mine", "budget": "gold"}
            async with boss.post("/v1/antiphon/keys", json=wish) as response:
                assert (response.status, (await response.json())["error"]["param"]) == (
                    400,
                    "budget",
                )
            async with boss.post("/v1/antiphon/keys", json={"name": "mine"}) as response:
                assert (await response.json())["budget"] == "trial", "it inherits"


def test_who_sends_the_bill() -> None:
    name = billed_as(Config())
    assert name("response", "relay", "gpt-realtime-2.1") == "gpt-realtime-2.1"
    assert name("transcription", "relay", "whisper-1") == "whisper-1"
    assert name("response", "offline", "gpt-realtime-2.1") == "offline"
    assert name("transcription", "text", "whisper-1") == "offline"
    assert name("response", "plugin", "m") == "plugin"
    assert name("speech", "offline", None) == name("recognition", "offline", None) == ""
    speech = Config(
        stt=SttSettings(recognizer="http", model="whisper-1"),
        tts=TtsSettings(synthesizer="http", model="tts-1"),
    )
    name = billed_as(speech)
    assert name("recognition", "offline", None) == "whisper-1"
    assert name("speech", "farewell", "m") == name("speech", "offline", "m") == "tts-1"
    assert name("speech", "relay", "m") == name("recognition", "relay", "m") == ""
    name = billed_as(Config(relay=RelaySettings(model="gpt-realtime-mini")))
    assert name("response", "relay", "gpt-realtime-2.1") == "gpt-realtime-mini"


def test_names_that_users_chose_are_no_formulas() -> None:
    text = csv_of([{"user": "=1+1", "usd": "-0.5", "nothing": None}])
    assert text.splitlines()[1] == "'=1+1,-0.5,"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[metering.prices]]\nmodel = 'm'\n", "row 1 (m): a row needs a price"),
        ("[[metering.prices]]\nmodel = 'm'\nminute = -1\n", "minute: '-1.0' is less than nothing"),
        ("[[metering.prices]]\nmodel = 'm'\nminut = 1\n", "unknown field `minut`"),
        ("[budgets]\ntell_percent = 99\n", "follow one another"),
        ("[budgets]\nsession = 1\n[metering]\nenabled = false\n", "nobody counts"),
        ("[budgets]\nsession = 0\n", "session: Expected `float` > 0"),
        ("[budgets.plans.a]\ntenant_day = 1\n", "tenant_day"),
        ("[budgets]\ndefault_plan = 'a'\n", "there is no [budgets.plans.a]"),
        (
            "[budgets.tenants.a]\nday = 1\n[metering]\nenabled = false\n",
            "nobody counts",
        ),
    ],
)
def test_wrong_settings_are_refused_by_name(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "antiphon.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        load(path, environ={})
    assert problem in str(refused.value)


def test_the_command_reads_the_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.sqlite3"

    @in_virtual_time
    async def talk() -> None:
        journal = JournalSettings(path=str(path))
        config = Config(metering=PRICED.metering, journal=journal)
        async with (
            serving(ScriptedEngine(HELLO), keys=[KEY], config=config) as server,
            server.client(headers=KEYED) as http,
        ):
            ws = await opened(http, cost=False)
            await answered(ws)
            await ws.close()

    talk()
    assert main(["usage", "--path", str(path), "--by", "model"]) == 0
    assert "scripted" in capsys.readouterr().out
    assert main(["usage", "--path", str(path), "--lines", "--format", "jsonl"]) == 0
    assert json.loads(capsys.readouterr().out)["billed_as"] == "scripted"
    assert main(["usage", "--path", str(path), "--format", "csv", "--by", "tenant"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("default,")
    assert main(["usage", "--path", str(path), "--by", "weather"]) == 1
    assert "--by: 'weather'" in capsys.readouterr().err


@pytest.mark.parametrize("keep", [False, True])
def test_where_nothing_is_kept_lines_are_by_wish_alone(keep: bool, tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite3"
    config = Config(
        metering=MeteringSettings(keep_always=keep, prices=PRICED.metering.prices),
        journal=JournalSettings(retention="none", path=str(path)),
    )

    @in_virtual_time
    async def talk() -> None:
        async with (
            serving(ScriptedEngine(HELLO), keys=[KEY], config=config) as server,
            server.client(headers=KEYED) as http,
        ):
            ws = await opened(http, cost=False)
            await answered(ws)
            await ws.close()

    talk()
    assert path.exists() == keep
