"""Whatever happens in whatever order, the upstream's conversation is ours, and nothing hangs."""

from __future__ import annotations

import asyncio
import os
from random import Random
from typing import Any

import pytest

from antiphon.engines.relay.session import RelayRules
from antiphon.engines.relay.wishes import TurnFinding
from antiphon.engines.scripted import Hearing, Script, Speak, Wait, Write
from antiphon.protocol.items import Item
from antiphon.testing import run_in_virtual_time
from antiphon.testing.served import Served
from tests.engines.relay.caller import (
    HEARD,
    Attentive,
    Caller,
    attending,
    calling,
    words,
)
from tests.engines.relay.upstream import relay_to, upstream

TRANSCRIBED = {"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
SCRIPT = Script(
    replies=(
        (Speak(ms=900, text="One two three four", paced=True),),
        (Speak(ms=600, text="Five six seven"),),
        (Wait(ms=300), Write(text="Written.")),
        (Speak(ms=400, text="A while"), Wait(ms=900), Speak(ms=300, text=" later")),
    ),
    hears=(Hearing(text=HEARD),),
)
STEPS = 25
SEEDS = 100 if os.environ.get("ANTIPHON_LAWS") == "deep" else 7


@pytest.mark.parametrize("finding", ["ours", "theirs", "duplex"])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_call_in_which_anything_may_happen(seed: int, finding: TurnFinding) -> None:
    async def main() -> None:
        engine = Attentive(SCRIPT)
        async with upstream(engine=engine) as served:
            relay = relay_to(served, RelayRules(turn_detection=finding, session_max_s=20))
            asked = attending(relay)
            async with calling(relay) as caller:
                caller.send("session.update", session=TRANSCRIBED)
                random = Random(seed)
                for step in range(STEPS):
                    await happen(random, step, caller, served)
                await settled(caller)
                caller.types_text("Last.")
                await settled(caller)
                assert audible(engine.saw[-1]) == audible(asked[-1])
                assert audible(asked[-1])[-1] == "user: Last."
                begun = [e["response"]["id"] for e in caller.of_type("response.created")]
                done = [e["response"]["id"] for e in caller.of_type("response.done")]
                assert sorted(begun) == sorted(done)
                assert len(served.hub.sessions) == 1
                errors = [e["error"]["code"] for e in caller.of_type("error")]
                assert set(errors) <= EXPECTED, errors

    run_in_virtual_time(main())


def audible(items: tuple[Item, ...]) -> list[str]:
    """An answer of which nothing was heard is not told to another upstream."""
    return [said for said in words(items) if said != "assistant: "]


EXPECTED = {"conversation_already_has_active_response", "response_cancel_not_active"}
"""The client's own mistakes: it asks and cancels blindly."""


async def happen(random: Random, step: int, caller: Caller, served: Served) -> None:
    match random.randrange(9):
        case 0 | 1:
            caller.types_text(f"Step {step}.")
        case 2 | 3:
            await caller.speaks(random.randrange(100, 900, 100))
            await caller.is_quiet(random.randrange(0, 1200, 100))
        case 4:
            for session in list(served.hub.sessions):
                session.close(random.choice([1001, 1006, 1011]), "gone")
        case 5:
            caller.send("response.cancel")
        case 6:
            if spoken := spoken_items(caller):
                at = random.randrange(0, 500)
                caller.send(
                    "conversation.item.truncate",
                    item_id=random.choice(spoken[-2:]),
                    content_index=0,
                    audio_end_ms=min(at, 300),
                )
        case 7:
            if there := item_ids(caller):
                caller.send("conversation.item.delete", item_id=random.choice(there))
        case 8:
            item = {"type": "message", "role": "user"}
            content = [{"type": "input_text", "text": f"Aside {step}."}]
            place = random.choice(["root", *item_ids(caller)[-3:]])
            caller.send(
                "conversation.item.create", item=item | {"content": content}, previous_item_id=place
            )
    await asyncio.sleep(random.choice([0, 0.05, 0.3, 1.0]))


def item_ids(caller: Caller) -> list[str]:
    added = [e["item"]["id"] for e in caller.of_type("conversation.item.added")]
    deleted = {e["item_id"] for e in caller.of_type("conversation.item.deleted")}
    return [item_id for item_id in added if item_id not in deleted]


def spoken_items(caller: Caller) -> list[str]:
    """Answers that are whole, and long enough to be cut."""
    there = set(item_ids(caller))

    def is_spoken(item: dict[str, Any]) -> bool:
        content = item.get("content") or [{}]
        return item["id"] in there and content[0].get("type") == "output_audio"

    done = caller.of_type("conversation.item.done")
    return [
        e["item"]["id"]
        for e in done
        if is_spoken(e["item"]) and e["item"].get("status") == "completed"
    ]


async def settled(caller: Caller) -> None:
    """The microphone is open for a while; what is being said comes to its end."""
    await caller.is_quiet(2000)
    await asyncio.sleep(25)
