"""What WebSocket sessions cost between their messages and the engine, in virtual time.

    python bench/message_path.py                    CPU for each second of a session
    python bench/by_turns.py OLD NEW -- message_path.py --chunk-ms 100

Each client appends at its own moments, has its turns found by Silero, and is answered; messages
are decoded, events encoded and framed as on a socket, but there is none.  It counts the time of
its thread; see `call_path.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import random
from types import SimpleNamespace

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import speech_loop
import zero_engine
from by_turns import ms_per_second
from session_path import Listener

from antiphon.engines.vad.silero import SileroDetector
from antiphon.protocol.codec import decode_client_event
from antiphon.runtime.hub import Hub
from antiphon.testing.virtual_loop import VirtualTimeLoop

SETTLES_S = 1.0


class Client(Listener):
    """One connection, with its session."""

    def __init__(self, number: int, hub: Hub) -> None:
        super().__init__(number)
        self.session = hub.open(kind="realtime", model="zero")
        self.session.attach(self)


class Clients:
    """All of one process."""

    def __init__(self, clients: int, chunk_ms: int) -> None:
        loop = asyncio.get_running_loop()
        # The engine paces itself by the clock of the machine, in whole milliseconds.
        vars(zero_engine)["time"] = SimpleNamespace(
            monotonic=lambda: round(loop.time(), 6) + 1e-7,
            time_ns=lambda: int(loop.time() * 1e9),
        )
        engine = zero_engine.ZeroEngine(delta_ms=chunk_ms, reply_ms=4_000)
        self.hub = Hub(lambda _: engine, detector=SileroDetector())
        microphone, size = speech_loop.microphone(), 48 * chunk_ms
        self._appends = [
            b'{"type":"input_audio_buffer.append","audio":"%s"}'
            % base64.b64encode(microphone[at : at + size])
            for at in range(0, len(microphone), size)
        ]
        self._chunk_s = chunk_ms / 1000
        self._loop = loop
        dice = random.Random(1)
        for number in range(clients):
            first = dice.randrange(len(self._appends))
            at_s = loop.time() + dice.random() * self._chunk_s
            loop.call_at(at_s, self._bring, Client(number, self.hub), first, at_s)

    def _bring(self, client: Client, at: int, at_s: float) -> None:
        data = self._appends[at % len(self._appends)]
        client.session.receive(client, decode_client_event(data))
        at_s += self._chunk_s
        self._loop.call_at(at_s, self._bring, client, at + 1, at_s)


async def run(args: argparse.Namespace) -> None:
    Clients(args.sessions, args.chunk_ms)
    await asyncio.sleep(SETTLES_S)
    found = await ms_per_second(args.sessions, args.seconds, turns=args.turns)
    if found is not None:
        print(f"{found:.2f} ms for each second")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--chunk-ms", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--turns", action="store_true", help="each half second on being told")
    args = parser.parse_args()
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(run(args))


if __name__ == "__main__":
    main()
