"""Every fault of the mock, as an upstream: the client is told, or never notices; nothing hangs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import cast

import pytest

from antiphon.engines.relay.engine import RelayEngine
from antiphon.engines.relay.session import RelayRules
from antiphon.engines.relay.wishes import TurnFinding
from antiphon.engines.scripted import Script, ScriptedEngine, Write
from antiphon.mock import FAULTS, Fault, Mock, MockCall, MockReply, MockScript, mocking
from antiphon.testing import run_in_virtual_time
from antiphon.testing.served import Served
from tests.engines.relay.caller import Caller, Event, calling
from tests.engines.relay.upstream import relay_to

SCRIPT = MockScript(
    replies=(
        MockReply(when="weather", calls=(MockCall(name="weather", arguments={"city": "Paris"}),)),
        MockReply(says="One two three four."),
    ),
    hears=("aloud",),
)
SETTINGS = {
    "type": "realtime",
    "audio": {"input": {"transcription": {"model": "whisper-1"}}},
    "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}}],
}
STALL_S = 20
LIMIT_S = STALL_S + 2
"""The longest that anybody waits for anything."""
FINDINGS: tuple[TurnFinding, ...] = ("ours", "theirs", "duplex")

ENDLESS = "never_ends"
"""The only one that is no hang: its sound is an answer, and the client may cancel it."""
NAMES = [
    kind.name
    for kind in FAULTS.values()
    if kind.needs != "call" and kind.place != "secret" and kind.name != ENDLESS
]

TOLD: dict[str, str] = {
    "key_refused": "upstream_refused",
    "key_invalid": "upstream_refused",
    "secret_expired": "upstream_refused",
    "model_refused": "upstream_refused",
    "handshake_stalls": "upstream_unavailable",
    "no_greeting": "upstream_unavailable",
    "rate_limited": "rate_limit_exceeded",
    "quota_exhausted": "insufficient_quota",
    "server_error": "None",
    "content_filtered": "incomplete",
    "reset_in_response": "upstream_lost",
    "done_dropped": "upstream_lost",
}
"""What the first response ends with, where we find the turns; others are completed, be it late."""

UNTRANSCRIBED: dict[str, str] = {
    "key_refused": "upstream_refused",
    "key_invalid": "upstream_refused",
    "secret_expired": "upstream_refused",
    "model_refused": "upstream_refused",
    "handshake_stalls": "upstream_unavailable",
    "no_greeting": "upstream_unavailable",
    "transcript_dropped": "not_transcribed",
    "transcript_fails": "audio_unintelligible",
    "voice_refused": "not_transcribed",
    "settings_refused": "not_transcribed",
    "silent_for_ever": "not_transcribed",
}
"""Why the words of the spoken turn are not known; those of other faults are."""

PASSED_ON = {"error_from_nowhere", "server_fails", "settings_refused", "voice_refused"}
"""The upstream says itself that something is wrong, and the client may be told so."""

REFUSED = {name for name, end in TOLD.items() if end == "upstream_refused"}


@dataclass
class Call:
    """What the client has seen of a spoken turn, a call of a function and a typed turn."""

    hung: bool = False
    """Something took longer than `LIMIT_S`."""
    events: list[Event] = field(default_factory=list)

    def ends(self) -> list[str]:
        """How the responses ended: "completed", or why not."""
        found = []
        for event in self.events:
            if event["type"] == "response.done":
                response = event["response"]
                error = (response.get("status_details") or {}).get("error")
                found.append(str(error.get("code")) if error else response["status"])
        return found

    def untranscribed(self) -> list[str]:
        kind = "conversation.item.input_audio_transcription.failed"
        return [event["error"]["code"] for event in self.events if event["type"] == kind]


def is_settled(events: list[Event], responses: int) -> bool:
    def ids(kind: str) -> list[str]:
        return sorted(e["response"]["id"] for e in events if e["type"] == kind)

    committed = [e for e in events if e["type"] == "input_audio_buffer.committed"]
    transcribed = [
        e
        for e in events
        if e["type"].startswith("conversation.item.input_audio_transcription.")
        and not e["type"].endswith("delta")
    ]
    begun = ids("response.created")
    return (
        len(begun) >= responses
        and begun == ids("response.done")
        and len(committed) == len(transcribed)
        and bool(committed)
    )


async def settle(call: Call, caller: Caller, responses: int) -> None:
    try:
        async with asyncio.timeout(LIMIT_S):
            while not is_settled(caller.take(), responses):
                await caller.is_quiet(100)
    except TimeoutError:
        call.hung = True


def relay_to_mock(mock: Mock, finding: TurnFinding, *, stall_s: float = STALL_S) -> RelayEngine:
    # All that it asks of a server is a way there.
    served = cast("Served", mock)
    return relay_to(served, RelayRules(turn_detection=finding, stall_s=stall_s))


async def called(mock: Mock, finding: TurnFinding) -> Call:
    call = Call()
    async with calling(relay_to_mock(mock, finding)) as caller:
        caller.send("session.update", session=SETTINGS)
        await asyncio.sleep(3)
        await caller.speaks(400)
        await settle(call, caller, 1)
        caller.types_text("weather")
        await settle(call, caller, 2)
        await asyncio.sleep(5)  # Who was refused is not dialled again any sooner.
        caller.types_text("Last.")
        await settle(call, caller, 3)
        assert caller.closed is None
        call.events = caller.take()
        return call


def run(name: str, finding: TurnFinding) -> Call:
    async def main() -> Call:
        twice = name == "handshake_torn"  # aiohttp tries once more by itself.
        fault = Fault(name=name, times=2 if twice else 1)
        async with mocking(SCRIPT, faults=[fault]) as mock:
            call = await called(mock, finding)
            assert mock.faults.struck
            return call

    return run_in_virtual_time(main())


@pytest.mark.parametrize("name", NAMES)
def test_a_client_is_told_or_never_notices(name: str) -> None:
    call = run(name, "ours")
    assert not call.hung
    first, *_, last = call.ends()
    assert first == TOLD.get(name, "completed")
    assert last == "completed"
    assert call.untranscribed() == ([UNTRANSCRIBED[name]] if name in UNTRANSCRIBED else [])
    errors = [e["error"]["message"] for e in call.events if e["type"] == "error"]
    assert not errors or name in PASSED_ON


@pytest.mark.parametrize("finding", ["theirs", "duplex"])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_hangs_where_the_upstream_finds_turns(name: str, finding: TurnFinding) -> None:
    call = run(name, finding)
    assert not call.hung
    assert call.ends()[-1] == "completed"
    # Who speaks to an upstream that refuses us is told, be it that nobody there finds the turn.
    assert (call.ends()[0] == "upstream_refused") == (name in REFUSED)
    assert set(call.ends()) <= {"completed", *TOLD.values()}


@pytest.mark.parametrize("finding", FINDINGS)
def test_an_answer_that_never_ends_can_be_cancelled(finding: TurnFinding) -> None:
    async def main() -> None:
        async with (
            mocking(SCRIPT, faults=[ENDLESS]) as mock,
            calling(relay_to_mock(mock, finding)) as caller,
        ):
            caller.types_text("Hello.")
            for _ in range(120):
                await asyncio.sleep(1)
                caller.take()
            assert len(caller.of_type("response.output_audio.delta")) > 500
            caller.send("response.cancel")
            cancelled = await caller.until("response.done")
            assert cancelled["response"]["status"] == "cancelled"
            caller.types_text("And now?")
            done = await caller.until("response.done")
            assert done["response"]["status"] == "completed"

    run_in_virtual_time(main())


def test_whoever_reads_slowly_does_not_lose_the_upstream() -> None:
    async def main() -> None:
        endless = Fault(name=ENDLESS, ms=20)
        async with (
            mocking(SCRIPT, faults=[endless]) as mock,
            calling(relay_to_mock(mock, "ours", stall_s=3)) as caller,
        ):
            caller.types_text("Hello.")
            await asyncio.sleep(15)  # With a megabyte unread, no more news is taken.
            before = len(caller.of_type("response.output_audio.delta"))
            assert before < 15 * 50 / 2
            await asyncio.sleep(2)
            assert len(caller.of_type("response.output_audio.delta")) > before
            assert not caller.of_type("response.done")

    run_in_virtual_time(main())


@pytest.mark.parametrize("finding", FINDINGS)
def test_who_speaks_to_one_that_refuses_is_answered_by_the_next_engine(
    finding: TurnFinding,
) -> None:
    async def main() -> None:
        refused = Fault(name="key_refused", times=99)
        other = ScriptedEngine(Script(replies=((Write(text="Instead."),),)), name="other")
        async with (
            mocking(SCRIPT, faults=[refused]) as mock,
            calling(relay_to_mock(mock, finding), other) as caller,
        ):
            await asyncio.sleep(3)
            await caller.speaks(400)
            await caller.is_quiet(700)
            done = await caller.until("response.done")
            while done["response"]["status"] != "completed":
                done = await caller.until("response.done")
            assert done["response"]["output"][0]["content"][0]["text"] == "Instead."
            assert len(caller.of_type("input_audio_buffer.committed")) == 1

    run_in_virtual_time(main())


@pytest.mark.parametrize("finding", ["theirs", "duplex"])
def test_who_speaks_again_once_it_takes_us_is_answered_there(finding: TurnFinding) -> None:
    """The turn that made us dial is told to the upstream, which did not hear it."""

    async def main() -> None:
        async with (
            mocking(SCRIPT, faults=["key_refused"]) as mock,
            calling(relay_to_mock(mock, finding)) as caller,
        ):
            caller.send("session.update", session=SETTINGS)
            await asyncio.sleep(6)  # It may be asked again by now.
            await caller.speaks(400)
            await caller.is_quiet(1500)
            done = await caller.until("response.done")
            assert done["response"]["status"] == "completed"
            for _ in range(2):
                await caller.speaks(400)
                await caller.is_quiet(1500)
                done = await caller.until("response.done")
                assert done["response"]["status"] == "completed"
            assert len(caller.of_type("response.created")) == 3
            assert len(caller.of_type("input_audio_buffer.committed")) == 3
            assert not caller.of_type("error")

    run_in_virtual_time(main())
