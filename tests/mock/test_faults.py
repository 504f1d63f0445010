"""What a bare client sees of each fault."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import ClientConnectionError, WSServerHandshakeError

from antiphon.mock import FAULTS, Fault, MockCall, MockReply, MockScript, mocking
from antiphon.testing import run_in_virtual_time
from tests.mock.visitor import Visitor, visiting

TRANSCRIBED = {"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
SCRIPT = MockScript(
    replies=(
        MockReply(when="weather", calls=(MockCall(name="weather", arguments={"city": "Paris"}),)),
        MockReply(when="write", says="Written.", steps=()),
        MockReply(says="One two three four."),
    ),
    hears=("aloud",),
)
PATIENCE_S = 30


def seen(
    name: str, text: str = "Hello.", *, ms: int | None = None, modality: str = "audio"
) -> Visitor:
    """After a typed turn and a while."""

    async def main() -> Visitor:
        fault = Fault(name=name, ms=ms)
        async with mocking(SCRIPT, faults=[fault]) as mock, visiting(mock) as visitor:
            if modality == "text":
                settings = {"type": "realtime", "output_modalities": ["text"]}
                await visitor.send("session.update", session=settings)
            await visitor.types_text(text)
            await asyncio.sleep(PATIENCE_S)
            assert [struck.name for struck in mock.faults.struck] == [name]
            assert not mock.faults.armed
            return visitor

    return run_in_virtual_time(main())


def spoken_to(name: str) -> Visitor:
    async def main() -> Visitor:
        async with mocking(SCRIPT, faults=[name]) as mock, visiting(mock) as visitor:
            await visitor.send("session.update", session=TRANSCRIBED)
            await visitor.speaks(500)
            await visitor.is_quiet(1000)
            await asyncio.sleep(PATIENCE_S)
            assert [struck.name for struck in mock.faults.struck] == [name]
            return visitor

    return run_in_virtual_time(main())


DELTA = "response.output_audio_transcript.delta"
AUDIO = "response.output_audio.delta"
COMPLETED = "conversation.item.input_audio_transcription.completed"

# --- At the door --------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status", "retry_after"),
    [
        ("rate_limited_at_connect", 429, "5"),
        ("quota_exhausted_at_connect", 429, None),
        ("overloaded_at_connect", 503, "5"),
        ("server_error_at_connect", 500, None),
        ("bad_gateway_at_connect", 502, None),
        ("key_refused", 401, None),
    ],
)
def test_a_client_is_refused_before_the_upgrade(
    name: str, status: int, retry_after: str | None
) -> None:
    async def main() -> None:
        async with mocking(faults=[name]) as mock, mock.client() as http:
            with pytest.raises(WSServerHandshakeError) as refused:
                await http.ws_connect("/v1/realtime?model=any")
            assert refused.value.status == status
            assert refused.value.headers is not None
            assert refused.value.headers.get("Retry-After") == retry_after
            async with visiting(mock) as visitor:  # It is spent.
                await asyncio.sleep(1)
                assert visitor.types == ["session.created"]

    run_in_virtual_time(main())


@pytest.mark.parametrize(
    ("name", "code", "close"),
    [
        ("key_invalid", "invalid_api_key", 3000),
        ("secret_expired", "invalid_api_key", 3000),
        ("model_refused", "model_not_found", 4000),
    ],
)
def test_a_client_is_told_on_the_socket(name: str, code: str, close: int) -> None:
    async def main() -> None:
        async with mocking(faults=[name]) as mock, visiting(mock) as visitor:
            await asyncio.sleep(1)
            (error,) = visitor.events
            assert error["error"]["code"] == code
            assert visitor.close_code == close

    run_in_virtual_time(main())


def test_a_handshake_stalls_or_is_torn() -> None:
    async def main() -> None:
        torn = Fault(name="handshake_torn", times=2)  # aiohttp tries once more by itself.
        async with mocking(faults=[torn]) as mock, mock.client() as http:
            with pytest.raises(ClientConnectionError):
                await http.ws_connect("/v1/realtime")
            mock.faults.arm(Fault(name="handshake_stalls", ms=7_000))
            began_s = asyncio.get_running_loop().time()
            async with http.ws_connect("/v1/realtime"):
                assert asyncio.get_running_loop().time() - began_s == pytest.approx(7, abs=0.1)

    run_in_virtual_time(main())


@pytest.mark.parametrize(
    ("name", "status"), [("secret_not_minted", 500), ("secret_rate_limited", 429)]
)
def test_no_secret_is_minted(name: str, status: int) -> None:
    async def main() -> None:
        async with mocking(faults=[name]) as mock, mock.client() as http:
            async with http.post("/v1/realtime/client_secrets", json={}) as refused:
                assert refused.status == status
                assert "error" in await refused.json()
            async with http.post("/v1/realtime/client_secrets", json={}) as minted:
                assert minted.status == 200

    run_in_virtual_time(main())


# --- A connection that is open ------------------------------------------------


@pytest.mark.parametrize(
    ("name", "code", "close"),
    [
        ("session_expires", "session_expired", 1001),
        ("server_restarts", None, 1012),
        ("server_fails", None, 1011),
        ("connection_reset", None, 1006),
        ("closed_without_frame", None, 1006),
    ],
)
def test_a_connection_ends(name: str, code: str | None, close: int) -> None:
    visitor = seen(name)
    assert visitor.close_code == close
    if code is not None:
        assert [e["error"]["code"] for e in visitor.of_type("error")] == [code]
        assert visitor.of_type("error")[0]["error"]["message"] == (
            "Your session hit the maximum duration of 60 minutes."
        )


def test_the_hour_may_have_any_length() -> None:
    visitor = seen("session_expires", ms=0)
    assert visitor.close_code == 1001
    assert visitor.ms_of("error") == 0


def test_settings_are_refused_in_part_or_whole() -> None:
    updates: dict[str, dict[str, object]] = {
        "voice_refused": {"audio": {"output": {"voice": "marin"}}},
        "prompt_refused": {"prompt": {"id": "pmpt_1"}},
        "model_change_refused": {"model": "another"},
        "settings_refused": {"instructions": "Be brief."},
    }

    async def main(name: str, change: dict[str, object]) -> list[str]:
        async with mocking(faults=[name]) as mock, visiting(mock) as visitor:
            session = {"type": "realtime", **change}
            await visitor.send("session.update", event_id="mine", session=session)
            other = {"type": "realtime", "max_output_tokens": 100}
            await visitor.send("session.update", session=other)
            await asyncio.sleep(1)
            (error, *_) = visitor.of_type("error")
            assert error["error"]["event_id"] == "mine"
            return visitor.types

    for name, change in updates.items():
        types = run_in_virtual_time(main(name, change))
        whole = name == "settings_refused"
        assert types == ["session.created", "error", "error" if whole else "session.updated"]


def test_an_update_is_not_acknowledged() -> None:
    visitor = seen("update_unacknowledged", modality="text")
    assert "session.updated" not in visitor.types
    assert "response.output_text.done" in visitor.types


def test_a_slow_reader_reads_on_after_a_while() -> None:
    visitor = seen("slow_reader", ms=4_000)
    assert visitor.ms_of("response.created") == pytest.approx(4_000, abs=50)


# --- Turns --------------------------------------------------------------------


def test_a_transcript_is_late() -> None:
    visitor = spoken_to("transcript_late")
    assert visitor.types.index(COMPLETED) > visitor.types.index("response.done")


def test_a_transcript_fails_is_dropped_or_comes_twice() -> None:
    assert spoken_to("transcript_dropped").of_type(COMPLETED) == []
    assert len(spoken_to("transcript_doubled").of_type(COMPLETED)) == 2
    failed = spoken_to("transcript_fails")
    assert failed.of_type(COMPLETED) == []
    assert len(failed.of_type(COMPLETED.replace("completed", "failed"))) == 1


# --- Responses ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("rate_limited", "failed", "rate_limit_exceeded"),
        ("quota_exhausted", "failed", "insufficient_quota"),
        ("server_error", "failed", None),
        ("content_filtered", "incomplete", None),
    ],
)
def test_a_response_fails_in_the_middle_and_the_next_one_is_asked_for(
    name: str, status: str, code: str | None
) -> None:
    async def main() -> None:
        async with mocking(SCRIPT, faults=[name]) as mock, visiting(mock) as visitor:
            for _ in range(2):
                await visitor.types_text("Hello.")
                await asyncio.sleep(1)
            failed, whole = (e["response"] for e in visitor.of_type("response.done"))
            assert failed["status"] == status
            if status == "failed":
                assert failed["status_details"]["error"].get("code") == code
            else:
                assert failed["status_details"]["reason"] == "content_filter"
            assert whole["status"] == "completed"
            assert not visitor.of_type("error")

    run_in_virtual_time(main())


def test_it_never_ends_until_it_is_cancelled() -> None:
    async def main() -> None:
        async with mocking(SCRIPT, faults=["never_ends"]) as mock, visiting(mock) as visitor:
            await visitor.types_text("Hello.")
            await asyncio.sleep(60)
            before = len(visitor.of_type(AUDIO))
            assert before > 250
            assert not visitor.of_type("response.done")
            await visitor.send("response.cancel")
            await asyncio.sleep(1)
            before = len(visitor.of_type(AUDIO))
            await asyncio.sleep(60)
            assert len(visitor.of_type(AUDIO)) == before
            assert [e["response"]["status"] for e in visitor.of_type("response.done")] == [
                "cancelled"
            ]
            assert not visitor.of_type("error")

    run_in_virtual_time(main())


SEES: dict[str, Callable[[Visitor], bool]] = {
    "error_from_nowhere": lambda v: v.of_type("error")[0]["error"]["event_id"] is None,
    "no_greeting": lambda v: "session.created" not in v.types and "response.done" in v.types,
    "greeted_with_nonsense": lambda v: v.messages[0] == "hello?",
    "greeted_with_unknown_fields": lambda v: v.events[0]["weather"] == {"sky": "blue"},
    "events_doubled": lambda v: v.types[::2] == v.types[1::2],
    "rate_limits_low": lambda v: all(
        limit["remaining"] < 20
        for e in v.of_type("rate_limits.updated")
        for limit in e["rate_limits"]
    ),
    "reset_in_response": lambda v: v.close_code == 1006 and v.types[-1] == DELTA,
    "stall_before_first_delta": lambda v: v.ms_of(DELTA) - v.ms_of("response.created") == 10_000,
    "stall_in_audio": lambda v: v.ms_of("response.done") - v.ms_of(DELTA) == 10_000,
    "silent_for_ever": lambda v: v.types[-1] == "response.created" and v.close_code is None,
    "never_created": lambda v: not any(t.startswith("response.") for t in v.types),
    "created_dropped": lambda v: "response.created" not in v.types and "response.done" in v.types,
    "done_dropped": lambda v: "response.done" not in v.types and AUDIO in v.types,
    "item_done_dropped": lambda v: "response.output_item.done" not in v.types,
    "done_doubled": lambda v: v.types.count("response.done") == 2,
    "deltas_doubled": lambda v: (
        len(v.of_type(DELTA)) == 2 and v.of_type(DELTA)[0] == v.of_type(DELTA)[1]
    ),
    "created_late": lambda v: (
        v.types.index("response.created") > v.types.index("response.output_item.added")
    ),
    "delta_before_its_part": lambda v: (
        v.types.index("response.content_part.added") > v.types.index(DELTA)
    ),
    "item_after_its_part": lambda v: (
        v.types.index("response.output_item.added") > v.types.index("response.content_part.added")
    ),
    "item_done_late": lambda v: (
        v.types.index("response.output_item.done") > v.types.index("response.done")
    ),
    "half_event": lambda v: len(v.messages) - len(v.events) == 1,
    "nonsense": lambda v: "]]] upstream reset {" in v.messages,
    "not_an_object": lambda v: "[1,2,3]" in v.messages,
    "unknown_event": lambda v: "response.mood.updated" in v.types,
    "unknown_fields": lambda v: all(
        "obfuscation" in e for e in v.of_type(DELTA) + v.of_type(AUDIO)
    ),
    "fields_missing": lambda v: not any("item_id" in e for e in v.of_type(AUDIO)),
    "fields_mistyped": lambda v: v.of_type(DELTA)[0]["delta"] == 17,
    "delta_of_another_response": lambda v: (
        v.of_type(DELTA)[1]["response_id"] == "resp_nobody_knows"
    ),
    "giant_event": lambda v: max(map(len, v.messages)) > 3 << 20,
    "audio_empty": lambda v: {e["delta"] == "" for e in v.of_type(AUDIO)[::2]} == {True},
    "audio_odd": lambda v: all(len(base64.b64decode(e["delta"])) % 2 for e in v.of_type(AUDIO)),
    "audio_not_base64": lambda v: v.of_type(AUDIO)[0]["delta"] == "not base64!",
    "audio_missing": lambda v: not v.of_type(AUDIO) and bool(v.of_type(DELTA)),
}


@pytest.mark.parametrize("name", SEES)
def test_a_client_sees(name: str) -> None:
    assert SEES[name](seen(name))


def test_a_client_sees_that_arguments_are_no_json() -> None:
    visitor = seen("arguments_not_json", "What is the weather?")
    (done,) = visitor.of_type("response.function_call_arguments.done")
    assert done["arguments"] == '{"city": "Par'


def test_a_client_sees_another_text_than_its_deltas() -> None:
    visitor = seen("text_done_differs", modality="text")
    assert visitor.of_type("response.output_text.done")[0]["text"] == "Another text."


def test_a_caller_is_refused_as_others_are() -> None:
    async def main() -> None:
        faults = ["key_invalid", "model_refused", "rate_limited_at_connect"]
        async with mocking(faults=faults) as mock, mock.client() as http:
            statuses = []
            for _ in faults:
                async with http.post("/v1/realtime/calls", data=b"v=0") as refused:
                    assert "error" in await refused.json()
                    statuses.append(refused.status)
            assert statuses == [401, 400, 429]

    run_in_virtual_time(main())


def test_a_beta_client_is_struck_in_its_own_words() -> None:
    async def main() -> None:
        async with (
            mocking(SCRIPT, faults=["unknown_fields", "error_from_nowhere"]) as mock,
            mock.client(headers={"OpenAI-Beta": "realtime=v1"}) as http,
            http.ws_connect("/v1/realtime?model=any") as socket,
        ):
            visitor = Visitor(socket)
            reading = asyncio.create_task(visitor.read())
            await visitor.types_text("Hello.")
            await asyncio.sleep(PATIENCE_S)
            deltas = visitor.of_type("response.audio.delta")
            assert deltas
            assert all("obfuscation" in event for event in deltas)
            assert visitor.of_type("error")
            reading.cancel()

    run_in_virtual_time(main())


ON_CALLS = {"ice_fails", "media_lost", "call_lost"}
"""tests/mock/test_calls.py"""


def test_every_fault_is_told_here() -> None:
    here = Path(__file__).read_text()
    missing = {name for name in FAULTS if f'"{name}"' not in here}
    assert missing == set()
    assert len(FAULTS) >= 25
