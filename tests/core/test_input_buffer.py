from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.input_buffer import MAX_SAMPLES, InputBuffer


def numbered(first: int, count: int) -> bytes:
    """Samples that tell their own position."""
    return b"".join((i % 30_000).to_bytes(2, "little") for i in range(first, first + count))


def test_audio_has_a_place_in_the_session() -> None:
    buffer = InputBuffer()
    assert buffer.append(numbered(0, 10)) == 0
    assert buffer.append(numbered(10, 5)) == 10
    assert (buffer.start, buffer.end, len(buffer)) == (0, 15, 15)


def test_a_turn_leaves_with_all_that_came_before_it() -> None:
    buffer = InputBuffer()
    buffer.append(numbered(0, 20))
    assert buffer.take(5, 12) == numbered(5, 7)
    assert (buffer.start, buffer.end) == (12, 20)
    assert buffer.take(0, 20) == numbered(12, 8), "what is gone is gone"
    assert len(buffer) == 0


def test_clearing_keeps_count() -> None:
    buffer = InputBuffer()
    buffer.append(numbered(0, 20))
    buffer.clear()
    assert (buffer.start, buffer.end) == (20, 20)
    assert buffer.append(numbered(20, 1)) == 20


def test_silence_is_forgotten_in_steps_and_never_what_is_still_wanted() -> None:
    buffer = InputBuffer()
    buffer.append(bytes(2 * 48_000))
    buffer.keep_from(20_000)
    assert buffer.start == 0, "not worth the move"
    buffer.keep_from(40_000)
    assert buffer.start == 40_000
    buffer.keep_from(10_000)
    assert buffer.start == 40_000
    buffer.keep_from(500_000)
    assert buffer.start == buffer.end == 48_000


def test_a_microphone_left_open_keeps_the_newest_ten_minutes() -> None:
    buffer = InputBuffer()
    second = bytes(48_000)
    for _ in range(700):
        buffer.append(second)
        assert len(buffer) <= MAX_SAMPLES + 24_000
    assert len(buffer) >= MAX_SAMPLES
    assert buffer.end == 700 * 24_000


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(0, 500), st.integers(0, 500))
def test_what_is_taken_is_what_was_appended(sizes: list[int], a: int, b: int) -> None:
    buffer, end = InputBuffer(), 0
    for size in sizes:
        assert buffer.append(numbered(end, size)) == end
        end += size
    first, last = sorted((min(a, end), min(b, end)))
    assert buffer.take(first, last) == numbered(first, last - first)
