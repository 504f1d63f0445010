from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antiphon.protocol.timeline import Segment
from antiphon.telemetry.timeline import PARTS, Mark, by_name, segments


def test_parts_follow_each_other() -> None:
    marks = [Mark("silence", 600), Mark("recognition", 700), Mark("thinking", 1000)]
    assert segments(100, marks, 1000) == (
        Segment("silence", 500),
        Segment("recognition", 100),
        Segment("thinking", 300),
    )


def test_what_cannot_be_told_apart_is_one_part_with_both_names() -> None:
    marks = [Mark("silence", 600), Mark("recognition", None), Mark("thinking", 1000)]
    assert segments(100, marks, 1000) == (
        Segment("silence", 500),
        Segment("recognition+thinking", 400),
    )


def test_what_was_known_only_after_the_sound_is_joined_to_what_follows() -> None:
    marks = [Mark("recognition", 2000), Mark("thinking", 900), Mark("sending", 1000)]
    assert segments(100, marks, 1000) == (
        Segment("recognition+thinking", 800),
        Segment("sending", 100),
    )


def test_what_was_over_before_its_turn_came_took_no_time() -> None:
    marks = [Mark("silence", 600), Mark("recognition", 300), Mark("thinking", 700)]
    assert segments(100, marks, 700)[1] == Segment("recognition", 0)


@given(
    began_ms=st.integers(0, 10_000),
    wait_ms=st.integers(0, 10_000),
    marks=st.lists(
        st.builds(Mark, st.sampled_from(PARTS), st.none() | st.integers(-100, 30_000)), min_size=1
    ),
)
def test_the_parts_are_the_whole_wait(began_ms: int, wait_ms: int, marks: list[Mark]) -> None:
    found = segments(began_ms, marks, began_ms + wait_ms)
    assert sum(part.duration_ms for part in found) == wait_ms
    assert all(part.duration_ms >= 0 for part in found)
    assert sum(by_name(found).values()) == wait_ms
    assert {name for part in found for name in part.name.split("+")} == {m.part for m in marks}
