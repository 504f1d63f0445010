"""A microphone as it comes: under whatever SSRC, in virtual time."""

from __future__ import annotations

from antiphon.transports.rtp.coders import decoder, encoder
from antiphon.transports.rtp.incoming import MAX_RESTARTS, Found, IncomingStream, give_out
from antiphon.transports.rtp.packets import pack_rtp

PAYLOAD_TYPE = 0
FRAME_S = 0.02


class Microphone:
    def __init__(self) -> None:
        self.heard = bytearray()
        self.stream = IncomingStream(PAYLOAD_TYPE, decoder("PCMU"), 8000, self.heard.extend)
        self.now_s = 1000.0
        self.taken: list[bool] = []
        self._encoder = encoder("PCMU")
        self.stream.start(self.now_s)

    def send(self, ssrc: int, frames: int, *, first: int = 0) -> None:
        for i in range(first, first + frames):
            self.now_s += FRAME_S
            payload = self._encoder.encode(b"\x00\x20" * 480)
            packet = pack_rtp(PAYLOAD_TYPE, i, i * 160, ssrc, payload, marker=False)
            found: Found = []
            self.taken.append(self.stream.put(packet, self.now_s, found))
            give_out(found)

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / FRAME_S)):
            self.now_s += FRAME_S
            found: Found = []
            self.stream.tick(self.now_s, found)
            give_out(found)


def test_a_microphone_may_begin_afresh_any_number_of_times() -> None:
    microphone = Microphone()
    for turn in range(200):
        microphone.send(turn, 30)
        microphone.wait(0.2)
    assert all(microphone.taken)
    assert microphone.stream.refused == 0
    assert len(microphone.heard) >= 200 * 30 * 960, "no turn is lost"


def test_many_restarts_at_once_are_followed_too() -> None:
    microphone = Microphone()
    for ssrc in range(MAX_RESTARTS + 1):
        microphone.send(ssrc, 1)
    assert all(microphone.taken)


def test_of_two_streams_at_once_one_is_heard_in_the_long_run() -> None:
    microphone = Microphone()
    for i in range(500):
        microphone.send(1, 1, first=i)
        microphone.send(2, 1, first=i)
    late = microphone.taken[100:]
    assert 0.4 < sum(late) / len(late) < 0.6
    assert microphone.stream.refused == len(microphone.taken) - sum(microphone.taken)
    # The one that stays is heard whole, once the other is gone.
    microphone.taken.clear()
    microphone.wait(1)
    microphone.send(2, 100, first=500)
    assert all(microphone.taken)
