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
