"""The board and the alerts, as a real Prometheus sees a real server after a few conversations.

(Debian has it: `prometheus`, with `promtool`.)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import ClientError, ClientSession

from antiphon.engines.scripted import Fail, Script, ScriptedEngine, Speak, Wait
from antiphon.journal.memory import MemoryJournal
from antiphon.server.metering_settings import MeteringSettings, PriceSettings
from antiphon.server.settings import Config, JournalSettings
from antiphon.server.wiring import Parts
from antiphon.testing import serving
from antiphon.testing.caller import calling

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose"
GRAFANA = COMPOSE / "grafana"
BOARD = json.loads((GRAFANA / "dashboards" / "antiphon.json").read_text())
ALERTS = COMPOSE / "alerts.yml"
STARTS_S = 60.0
MAY_BE_EMPTY = {
    "Errors of engines": "none took over from another",
    "Packets lost": "there is no call",
}
"""Panels of which not every query has data here."""


def panels() -> Iterator[dict[str, Any]]:
    return (panel for panel in BOARD["panels"] if panel["type"] != "row")


def binary(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not here")
    return found


# --- Files -------------------------------------------------------------------


def test_each_panel_asks_the_source_that_is_provisioned_and_stands_alone() -> None:
    (source,) = yaml.safe_load((GRAFANA / "datasources" / "prometheus.yaml").read_text())[
        "datasources"
    ]
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + dx, place["y"] + dy)
            for dx in range(place["w"])
            for dy in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    for panel in panels():
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == source["uid"]
    (provider,) = yaml.safe_load((GRAFANA / "dashboards" / "boards.yaml").read_text())["providers"]
    mounts = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]["grafana"][
        "volumes"
    ]
    assert f"./grafana:{Path(provider['options']['path']).parent}:ro" in mounts


def test_all_metrics_are_on_the_board_or_in_an_alert() -> None:
    page = Path(__file__).parents[2] / "docs/reference/metrics.md"
    documented = set(re.findall(r"^\| `(antiphon_\w+)`", page.read_text(), re.MULTILINE))
    asked = set(re.findall(r"antiphon_\w+", json.dumps(BOARD) + ALERTS.read_text()))
    asked = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
    assert documented - asked == set()
    assert asked - documented == set()


def test_promtool_takes_the_alerts() -> None:
    done = subprocess.run(
        [binary("promtool"), "check", "rules", ALERTS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_alert_fires_when_it_should(tmp_path: Path) -> None:
    def firing(alert: str, at: str, *labels: str) -> dict[str, Any]:
        expected = [{"exp_labels": dict(pair.split("=") for pair in labels)}] if labels else []
        return {"eval_time": at, "alertname": alert, "exp_alerts": expected}

    rules = yaml.safe_load(ALERTS.read_text())
    for rule in rules["groups"][0]["rules"]:
        rule["annotations"] = {}  # What they say is for people.
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(rules))
    series = {
        "up": "1x5 0x20",
        "antiphon_lateness_seconds": "0x5 0.05x20",
        "antiphon_cost_unpriced_lines_total": "0x10 1x20",
        "antiphon_journal_trouble": "0x20",
    }
    story = {
        "interval": "1m",
        "input_series": [
            {"series": f'{name}{{job="antiphon",instance="a"}}', "values": values}
            for name, values in series.items()
        ],
        "alert_rule_test": [
            firing("AntiphonDown", "4m"),
            firing("AntiphonDown", "9m", "severity=page", "job=antiphon", "instance=a"),
            firing("AntiphonSoundLate", "4m"),
            firing("AntiphonSoundLate", "9m", "severity=page", "job=antiphon", "instance=a"),
            firing("AntiphonUnpriced", "9m"),
            firing("AntiphonUnpriced", "14m", "severity=warn", "job=antiphon", "instance=a"),
            firing("AntiphonJournalTrouble", "15m"),
        ],
    }
    test = tmp_path / "test.yml"
    test.write_text(yaml.safe_dump({"rule_files": ["alerts.yml"], "tests": [story]}))
    done = subprocess.run(
        [binary("promtool"), "test", "rules", test], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- A real Prometheus -------------------------------------------------------


class Prometheus:
    def __init__(self, http: ClientSession) -> None:
        self._http = http

    async def ask(self, query: str) -> list[Any]:
        """The series that it gives now."""
        async with self._http.get("/api/v1/query", params={"query": query}) as response:
            body = await response.json()
        assert body["status"] == "success", f"{query}: {body.get('error')}"
        result = body["data"]["result"]
        assert isinstance(result, list)
        return result

    async def until(self, query: str) -> None:
        async with asyncio.timeout(STARTS_S):
            while True:
                with contextlib.suppress(ClientError, AssertionError):
                    if await self.ask(query):
                        return
                await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def prometheus(folder: Path, port: int, target: str) -> AsyncIterator[Prometheus]:
    """It has asked the server once."""
    settings = {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms"},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [
            {"job_name": "antiphon", "static_configs": [{"targets": [target]}]},
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    process = await asyncio.create_subprocess_exec(
        binary("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    )
    try:
        async with ClientSession(f"http://127.0.0.1:{port}") as http:
            found = Prometheus(http)
            await found.until('up{job="antiphon"} == 1')
            yield found
    finally:
        process.terminate()
        await process.wait()


async def test_every_query_of_the_board_parses_and_has_what_there_is(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    binary("prometheus")
    replies = (
        (Wait(ms=20), Speak(ms=300, text="Hello there.")),
        (Fail(message="out of order"),),
    )
    config = Config(
        journal=JournalSettings(path="unused"),
        metering=MeteringSettings(
            prices=(PriceSettings(model="scripted", text_in="1", text_out="10", source="us"),)
        ),
    )
    engine = ScriptedEngine(Script(replies=replies))
    async with serving(engine, config=config, parts=Parts(journal=MemoryJournal())) as server:
        target = server.url.removeprefix("http://")
        async with prometheus(tmp_path, unused_tcp_port, target) as found:
            async with calling(server) as caller:
                for _ in replies:
                    await caller.types("Hello?")
                    await caller.answer()
                await found.until('antiphon_responses_total{status="failed"} > 0')
                await found.until('count_over_time(up{job="antiphon"}[20s]) > 3')
                for panel in panels():
                    for query in panel["targets"]:
                        series = await found.ask(query["expr"].replace("$__rate_interval", "20s"))
                        assert series or panel["title"] in MAY_BE_EMPTY, query["expr"]
            spent = await found.ask("antiphon_cost_nano_usd_total")
            assert int(spent[0]["value"][1]) > 0
            for rule in yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]:
                await found.ask(rule["expr"])
            firing = await found.ask('ALERTS{alertstate="firing"}')
            assert firing == [], "all is well"
