"""`GET /metrics`: what is told, and to whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from antiphon.engines.scripted import Script, ScriptedEngine, Write
from antiphon.journal.memory import MemoryJournal
from antiphon.server.secret import Secret
from antiphon.server.settings import Config, JournalSettings, MetricsSettings
from antiphon.server.wiring import Parts
from antiphon.testing import serving
from antiphon.testing.virtual_loop import in_virtual_time

KEY = "server-key"
KEYED = {"Authorization": f"Bearer {KEY}"}
HELLO = Script(replies=((Write(text="Hello there, you."),),))


async def scraped(http: ClientSession) -> dict[str, float]:
    """Samples by their name with its labels, as Prometheus parses them."""
    async with http.get("/metrics") as response:
        assert response.status == 200, await response.text()
        text = await response.text()
    return {
        f"{sample.name}{dict(sorted(sample.labels.items())) or ''}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def converse(http: ClientSession) -> None:
    async with http.ws_connect("/v1/realtime?model=test") as ws:
        session = {"type": "realtime", "output_modalities": ["text"]}
        await ws.send_json({"type": "session.update", "session": session})
        content = [{"type": "input_text", "text": "my very private words"}]
        item = {"type": "message", "role": "user", "content": content}
        await ws.send_json({"type": "conversation.item.create", "item": item})
        await ws.send_json({"type": "response.create"})
        while (await ws.receive_json())["type"] != "response.done":
            pass


@in_virtual_time
async def test_a_conversation_shows(tmp_path: Path) -> None:
    parts = Parts(journal=MemoryJournal())
    config = Config(journal=JournalSettings(path=str(tmp_path / "unused")))
    async with (
        serving(ScriptedEngine(HELLO), config=config, parts=parts) as server,
        server.client() as http,
    ):
        before = await scraped(http)
        assert before["antiphon_sessions_opened_total{'transport': 'websocket'}"] == 0
        await converse(http)
        found = await scraped(http)
    assert found["antiphon_sessions_opened_total{'transport': 'websocket'}"] == 1
    assert found["antiphon_turns_total{'kind': 'typed'}"] == 1
    ended = "{'engine': 'scripted', 'status': 'completed'}"
    assert found[f"antiphon_responses_total{ended}"] == 1
    assert found["antiphon_tokens_total{'engine': 'scripted', 'kind': 'text_out'}"] > 0
    whole = found["antiphon_turn_latency_seconds_sum{'engine': 'scripted', 'kind': 'typed'}"]
    of_parts = sum(v for name, v in found.items() if "turn_part_seconds_sum" in name)
    assert of_parts == pytest.approx(whole)
    assert found["antiphon_journal_trouble"] == 0
    assert found["antiphon_sessions_max"] == 200


@in_virtual_time
async def test_the_journal_has_the_timelines_of_a_conversation_too(tmp_path: Path) -> None:
    parts = Parts(journal=MemoryJournal())
    config = Config(
        journal=JournalSettings(path=str(tmp_path / "unused")),
        metrics=MetricsSettings(enabled=False),
    )
    async with (
        serving(ScriptedEngine(HELLO), config=config, parts=parts) as server,
        server.client() as http,
    ):
        await converse(http)
        [conversation] = (await got(http, "conversations"))["data"]
        shown = await got(http, f"conversations/{conversation['id']}")
    [timeline] = shown["timelines"]
    assert timeline["response_id"] == shown["responses"][0]["id"]
    assert timeline["ends_with"] == "written"
    parts_ms = {part["name"]: part["duration_ms"] for part in timeline["segments"]}
    assert list(parts_ms) == ["request", "thinking", "sending"]
    assert sum(parts_ms.values()) == timeline["ended_ms"] - timeline["began_ms"]


async def got(http: ClientSession, path: str) -> Any:
    async with http.get(f"/v1/antiphon/{path}") as response:
        return await response.json()


@in_virtual_time
async def test_nothing_in_it_grows_with_who_comes_or_tells_what_they_said() -> None:
    async with serving(ScriptedEngine(HELLO)) as server, server.client() as http:
        await converse(http)
        names = set(await scraped(http))
        for _ in range(5):
            await converse(http)
        assert set(await scraped(http)) == names
        async with http.get("/metrics") as response:
            text = await response.text()
    assert "sess_" not in text
    assert "private" not in text


@in_virtual_time
async def test_with_keys_it_wants_one_that_operates_or_its_own_token() -> None:
    config = Config(metrics=MetricsSettings(token=Secret("scrape-me")))
    async with serving(ScriptedEngine(HELLO), keys=[KEY], config=config) as server:
        async with server.client() as http, http.get("/metrics") as response:
            assert response.status == 401
        async with server.client(headers=KEYED) as http:
            assert (await scraped(http))["antiphon_keys_refused_total"] == 1
        token = {"Authorization": "Bearer scrape-me"}
        async with server.client(headers=token) as http:
            await scraped(http)
            async with http.get("/v1/models") as response:
                assert response.status == 401, "it opens nothing else"


@in_virtual_time
async def test_it_can_be_left_out() -> None:
    config = Config(metrics=MetricsSettings(enabled=False))
    async with serving(ScriptedEngine(HELLO), config=config) as server, server.client() as http:
        await converse(http)
        async with http.get("/metrics") as response:
            assert response.status == 404


async def test_a_second_address_serves_it_to_whoever_reaches_that(unused_tcp_port: int) -> None:
    listen = f"127.0.0.1:{unused_tcp_port}"
    config = Config(metrics=MetricsSettings(listen=listen))
    async with (
        serving(ScriptedEngine(HELLO), keys=[KEY], config=config),
        ClientSession(f"http://{listen}") as http,
    ):
        assert "antiphon_sessions_max" in await scraped(http)
        async with http.get("/v1/models") as response:
            assert response.status == 404
