"""Every script, over a session whose engine relays to a whole server with the script's engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.engines.relay.session import RelayRules
from antiphon.engines.relay.wishes import TurnFinding
from antiphon.engines.scripted import ScriptedEngine
from antiphon.testing import run_in_virtual_time
from antiphon.testing.conformance import LIVE, LiveLine, Script, play, read_script
from tests.engines.relay.upstream import relay_to, upstream

PATHS = sorted((Path(__file__).parents[2] / "conformance" / "scripts").glob("*.script"))

UNHEARD = (
    "it cuts an unfinished answer at more than can have been heard: at words whose times only an "
    "engine that tells them can know"
)
CANNOT: dict[str, str] = {
    "4.10-interruption-websocket": UNHEARD,
    "4.15-truncate-delete-retrieve": UNHEARD,
}
CANNOT_WITH_OUR_TURNS = {
    "4.14-semantic-vad": "an upstream does not say how complete a turn is; it ends it",
}


@pytest.mark.parametrize("finding", ["ours", "theirs", "duplex"])
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_session_follows_over_a_relay(path: Path, finding: TurnFinding) -> None:
    script = read_script(path)
    if not script.runs_on(LIVE):
        pytest.skip("not for this line")
    cannot = CANNOT | (CANNOT_WITH_OUR_TURNS if finding == "ours" else {})
    if path.stem in cannot:
        pytest.skip(cannot[path.stem])
    run_in_virtual_time(over_a_relay(script, RelayRules(turn_detection=finding)))


async def over_a_relay(script: Script, rules: RelayRules) -> None:
    engine = ScriptedEngine(script.head.engine, speaks=script.head.engine_speaks)
    async with (
        upstream(engine=engine) as served,
        LiveLine(script, around=lambda _: relay_to(served, rules)) as line,
    ):
        await play(script, line)
