from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.audio.frames import Frames, WholeSamples

CHUNKS = st.lists(st.binary(max_size=40), max_size=30)


@given(CHUNKS, st.integers(1, 12))
def test_frames_join_to_what_came_in(chunks: list[bytes], frame_samples: int) -> None:
    frames = Frames(frame_samples)
    cut = [frame for chunk in chunks for frame in frames.cut(chunk)]
    whole = b"".join(chunks)
    assert all(len(frame) == 2 * frame_samples for frame in cut)
    assert len(cut) == len(whole) // (2 * frame_samples)
    pending = frames.pending_bytes
    assert len(b"".join(cut)) + pending == len(whole)
    last = frames.drain()
    assert (b"".join(cut) + last)[: len(whole)] == whole
    assert len(last) == (2 * frame_samples if pending else 0)
    assert not last[pending:].strip(b"\0")


@given(CHUNKS)
def test_whole_samples_keep_the_odd_byte(chunks: list[bytes]) -> None:
    whole = WholeSamples()
    taken = [whole.take(chunk) for chunk in chunks]
    joined = b"".join(chunks)
    assert all(len(piece) % 2 == 0 for piece in taken)
    assert b"".join(taken) == joined[: len(joined) // 2 * 2]


def test_clearing_forgets_what_was_begun() -> None:
    frames, whole = Frames(2), WholeSamples()
    assert frames.cut(b"abc") == []
    frames.clear()
    assert frames.cut(b"ABCD") == [b"ABCD"]
    assert whole.take(b"abc") == b"ab"
    whole.clear()
    assert whole.take(b"AB") == b"AB"


def test_a_frame_has_samples() -> None:
    with pytest.raises(ValueError, match="at least 1 sample"):
        Frames(0)
