from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antiphon.talk.playback import Cut, Playback

MS = 24
"""Samples."""


def sound(ms: int) -> bytes:
    return b"\x01\x02" * (MS * ms)


def test_nothing_to_play_is_silence() -> None:
    assert Playback().pull(480) == bytes(960)


def test_playback_starts_when_the_cushion_is_there() -> None:
    playback = Playback(cushion_ms=60)
    playback.put("item", 0, sound(40))
    assert playback.pull(MS * 20) == bytes(MS * 40)
    playback.put("item", 0, sound(20))
    assert playback.pull(MS * 20) == sound(20)


def test_a_short_reply_needs_no_cushion_once_it_is_complete() -> None:
    playback = Playback(cushion_ms=60)
    playback.put("item", 0, sound(10))
    playback.end("item")
    assert playback.pull(MS * 20) == sound(10) + bytes(MS * 20)
    assert playback.take_finished() == ["item"]
    assert playback.gaps == 0


def test_a_hole_in_the_middle_is_counted_and_the_cushion_is_filled_again() -> None:
    playback = Playback(cushion_ms=60)
    playback.put("item", 0, sound(60))
    playback.pull(MS * 70)
    assert playback.gaps == 1
    playback.put("item", 0, sound(20))
    assert playback.pull(MS * 20) == bytes(MS * 40)


def test_a_reply_that_ends_with_a_pull_is_no_hole() -> None:
    playback = Playback(cushion_ms=20)
    playback.put("item", 0, sound(40))
    playback.end("item")
    for _ in range(3):
        playback.pull(MS * 20)
    assert playback.gaps == 0


def test_stop_tells_what_was_heard_of_each_item_and_plays_no_more_of_them() -> None:
    playback = Playback(cushion_ms=0)
    playback.put("first", 0, sound(30))
    playback.end("first")
    playback.put("second", 1, sound(100))
    playback.end("second", 1)
    playback.put("third", 0, sound(50))
    playback.pull(MS * 40 + 5)

    assert playback.stop() == [Cut("second", 1, 10, 100, True), Cut("third", 0, 0, 50)]

    playback.put("third", 0, sound(50))
    assert playback.pending_ms == 0
    assert playback.stop() == []
    playback.put("fourth", 0, sound(50))
    assert playback.pull(MS * 20) == sound(20)


def test_an_item_heard_so_far_but_not_complete_is_cut_at_what_was_heard() -> None:
    playback = Playback(cushion_ms=0)
    playback.put("item", 0, sound(50))
    playback.pull(MS * 50)
    assert playback.take_finished() == []
    assert playback.stop() == [Cut("item", 0, 50, 50)]


def test_a_full_buffer_drops_what_comes_in() -> None:
    playback = Playback(limit_ms=100)
    playback.put("item", 0, sound(80))
    playback.put("item", 0, sound(40))
    assert (playback.pending_ms, playback.dropped_ms) == (80, 40)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 700)), max_size=12),
    st.lists(st.integers(1, 900), max_size=12),
)
def test_all_that_is_put_is_heard_once_and_in_order(
    puts: list[tuple[str, int]], pulls: list[int]
) -> None:
    playback = Playback(cushion_ms=0)
    expected = b""
    for index, (item, count) in enumerate(puts):
        pcm = bytes([index + 1, 1]) * count
        playback.put(item, 0, pcm)
        expected += pcm
    heard = b"".join(playback.pull(count) for count in pulls)
    assert heard[: len(expected)] == expected[: len(heard)]
    cuts = {cut.item_id: cut for cut in playback.stop()}
    total_ms = min(len(heard), len(expected)) / 48
    assert sum(cut.heard_ms for cut in cuts.values()) <= total_ms
    assert all(cut.heard_ms <= cut.received_ms for cut in cuts.values())


def test_while_somebody_may_be_speaking_it_plays_softly() -> None:
    playback = Playback(cushion_ms=0)
    playback.put("a", 0, (10_000).to_bytes(2, "little") * 40)
    assert playback.pull(10)[-2:] == (10_000).to_bytes(2, "little")
    playback.duck(True)
    assert playback.pull(10)[-2:] == (2_000).to_bytes(2, "little")
    playback.duck(False)
    assert playback.pull(10)[-2:] == (10_000).to_bytes(2, "little")
