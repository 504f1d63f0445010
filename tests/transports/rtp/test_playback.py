from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from antiphon.transports.rtp.codec import FRAME_SAMPLES
from antiphon.transports.rtp.playback import (
    AHEAD_FRAMES,
    HANGOVER_FRAMES,
    KEEPALIVE_FRAMES,
    MAX_QUEUED_S,
    RECENT_FRAMES,
    PacedPlayback,
)

FRAME_BYTES = 2 * FRAME_SAMPLES


class Plain:
    """Codes nothing: a payload is its samples."""

    silence = b"silence"

    def __init__(self, *, pauses: bool = True) -> None:
        self.pauses = pauses
        self.encoded = self.resets = 0

    def encode(self, pcm: bytes) -> bytes:
        assert len(pcm) == FRAME_BYTES
        self.encoded += 1
        return pcm

    def reset(self) -> None:
        self.resets += 1


class Track:
    def __init__(self, *, pauses: bool = True) -> None:
        self.drained = 0
        self.encoder = Plain(pauses=pauses)
        self.playback = PacedPlayback(self.encoder, self._on_drained)
        self.sent: list[bytes | None] = []
        self.begins: list[bool] = []

    def _on_drained(self) -> None:
        self.drained += 1

    def tick(self, count: int = 1) -> None:
        for _ in range(count):
            frame = self.playback.next_frame()
            self.sent.append(frame.payload if frame else None)
            self.begins.append(bool(frame and frame.begins))
            self.playback.encode_ahead()

    @property
    def speech(self) -> bytes:
        return b"".join(p for p in self.sent if p not in (None, Plain.silence) and p)


def test_a_burst_leaves_a_frame_a_tick_and_drains_once() -> None:
    track = Track()
    pcm = os.urandom(30 * FRAME_BYTES + 100)
    track.playback.play(pcm)
    assert track.encoder.encoded == AHEAD_FRAMES  # not all at once

    track.tick(30)
    assert track.playback.played_samples == 30 * FRAME_SAMPLES
    assert track.drained == 0
    track.tick()
    assert track.playback.played_samples == len(pcm) // 2
    assert track.drained == 0, "the last frame has only just left"
    track.tick()
    assert track.drained == 1
    track.tick(100)
    assert track.drained == 1
    assert track.speech == pcm.ljust(31 * FRAME_BYTES, b"\0")


def test_clearing_is_silence_with_the_next_frame() -> None:
    track = Track()
    track.playback.play(bytes(1) * FRAME_BYTES * 50)
    track.tick(7)
    track.playback.clear()
    track.tick(50)
    assert track.playback.played_samples == 7 * FRAME_SAMPLES
    assert track.sent[7 : 7 + HANGOVER_FRAMES] == [Plain.silence] * HANGOVER_FRAMES
    assert set(track.sent[7:]) <= {Plain.silence, None}
    assert track.drained == 0
    assert track.encoder.resets == 1
    assert track.playback.queued_samples == 0
    track.playback.clear()
    assert track.encoder.resets == 1


def test_while_there_is_nothing_to_say_little_is_sent() -> None:
    track = Track()
    track.playback.play(os.urandom(FRAME_BYTES))
    track.tick(1 + 10 * KEEPALIVE_FRAMES)
    quiet = track.sent[1:]
    assert quiet[:HANGOVER_FRAMES] == [Plain.silence] * HANGOVER_FRAMES
    rest = quiet[HANGOVER_FRAMES:]
    assert 9 <= sum(p is not None for p in rest) <= 10
    # RFC 3551, 4.1: the marker is set on the first packet after a pause.
    for i, payload in enumerate(track.sent):
        assert track.begins[i] == (payload is not None and (i == 0 or track.sent[i - 1] is None))


def test_a_codec_without_pauses_always_sends() -> None:
    track = Track(pauses=False)
    track.tick(50)
    assert track.sent == [Plain.silence] * 50


def test_speech_that_comes_as_slowly_as_it_is_heard_is_not_torn() -> None:
    track = Track()
    pcm = os.urandom(20 * FRAME_BYTES)
    for i in range(20):
        track.playback.play(pcm[i * FRAME_BYTES : (i + 1) * FRAME_BYTES])
        track.tick()
    assert track.speech == pcm
    assert track.drained == 0
    track.tick()
    assert track.drained == 1


def test_beyond_its_bound_speech_is_not_kept_but_counts_when_its_turn_comes() -> None:
    track = Track()
    kept = 2 * 24_000 * MAX_QUEUED_S
    track.playback.play(bytes(kept))
    room = AHEAD_FRAMES * FRAME_BYTES
    track.playback.play(bytes(room + 9600))
    track.playback.play(bytes(9600))
    assert track.playback.queued_samples == (kept + room + 19_200) // 2
    while not track.drained:
        track.tick()
    assert track.playback.played_samples == (kept + room + 19_200) // 2


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("play"), st.integers(0, 5 * FRAME_SAMPLES)),
            st.tuples(st.just("tick"), st.integers(1, 8)),
            st.tuples(st.just("clear"), st.just(0)),
        ),
        max_size=40,
    )
)
def test_what_was_given_is_played_or_cleared_never_both(steps: list[tuple[str, int]]) -> None:
    track = Track()
    given_samples = cleared = busy = 0
    for what, count in steps:
        if what == "play":
            track.playback.play(b"\1\1" * count)
            given_samples += count
        elif what == "tick":
            track.tick(count)
        else:
            cleared += track.playback.queued_samples
            track.playback.clear()
        assert track.playback.played_samples + track.playback.queued_samples + cleared == (
            given_samples
        )
        busy += what == "play" and count > 0
    track.tick(250)
    assert track.playback.played_samples == given_samples - cleared
    assert track.playback.queued_samples == 0
    assert track.drained <= busy
    assert len(track.speech.replace(b"\0", b"")) == 2 * track.playback.played_samples


def test_what_has_left_lately_is_known_until_it_is_long_ago() -> None:
    track = Track()
    assert track.playback.recently_played() == b""
    track.playback.play(b"\1" * (2 * FRAME_BYTES + 100))
    track.tick(2)
    assert track.playback.recently_played() == b"\1" * 2 * FRAME_BYTES
    track.tick(2)
    recent = track.playback.recently_played()
    assert recent == b"\1" * (2 * FRAME_BYTES + 100) + bytes(2 * FRAME_BYTES - 100)
    track.tick(RECENT_FRAMES)
    assert track.playback.recently_played() == b"", "an echo of a second ago is none"


def test_what_was_cleared_has_not_left() -> None:
    track = Track()
    track.playback.play(b"\1" * 10 * FRAME_BYTES)
    track.tick(3)
    track.playback.clear()
    track.tick(1)
    assert track.playback.recently_played() == b"\1" * 3 * FRAME_BYTES + bytes(FRAME_BYTES)
