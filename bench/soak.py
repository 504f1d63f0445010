"""Whether a server that runs for long holds on to anything: python bench/soak.py --minutes 30

Waves of clients come, by a seed: they talk, fall silent, drop, come back by their token, join as
sidebands, send nonsense, are refused, call by WebRTC and hang up or vanish.  After each wave, when
the last session has ended, what the server holds is counted: memory, objects, tasks, threads,
sockets, files.  A line is laid through the counts of the last two thirds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import aioice.ice
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from report import conditions, write
from server_process import MIB
from speech_loop import microphone

from antiphon.protocol.client import InputAudioBufferAppend
from antiphon.upstream import wire

KEY = "bench-key"
CHUNK_S = 0.1
SETTLES_S = 60.0
CALLS_AT_ONCE = 2
COUNTED = ("rss_mib", "objects", "tasks", "threads", "sockets", "files")


class Server:
    """A process of its own, and what Linux and it itself know of it."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "strain_server.py", "--journal", str(folder / "kept.sqlite3")]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    async def ask(self, what: str) -> dict[str, Any]:
        def asked() -> dict[str, Any]:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(what + "\n")
            self._process.stdin.flush()
            found: dict[str, Any] = json.loads(self._process.stdout.readline())
            return found

        return await asyncio.to_thread(asked)

    async def count(self) -> dict[str, Any]:
        """What it holds, once nobody is there."""
        until_s = time.monotonic() + SETTLES_S
        while (await self.ask("sessions"))["sessions"]:
            assert time.monotonic() < until_s, "sessions do not end"
            await asyncio.sleep(0.2)
        await asyncio.sleep(1.5)  # Connections close after their sessions.
        counted = await self.ask("count")
        proc = Path(f"/proc/{self._process.pid}")
        open_files = [os.readlink(entry) for entry in (proc / "fd").iterdir()]
        pages = int((proc / "statm").read_text().split()[1])
        counted["rss_mib"] = pages * os.sysconf("SC_PAGE_SIZE") / MIB
        counted["threads"] = len(list((proc / "task").iterdir()))
        counted["sockets"] = sum(name.startswith("socket:") for name in open_files)
        counted["files"] = len(open_files) - counted["sockets"]
        return counted

    def stop(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=60)


