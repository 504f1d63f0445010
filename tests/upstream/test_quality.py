from __future__ import annotations

import pytest

from antiphon.upstream.quality import Counted, Quality


@pytest.mark.parametrize(
    ("rtt_ms", "jitter_ms", "loss", "verdict"),
    [
        (None, 0, 0, "good"),
        (30, 5, 0.005, "good"),
        (250, 5, 0, "fair"),
        (30, 40, 0, "fair"),
        (30, 5, 0.03, "fair"),
        (500, 5, 0, "poor"),
        (30, 80, 0, "poor"),
        (30, 5, 0.2, "poor"),
    ],
)
def test_the_worst_figure_decides(
    rtt_ms: float | None, jitter_ms: float, loss: float, verdict: str
) -> None:
    assert Quality(rtt_ms, jitter_ms, loss).verdict == verdict


def test_it_is_said_in_words() -> None:
    assert str(Quality(12.3, 4.6, 0.0125)) == "fair: RTT 12 ms, jitter 5 ms, 1.2% lost"
    assert str(Quality(None, 0, 0)) == "good: jitter 0 ms, 0.0% lost"


def test_loss_counts_since_the_last_look() -> None:
    assert Counted(190, 10).loss_since(Counted(100, 0)) == 0.1
    assert Counted(100, 0).loss_since(Counted(100, 0)) == 0
    assert Counted(100, 0).loss_since(Counted(100, 5)) == 0, "a late packet is no negative loss"
