"""Before an upstream's session ends, another takes over, and the client sees nothing."""

from __future__ import annotations

import asyncio
import base64

import pytest

from antiphon.engines.relay.session import RelayRules
from antiphon.engines.relay.wishes import TurnFinding
from antiphon.engines.scripted import Hearing, Script, Speak
from antiphon.runtime.hub import SessionRules
from antiphon.testing import run_in_virtual_time
from tests.engines.relay.caller import Attentive, Caller, calling, words
from tests.engines.relay.upstream import relay_to, upstream

HOURS = 1
CAP_MINUTES = 5
STARTED = "input_audio_buffer.speech_started"
SCRIPT = Script(replies=((Speak(ms=1000, text="I see."),),), hears=(Hearing(text="aloud"),))
TRANSCRIBED = {"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}


@pytest.mark.parametrize("finding", ["ours", "theirs", "duplex"])
def test_an_hour_under_a_cap_of_five_minutes(finding: TurnFinding) -> None:
    async def main() -> None:
        engine = Attentive(SCRIPT)
        rules = SessionRules(session_max_ms=CAP_MINUTES * 60_000)
        async with (
            upstream(engine=engine, rules=rules) as served,
            calling(relay_to(served, RelayRules(turn_detection=finding))) as caller,
        ):
            caller.send("session.update", session=TRANSCRIBED)
            expected = []
            for minute in range(HOURS * 60):
                expected.append("user: aloud" if minute % 10 == 3 else f"user: {minute}")
                if minute % 10 == 3:
                    await caller.speaks(400)
                    await caller.is_quiet(700)
                else:
                    caller.types_text(str(minute))
                await caller.until("response.done")
                assert words(engine.saw[-1]) == expected, minute
                expected.append("assistant: I see.")
                await asyncio.sleep(60)
            assert engine.opened == 1 + HOURS * 60 // CAP_MINUTES
            assert not caller.of_type("error")
            starts = [e["audio_start_ms"] for e in caller.of_type(STARTED)]
            assert len(starts) == HOURS * 6
            assert all(abs(at - 1100 * n) <= 320 for n, at in enumerate(starts)), starts
            assert len(caller.of_type("response.done")) == HOURS * 60
            assert len(caller.of_type("conversation.item.added")) == len(expected)
            assert len(served.hub.sessions) == 1

    run_in_virtual_time(main())


def test_it_waits_for_a_calm_moment() -> None:
    script = Script(replies=((Speak(ms=20_000, text="A long answer.", paced=True),),))

    async def main() -> None:
        engine = Attentive(script)
        async with (
            upstream(engine=engine) as served,
            calling(relay_to(served, RelayRules(session_max_s=10))) as caller,
        ):
            caller.types_text("Go on.")
            await asyncio.sleep(19)
            assert engine.opened == 1
            done = await caller.until("response.done")
            assert done["response"]["status"] == "completed"
            await asyncio.sleep(1)
            assert engine.opened == 2
            assert len(served.hub.sessions) == 1

    run_in_virtual_time(main())


ALLOWED_GAP_S = 0.04


def test_nobody_hears_a_gap_while_sessions_there_are_renewed() -> None:
    """Speech is played as it comes; it stops only where an answer ends."""
    script = Script(replies=((Speak(ms=4_000, text="One two three four", paced=True),),))

    async def main() -> None:
        engine = Attentive(script)
        async with (
            upstream(engine=engine) as served,
            calling(relay_to(served, RelayRules(session_max_s=30))) as caller,
        ):
            for number in range(60):
                caller.types_text(str(number))
                await caller.until("response.created")
                await heard_without_a_gap(caller, whole_s=4.0)
                await asyncio.sleep(1)
            assert engine.opened >= 10

    run_in_virtual_time(main())


async def heard_without_a_gap(caller: Caller, *, whole_s: float) -> None:
    now_s = asyncio.get_running_loop().time
    played_to_s = heard_s = 0.0
    while heard_s < whole_s:
        piece = await caller.until("response.output_audio.delta")
        if played_to_s:
            assert now_s() - played_to_s <= ALLOWED_GAP_S
        piece_s = len(base64.b64decode(piece["delta"])) / 48_000
        played_to_s = max(played_to_s, now_s()) + piece_s
        heard_s += piece_s
