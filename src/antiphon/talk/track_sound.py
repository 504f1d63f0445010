"""A call's sound on the tracks of aiortc (the extra ``webrtc``)."""

from __future__ import annotations

import asyncio
import fractions
from collections import deque

import numpy as np
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpSender
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from antiphon.audio.resample import Resampler
from antiphon.talk.call_sound import FRAME_BYTES, FRAME_MS, RATE_HZ, CodecName, Hear
from antiphon.upstream.quality import Counted, Quality

MICROPHONE_FRAMES = 100
"""2 s.  Full: the oldest sound is dropped."""


class Microphone(MediaStreamTrack):
    """What the user says, in real time; silence in between."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._frames: deque[bytes] = deque(maxlen=MICROPHONE_FRAMES)
        self._sent = 0
        self._start_s: float | None = None

    def put(self, pcm: bytes) -> None:
        for at in range(0, len(pcm), FRAME_BYTES):
            self._frames.append(pcm[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\0"))

    async def drained(self) -> None:
        while self._frames and self.readyState == "live":  # noqa: ASYNC110 -- It ends by itself.
            await asyncio.sleep(FRAME_MS / 1000)

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        if self.readyState != "live":
            raise MediaStreamError
        if self._start_s is None:
            self._start_s = loop.time()
        await asyncio.sleep(self._start_s + self._sent * FRAME_MS / 1000 - loop.time())
        pcm = self._frames.popleft() if self._frames else bytes(FRAME_BYTES)
        frame = AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2")[None, :], "s16", "mono")
        frame.sample_rate = RATE_HZ
        frame.pts = self._sent * FRAME_BYTES // 2
        frame.time_base = fractions.Fraction(1, RATE_HZ)
        self._sent += 1
        return frame


class TrackSound:
    """A `CallSound` that aiortc encodes, orders and decodes."""

    def __init__(self, codec: CodecName | None = None) -> None:
        """``codec``: the only one that is offered; None: all, Opus first."""
        self._codec = codec
        self._microphone = Microphone()
        self._peer: RTCPeerConnection | None = None
        self._listening: asyncio.Task[None] | None = None
        self._counted = Counted()

    def join(self, peer: RTCPeerConnection, hear: Hear) -> None:
        self._peer = peer

        def on_track(track: MediaStreamTrack) -> None:
            self._listening = asyncio.get_running_loop().create_task(_listen(track, hear))

        peer.on("track", on_track)
        peer.addTrack(self._microphone)
        if self._codec is not None:
            _prefer(peer, self._codec)

    def begin(self) -> None:
        """With aiortc media begin by themselves."""

    def put(self, pcm: bytes) -> None:
        self._microphone.put(pcm)

    async def drained(self) -> None:
        await self._microphone.drained()

    async def quality(self) -> Quality | None:
        assert self._peer is not None, "it has joined a call"
        rtt_s, jitter_s, counted = None, 0.0, None
        is_opus = " opus/48000" in str(self._peer.remoteDescription.sdp)
        for stats in (await self._peer.getStats()).values():
            if stats.type == "remote-inbound-rtp" and stats.roundTripTime:
                rtt_s = stats.roundTripTime
            elif stats.type == "inbound-rtp":
                counted = Counted(stats.packetsReceived, stats.packetsLost)
                jitter_s = stats.jitter / (48_000 if is_opus else 8_000)
        if counted is None:
            return None
        loss = counted.loss_since(self._counted)
        self._counted = counted
        return Quality(None if rtt_s is None else rtt_s * 1000, jitter_s * 1000, loss)

    async def close(self) -> None:
        self._microphone.stop()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)


async def _listen(track: MediaStreamTrack, hear: Hear) -> None:
    resampler: Resampler | None = None
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        assert isinstance(frame, AudioFrame)
        if resampler is None:
            resampler = Resampler(frame.sample_rate, RATE_HZ)
        samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0]
        hear(resampler.process(samples.astype("<i2").tobytes()))


def _prefer(peer: RTCPeerConnection, codec: CodecName) -> None:
    known = RTCRtpSender.getCapabilities("audio").codecs
    wanted = [c for c in known if c.mimeType.lower() == f"audio/{codec}"]
    peer.getTransceivers()[0].setCodecPreferences(wanted)
