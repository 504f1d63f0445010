from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antiphon.runtime.client_playback import RECENT_MS, ClientPlayback

MS = 48
"""Bytes of a millisecond."""


class Client:
    def __init__(self) -> None:
        self.now_ms = 0
        self.playback = ClientPlayback(lambda: self.now_ms)

    def after(self, ms: int) -> bytes:
        self.now_ms += ms
        return self.playback.recently_played()


def test_what_was_sent_at_once_is_played_in_its_time() -> None:
    client = Client()
    client.playback.send(b"\1" * 500 * MS + b"\2" * 500 * MS)
    assert client.after(600) == b"\1" * 500 * MS + b"\2" * 100 * MS
    assert client.after(900) == b"\1" * 250 * MS + b"\2" * 500 * MS + bytes(500 * MS)


def test_nothing_is_played_before_something_is_sent_or_long_after() -> None:
    client = Client()
    assert client.after(100) == b""
    client.playback.send(b"\1" * 100 * MS)
    assert client.after(5_000) == b""
    client.playback.send(b"\2" * 100 * MS)
    assert client.after(10) == b"\2" * 10 * MS


def test_what_comes_later_is_played_later() -> None:
    client = Client()
    client.playback.send(b"\1" * 100 * MS)
    client.after(300)
    client.playback.send(b"\2" * 100 * MS)
    assert client.after(50) == b"\1" * 100 * MS + bytes(200 * MS) + b"\2" * 50 * MS


def test_what_is_cleared_is_not_played() -> None:
    client = Client()
    client.playback.send(b"\1" * 1_000 * MS)
    client.after(200)
    client.playback.clear()
    assert client.after(100) == b"\1" * 200 * MS + bytes(100 * MS)


@given(st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 2_000))))
def test_no_more_is_told_than_a_second_or_so(steps: list[tuple[int, int]]) -> None:
    client = Client()
    for wait_ms, sent_ms in steps:
        assert len(client.after(wait_ms)) <= RECENT_MS * MS
        client.playback.send(b"\1" * sent_ms * MS)
