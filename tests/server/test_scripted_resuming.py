"""A scripted agent of a whole server keeps what it drew, spoken to by voice."""

from __future__ import annotations

import base64
from typing import Any

from antiphon.engines.cascade.engine import CascadeEngine
from antiphon.engines.cascade.llm.offline.brain import OfflineBrain
from antiphon.engines.cascade.llm.offline.script_file import parse_script
from antiphon.journal.memory import MemoryJournal
from antiphon.server.wiring import Parts
from antiphon.testing import calling, in_virtual_time, serving
from antiphon.testing.caller import Caller
from antiphon.testing.parts import KnowingRecognizer, SilentSynthesizer

LOTTERY = """
[agent]
name = "a lottery"
greeting = "Hello."
start = "only"
[random]
code = { digits = 8 }
[states.only]
on_enter = "Ask for your number."
[[states.only.intents]]
examples = ["what is my number"]
reply = "It is {code}."
"""
ASKED = "what is my number"


async def asks_by_voice(caller: Caller) -> str:
    settings = {
        "type": "realtime",
        "output_modalities": ["text"],
        "audio": {"input": {"turn_detection": None}},
    }
    await caller.send("session.update", session=settings)
    audio = base64.b64encode(bytes(48_000)).decode()
    await caller.send("input_audio_buffer.append", audio=audio)
    await caller.send("input_audio_buffer.commit")
    await caller.send("response.create")
    return (await caller.answer()).text


@in_virtual_time
async def test_the_same_number_is_told_when_the_conversation_goes_on_and_in_a_fork() -> None:
    engine = CascadeEngine(
        "lottery",
        "for tests",
        recognizer=KnowingRecognizer(*[ASKED] * 4),
        brain=OfflineBrain(parse_script(LOTTERY, source="test")),
        synthesizer=SilentSynthesizer(),
    )
    journal = MemoryJournal()
    async with (
        serving(engine, parts=Parts(journal=journal)) as server,
        server.client() as http,
    ):

        async def told(query: str = "") -> tuple[str, str]:
            async with calling(server, f"/v1/realtime?model=test{query}") as caller:
                number = await asks_by_voice(caller)
                done: Any = caller.of_type("response.done")[-1]
                await caller.hangs_up()
            return number, done["response"]["conversation_id"]

        number, conversation_id = await told()
        assert number.startswith("It is ")
        assert await told(f"&conversation_id={conversation_id}") == (number, conversation_id)
        path = f"/v1/antiphon/conversations/{conversation_id}/fork"
        async with http.post(path) as response:
            fork_id = (await response.json())["id"]
        assert await told(f"&conversation_id={fork_id}") == (number, fork_id)
        assert (await told())[0] != number
