"""The relay keeps the promises of engines, whoever finds the turns."""

from __future__ import annotations

import pytest

from antiphon.engines.relay.session import RelayRules
from antiphon.engines.relay.wishes import TurnFinding
from antiphon.engines.scripted import Script, Speak
from antiphon.testing import run_in_virtual_time
from antiphon.testing.check_engine import CHECKS, check_promise
from tests.engines.relay.upstream import makes_relay, upstream

SCRIPT = Script(replies=((Speak(ms=400, text="One two three four", paced=True),),))


@pytest.mark.parametrize("finding", ["ours", "theirs", "duplex"])
@pytest.mark.parametrize("name", CHECKS)
def test_it_keeps(name: str, finding: TurnFinding) -> None:
    async def main() -> None:
        async with upstream(SCRIPT) as served:
            rules = RelayRules(turn_detection=finding)
            await check_promise(name, makes_relay(served, rules))

    run_in_virtual_time(main())
