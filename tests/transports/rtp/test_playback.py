from __future__ import annotations

import os

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from antiphon.transports.rtp.codec import FRAME_SAMPLES
from antiphon.transports.rtp.playback import (
    AHEAD_FRAMES,
    HANGOVER_FRAMES,
    KEEPALIVE_FRAMES,
    MAX_QUEUED_S,
    RECENT_FRAMES,
    REMEMBERED_FRAMES,
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
            st.tuples(st.just("duck"), st.integers(0, 2)),
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
        elif what == "duck":
            track.playback.duck(bool(count), holds=count == 2)
        else:
            cleared += track.playback.queued_samples
            track.playback.clear()
        assert track.playback.played_samples + track.playback.queued_samples + cleared == (
            given_samples
        )
        busy += what == "play" and count > 0
    track.playback.duck(False)
    track.tick(250)
    assert track.playback.played_samples == given_samples - cleared
    assert track.playback.queued_samples == 0
    assert track.drained <= busy
    if ("duck", 2) not in steps:  # What fades is silence in the end.
        sounding = np.count_nonzero(np.frombuffer(track.speech, "<i2"))
        assert sounding == track.playback.played_samples


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


def loud(frames: int) -> bytes:
    return (10_000).to_bytes(2, "little") * (FRAME_SAMPLES * frames)


def levels(track: Track) -> list[int]:
    """Of each frame that left, at its end."""
    ends = [p[-2:] for p in track.sent if p and len(p) == FRAME_BYTES]
    return [int.from_bytes(end, "little", signed=True) for end in ends]


def test_ducking_is_heard_with_the_next_frame_though_louder_ones_were_ready() -> None:
    track = Track()
    track.playback.play(loud(30))
    track.tick(5)
    track.playback.duck(True)
    track.tick(5)
    track.playback.duck(False)
    track.tick(5)
    assert levels(track) == [10_000] * 5 + [2_000] * 5 + [10_000] * 5
    assert track.playback.played_samples == 15 * FRAME_SAMPLES
    assert track.playback.queued_samples == 15 * FRAME_SAMPLES


def test_ducking_does_not_click() -> None:
    track = Track()
    track.playback.play(loud(30))
    track.tick(2)
    track.playback.duck(True)
    track.tick(2)
    sound = np.frombuffer(track.speech, "<i2").astype(int)
    assert np.abs(np.diff(sound)).max() < 50


def test_what_is_held_fades_and_goes_on_where_it_was() -> None:
    track = Track()
    track.playback.play(loud(30))
    track.tick(5)
    track.playback.duck(True)
    track.tick(5)
    track.playback.duck(True, holds=True)
    track.tick(20)
    assert track.playback.queued_samples == 19 * FRAME_SAMPLES, "one frame left, fading"
    assert track.playback.recently_played()[-FRAME_BYTES:] == bytes(FRAME_BYTES)
    assert track.drained == 0
    track.playback.duck(False)
    track.tick(30)
    heard = [level for level in levels(track) if level]
    assert heard == [10_000] * 5 + [2_000] * 5 + [10_000] * 19
    sound = np.frombuffer(track.speech, "<i2").astype(int)
    assert np.abs(np.diff(sound)).max() < 50, "it does not click"
    assert track.drained == 1


def test_nothing_is_waited_for_where_all_has_been_said() -> None:
    track = Track()
    track.playback.play(loud(2))
    track.tick(2)
    track.playback.duck(True, holds=True)
    track.tick(1)
    assert track.drained == 1


def test_an_echo_is_as_soft_as_what_was_ducked() -> None:
    track = Track()
    track.playback.duck(True)
    track.playback.play(loud(2))
    track.tick(2)
    assert track.playback.recently_played()[-2:] == (2_000).to_bytes(2, "little")


def test_what_is_said_next_is_as_loud_as_wanted() -> None:
    track = Track()
    track.playback.play(loud(3))
    track.playback.duck(True)
    track.playback.clear()
    track.playback.duck(False)
    track.playback.play(loud(3))
    track.tick(3)
    assert levels(track)[1:] == [10_000] * 2


def test_it_knows_how_much_had_left_by_each_packet() -> None:
    track = Track()
    track.playback.play(os.urandom(4 * FRAME_BYTES))
    first = (1 << 32) - 2 * FRAME_SAMPLES  # The timestamp wraps on its way.
    for at in range(4):
        track.tick()
        track.playback.sent(first + at * FRAME_SAMPLES)
    assert track.playback.played_by(first) == FRAME_SAMPLES
    assert track.playback.played_by(FRAME_SAMPLES) == 4 * FRAME_SAMPLES
    assert track.playback.played_by(12_345) == 0, "another call's"
    for at in range(4, 4 + REMEMBERED_FRAMES):
        track.tick()
        track.playback.sent(first + at * FRAME_SAMPLES)
    assert track.playback.played_by(first) == 4 * FRAME_SAMPLES, "long ago"
