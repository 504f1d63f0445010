"""What a mock says, when, and the same each time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from antiphon.engines.scripted import Hearing, Write
from antiphon.errors import ConfigurationError
from antiphon.mock import (
    Latency,
    MockCall,
    MockReply,
    MockScript,
    mocking,
    read_script,
    written,
)
from antiphon.mock.script import check_script
from antiphon.runtime.hub import SessionRules
from antiphon.testing import run_in_virtual_time
from tests.mock.visitor import Visitor, visiting

TRANSCRIBED = {"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}

TOML = """
seed = 7
latency = { first_delta_ms = 200 }
hears = ["a table please", { text = "two", grows = ["t", "wo"] }]

[[replies]]
when = "table"
says = "For how many?"

[[replies]]
when = "weather in (paris|rome)"
calls = [{ name = "weather", arguments = { city = "Paris" } }]

[[replies]]
steps = [{ do = "write", text = "Exactly." }, { do = "finish" }]

[[faults]]
name = "rate_limited"
at = 2
"""


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "desk.toml"
    path.write_text(TOML)
    script = read_script(path)
    assert script.seed == 7
    assert script.hearings[1] == Hearing(text="two", grows=("t", "wo"))
    assert [fault.name for fault in script.faults] == ["rate_limited"]
    assert script.replies[1].calls == (MockCall(name="weather", arguments={"city": "Paris"}),)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("replies = 3", "Expected `array`"),
        ("[[replies]]\nsayz = 'x'", "unknown field `sayz`"),
        ("[[replies]]\nwhen = '('", "no regular expression"),
        ("latency = 'warp'", "no latency 'warp'. There are: 'instant'"),
        ("[[replies]]\nsays = 'a'\nsteps = [{ do = 'finish' }]", "not both"),
        ("replies = [", "Invalid"),
    ],
)
def test_a_wrong_file_is_explained(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as wrong:
        read_script(path)
    assert complaint in str(wrong.value)
    assert "wrong.toml" in str(wrong.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="absent"):
        read_script(tmp_path / "absent.toml")


def texts(visitor: Visitor) -> list[str]:
    """Of the messages in the responses, by what each holds."""
    found = []
    for done in visitor.of_type("response.done"):
        for item in done["response"]["output"]:
            if item["type"] == "function_call":
                found.append(f"{item['name']}({item['arguments']})")
            else:
                found.append(item["content"][0].get("transcript") or item["content"][0]["text"])
    return found


def test_rules_come_first_and_others_in_their_turn() -> None:
    script = MockScript(
        replies=(
            MockReply(when="TABLE", says="For how many?"),
            MockReply(when="^weather", calls=(MockCall(name="weather"),)),
            MockReply(when="sunny", says="Then we sit outside."),
            MockReply(says="One."),
            written("Two."),
        )
    )

    async def main() -> None:
        async with mocking(script) as mock, visiting(mock) as visitor:
            for text in ("hello", "A table, please.", "hello", "hello", "weather"):
                await visitor.types_text(text)
                await asyncio.sleep(1)
            call_id = visitor.of_type("response.function_call_arguments.done")[0]["call_id"]
            item = {"type": "function_call_output", "call_id": call_id, "output": "It is sunny."}
            await visitor.send("conversation.item.create", item=item)
            await visitor.send("response.create")
            await asyncio.sleep(1)
            assert texts(visitor) == [
                "One.",
                "For how many?",
                "Two.",
                "Two.",
                "weather({})",
                "Then we sit outside.",
            ]

    run_in_virtual_time(main())


def test_a_rule_fits_what_was_heard() -> None:
    script = MockScript(
        replies=(MockReply(when="table", says="For how many?"), MockReply(says="What?")),
        hears=("a table", "nothing"),
    )

    async def main() -> None:
        async with mocking(script) as mock, visiting(mock) as visitor:
            await visitor.send("session.update", session=TRANSCRIBED)
            for _ in range(2):
                await visitor.speaks(500)
                await visitor.is_quiet(1500)
            await asyncio.sleep(5)
            assert texts(visitor) == ["For how many?", "What?"]

    run_in_virtual_time(main())


def test_it_takes_its_time() -> None:
    latency = Latency(first_delta_ms=400, tokens_per_second=20)
    script = MockScript(replies=(MockReply(says="One two three four five six"),), latency=latency)

    async def main() -> None:
        async with mocking(script) as mock, visiting(mock) as visitor:
            await visitor.types_text("Go.")
            await asyncio.sleep(30)
            began_ms = visitor.ms_of("response.output_audio.delta")
            assert began_ms == pytest.approx(400, abs=60)
            # At 20 tokens a second it comes as fast as it is spoken.
            spoken_ms = visitor.ms_of("response.done") - began_ms
            assert spoken_ms == pytest.approx(60 * len("One two three four five six"), abs=60)
            assert texts(visitor) == ["One two three four five six"]

    run_in_virtual_time(main())


def played(seed: int) -> list[str]:
    script = MockScript(seed=seed, latency="mobile", hears=("hello", "again"))

    async def main() -> list[str]:
        async with mocking(script) as mock, visiting(mock) as visitor:
            await visitor.send("session.update", session=TRANSCRIBED)
            await visitor.types_text("Hello.")
            await visitor.speaks(500)
            await visitor.is_quiet(1000)
            await asyncio.sleep(30)
            stamps = map(str, visitor.came_ms)
            return [*visitor.messages, *stamps]

    return run_in_virtual_time(main())


def test_it_is_the_same_to_the_byte_and_the_millisecond() -> None:
    assert played(1) == played(1)


def test_another_seed_is_another_run() -> None:
    assert played(1) != played(2)


def test_any_key_and_any_model_will_do_unless_it_is_told_otherwise() -> None:
    async def main() -> None:
        async with mocking() as mock, mock.client() as http:
            headers = {"Authorization": "Bearer anything"}
            async with http.ws_connect("/v1/realtime?model=gpt-realtime-9", headers=headers) as ws:
                assert (await ws.receive_json())["session"]["model"] == "gpt-realtime-9"
        async with mocking(keys=["right"]) as mock, mock.client() as http:
            headers = {"Authorization": "Bearer wrong"}
            async with http.ws_connect("/v1/realtime", headers=headers) as ws:
                assert (await ws.receive_json())["error"]["code"] == "invalid_api_key"

    run_in_virtual_time(main())


def test_operators_see_that_it_is_a_mock() -> None:
    async def main() -> None:
        async with mocking() as mock, visiting(mock), mock.client() as http:
            async with http.get("/v1/antiphon/sessions") as listed:
                sessions = (await listed.json())["data"]
            assert [session["engine"] for session in sessions] == ["mock"]
            async with http.get("/v1/models") as listed:
                models = (await listed.json())["data"]
            assert "mock" in models[0]["description"]

    run_in_virtual_time(main())


def test_it_goes_by_any_name() -> None:
    async def main() -> None:
        async with mocking() as mock, mock.client() as http:
            headers = {"Host": "mock.test:8090", "Origin": "https://app.example.com"}
            async with http.ws_connect("/v1/realtime", headers=headers) as ws:
                assert (await ws.receive_json())["type"] == "session.created"

    run_in_virtual_time(main())


def test_a_session_ends_when_it_is_told() -> None:
    async def main() -> None:
        async with (
            mocking(rules=SessionRules(session_max_ms=2_000)) as mock,
            visiting(mock) as visitor,
        ):
            await asyncio.sleep(3)
            assert visitor.of_type("error")[0]["error"]["code"] == "session_expired"
            assert visitor.close_code == 1001

    run_in_virtual_time(main())


def test_it_is_as_strict_as_the_api() -> None:
    async def main() -> None:
        async with mocking() as mock, visiting(mock) as visitor:
            session = {"type": "realtime", "voice": "marin"}
            await visitor.send("session.update", session=session)
            await asyncio.sleep(1)
            assert visitor.of_type("error")[0]["error"]["code"] == "unknown_parameter"

    run_in_virtual_time(main())


def test_beta_clients_are_served() -> None:
    async def main() -> None:
        async with mocking() as mock, mock.client() as http:
            headers = {"OpenAI-Beta": "realtime=v1"}
            async with http.ws_connect("/v1/realtime?model=any", headers=headers) as ws:
                session = (await ws.receive_json())["session"]
                assert session["modalities"]

    run_in_virtual_time(main())


def test_steps_are_played_as_they_stand() -> None:
    reply = MockReply(steps=(Write(text="Exactly."),))
    check_script(MockScript(replies=(reply,)), "here")
    assert reply.as_steps() == (Write(text="Exactly."),)
