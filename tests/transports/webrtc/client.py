"""An unpatched aiortc peer as the client of a call, and an engine that says what it is given."""

from __future__ import annotations

import asyncio
import fractions
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame
from numpy.typing import NDArray

from antiphon.core.causes import EngineFinished, EngineNews, EngineSaid, EngineSpoke
from antiphon.core.effects import EngineCommand, Generate, Hear, StopGenerating
from antiphon.engines.engine import Abilities
from antiphon.transports.webrtc.calls import Answer

RATE_HZ = 24_000
LOCALHOST = ("127.0.0.1",)
LOUD = 500
TIMEOUT_S = 60
"""For one thing to come: a busy machine is no failure."""


class SayingEngine:
    """Answers each request with the speech it holds, all at once."""

    name = "saying"
    description = "Says one thing."

    def __init__(self, speech: bytes = b"", *, finds_turns: bool = False) -> None:
        """One that finds turns itself hears all, also outside of turns."""
        self.speech = speech
        self.abilities = Abilities(transcribes=False, finds_turns=finds_turns)
        self.sessions: list[SayingSession] = []

    async def start(self) -> None: ...

    def open(self, session_id: str) -> SayingSession:
        session = SayingSession(self)
        self.sessions.append(session)
        return session

    async def aclose(self) -> None: ...


class SayingSession:
    def __init__(self, engine: SayingEngine) -> None:
        self._engine = engine
        self._news: asyncio.Queue[EngineNews | None] = asyncio.Queue()
        self.heard = bytearray()
        self.stopped: list[str] = []
        self.closed = False

    def send(self, command: EngineCommand) -> None:
        match command:
            case Hear():
                self.heard += command.pcm
            case Generate():
                self._news.put_nowait(EngineSaid(command.response_id, "words"))
                self._news.put_nowait(EngineSpoke(command.response_id, self._engine.speech))
                self._news.put_nowait(EngineFinished(command.response_id))
            case StopGenerating():
                self.stopped.append(command.response_id)
            case _:
                pass

    async def __aiter__(self) -> AsyncIterator[EngineNews]:
        while (news := await self._news.get()) is not None:
            yield news

    async def aclose(self) -> None:
        self.closed = True
        self._news.put_nowait(None)


class PcmTrack(MediaStreamTrack):
    """A microphone that hears ``pcm`` (24 kHz), then silence."""

    kind = "audio"

    def __init__(self, pcm: bytes = b"") -> None:
        super().__init__()
        self._pcm = pcm
        self._pcm_frame = 0
        self._frame = 0
        self._start: float | None = None

    def say(self, pcm: bytes) -> None:
        """Hear this from now on."""
        self._pcm, self._pcm_frame = pcm, 0

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        if self.readyState != "live":
            raise MediaStreamError
        if self._start is None:
            self._start = loop.time()
        await asyncio.sleep(self._start + self._frame * 0.02 - loop.time())
        cut = self._pcm[self._pcm_frame * 960 : (self._pcm_frame + 1) * 960].ljust(960, b"\0")
        frame = AudioFrame.from_ndarray(np.frombuffer(cut, "<i2")[None, :], "s16", "mono")
        frame.sample_rate = RATE_HZ
        frame.pts = self._frame * 480
        frame.time_base = fractions.Fraction(1, RATE_HZ)
        self._frame += 1
        self._pcm_frame += 1
        return frame


class Answers(Protocol):
    """`Calls`, or a server that has some."""

    async def answer(self, offer_sdp: str, *, model: str) -> Answer: ...


class Way(Protocol):
    """What stands between a client and the server."""

    async def open(self, server_port: int) -> int:
        """The port of this machine that leads to the server's."""
        ...


