"""What calls cost between their packets and the engine, in virtual time and without sockets.

    python bench/call_path.py                       CPU for each second of a call
    python bench/by_turns.py OLD_TREE NEW_TREE      two versions, by turns

Opus packets, jitter buffer, session, core and Silero, and all the way back to Opus packets, paced.
What encrypts and carries them is not in it.  It counts the time of its thread, and needs no
machine to itself; but other work there takes caches away, so only ratios by turns mean anything.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
from functools import partial
from types import SimpleNamespace

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import zero_engine
from by_turns import ms_per_second
from speech_loop import opus_slots

from antiphon.engines.vad.silero import SileroDetector
from antiphon.protocol.client import ResponseCreate
from antiphon.protocol.session import (
    AudioInputPatch,
    AudioPatch,
    SessionPatch,
    TurnDetectionPatch,
)
from antiphon.runtime.hub import Hub
from antiphon.testing import MemoryConnection
from antiphon.testing.virtual_loop import VirtualTimeLoop
from antiphon.transports.rtp.clock import Clock, MediaClock
from antiphon.transports.rtp.coders import RATES_HZ, decoder, encoder
from antiphon.transports.rtp.incoming import IncomingStream
from antiphon.transports.rtp.outgoing import OutgoingStream
from antiphon.transports.rtp.packets import pack_rtp
from antiphon.transports.rtp.playback import PacedPlayback
from antiphon.transports.rtp.rtcp import Reporter
from antiphon.transports.rtp.session import RtpSession

PAYLOAD_TYPE = 111
SLOT_S = 0.02
SETTLES_S = 1.0
"""Before anything is counted."""


class Calls:
    """All of one process.

    Args:
        both: both sides speak without end; else turns are answered, and pauses are not sent.
    """

    def __init__(self, calls: int, seconds: float, *, both: bool) -> None:
        loop = asyncio.get_running_loop()
        self.sent = 0
        # The engine paces itself by the clock of the machine, in whole milliseconds.
        vars(zero_engine)["time"] = SimpleNamespace(
            monotonic=lambda: round(loop.time(), 6) + 1e-7,
            time_ns=lambda: int(loop.time() * 1e9),
        )
        engine = zero_engine.ZeroEngine(delta_ms=200, reply_ms=0 if both else 4_000, lead_ms=600)
        self.hub = Hub(lambda _: engine, detector=SileroDetector())
        detection = TurnDetectionPatch(
            type="server_vad", create_response=not both, interrupt_response=not both
        )
        patch = SessionPatch(audio=AudioPatch(input=AudioInputPatch(turn_detection=detection)))
        self._clock = MediaClock(self.hub.score_complete, Clock(loop.time, loop.time))
        dice = random.Random(1)
        slots = opus_slots(dtx=not both)
        self._arrivals: list[tuple[float, RtpSession, bytes]] = []
        for number in range(calls):
            playback = PacedPlayback(encoder("opus"), lambda: None)
            session = self.hub.open(kind="realtime", model="zero", patch=patch, playback=playback)
            connection = MemoryConnection(f"page_{number}")
            session.attach(connection)
            rate_hz = RATES_HZ["opus"]
            call = RtpSession(
                f"call_{number}",
                IncomingStream(
                    PAYLOAD_TYPE,
                    decoder("opus"),
                    rate_hz,
                    session.hear,
                    partial(getattr, session, "awaits_silence"),
                ),
                OutgoingStream(playback, PAYLOAD_TYPE, rate_hz, number, self._send),
                Reporter(number, "bench", rate_hz),
                lambda _: None,
                clock=Clock(loop.time, loop.time),
            )
            call.start()
            self._clock.join(call)
            if both:
                session.receive(connection, ResponseCreate())
            first, phase_s = dice.randrange(len(slots)), dice.random() * SLOT_S
            sequence = 0
            for at in range(int(seconds / SLOT_S)):
                if payload := slots[(first + at) % len(slots)]:
                    packet = pack_rtp(PAYLOAD_TYPE, sequence, 960 * at, 77, payload, marker=False)
                    sequence += 1
                    self._arrivals.append((loop.time() + phase_s + at * SLOT_S, call, packet))
        self._arrivals.sort(key=lambda arrival: arrival[0], reverse=True)
        self._loop = loop
        self.bring()

    def _send(self, _: bytes) -> None:
        self.sent += 1

    def bring(self) -> None:
        """Every packet at its moment."""
        now_s = self._loop.time() + 1e-6
        while self._arrivals and self._arrivals[-1][0] <= now_s:
            _, call, packet = self._arrivals.pop()
            self._clock.file(call, packet)
        if self._arrivals:
            self._loop.call_at(self._arrivals[-1][0], self.bring)


async def run(args: argparse.Namespace) -> None:
    calls = Calls(args.calls, SETTLES_S + args.seconds, both=args.duty == "both")
    await asyncio.sleep(SETTLES_S)
    found = await ms_per_second(args.calls, args.seconds, turns=args.turns)
    if found is not None:
        print(f"{found:.2f} ms for each second of a call")
    await calls.hub.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--duty", choices=["conversation", "both"], default="conversation")
    parser.add_argument("--turns", action="store_true", help="each half second on being told")
    args = parser.parse_args()
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(run(args))


if __name__ == "__main__":
    main()
