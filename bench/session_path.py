"""Where a session's time goes, step by step, without sockets: µs of CPU for each message.

    python bench/session_path.py [--chunk-ms 20] [--sessions 100]

* append: the bytes of an append, decoded, through the conversation, to the voice detector.
* score: windows scored in batches, and the conversation told of each.
* speech: the engine's news through the session's task and the conversation, encoded, and
  written as frames to a transport that does nothing.

It counts the time of its thread, so other work on the machine disturbs it little.  To
compare two versions: `python bench/by_turns.py OLD NEW -- session_path.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import statistics
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import speech_loop
import uvloop
from zero_engine import ZeroEngine

from antiphon.core.causes import EngineSpoke
from antiphon.engines.vad.silero import SileroDetector
from antiphon.protocol.client import ResponseCreate
from antiphon.protocol.codec import decode_client_event, encode_server_event
from antiphon.protocol.server import ResponseCreated, ServerEvent
from antiphon.protocol.session import (
    AudioInputPatch,
    AudioPatch,
    SessionPatch,
    TurnDetectionPatch,
)
from antiphon.runtime.door import SessionDoor
from antiphon.runtime.hub import Hub
from antiphon.transports.frame_writer import FrameWriter, Socket

ROUNDS = 60
NO_ANSWERS = SessionPatch(
    audio=AudioPatch(
        input=AudioInputPatch(
            turn_detection=TurnDetectionPatch(
                type="server_vad", create_response=False, interrupt_response=False
            )
        )
    )
)
"""Turns are found, but one long answer goes on."""


class Nowhere(asyncio.WriteTransport):
    """Takes everything at once."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def is_closing(self) -> bool:
        return False


async def _forever() -> None:
    await asyncio.Event().wait()


class Listener:
    """A connection that writes frames to nowhere."""

    queued_bytes = 0

    def __init__(self, number: int) -> None:
        self.id = f"ws_{number}"
        self.response_id = ""
        transport = Socket(
            Nowhere(), lambda: False, lambda: asyncio.get_running_loop().create_task(_forever())
        )
        self._writer = FrameWriter(transport, max_queued_bytes=1 << 23, overflow=lambda: None)

    def send(self, event: ServerEvent) -> None:
        if isinstance(event, ResponseCreated):
            self.response_id = event.response.id
        self._writer.write(encode_server_event(event))

    def close(self, code: int, reason: str) -> None:
        raise AssertionError(code, reason)

    async def flushed(self) -> None:
        pass


class Watch:
    """CPU of this thread."""

    def __init__(self) -> None:
        self.us: dict[str, list[float]] = {}

    def add(self, name: str, began_ns: int, times: int) -> None:
        passed = time.thread_time_ns() - began_ns
        self.us.setdefault(name, []).append(passed / 1e3 / times)


class Bench:
    def __init__(self, sessions: int, chunk_ms: int) -> None:
        # Pieces are told by hand: the engine's own first one is its last for an hour.
        self.engine = ZeroEngine(delta_ms=20, reply_ms=0)
        self.engine.delta_ticks = 720_000
        self.detector = SileroDetector()
        hub = Hub(lambda _: self.engine, detector=self.detector)
        self.pcm = os.urandom(48 * chunk_ms)
        microphone, size = speech_loop.microphone(), 48 * chunk_ms
        self.appends = [
            b'{"type":"input_audio_buffer.append","audio":"%s"}'
            % base64.b64encode(microphone[at : at + size])
            for at in range(0, len(microphone), size)
        ]
        self.ends: list[tuple[SessionDoor, Listener]] = []
        for number in range(sessions):
            opened = hub.open(kind="realtime", model="zero", patch=NO_ANSWERS)
            listener = Listener(number)
            opened.attach(listener)
            self.ends.append((opened, listener))

    async def run(self, *, turns: bool = False) -> Watch:
        watch = Watch()
        if turns:
            print("ready", flush=True)
        for session, listener in self.ends:
            session.receive(listener, ResponseCreate())
        await asyncio.sleep(0.05)
        for at in range(ROUNDS):
            if turns:
                sys.stdin.readline()
            began = time.thread_time_ns()
            for number, (session, listener) in enumerate(self.ends):
                data = self.appends[(at + 31 * number) % len(self.appends)]
                session.receive(listener, decode_client_event(data))
            watch.add("append", began, len(self.ends))
            began = time.thread_time_ns()
            self.detector.score_now()
            watch.add("score", began, len(self.ends))
            await self._speak(watch)
            if turns:
                print(sum(us[-1] for us in watch.us.values()), flush=True)
        return watch

    async def _speak(self, watch: Watch) -> None:
        news = [
            (opened, EngineSpoke(listener.response_id, self.pcm))
            for opened, (_, listener) in zip(self.engine.opened, self.ends, strict=True)
        ]
        began = time.thread_time_ns()
        for engine_session, spoke in news:
            engine_session.tell(spoke)
        for _ in range(3):
            await asyncio.sleep(0)
        watch.add("speech", began, len(news))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--chunk-ms", type=int, default=20)
    parser.add_argument("--turns", action="store_true", help="each round on being told")
    args = parser.parse_args()

    async def run() -> Watch:
        return await Bench(args.sessions, args.chunk_ms).run(turns=args.turns)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        watch = runner.run(run())
    if args.turns:
        return
    found = {name: statistics.mean(sorted(us)[: -ROUNDS // 10]) for name, us in watch.us.items()}
    found["sum"] = sum(found.values())
    print("  ".join(f"{name} {us:6.1f} µs" for name, us in found.items()))


if __name__ == "__main__":
    main()
