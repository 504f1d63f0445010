from __future__ import annotations

from antiphon.upstream.reconnect import Backoff


def test_backoff_doubles_between_half_and_whole_and_gives_up() -> None:
    low, high = Backoff(lambda: 0.0, attempts=9), Backoff(lambda: 1.0, attempts=9)
    assert [low.next_delay_ms() for _ in range(3)] == [125, 250, 500]
    delays = [high.next_delay_ms() for _ in range(10)]
    assert delays == [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000, None]
    high.reset()
    assert high.next_delay_ms(at_least_ms=3000) == 3000
