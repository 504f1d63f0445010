from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.http.sse import MAX_STREAM_BYTES, MalformedStream, SseReader


def test_data_of_several_lines_is_one_event() -> None:
    assert SseReader().feed(b'data: {\ndata: "a": 1}\n\n') == [b'{\n"a": 1}']


def test_an_endless_event_is_refused() -> None:
    reader = SseReader()
    for _ in range(10):
        assert reader.feed(b"x" * 100_000) == []
    with pytest.raises(MalformedStream):
        reader.feed(b"x" * 100_000)


def test_an_endless_answer_is_refused() -> None:
    reader = SseReader()
    line = b": " + b"x" * 1_000_000 + b"\n"
    for _ in range(MAX_STREAM_BYTES // len(line)):
        reader.feed(line)
    with pytest.raises(MalformedStream):
        reader.feed(line)


def test_comments_and_other_fields_say_nothing_and_are_not_stray() -> None:
    reader = SseReader()
    wire = b"\xef\xbb\xbf: waiting\n\nevent: message\nid: 1\nretry: 5\nid\ndata: x\n\n"
    assert reader.feed(wire) == [b"x"]
    assert reader.stray == b""


def test_an_error_as_a_field_of_its_own_is_an_event() -> None:
    assert SseReader().feed(b'error: {"code":500}\n\n') == [b'{"code":500}']


def test_what_is_no_event_is_kept_for_who_asks_what_it_was() -> None:
    reader = SseReader()
    assert reader.feed(b"<!doctype html>\n<p>data: x</p>") == []
    assert reader.end() == []
    assert reader.stray == b"<!doctype html>\n<p>data: x</p>\n"


LINES = st.sampled_from([b"data: a", b"data:b", b"data:", b": c", b"event: e", b"", b"", b"x"])


@given(
    st.lists(LINES, max_size=20),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.lists(st.integers(0, 200), max_size=6),
)
def test_it_does_not_matter_where_the_bytes_are_cut(
    lines: list[bytes], ending: bytes, cuts: list[int]
) -> None:
    wire = b"".join(line + ending for line in lines)
    whole = SseReader()
    expected = whole.feed(wire) + whole.end()
    places = sorted({0, len(wire), *(min(cut, len(wire)) for cut in cuts)})
    reader = SseReader()
    found: list[bytes] = []
    for start, end in itertools.pairwise(places):
        found += reader.feed(wire[start:end])
    assert found + reader.end() == expected
    assert reader.stray == whole.stray
