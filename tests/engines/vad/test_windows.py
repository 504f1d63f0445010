from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.vad.windows import WINDOW_SAMPLES, Windows


@given(st.integers(0, 10**9), st.lists(st.integers(0, 2000), max_size=10))
def test_windows_cover_the_microphone_and_know_their_ends(start: int, sizes: list[int]) -> None:
    whole = np.arange(sum(sizes), dtype="<i2").tobytes()
    windows, at, cut = Windows(), 0, []
    for size in sizes:
        cut += windows.cut(whole[2 * at : 2 * (at + size)], start + at)
        at += size
    count = sum(sizes) // WINDOW_SAMPLES
    assert [end for end, _ in cut] == [start + (i + 1) * WINDOW_SAMPLES for i in range(count)]
    assert b"".join(pcm for _, pcm in cut) == whole[: 2 * count * WINDOW_SAMPLES]


def test_no_window_spans_a_gap() -> None:
    windows = Windows()
    assert windows.cut(b"\1\0" * 767, 0) == []
    ((end, pcm),) = windows.cut(b"\2\0" * 768, 1000)
    assert (end, pcm) == (1768, b"\2\0" * 768)


def test_clearing_drops_the_begun_window_and_keeps_the_place() -> None:
    windows = Windows()
    windows.cut(b"\1\0" * 100, 0)
    windows.clear()
    ((end, _),) = windows.cut(b"\2\0" * 800, 100)
    assert end == 868
