"""What WebRTC calls cost: CPU, lateness of what they hear, set-up, memory.

    OPENBLAS_NUM_THREADS=1 python bench/webrtc.py                 # ten calls in each state
    OPENBLAS_NUM_THREADS=1 python bench/webrtc.py --ramp 40 80 120 --state both --pin

The server runs in a process of its own.  The clients share another: aiortc sets their calls
up, then packets that were encoded beforehand are sent and what comes is only counted, by the
kernel's own time stamps.  Lateness is how much later a packet came than the earliest one of
its call, by its RTP timestamp.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import resource
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.recordings import at_24khz

from antiphon.core.causes import EngineFinished, EngineNews, EngineSpoke
from antiphon.core.effects import EngineCommand, Generate
from antiphon.engines.engine import Abilities
from antiphon.engines.vad.silero import SileroDetector
from antiphon.runtime.hub import Hub
from antiphon.transports.webrtc.calls import Calls
from antiphon.transports.webrtc.codec import FRAME_SAMPLES
from antiphon.transports.webrtc.opus import OpusEncoder
from antiphon.transports.webrtc.rtp import pack_rtp
from antiphon.transports.webrtc.settings import WebRtcSettings

STATES = ("idle", "listening", "speaking", "both")
LOCALHOST = "127.0.0.1"
SO_TIMESTAMPNS = 35
SPEECH_S = 120


class TalkingEngine:
    """Says two minutes when it is asked for by hand, and nothing at the end of a turn."""

    name = "talking"
    description = "For measurements."
    abilities = Abilities(transcribes=False)

    def __init__(self) -> None:
        self.speech = at_24khz("harvard_s1_1") + at_24khz("harvard_s2_4")
        self.talks = False

    async def start(self) -> None: ...

    def open(self, session_id: str) -> TalkingSession:  # noqa: ARG002
        return TalkingSession(self)

    async def aclose(self) -> None: ...


class TalkingSession:
    def __init__(self, engine: TalkingEngine) -> None:
        self._engine = engine
        self._wanted: asyncio.Queue[str | None] = asyncio.Queue()

    def send(self, command: EngineCommand) -> None:
        if isinstance(command, Generate):
            self._wanted.put_nowait(command.response_id)

    async def __aiter__(self) -> AsyncIterator[EngineNews]:
        speech = self._engine.speech
        while (response_id := await self._wanted.get()) is not None:
            seconds = SPEECH_S if self._engine.talks else 0
            await asyncio.sleep(random.random() * 0.25)  # users do not ask in chorus
            for i in range(seconds):
                start = i * 48_000 % (len(speech) - 48_000)
                yield EngineSpoke(response_id, speech[start - start % 2 :][:48_000])
                await asyncio.sleep(0.25)  # four times as fast as it is heard
            yield EngineFinished(response_id)

    async def aclose(self) -> None:
        self._wanted.put_nowait(None)


# --- The server's process ----------------------------------------------------


def serve(ready: Any, arguments: argparse.Namespace) -> None:
    if arguments.pin:
        os.sched_setaffinity(0, {0})
    if arguments.loop == "uvloop":
        import uvloop

        uvloop.run(_serve(ready, vad=arguments.vad))
    else:
        asyncio.run(_serve(ready, vad=arguments.vad))


async def _serve(ready: Any, *, vad: bool) -> None:
    engine = TalkingEngine()
    hub = Hub(lambda _: engine, detector=SileroDetector() if vad else None)
    calls = Calls(hub, WebRtcSettings(host_addresses=(LOCALHOST,)))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = json.loads(await reader.readline())
        if "talks" in request:
            engine.talks = request["talks"]
        reply: dict[str, Any] = {
            "cpu_s": time.process_time(),
            "rss_kb": _rss_kb(),
            "calls": len(calls.calls),
            "heard": sum(call.quality.packets_received for call in calls.calls),
        }
        if "sdp" in request:
            reply["sdp"] = (await calls.answer(request["sdp"], model="bench")).sdp
        writer.write(json.dumps(reply).encode() + b"\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, LOCALHOST, 0, limit=1 << 20)
    ready.put(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _rss_kb() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


# --- The clients' process ----------------------------------------------------


class LoadClient:
    """A call that aiortc sets up; then packets are sent without it."""

    def __init__(self, payloads: list[bytes], offset: int) -> None:
        from aiortc import AudioStreamTrack, RTCConfiguration, RTCPeerConnection

        self._payloads = payloads
        self._next = offset
        self.connection: Any = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        sender = self.connection.addTrack(AudioStreamTrack())
        receiver = self.connection.getTransceivers()[0].receiver

        async def leave_it(_: object) -> None: ...

        sender.send = receiver.receive = leave_it  # type: ignore[method-assign, assignment]
        self._sender = sender
        self.channel = self.connection.createDataChannel("oai-events")
        self.opened = asyncio.Event()
        self.channel.on("open", self.opened.set)
        self.arrivals: list[tuple[int, int]] = []
        """Kernel time in ns, RTP timestamp."""
        self.setup_s = 0.0

    async def call(self, port: int) -> None:
        from aiortc import RTCSessionDescription

        await self.connection.setLocalDescription(await self.connection.createOffer())
        start = time.perf_counter()
        reply = await ask(port, sdp=self.connection.localDescription.sdp)
        await self.connection.setRemoteDescription(RTCSessionDescription(reply["sdp"], "answer"))
        async with asyncio.timeout(60):
            await self.opened.wait()
        self.setup_s = time.perf_counter() - start
        pair = self._sender.transport.transport._connection._nominated[1]
        self._protocol, self._address = pair.protocol, pair.remote_addr
        self._socket = pair.protocol.transport.get_extra_info("socket")._sock
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        loop = asyncio.get_running_loop()
        loop._remove_reader(self._socket.fileno())  # type: ignore[attr-defined]
        loop._add_reader(self._socket.fileno(), self._read)  # type: ignore[attr-defined]
        self._payload_type = self.connection.getTransceivers()[0]._codecs[0].payloadType

    def ask_for_speech(self, *, vad: bool) -> None:
        if not vad:
            off = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
            self.channel.send(json.dumps({"type": "session.update", "session": off}))
        self.channel.send(json.dumps({"type": "response.create"}))

    def send(self) -> None:
        i = self._next
        self._next += 1
        payload = self._payloads[i % len(self._payloads)]
        packet = pack_rtp(self._payload_type, i, i * 960, self._sender._ssrc, payload, marker=False)
        protected = self._sender.transport._tx_srtp.protect(packet)
        self._socket.sendto(protected, self._address)

    def _read(self) -> None:
        try:
            data, ancillary, _, address = self._socket.recvmsg(2048, 128)
        except BlockingIOError:
            return
        if not 127 < data[0] < 192:
            self._protocol.datagram_received(data, address)
        elif not 192 <= data[1] <= 223:
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
            stamp = int.from_bytes(data[4:8], "big")
            self.arrivals.append((seconds * 1_000_000_000 + nanoseconds, stamp))

    def late_ms(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        if len(self.arrivals) < 10:
            return np.zeros(0)
        times, stamps = (np.array(column) for column in zip(*self.arrivals, strict=True))
        since = ((stamps - stamps[0] + (1 << 31)) % (1 << 32) - (1 << 31)) / 48
        late = (times - times[0]) / 1e6 - since
        since_first: np.ndarray[Any, np.dtype[np.float64]] = late - late.min()
        return since_first


async def ask(port: int, **request: Any) -> dict[str, Any]:
    reader, writer = await asyncio.open_connection(LOCALHOST, port, limit=1 << 20)
    writer.write(json.dumps(request).encode() + b"\n")
    reply: dict[str, Any] = json.loads(await reader.readline())
    writer.close()
    return reply


async def send_for(clients: list[LoadClient], seconds: float) -> None:
    """A packet of each client every 20 ms, spread over them."""
    start, slot = time.monotonic(), 0
    while slot * 0.02 < seconds:
        for phase in range(4):
            due = start + slot * 0.02 + phase * 0.005
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            for client in clients[phase::4]:
                client.send()
        slot += 1


async def measure(port: int, state: str, count: int, arguments: argparse.Namespace) -> bool:
    """Prints one line; whether the calls were on time."""
    talks = state in ("speaking", "both")
    before = await ask(port, talks=talks)
    encoder = OpusEncoder()
    speech = at_24khz("harvard_s1_1")
    frames = range(0, len(speech) - 2 * FRAME_SAMPLES, 2 * FRAME_SAMPLES)
    payloads = [encoder.encode(speech[i : i + 2 * FRAME_SAMPLES]) for i in frames]
    clients = [LoadClient(payloads, 37 * i) for i in range(count)]
    for client in clients:
        await client.call(port)
    up = await ask(port)
    for client in clients if talks or not arguments.vad else ():
        client.ask_for_speech(vad=arguments.vad)
    await asyncio.sleep(1)  # past what was said about the session
    sends = state in ("listening", "both")
    if sends:
        await send_for(clients, 1.0)
    for client in clients:
        client.arrivals.clear()
    first, start = await ask(port), time.monotonic()
    if sends:
        await send_for(clients, arguments.seconds)
    else:
        await asyncio.sleep(arguments.seconds)
    last, seconds = await ask(port), time.monotonic() - start
    late = np.concatenate([client.late_ms() for client in clients])
    cpu_ms = (last["cpu_s"] - first["cpu_s"]) * 1000 / seconds
    p50, p99 = np.percentile(late, [50, 99]) if late.size else (0.0, 0.0)
    print(
        f"{state:10} {count:4} calls  {cpu_ms / count:6.2f} ms/s a call ({cpu_ms / 10:4.0f} %)"
        f"  late p50 {p50:5.1f} p99 {p99:6.1f} ms"
        f"  out {sum(len(c.arrivals) for c in clients) / count / seconds:5.1f}/s"
        f"  in {(last['heard'] - first['heard']) / count / seconds:5.1f}/s"
        f"  set-up {np.median([c.setup_s for c in clients]) * 1000:4.0f} ms,"
        f" {(up['cpu_s'] - before['cpu_s']) * 1000 / count:5.1f} ms CPU"
        f"  {(last['rss_kb'] - before['rss_kb']) / count / 1024:5.2f} MB a call",
        flush=True,
    )
    for client in clients:
        await client.connection.close()
    while (await ask(port))["calls"]:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    return bool(p99 <= 20)


async def run(port: int, arguments: argparse.Namespace) -> None:
    import aioice.ice

    aioice.ice.get_host_addresses = lambda **_: [LOCALHOST]
    for state in arguments.state or (["both"] if arguments.ramp else STATES):
        for count in arguments.ramp or [arguments.calls]:
            if not await measure(port, state, count, arguments):
                break


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--state", choices=STATES, nargs="+")
    parser.add_argument("--ramp", type=int, nargs="+", help="numbers of calls, until one is late")
    parser.add_argument("--vad", action="store_true", help="with the Silero voice detector")
    parser.add_argument("--pin", action="store_true", help="server on core 0, clients on core 1")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="uvloop")
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    ready = context.Queue()
    server = context.Process(target=serve, args=(ready, arguments), daemon=True)
    server.start()
    if arguments.pin:
        os.sched_setaffinity(0, {1})
    asyncio.run(run(ready.get(timeout=30), arguments))
    server.terminate()


if __name__ == "__main__":
    main()
