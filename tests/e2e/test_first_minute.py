"""The first minute with the offline engine, by voice, is the one that the guides show."""

from __future__ import annotations

import re

import pytest

from antiphon.engines.cascade.llm.offline.paraphrases import load_similarity
from antiphon.engines.cascade.stt.ears import find_ears
from tests.e2e.first_minute import PAGE, first_minute

pytestmark = pytest.mark.skipif(
    find_ears().model is None or load_similarity() is None,
    reason="the extras 'speech' and 'paraphrases' are not installed",
)
MOST_S = 4.0
"""Of first words: whoever comes in wants to speak."""


async def test_the_first_minute_is_as_the_guide_shows_it() -> None:
    lines = await first_minute()
    answers = [line for line in lines if line.speaker == "Antiphon"]
    shown = re.findall(r"\*\*Antiphon\*\*: (.+)", PAGE.read_text(encoding="utf-8"))
    assert [line.text for line in answers] == shown
    assert answers[0].seconds <= MOST_S
