"""CPU of the WebSocket transport alone: ms per session-second, 20 ms chunks each way.

    python bench/websocket.py --connections 50 200 --loop uvloop asyncio

Starts `echo_server.py` and loads it from this process with prebuilt frames on raw
sockets, paced by one clock.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import statistics
import struct
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import uvloop

MASK = b"\x12\x34\x56\x78"
UPGRADE = (
    b"GET /v1/realtime HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def masked_frame(payload: bytes) -> bytes:
    size = len(payload)
    repeated = MASK * (size // 4 + 1)
    body = (int.from_bytes(payload) ^ int.from_bytes(repeated[:size])).to_bytes(size)
    return struct.pack("!BBH", 0x81, 0x80 | 126, size) + MASK + body


class Client(asyncio.Protocol):
    def __init__(self) -> None:
        self.upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.received_bytes = 0
        self.sent_at: list[float] = []
        self.round_trips_s: list[float] = []
        self.frame_bytes = 0
        self._frames = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport
        transport.write(UPGRADE)

    def data_received(self, data: bytes) -> None:
        if not self.upgraded.done():
            assert data.startswith(b"HTTP/1.1 101"), data
            self.upgraded.set_result(None)
            return
        if not self.frame_bytes:
            self.frame_bytes = 4 + struct.unpack("!H", data[2:4])[0]
        self.received_bytes += len(data)
        now = time.perf_counter()
        while self._frames < self.received_bytes // self.frame_bytes:
            self.round_trips_s.append(now - self.sent_at[self._frames])
            self._frames += 1


def cpu(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/cpu", timeout=5) as response:
        found: dict[str, float] = json.loads(response.read())
        return found


async def load(port: int, connections: int, seconds: float, chunk_ms: int) -> str:
    loop = asyncio.get_running_loop()
    audio = base64.b64encode(os.urandom(48 * chunk_ms)).decode()
    frame = masked_frame(json.dumps({"type": "input_audio_buffer.append", "audio": audio}).encode())
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(Client, "127.0.0.1", port)
        await client.upgraded
        clients.append(client)
    stop = asyncio.Event()
    step = chunk_ms / 1000

    async def pace() -> None:
        start, k = loop.time(), 0
        while not stop.is_set():
            while start + k * step / connections <= loop.time():
                client = clients[k % connections]
                client.sent_at.append(time.perf_counter())
                client.transport.write(frame)
                k += 1
            await asyncio.sleep(0.001)

    pacing = asyncio.create_task(pace())
    await asyncio.sleep(1)
    before = await loop.run_in_executor(None, cpu, port)
    frames, began = sum(len(c.round_trips_s) for c in clients), time.perf_counter()
    await asyncio.sleep(seconds)
    after = await loop.run_in_executor(None, cpu, port)
    passed = time.perf_counter() - began
    frames = sum(len(c.round_trips_s) for c in clients) - frames
    stop.set()
    await pacing
    trips = [t for c in clients for t in c.round_trips_s[1000 // chunk_ms :]]
    for client in clients:
        client.transport.close()
    ms = (after["cpu_s"] - before["cpu_s"]) * 1000 / passed / connections
    return (
        f"{ms:5.2f} ms/s, {frames / passed / connections:4.1f} frames/s each way, round trip p50 "
        f"{statistics.median(trips) * 1e3:.2f} ms, p99 "
        f"{statistics.quantiles(trips, n=100)[-1] * 1e3:.1f} ms, RSS {after['rss_kib'] // 1024} MiB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--loop", nargs="+", default=["uvloop", "asyncio"])
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--chunk-ms", type=int, default=20)
    parser.add_argument("--heartbeat", type=float, default=20)
    parser.add_argument("--plain", action="store_true", help="aiohttp's own loop and sends")
    args = parser.parse_args()
    for loop in args.loop:
        for connections in args.connections:
            echo = Path(__file__).with_name("echo_server.py")
            command = [sys.executable, str(echo), "--loop", loop]
            command += ["--heartbeat", str(args.heartbeat)]
            command += ["--plain"] if args.plain else []
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
                assert server.stdout is not None
                port = int(server.stdout.readline())
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    result = runner.run(load(port, connections, args.seconds, args.chunk_ms))
                print(f"{loop:8} {connections:4} connections: {result}", flush=True)
                server.kill()


if __name__ == "__main__":
    main()
