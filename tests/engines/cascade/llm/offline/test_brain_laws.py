"""Whatever is said and whatever functions there are, an answer comes and ends once."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import random
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon.core.effects import Generate
from antiphon.engines.cascade.llm.offline.brain import OfflineBrain
from antiphon.engines.cascade.llm.offline.script_file import load_script
from antiphon.engines.cascade.parts import CallTool, SayText, Thinking, Thought
from antiphon.protocol.items import FunctionCallOutput, InputAudio, Item, Message
from antiphon.protocol.session import FunctionChoice, FunctionTool

EXAMPLES = Path(__file__).parents[5] / "examples" / "agents"
NOW = dt.datetime(2026, 5, 6, 14, 30, tzinfo=dt.UTC)
SCRIPTS = [None, *(load_script(path) for path in sorted(EXAMPLES.glob("*.toml")))]

WORDS = st.sampled_from(
    ["book", "a", "room", "mountain view", "today", "two", "thirty", "pm", "half", "an", "hour",
     "people", "yes", "no", "undo", "cancel", "hint", "the", "code", "is", "one", "1", "4", "9",
     "oh", "times", "plus", "weather", "in", "paris", "kitchen", "lights", "off", "on", "to",
     "count", "not", "2:30", "12:99", "may", "first", "and", "point", "hundred", "million",
     "it's", "ü", "%", "-"]
)  # fmt: skip
TEXTS = st.lists(WORDS, max_size=9).map(" ".join) | st.text(max_size=20)
KEYS = st.sampled_from(
    ["type", "properties", "required", "items", "enum", "minimum", "anyOf", "$ref", "room",
     "string", "integer", "boolean", "array", "object", "description", "time", "format"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
)
PROPERTY = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer", "number", "boolean", "array", "object"]),
        "enum": st.lists(st.sampled_from(["kitchen", "paris", 4, None, "ü"]), min_size=1),
        "items": st.just({"enum": ["kitchen", "hall"]}),
        "format": st.sampled_from(["date", "time", "date-time"]),
        "description": st.just("number of people"),
    },
)
PARAMETERS = st.dictionaries(KEYS, JSON, max_size=4) | st.dictionaries(
    st.sampled_from(["room", "time", "on", "city", "people", "a b"]), PROPERTY
).map(lambda found: {"type": "object", "properties": found, "required": sorted(found)[:2]})
NAMES = st.sampled_from(["get_weather", "setLights", "book_room", "transfer_to_x", "_", "9"])
TOOLS = st.lists(st.builds(FunctionTool, name=NAMES, parameters=PARAMETERS), max_size=3).map(tuple)
CHOICES = st.sampled_from(["auto", "none", "required"]) | NAMES.map(FunctionChoice)


def judged(found: list[Thinking], request: Generate) -> None:
    assert isinstance(found[-1], Thought)
    assert len(found) > 1
    assert all(isinstance(thought, SayText | CallTool) for thought in found[:-1])
    for thought in found:
        if isinstance(thought, CallTool):
            assert thought.ended
            assert isinstance(json.loads(thought.arguments), dict)
            assert request.tool_choice != "none"
    names = {tool.name for tool in request.tools if isinstance(tool, FunctionTool)}
    called = [thought.name for thought in found if isinstance(thought, CallTool)]
    if isinstance(request.tool_choice, FunctionChoice) and request.tool_choice.name in names:
        assert called == [request.tool_choice.name]
    elif request.tool_choice == "required" and names:
        assert called


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(SCRIPTS),
    TOOLS,
    st.lists(st.tuples(TEXTS | st.none(), CHOICES, st.booleans(), st.booleans()), max_size=6),
)
def test_each_answer_comes_and_ends_once(script: Any, tools: Any, steps: list[Any]) -> None:
    brain = OfflineBrain(script, clock=lambda: NOW, new_random=lambda: random.Random(3))
    mind = brain.open("s")
    items: list[Item] = []
    for number, (text, choice, out_of_band, forgets) in enumerate(steps):
        if forgets:
            del items[:2]
        if text is None:
            items.append(FunctionCallOutput(id=f"o{number}", call_id="call_1", output='{"a": 1}'))
        else:
            part = InputAudio(transcript=text)
            items.append(Message(id=f"u{number}", role="user", content=(part,)))
        request = Generate(
            response_id="r",
            items=tuple(items),
            tools=tools,
            tool_choice=choice,
            out_of_band=out_of_band,
        )
        mind.expects(request)
        found = asyncio.run(_all(mind, request))
        judged(found, request)


async def _all(mind: Any, request: Generate) -> list[Thinking]:
    return [thought async for thought in mind.think(request)]
