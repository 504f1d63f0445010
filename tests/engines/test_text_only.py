from __future__ import annotations

import pytest

from antiphon.engines.engine import Engine
from antiphon.engines.scripted import Fail, Script, ScriptedEngine, ScriptedSession, Speak, Write
from antiphon.engines.text_only import TextOnlyEngine
from antiphon.errors import EngineUnavailable
from antiphon.runtime.hub import Hub
from antiphon.testing import CHECKS, check_promise, run_in_virtual_time
from tests.engines.relay.caller import Caller


@pytest.mark.parametrize("name", CHECKS)
def test_it_keeps_the_promises_of_engines(name: str) -> None:
    engine = ScriptedEngine(Script(replies=((Write(text="One two three."),),)))
    run_in_virtual_time(check_promise(name, lambda: TextOnlyEngine(engine)))


class Mute(ScriptedEngine):
    def open(self, session_id: str) -> ScriptedSession:
        raise EngineUnavailable("mute", "its voice is broken")


def test_it_is_the_end_of_a_chain() -> None:
    async def main() -> None:
        fails = Fail(message="Its voice broke.", code="broken", is_unavailable=True)
        voice = ScriptedEngine(Script(replies=((Speak(ms=400, text="Hel"), fails),)), name="voice")
        brain = ScriptedEngine(Script(replies=((Write(text="Hello."),),)), name="brain")
        chain: list[Engine] = [Mute(name="mute"), TextOnlyEngine(brain)]
        hub = Hub(lambda _: voice, fallbacks_for=lambda _: chain)
        caller = Caller(hub.open(kind="realtime", model="m"))
        caller.types_text("Hi.")
        broken = await caller.until("response.done")
        assert broken["response"]["status_details"]["error"]["code"] == "broken"
        done = await caller.until("response.done")
        assert done["response"]["output_modalities"] == ["text"]
        assert done["response"]["output"][0]["content"][0]["text"] == "Hello."
        await hub.aclose()

    run_in_virtual_time(main())