class Clients:
    """Those of one server."""

    def __init__(self, port: int, chance: random.Random) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._chance = chance
        self._calling = asyncio.Semaphore(CALLS_AT_ONCE)
        pcm = microphone()
        size = int(24_000 * 2 * CHUNK_S)
        pieces = (pcm[at : at + size] for at in range(0, len(pcm), size))
        self._said = [wire.write(InputAudioBufferAppend(audio=piece)) for piece in pieces]
        self.did: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    @property
    def _ways(self) -> dict[str, tuple[int, Callable[[aiohttp.ClientSession], Awaitable[None]]]]:
        """Each with how often it is taken."""
        return {
            "talks": (5, self._talks),
            "drops": (3, self._drops),
            "comes back": (3, self._comes_back),
            "has a sideband": (2, self._has_a_sideband),
            "sends nonsense": (2, self._sends_nonsense),
            "is refused": (2, self._is_refused),
            "hangs up half way": (1, self._half_way),
            "calls": (2, self._calls),
            "calls and vanishes": (1, self._vanishes),
        }

    async def wave(self, clients: int, seconds: float) -> None:
        names = list(self._ways)
        weights = [weight for weight, _ in self._ways.values()]
        chosen = self._chance.choices(names, weights, k=clients)
        when_s = [self._chance.random() * seconds for _ in chosen]
        await asyncio.gather(*map(self._one, chosen, when_s))

    async def _one(self, name: str, when_s: float) -> None:
        await asyncio.sleep(when_s)
        try:
            async with (
                asyncio.timeout(60),
                aiohttp.ClientSession(
                    self._url, headers={"Authorization": f"Bearer {KEY}"}
                ) as http,
            ):
                await self._ways[name][1](http)
            self.did[name] += 1
        except Exception as error:
            self.failed[f"{name}: {type(error).__name__} {error}"[:120]] += 1

    # --- Ways ----------------------------------------------------------------

    async def _open(self, http: aiohttp.ClientSession, **query: str) -> Any:
        return await http.ws_connect("/v1/realtime", params={"model": "zero", **query})

    async def _talk(self, ws: Any, seconds: float) -> dict[str, Any]:
        """Returns the session; what comes is read."""
        created: dict[str, Any] = {}

        async def read() -> None:
            async for message in ws:
                event = json.loads(message.data)
                created["last"] = event.get("event_id")
                if event["type"] == "session.created":
                    created.update(event["session"])

        reading = asyncio.create_task(read())
        first = self._chance.randrange(len(self._said))
        for at in range(int(seconds / CHUNK_S)):
            await ws.send_str(self._said[(first + at) % len(self._said)])
            await asyncio.sleep(CHUNK_S)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        return created

    async def _talks(self, http: aiohttp.ClientSession) -> None:
        ws = await self._open(http)
        await self._talk(ws, self._chance.uniform(1, 8))
        await ws.close()

    async def _drops(self, http: aiohttp.ClientSession) -> None:
        ws = await self._open(http)
        await self._talk(ws, self._chance.uniform(0.2, 5))
        ws._writer.transport.abort()

    async def _comes_back(self, http: aiohttp.ClientSession) -> None:
        ws = await self._open(http)
        for _ in range(self._chance.randrange(1, 4)):
            created = await self._talk(ws, self._chance.uniform(0.5, 3))
            ws._writer.transport.abort()
            ws = await http.ws_connect(
                "/v1/realtime",
                params={"after": created["last"]},
                headers={"Antiphon-Resume": created["antiphon"]["resume"]["token"]},
            )
        await self._talk(ws, 1)
        await ws.close()

    async def _has_a_sideband(self, http: aiohttp.ClientSession) -> None:
        ws = await self._open(http)
        created = await self._talk(ws, 0.5)
        side = await http.ws_connect("/v1/realtime", params={"call_id": created["id"]})
        await asyncio.gather(self._talk(ws, 3), self._talk(side, 0))
        if self._chance.random() < 0.5:
            await side.close()
        else:
            side._writer.transport.abort()
        await ws.close()

    async def _sends_nonsense(self, http: aiohttp.ClientSession) -> None:
        ws = await self._open(http)
        for text in ("", "[]", '{"type":', '{"type":"no.such"}', '{"type":"response.cancel"}', "¿"):
            await ws.send_str(text)
        await ws.send_bytes(self._chance.randbytes(500))
        await asyncio.sleep(0.5)
        if self._chance.random() < 0.3:
            with contextlib.suppress(ConnectionError):
                await ws.send_str("x" * 20_000_000)
            await asyncio.sleep(0.5)
        await ws.close()

    async def _is_refused(self, http: aiohttp.ClientSession) -> None:
        wrong = {"Authorization": "Bearer wrong"}
        async with http.get("/v1/antiphon/sessions", headers=wrong):
            pass
        async with http.post("/v1/realtime/calls", data="v=0", headers={"Content-Type": "x"}):
            pass
        ws = await http.ws_connect("/v1/realtime", headers=wrong)
        await ws.receive()
        await ws.close()

    async def _half_way(self, http: aiohttp.ClientSession) -> None:  # noqa: ARG002
        port = int(self._url.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /v1/realtime?model=zero HTTP/1.1\r\nHost: x\r\nUpgr")
        await asyncio.sleep(1)
        writer.transport.abort()

    async def _dial(self, http: aiohttp.ClientSession) -> RTCPeerConnection:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        connection.addTransceiver("audio", "recvonly")
        opened = asyncio.Event()
        connection.createDataChannel("oai-events").on("open", opened.set)
        await connection.setLocalDescription(await connection.createOffer())
        headers = {"Content-Type": "application/sdp"}
        offer = connection.localDescription.sdp
        async with http.post("/v1/realtime/calls", data=offer, headers=headers) as response:
            answer = await response.text()
            assert response.status == 201, answer
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await opened.wait()
        await asyncio.sleep(self._chance.uniform(0.5, 3))
        return connection

    async def _calls(self, http: aiohttp.ClientSession) -> None:
        async with self._calling:
            await (await self._dial(http)).close()

    async def _vanishes(self, http: aiohttp.ClientSession) -> None:
        """Nobody is told; the server notices that nothing comes."""
        async with self._calling:
            connection = await self._dial(http)
            for transceiver in connection.getTransceivers():
                ice = transceiver.sender.transport.transport._connection
                for protocol in ice._protocols:
                    protocol.transport.abort()
            with contextlib.suppress(Exception):
                async with asyncio.timeout(5):
                    await connection.close()


def slope(at_s: list[float], counts: list[float]) -> float:
    """How much more each hour."""
    return float(np.polyfit(at_s, counts, 1)[0]) * 3600


async def soak(server: Server, args: argparse.Namespace) -> dict[str, object]:
    clients = Clients(server.port, random.Random(args.seed))
    began_s, rows = time.monotonic(), []
    while (passed_s := time.monotonic() - began_s) < args.minutes * 60:
        await clients.wave(args.clients, args.wave_s)
        row = {"at_s": time.monotonic() - began_s, **await server.count()}
        rows.append(row)
        shown = ", ".join(f"{name} {row[name]:.0f}" for name in COUNTED)
        print(f"{passed_s:6.0f} s  {clients.did.total()} clients: {shown}", flush=True)
    settled = rows[len(rows) // 3 :]
    at_s = [row["at_s"] for row in settled]
    slopes = {name: slope(at_s, [row[name] for row in settled]) for name in COUNTED}
    for name, per_hour in slopes.items():
        first, last = settled[0][name], settled[-1][name]
        print(f"{name}: {first:.1f} → {last:.1f}, {per_hour:+.1f} an hour")
    grown = Counter(settled[-1]["kinds"])
    grown.subtract(settled[0]["kinds"])
    print("objects of which there are more:", dict(grown.most_common(8)))
    print("clients:", dict(clients.did), "failed:", dict(clients.failed))
    for row in rows:
        del row["kinds"]
    return {
        "conditions": conditions(),
        "minutes": args.minutes,
        "did": clients.did,
        "failed": clients.failed,
        "an_hour": slopes,
        "grown": dict(grown.most_common(8)),
        "rows": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=40, help="in a wave")
    parser.add_argument("--wave-s", type=float, default=12, help="in which they come")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    aioice.ice.get_host_addresses = lambda **_: ["127.0.0.1"]
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        try:
            write("soak", asyncio.run(soak(server, args)))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
