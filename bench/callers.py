"""Many WebRTC callers of one server, cheap enough to load it from one core.

aiortc sets each call up and keeps ICE, DTLS and the data channel; its media are sent and
received by `RtpLoad`.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from math import ceil
from typing import Any

import aiohttp
import aioice.ice
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from numpy.typing import NDArray
from rtp_load import SLOT_MS, RtpLoad

LOCALHOST = "127.0.0.1"
CLOCK_HZ = 48_000
SAMPLES_PER_MS = 24
WINDOW_MS = 32
"""Voice is scored in windows; a decision falls at the end of one."""
AUDIBLE_BYTES = 40
"""A frame of silence takes fewer."""
SETTLED_MS = 250
"""After a turn began, what leaves belongs to no reply of before."""
Floats = NDArray[np.float64]


class Caller:
    """One call, from the outside."""

    def __init__(self) -> None:
        self._connection: Any = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        transceiver: Any = self._connection.addTransceiver("audio", "sendrecv")

        async def leave_it(_: object) -> None: ...

        transceiver.sender.send = transceiver.receiver.receive = leave_it
        self._transceiver = transceiver
        self._opened = asyncio.Event()
        self._channel = self._connection.createDataChannel("oai-events")
        self._channel.on("open", self._opened.set)
        self._channel.on("message", self._told)
        self.index = -1
        self.setup_s = 0.0
        self.turns: list[tuple[int, int, int]] = []
        """Of each that was answered: where the server was in our audio (samples) at what time
        (ns) when it began, and where it ended (ms)."""
        self._ended_ms = 0

    async def dial(self, http: aiohttp.ClientSession, load: RtpLoad, slot: int) -> None:
        await self._connection.setLocalDescription(await self._connection.createOffer())
        began = time.perf_counter()
        offer, headers = self._connection.localDescription.sdp, {"Content-Type": "application/sdp"}
        async with http.post("/v1/realtime/calls", data=offer, headers=headers) as response:
            answer = await response.text()
            assert response.status == 201, answer
        await self._connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        async with asyncio.timeout(60):
            await self._opened.wait()
        self.setup_s = time.perf_counter() - began
        self._hand_over(load, slot)

    def _hand_over(self, load: RtpLoad, slot: int) -> None:
        dtls = self._transceiver.sender.transport
        pair = dtls.transport._connection._nominated[1]
        self._protocol, self._address = pair.protocol, pair.remote_addr
        fileno = pair.protocol.transport.get_extra_info("socket").fileno()
        loop: Any = asyncio.get_running_loop()
        loop._remove_reader(fileno)
        self.index = load.add(
            fileno,
            self._address,
            dtls._tx_srtp,
            ssrc=self._transceiver.sender._ssrc,
            payload_type=self._transceiver._codecs[0].payloadType,
            clock_hz=CLOCK_HZ,
            slot=slot,
        )

    def take(self, datagram: bytes) -> None:
        self._protocol.datagram_received(datagram, self._address)

    def tell(self, event: dict[str, object]) -> None:
        self._channel.send(json.dumps(event))

    def _told(self, message: str) -> None:
        # Only what is measured by is parsed; there are many clients in this process.
        if message.startswith('{"type":"input_audio_buffer.speech_stopped"'):
            self._ended_ms = json.loads(message)["audio_end_ms"]
        elif message.startswith('{"type":"response.output_audio_transcript.delta"'):
            _, samples, at_ns = json.loads(message)["delta"].split()
            if int(samples):
                self.turns.append((int(samples), int(at_ns), self._ended_ms))
        elif message.startswith('{"type":"error"'):
            raise AssertionError(message)

    async def close(self) -> None:
        await self._connection.close()


class Crowd:
    """All callers of one server."""

    def __init__(self, port: int, slots: Sequence[bytes], *, calls: int, seconds: float) -> None:
        aioice.ice.get_host_addresses = lambda **_: [LOCALHOST]
        self.callers: list[Caller] = []
        self._slots = slots
        self._load = RtpLoad(slots, calls=calls, seconds=seconds, on_datagram=self._take)
        self._http = aiohttp.ClientSession(f"http://{LOCALHOST}:{port}")
        self._random = random.Random(1)
        asyncio.get_running_loop().add_reader(self._load.pipe, self._load.read_datagrams)
        self._load.start()

    async def grow(self, calls: int, *first: dict[str, object]) -> None:
        """Call until there are so many; each is told ``first``."""
        while len(self.callers) < calls:
            caller = Caller()
            self.callers.append(caller)
            slot = self._random.randrange(len(self._slots))
            await caller.dial(self._http, self._load, slot)
            for event in first:
                caller.tell(event)

    def _take(self, index: int, datagram: bytes) -> None:
        self.callers[index].take(datagram)

    def forget(self) -> None:
        self._load.forget()
        for caller in self.callers:
            caller.turns.clear()

    # --- What was measured ---------------------------------------------------

    @property
    def sent(self) -> int:
        return self._load.counts()[0]

    @property
    def lag_ms(self) -> float:
        """The longest that we were late ourselves."""
        return self._load.counts()[1]

    @property
    def received(self) -> int:
        return len(self._load.arrivals)

    def lateness_ms(self) -> Floats:
        """Of each packet, against its RTP timestamp and the earliest one of its call."""
        late = []
        for at_ms, packets in self._by_call():
            since = packets["timestamp"] - packets["timestamp"][0]
            behind = at_ms - since.astype(np.int32) * (1000 / CLOCK_HZ)
            late.append(behind - behind.min())
        return np.concatenate(late) if late else np.zeros(0)

    def answer_ms(self) -> list[float]:
        """From sending the last packet of each turn's silence to the answer's first packet."""
        found = []
        for caller, at_ms, packets in self._calls():
            audible = at_ms[packets["payload_bytes"] > AUDIBLE_BYTES]
            for samples, at_ns, ended_ms in caller.turns:
                decided_ms = ceil(ended_ms / WINDOW_MS) * WINDOW_MS
                sent_ms = self._sent_ms(caller, samples, at_ns, decided_ms)
                after = audible[audible > sent_ms]
                if ended_ms and after.size and after[0] - sent_ms < 1000:
                    found.append(float(after[0] - sent_ms))
        return found

    def silence_ms(self) -> list[float]:
        """From sending the packet by which a user is found to interrupt, until all is silent."""
        found = []
        for caller, at_ms, packets in self._calls():
            audible = at_ms[packets["payload_bytes"] > AUDIBLE_BYTES]
            for samples, at_ns, _ in caller.turns:
                decided_ms = samples // SAMPLES_PER_MS // WINDOW_MS * WINDOW_MS
                sent_ms = self._sent_ms(caller, samples, at_ns, decided_ms)
                spoke = audible[(audible > sent_ms - 50) & (audible < sent_ms + SETTLED_MS)]
                if spoke.size:  # else nobody was interrupted
                    found.append(max(0.0, float(spoke[-1] + SLOT_MS - sent_ms)))
        return found

    def _sent_ms(self, caller: Caller, samples: int, at_ns: int, media_ms: int) -> float:
        """When the packet left that brought the server's audio to ``media_ms``.

        While a turn begins packets come without a pause: the one that had brought it to
        ``samples`` was the last one before ``at_ns``.
        """
        first_ms = self._load.first_slot_ns(caller.index) / 1e6
        slot = int((at_ns / 1e6 - first_ms) / SLOT_MS)
        ahead_ms = media_ms - samples / SAMPLES_PER_MS
        return first_ms + (slot + ceil(ahead_ms / SLOT_MS)) * SLOT_MS

    def _by_call(self) -> list[tuple[Floats, NDArray[Any]]]:
        return [(at_ms, packets) for _, at_ms, packets in self._calls()]

    def _calls(self) -> list[tuple[Caller, Floats, NDArray[Any]]]:
        arrivals = self._load.arrivals
        by_call = arrivals[np.argsort(arrivals["call"], kind="stable")]
        edges = np.searchsorted(by_call["call"], np.arange(len(self.callers) + 1))
        found = []
        for caller in self.callers:
            packets = by_call[edges[caller.index] : edges[caller.index + 1]]
            if packets.size > 1:
                found.append((caller, packets["at_ns"] / 1e6, packets))
        return found

    async def close(self) -> None:
        for caller in self.callers:
            await caller.close()
        asyncio.get_running_loop().remove_reader(self._load.pipe)
        self._load.close()
        await self._http.close()