class Client:
    """Calls, listens and keeps what comes."""

    def __init__(
        self,
        calls: Answers,
        *,
        microphone: bytes = b"",
        codec: str = "opus",
        channel: bool = True,
        way: Way | None = None,
    ) -> None:
        self._calls = calls
        self._way = way
        self.connection = self._new_connection()
        self.connection.on("track", self._on_track)
        self.microphone = PcmTrack(microphone)
        self.connection.addTrack(self.microphone)
        preferred = [
            c
            for c in RTCRtpSender.getCapabilities("audio").codecs
            if c.mimeType.lower() == f"audio/{codec}".lower()
        ]
        self.connection.getTransceivers()[0].setCodecPreferences(preferred)
        self.channel = self.connection.createDataChannel("oai-events") if channel else None
        if self.channel is not None:
            self.channel.on("message", self._on_message)
            self.channel.on("close", self._on_close)
        self.events: list[dict[str, Any]] = []
        self.frames: list[tuple[float, NDArray[np.int16]]] = []
        """48 kHz (8 kHz with G.711) mono, and when it came."""
        self._timestamps: list[int] = []
        """Of the frames, by the sender's clock."""
        self.closed = False
        self.call_id = ""
        self._changed = asyncio.Condition()
        self._listening: asyncio.Task[None] | None = None

    def _new_connection(self) -> RTCPeerConnection:
        return RTCPeerConnection(RTCConfiguration(iceServers=[]))

    async def offer(self) -> str:
        """As a browser's: without any candidate."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        lines = self.connection.localDescription.sdp.split("\r\n")
        hidden = ("a=candidate:", "a=end-of-candidates")
        return "\r\n".join(line for line in lines if not line.startswith(hidden))

    async def call(self, **options: Any) -> str:
        """Dial, and return the answer."""
        answer = await self._calls.answer(await self.offer(), model="test", **options)
        self.call_id = answer.call_id
        sdp = answer.sdp if self._way is None else await self._led(answer.sdp, self._way)
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        return answer.sdp

    @staticmethod
    async def _led(sdp: str, way: Way) -> str:
        """The answer with the way's port for the server's: since we offered no candidates, the
        server knows of no other way back.
        """
        found = re.search(r" 127\.0\.0\.1 (\d+) typ host", sdp)
        assert found
        port = await way.open(int(found[1]))
        return sdp.replace(f" {found[1]} typ host", f" {port} typ host")

    def send(self, event_type: str, **fields: Any) -> None:
        assert self.channel is not None
        self.channel.send(json.dumps({"type": event_type, **fields}))

    async def event(self, event_type: str) -> dict[str, Any]:
        """Wait for an event of a type, and take it with all that came before."""
        async with asyncio.timeout(TIMEOUT_S), self._changed:
            while True:
                for i, event in enumerate(self.events):
                    if event["type"] == event_type:
                        del self.events[: i + 1]
                        return event
                await self._changed.wait()

    async def events_until(self, event_type: str) -> list[dict[str, Any]]:
        """Wait for an event of a type; all up to it, and taken."""
        async with asyncio.timeout(TIMEOUT_S), self._changed:
            await self._changed.wait_for(
                lambda: any(event["type"] == event_type for event in self.events)
            )
        events, self.events = self.events, []
        return events

    async def until_closed(self) -> None:
        async with asyncio.timeout(TIMEOUT_S), self._changed:
            await self._changed.wait_for(lambda: self.closed)

    async def listen(self, samples: int) -> NDArray[np.int16]:
        """Wait until so much has been heard, from the first frame on."""
        async with asyncio.timeout(TIMEOUT_S), self._changed:
            await self._changed.wait_for(lambda: self.heard_samples >= samples)
        return self.heard

    @property
    def heard(self) -> NDArray[np.int16]:
        return np.concatenate([np.zeros(0, np.int16), *(pcm for _, pcm in self.frames)])

    def silent_ms(self, rate_hz: int = 48_000) -> float:
        """How long nothing was heard at first, by the sender's clock: a machine that is busy does
        not make it longer.
        """
        loud = next(at for at, (_, pcm) in enumerate(self.frames) if np.abs(pcm).max() > LOUD)
        return (self._timestamps[loud] - self._timestamps[0]) % 2**32 * 1000 / rate_hz

    @property
    def heard_samples(self) -> int:
        return sum(pcm.size for _, pcm in self.frames)

    async def hang_up(self) -> None:
        await self.connection.close()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._listening = asyncio.get_running_loop().create_task(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, AudioFrame)
            pcm = frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0]
            assert frame.pts is not None
            self._timestamps.append(frame.pts)
            self.frames.append((asyncio.get_running_loop().time(), pcm.astype(np.int16)))
            await self._tell()

    def _on_message(self, message: str) -> None:
        self.events.append(json.loads(message))
        asyncio.get_running_loop().create_task(self._tell())

    def _on_close(self) -> None:
        self.closed = True
        asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


async def until(condition: Callable[[], bool]) -> None:
    """For what nothing tells of; the far side runs in real time."""
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


PIECE_MS = 60
WHOLE = 0.9
"""The worst piece after aiortc's Opus is as like as that, and of another sentence hardly one."""
ALIKE = 0.95
"""aiortc's Opus is by 0.96, ours by 0.998, and another sentence by 0.5."""
REACH_MS = 1_000
"""How much later than the piece before it says one is looked for."""


def likeness(reference: NDArray[np.int16], heard: NDArray[np.int16], rate_hz: int) -> float:
    """How like the reference its spoken pieces were heard, 0 to 1, each after the one before: the
    middle one of those that came whole, where a third did.  What the far side's jitter buffer
    conceals or puts in while a machine stalls spoils the pieces that it touches, and moves the
    others.
    """
    length, reach = rate_hz * PIECE_MS // 1000, rate_hz * REACH_MS // 1000
    loud = float(np.abs(reference.astype(np.int32)).max()) / 10
    likes: list[float] = []
    found: tuple[int, int] | None = None  # Of the last that was: its place there, and here.
    for at in range(0, reference.size - length + 1, length):
        piece = reference[at : at + length]
        if np.abs(piece.astype(np.int32)).max() <= loud:
            continue
        begin, end = 0, heard.size
        if found is not None:
            begin, end = found[1] + length // 2, found[1] + at - found[0] + length + reach
        like, place = best_match(piece, heard[begin:end])
        if like > WHOLE:
            found = at, begin + place
        likes.append(like)
    whole = [like for like in likes if like > WHOLE]
    return float(np.median(whole if 3 * len(whole) >= len(likes) else likes))


def best_match(reference: NDArray[np.int16], heard: NDArray[np.int16]) -> tuple[float, int]:
    """The correlation of the reference with the stretch of ``heard`` that is most like it, and
    where that begins (same rate).
    """
    a, b = reference.astype(np.float64), heard.astype(np.float64)
    if len(b) < len(a):
        return 0.0, 0
    size = len(a) + len(b)
    places = len(b) - len(a) + 1
    products = np.fft.irfft(np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size)), size)[:places]
    energy = np.concatenate(([0.0], np.cumsum(b**2)))
    energy = np.maximum(energy[len(a) :] - energy[: -len(a)], len(a))
    correlations = products / np.sqrt(energy * float(a @ a))
    at = int(np.argmax(correlations))
    return float(correlations[at]), at


def restarted(sdp: str) -> str:
    """An offer as a browser makes it to restart ICE: new credentials, the rest as it was."""
    sdp = re.sub(r"a=ice-ufrag:\S+", "a=ice-ufrag:newname1", sdp)
    return re.sub(r"a=ice-pwd:\S+", f"a=ice-pwd:{'n' * 22}", sdp)
