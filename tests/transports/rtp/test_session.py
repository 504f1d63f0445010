"""Two RTP sessions, each the other's far side, in virtual time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from antiphon.transports.rtp.clock import SLOT_S, Clock
from antiphon.transports.rtp.codec import CodecName
from antiphon.transports.rtp.coders import RATES_HZ, decoder, encoder
from antiphon.transports.rtp.incoming import Found, IncomingStream, give_out
from antiphon.transports.rtp.outgoing import OutgoingStream
from antiphon.transports.rtp.packets import pack_rtp, parse_rtp
from antiphon.transports.rtp.playback import PacedPlayback
from antiphon.transports.rtp.rtcp import Reporter
from antiphon.transports.rtp.session import MEDIA_LOST_S, RtpSession
from tests.recordings import at_24khz
from tests.transports.webrtc.client import ALIKE, best_match, likeness

PAYLOAD_TYPE = 111
CODECS: list[CodecName] = ["opus", "PCMU", "PCMA"]


class Side:
    """What it sends it keeps, until `exchange` brings it over."""

    def __init__(self, ssrc: int, codec: CodecName, clock: Clock, *, listens: bool = True) -> None:
        self.heard = bytearray()
        self.drained = 0
        self.rtp: list[bytes] = []
        self.rtcp: list[bytes] = []
        rate_hz = RATES_HZ[codec]
        playback = PacedPlayback(encoder(codec), self._on_drained)
        send: Callable[[bytes], None] | None = self.rtp.append if listens else None
        self.session = RtpSession(
            f"call_{ssrc}",
            IncomingStream(PAYLOAD_TYPE, decoder(codec), rate_hz, self.heard.extend),
            OutgoingStream(playback, PAYLOAD_TYPE, rate_hz, ssrc, send),
            Reporter(ssrc, f"call_{ssrc}", rate_hz),
            self.rtcp.append,
            clock=clock,
        )

    def _on_drained(self) -> None:
        self.drained += 1

    def tick(self, slot: int, now_s: float) -> None:
        found: Found = []
        self.session.send_due(slot)
        self.session.fill(now_s, found)
        give_out(found)
        self.session.encode_ahead()

    def take_in(self, packet: bytes, now_s: float) -> None:
        found: Found = []
        self.session.take_in(packet, now_s, found)
        give_out(found)


class Two:
    def __init__(self, codec: CodecName = "opus", *, listens: bool = True) -> None:
        self.now_s = 1000.0
        clock = Clock(lambda: self.now_s, lambda: 1_700_000_000.0 + self.now_s)
        self.ours = Side(1, codec, clock, listens=listens)
        self.theirs = Side(2, codec, clock)
        self._slot = 0
        for side in (self.ours, self.theirs):
            side.session.start()

    def run(self, seconds: float, *, silent: bool = False) -> None:
        """``silent``: the way is cut."""
        for _ in range(round(seconds / SLOT_S)):
            self._slot += 1
            self.now_s += SLOT_S
            for side, other in ((self.ours, self.theirs), (self.theirs, self.ours)):
                side.tick(self._slot, self.now_s)
                for packet in side.rtp if not silent else ():
                    other.take_in(packet, self.now_s)
                for packet in side.rtcp if not silent else ():
                    other.session.on_rtcp(packet)
                side.rtp.clear()
                side.rtcp.clear()


@pytest.mark.parametrize("codec", CODECS)
def test_what_one_side_says_the_other_hears(codec: CodecName, speech: bytes) -> None:
    two = Two(codec)
    two.ours.session.playback.play(speech)
    two.run(4)
    assert two.ours.drained == 1
    assert two.ours.session.playback.played_samples == len(speech) // 2
    heard = np.frombuffer(bytes(two.theirs.heard), "<i2")
    said = np.frombuffer(speech, "<i2")
    assert best_match(said[: -480 * 2], heard)[0] > 0.98, "all of it, in one piece"
    assert likeness(said, heard, 24_000) > 0.99
    assert len(heard) == pytest.approx(4 * 24_000, abs=0.4 * 24_000), "with silence around it"
    assert two.theirs.session.quality.packets_received == two.ours.session.quality.packets_sent


def test_how_like_it_was_is_told_by_pieces_and_in_order(speech: bytes) -> None:
    """The measure itself: by it calls in real time are judged."""
    said = np.frombuffer(speech, "<i2")
    pieces = np.split(said, range(4_800, said.size, 4_800))
    silence = np.zeros(480, np.int16)
    torn = np.concatenate([part for piece in pieces for part in (silence, piece)])
    assert likeness(said, torn, 24_000) > ALIKE, "a machine that stalls"
    assert likeness(said, np.concatenate(pieces[::-1]), 24_000) < ALIKE
    half = np.concatenate([piece[: piece.size // 3] for piece in pieces])
    assert likeness(said, half, 24_000) < ALIKE
    assert likeness(said, silence, 24_000) == 0
    other = np.frombuffer(at_24khz("harvard_s1_1"), "<i2")
    assert likeness(said, other, 24_000) < 0.7


def test_the_reports_of_both_sides_give_the_quality_of_the_call() -> None:
    two = Two()
    two.run(8)
    quality = two.ours.session.quality
    assert quality.rtt_s == pytest.approx(0, abs=0.05)
    assert (quality.peer_packets_lost, quality.packets_lost, quality.packets_refused) == (0, 0, 0)
    assert quality.media_silent_s < 1
    two.run(5, silent=True)
    assert two.ours.session.quality.media_silent_s == pytest.approx(5, abs=1)


def test_lost_media_is_logged_once_and_so_is_its_return(caplog: pytest.LogCaptureFixture) -> None:
    two = Two()
    with caplog.at_level("INFO"):
        two.run(3 * MEDIA_LOST_S, silent=True)
        two.run(1)
    told = [record.getMessage() for record in caplog.records if "call_1" in record.getMessage()]
    assert [("no media" in text, "media is back" in text) for text in told] == [
        (True, False),
        (False, True),
    ]


def test_a_voice_that_nobody_listens_to_passes_in_its_time(speech: bytes) -> None:
    two = Two(listens=False)
    two.ours.session.playback.play(speech)
    two.run(4)
    assert two.ours.drained == 1
    assert two.ours.session.quality.packets_sent == 0


def test_packets_that_are_none_of_the_microphone_are_refused() -> None:
    two = Two()
    payload = encoder("opus").silence
    for packet in (b"", b"x" * 12, pack_rtp(5, 1, 1, 9, payload, marker=False)):
        two.ours.take_in(packet, two.now_s)
    keeps_a_path_open = pack_rtp(PAYLOAD_TYPE, 1, 1, 9, b"", marker=False)
    two.ours.take_in(keeps_a_path_open, two.now_s)
    assert two.ours.session.quality.packets_refused == 3
    assert two.ours.session.quality.packets_received == 0


def test_numbers_and_timestamps_of_what_is_sent_go_on(speech: bytes) -> None:
    sent: list[bytes] = []
    playback = PacedPlayback(encoder("opus"), lambda: None)
    stream = OutgoingStream(playback, PAYLOAD_TYPE, 48_000, 7, sent.append)
    playback.play(speech[: 2 * 480 * 3])
    for slot in (1, 2, 5):  # the clock may skip
        stream.tick(slot)
    packets = [parse_rtp(packet) for packet in sent]
    first, second, third = (packet for packet in packets if packet is not None)
    assert {packet.ssrc for packet in (first, second, third)} == {7}
    assert [(p.sequence - first.sequence) & 0xFFFF for p in (second, third)] == [1, 2]
    steps = [(p.timestamp - first.timestamp) & 0xFFFFFFFF for p in (second, third)]
    assert steps == [960, 4 * 960]
    assert first.marker
    assert not second.marker
    assert stream.sent.packets == 3
    assert stream.sent.payload_bytes == sum(
        len(packet.payload) for packet in (first, second, third)
    )
