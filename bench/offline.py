"""What a session costs with the offline engine, its worker processes included.

Starts `antiphon serve` and talks to it in recorded human speech (tests/data/speech), in real
time: a command, two seconds of room noise, the next one.  Prints CPU by process, and the
time from the server's ``speech_stopped`` to the first audio of the answer.

    python bench/offline.py [--sessions 1 4 8] [--seconds 30]
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import statistics
import subprocess
import sys
import time
import wave
from pathlib import Path

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from antiphon.audio.resample import Resampler

ROOT = Path(__file__).parent.parent
CLIPS = ("cmd_book_a_room", "cmd_mountain_view", "cmd_today", "cmd_two_people", "laptop_yes")
CHUNK_MS = 40
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PORT = 18_470


def at_24khz(name: str) -> bytes:
    with wave.open(str(ROOT / "tests/data/speech" / f"{name}.wav")) as file:
        resampler = Resampler(file.getframerate(), 24_000)
        return resampler.process(file.readframes(file.getnframes())) + resampler.flush()


def script(offset: int) -> bytes:
    """What one user says, over and over."""
    room = at_24khz("noise_room")[: 2 * 48_000]
    quiet = b"".join(
        int.to_bytes(
            int.from_bytes(room[i : i + 2], "little", signed=True) // 32, 2, "little", signed=True
        )
        for i in range(0, len(room), 2)
    )
    clips = CLIPS[offset:] + CLIPS[:offset]
    return b"".join(at_24khz(name) + quiet for name in clips)


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


async def speak(ws: ClientWebSocketResponse, pcm: bytes, until_s: float) -> None:
    size = 48 * CHUNK_MS
    begin, at = time.perf_counter(), 0
    while time.perf_counter() < until_s:
        cut = pcm[at * size % len(pcm) :][:size].ljust(size, b"\0")
        await ws.send_json(
            {"type": "input_audio_buffer.append", "audio": base64.b64encode(cut).decode()}
        )
        at += 1
        await asyncio.sleep(max(0.0, begin + at * CHUNK_MS / 1000 - time.perf_counter()))


async def listen(ws: ClientWebSocketResponse, latencies_ms: list[float]) -> None:
    stopped_s: float | None = None
    async for message in ws:
        if message.type is not WSMsgType.TEXT:
            return
        kind = json.loads(message.data)["type"]
        if kind == "input_audio_buffer.speech_stopped":
            stopped_s = time.perf_counter()
        elif kind == "response.output_audio.delta" and stopped_s is not None:
            latencies_ms.append((time.perf_counter() - stopped_s) * 1e3)
            stopped_s = None


async def converse(sessions: int, seconds: float, server: int) -> None:
    latencies_ms: list[float] = []
    async with ClientSession() as client:
        sockets = [
            await client.ws_connect(f"http://127.0.0.1:{PORT}/v1/realtime?model=bench")
            for _ in range(sessions)
        ]
        listening = [asyncio.create_task(listen(ws, latencies_ms)) for ws in sockets]
        workers = children(server)
        before, begin = [cpu_s(pid) for pid in [server, *workers]], time.perf_counter()
        until_s = begin + seconds
        await asyncio.gather(
            *(speak(ws, script(i % len(CLIPS)), until_s) for i, ws in enumerate(sockets))
        )
        took = time.perf_counter() - begin
        used = [b - a for a, b in zip(before, map(cpu_s, [server, *workers]), strict=True)]
        for ws in sockets:
            await ws.close()
        await asyncio.gather(*listening)
    per = 1000 / (took * sessions)
    cuts = statistics.quantiles(latencies_ms, n=100) if len(latencies_ms) > 1 else latencies_ms
    print(
        f"{sessions:3d} sessions: server {used[0] * per:6.1f}, workers {sum(used[1:]) * per:6.1f} "
        f"ms CPU per session-second; {len(latencies_ms)} answers, first audio after "
        f"p50 {statistics.median(latencies_ms):.0f}, p90 {cuts[89]:.0f}, p99 {cuts[98]:.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--seconds", type=float, default=30)
    args = parser.parse_args()
    command = [sys.executable, "-m", "antiphon.cli", "serve", "--port", str(PORT)]
    environ = os.environ | {
        "ANTIPHON_JOURNAL_RETENTION": "none",  # bench/journal.py measures that.
        "ANTIPHON_LIMITS_MAX_LATENESS_MS": "0",
    }
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        assert server.stdout is not None
        server.stdout.readline()
        try:
            for sessions in args.sessions:
                asyncio.run(converse(sessions, args.seconds, server.pid))
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
