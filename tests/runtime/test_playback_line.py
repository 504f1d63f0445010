"""What one call did not play the next one does; positions go on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antiphon.runtime.playback_line import PlaybackLine


class Call:
    """A playback whose clock is in the test's hand."""

    def __init__(self) -> None:
        self.queue = bytearray()
        self.played_samples = 0
        self.is_soft = self.is_held = False
        self.sent: dict[int, int] = {}

    def played_by(self, rtp_timestamp: int) -> int:
        return self.sent.get(rtp_timestamp, 0)

    def recently_played(self) -> bytes:
        return b""

    def play(self, pcm: bytes) -> None:
        self.queue += pcm

    def duck(self, on: bool, *, holds: bool = False) -> None:
        self.is_soft, self.is_held = on, holds

    def clear(self) -> None:
        self.queue.clear()

    def let_go(self, samples: int) -> bytes:
        left = bytes(self.queue[: 2 * samples])
        del self.queue[: 2 * samples]
        self.played_samples += len(left) // 2
        self.sent[self.played_samples] = self.played_samples
        return left


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("play"), st.integers(0, 9)),
            st.tuples(st.just("leave"), st.integers(0, 9)),
            st.tuples(st.sampled_from(["clear", "go_on"]), st.just(0)),
            st.tuples(st.just("duck"), st.integers(0, 2)),
        )
    )
)
def test_a_line_of_many_calls_plays_as_one_call_does(moves: list[tuple[str, int]]) -> None:
    call, plain = Call(), Call()
    line = PlaybackLine(call)
    sample = 0
    for move, count in moves:
        match move:
            case "play":
                pcm = b"".join((sample + i).to_bytes(2, "little") for i in range(count))
                sample += count
                line.play(pcm)
                plain.play(pcm)
            case "leave":
                assert call.let_go(count) == plain.let_go(count)
            case "duck":
                line.duck(bool(count), holds=count == 2)
                plain.duck(bool(count), holds=count == 2)
            case "clear":
                line.clear()
                plain.clear()
            case _:
                former, call = call, Call()
                line.go_on(call)
                assert not former.queue, "it falls silent"
        assert line.played_samples == plain.played_samples
        assert call.queue == plain.queue
        assert (call.is_soft, call.is_held) == (plain.is_soft, plain.is_held)


def samples(first: int, count: int) -> bytes:
    return b"".join(sample.to_bytes(2, "little") for sample in range(first, first + count))


def test_what_left_and_did_not_arrive_leaves_again_and_counts_once() -> None:
    lost, found = Call(), Call()
    line = PlaybackLine(lost)
    line.play(samples(0, 100))
    lost.let_go(30)
    lost.let_go(40)
    line.go_on(found, played=30)
    assert found.queue == samples(30, 70), "40 of them for the second time"
    assert line.played_samples == 70
    found.let_go(40)
    assert line.played_samples == 70
    found.let_go(20)
    assert line.played_samples == 90


def test_an_answer_whose_end_did_not_arrive_ends_again() -> None:
    lost, found = Call(), Call()
    line = PlaybackLine(lost)
    line.play(samples(0, 100))
    lost.let_go(80)
    lost.let_go(20)
    line.go_on(found, played=80)
    assert found.queue == samples(80, 20)


def test_a_call_that_arrived_nowhere_was_not_heard_at_all() -> None:
    lost, failed, found = Call(), Call(), Call()
    line = PlaybackLine(lost)
    line.play(samples(0, 100))
    lost.let_go(30)
    lost.let_go(10)
    line.go_on(failed, played=30)
    failed.let_go(50)
    line.go_on(found, played=30)
    assert found.queue == samples(30, 70)
    assert line.played_samples == 80


def test_what_is_stopped_while_it_is_played_again_leaves_no_trace_in_what_follows() -> None:
    lost, found, third = Call(), Call(), Call()
    line = PlaybackLine(lost)
    line.play(samples(0, 100))
    lost.let_go(30)
    lost.let_go(40)
    line.go_on(found, played=30)
    found.let_go(10)
    line.clear()
    assert line.played_samples == 70
    line.play(samples(100, 50))
    found.let_go(20)
    assert line.played_samples == 90
    line.go_on(third, played=10)
    assert third.queue == samples(100, 50)


def test_only_the_last_ten_seconds_are_played_again() -> None:
    lost, found = Call(), Call()
    line = PlaybackLine(lost)
    line.play(bytes(2 * 20 * 24_000))
    lost.let_go(24_000)
    lost.let_go(15 * 24_000)
    line.go_on(found, played=24_000)
    assert len(found.queue) == 2 * (10 + 4) * 24_000
