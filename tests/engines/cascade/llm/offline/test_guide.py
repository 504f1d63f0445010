"""The guide's example works, and its fragments are read as it says."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

from antiphon.engines.cascade.llm.offline.dialogue import Dialogue
from antiphon.engines.cascade.llm.offline.script_file import parse_script
from antiphon.engines.cascade.llm.offline.situation import Surroundings, begin

GUIDE = Path(__file__).parents[5] / "docs" / "guides" / "scripted-agents.md"
BLOCKS = re.findall(r"```toml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_example_of_the_guide_is_played() -> None:
    script = parse_script(BLOCKS[0], source="guide")
    assert script.warnings == ()
    dialogue = Dialogue(
        script, Surroundings(dt.datetime(2026, 5, 6, tzinfo=dt.UTC), {}, lambda: "call")
    )
    turn = dialogue.greet(begin(script, lambda _: 0))
    heard = []
    for said in ("can I have two large coffees please", "yes", "no"):
        turn = dialogue.hear(turn.situation, said)
        heard.append(turn.reply)
    assert heard == [
        "You want large coffee. Right?",
        "One large coffee. You have ordered one so far. Anything else?",
        "Goodbye.",
    ]


def test_the_fragments_of_the_guide_are_read() -> None:
    fragments = BLOCKS[1:]
    assert len(fragments) == 6
    enums, variables, call, languages, global_intents, pronunciations = fragments
    frame = (
        '[agent]\nname = "x"\ngreeting = ""\nstart = "sure"\n'
        "[variables]\nbooked = 0\nattempts = 0\n"
        f"[enums]\n{enums}\n{variables.partition('[random]')[1]}{variables.partition('[random]')[2]}\n"
        f"{languages}\n{global_intents}\n{pronunciations}\n"
        '[[states.sure.intents]]\nexamples = ["{room} {people:number} {day:date} {drink} {size}"]\n'
        f"goto = 'idle'\n{call}\n"
        "[states.idle]\nfinal = true\n[states.again]\nfinal = true\n"
    )
    assert parse_script(frame, source="guide").warnings == ()
