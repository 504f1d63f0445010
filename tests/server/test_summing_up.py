"""A model sums up facts."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.core.effects import Generate
from antiphon.engines.cascade.llm.context import text_of
from antiphon.engines.cascade.parts import SayText, Thought
from antiphon.errors import EngineUnavailable
from antiphon.profiles.profile import Bounds
from antiphon.profiles.profiles import SummaryFailed
from antiphon.protocol.items import Message
from antiphon.server.summing_up import summed_up_by
from antiphon.testing import in_virtual_time
from antiphon.testing.parts import PlannedBrain

BOUNDS = Bounds(max_facts=10, max_chars=1_000)


@in_virtual_time
async def test_facts_are_shown_as_data_and_each_line_of_the_answer_is_one() -> None:
    asked: list[Generate] = []

    def plan(request: Generate) -> list[Any]:
        asked.append(request)
        return [SayText("- Likes tea and"), SayText(" coffee.\n\n  Sings.\n"), Thought()]

    texts = await summed_up_by(PlannedBrain(plan))(["Likes tea.", "Sings."], BOUNDS)
    assert texts == ["Likes tea and coffee.", "Sings."]
    [request] = asked
    assert "at most 5 lines and 500 characters" in request.instructions
    assert "tea" not in request.instructions
    [message] = request.items
    assert isinstance(message, Message)
    assert text_of(message) == "- Likes tea.\n- Sings."


@in_virtual_time
async def test_a_model_that_is_away_is_told_of() -> None:
    def plan(_: Generate) -> list[Any]:
        raise EngineUnavailable("model", "away")

    with pytest.raises(SummaryFailed, match="away"):
        await summed_up_by(PlannedBrain(plan))(["Likes tea."], BOUNDS)
