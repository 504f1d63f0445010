"""What a timeline tells is what a recording shows."""

from __future__ import annotations

import numpy as np
import pytest

from tests.telemetry.recorded_turns import Playout, measure

TURNS = 20
BOUND_MS = 20


@pytest.mark.parametrize("playout", ["client", "server"])
def test_a_timeline_adds_up_to_the_wait_in_the_recording(playout: Playout) -> None:
    turns = measure(TURNS, playout)
    assert len(turns) == TURNS, "each turn has its timeline"
    assert np.percentile([abs(turn.off_ms) for turn in turns], 99) <= BOUND_MS
