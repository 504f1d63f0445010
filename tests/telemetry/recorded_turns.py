"""Spoken turns in virtual time, recorded, and what the recordings show of their waits.

    python -m tests.telemetry.recorded_turns 300

Real speech goes through the real detector, each turn cut off where somebody speaks, so that a
recording shows without doubt where the last word ends.  The answers begin with silence of
different lengths.  Where the client plays, both sides are as `Recorder` keeps them; where the
server does, the agent's are the frames that left, when they left.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from concurrent.futures import Executor, Future
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from antiphon.core.causes import (
    EngineFinished,
    EngineNews,
    EngineSaid,
    EngineSpoke,
    TranscriptEnded,
)
from antiphon.core.effects import EngineCommand, Generate, TurnCommitted
from antiphon.engines.engine import Abilities
from antiphon.engines.vad.silero import SileroDetector
from antiphon.protocol.client import InputAudioBufferAppend
from antiphon.protocol.session import Extensions, SessionPatch
from antiphon.runtime.hub import Hub
from antiphon.runtime.recorder import Recorder
from antiphon.testing.virtual_loop import run_in_virtual_time
from antiphon.transports.rtp.playback import PacedPlayback
from tests.recordings import at_24khz
from tests.runtime.stubs import Line

MS = 24
FRAME_MS = 20
CLIPS = ("harvard_s1_1", "harvard_s2_4", "harvard_birch", "weather_like")
Playout = Literal["client", "server"]
Sound = NDArray[np.int16]


class Turn(NamedTuple):
    told_ms: int
    """By its timeline."""
    shown_ms: float
    """By the recording."""

    @property
    def off_ms(self) -> float:
        return self.told_ms - self.shown_ms


class SlowEngine:
    """Recognises, thinks and speaks, each for a while."""

    name = "slow"
    description = "Takes its time."
    abilities = Abilities()

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    async def start(self) -> None: ...

    def open(self, session_id: str) -> SlowSession:
        return SlowSession(self._random)

    async def aclose(self) -> None: ...


class SlowSession:
    def __init__(self, draw: random.Random) -> None:
        self._random = draw
        self._news: asyncio.Queue[EngineNews | None] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    def send(self, command: EngineCommand) -> None:
        if isinstance(command, TurnCommitted | Generate):
            self._tasks.append(asyncio.get_running_loop().create_task(self._do(command)))

    async def _do(self, command: TurnCommitted | Generate) -> None:
        draw, news = self._random, self._news
        if isinstance(command, TurnCommitted):
            await asyncio.sleep(draw.uniform(0.02, 0.15))
            news.put_nowait(TranscriptEnded(command.item_id, "well"))
            return
        await asyncio.sleep(draw.uniform(0.1, 0.5))
        news.put_nowait(EngineSaid(command.response_id, "Well, "))
        await asyncio.sleep(draw.uniform(0.02, 0.25))
        at = np.arange(400 * MS)
        tone = (9_000 * np.sin(at / 9)).astype("<i2").tobytes()
        pcm = bytes(2 * draw.randrange(200 * MS)) + tone
        piece = 2 * MS * draw.choice((20, 60, 100))
        for start in range(0, len(pcm), piece):
            news.put_nowait(EngineSpoke(command.response_id, pcm[start : start + piece]))
            await asyncio.sleep(draw.uniform(0, 0.01))
        news.put_nowait(EngineFinished(command.response_id))

    async def __aiter__(self) -> AsyncIterator[EngineNews]:
        while (news := await self._news.get()) is not None:
            yield news

    async def aclose(self) -> None:
        self._news.put_nowait(None)


class Raw:
    """A recording without any coding."""

    def encode(self, stereo: bytes) -> bytes:
        return stereo

    def finish(self) -> bytes:
        return b""


class AtOnce(Executor):
    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


class AsItIs:
    """A codec that changes nothing."""

    pauses = True
    silence = b""

    def encode(self, pcm: bytes) -> bytes:
        return pcm

    def reset(self) -> None: ...


class Loudspeaker:
    """Takes a frame each 20 ms, and keeps what came when."""

    def __init__(self) -> None:
        self.playback = PacedPlayback(AsItIs(), lambda: self.on_drained())
        self._played: list[tuple[float, bytes]] = []

    def on_drained(self) -> None: ...

    async def run(self, began_s: float, phase_s: float) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(phase_s)
        while True:
            frame = self.playback.next_frame()
            if frame is not None and frame.payload:
                self._played.append((loop.time() - began_s, frame.payload))
            self.playback.encode_ahead()
            await asyncio.sleep(FRAME_MS / 1000)

    def recording(self) -> Sound:
        end_s = self._played[-1][0] + 1
        sound = np.zeros(round(end_s * 1000 * MS), "<i2")
        for at_s, pcm in self._played:
            at = round(at_s * 1000 * MS)
            sound[at : at + len(pcm) // 2] = np.frombuffer(pcm, "<i2")
        return sound


def utterances(count: int, draw: random.Random) -> list[bytes]:
    """Speech that ends in the middle of a loud word, each with a little noise behind."""
    clips = [np.frombuffer(at_24khz(name), "<i2") for name in CLIPS]
    found: list[bytes] = []
    while len(found) < count:
        clip = draw.choice(clips)
        end = draw.randrange(900 * MS, min(2_600 * MS, clip.size))
        if np.abs(clip[end - 20 * MS : end]).max() > 0.4 * np.abs(clip[:end]).max():
            found.append(clip[:end].tobytes())
    return found


def noise(ms: int, draw: random.Random) -> bytes:
    source = np.random.default_rng(draw.randrange(1_000_000))
    return source.normal(0, 25, ms * MS).astype("<i2").tobytes()


async def converse(count: int, playout: Playout, seed: int) -> list[Turn]:
    draw = random.Random(seed)
    loop = asyncio.get_running_loop()
    kept = bytearray()
    recorder = Recorder(Raw(), kept.extend, executor=AtOnce())
    hub = Hub(lambda _: SlowEngine(seed), detector=SileroDetector(), observers=[lambda _: recorder])
    speaker = Loudspeaker() if playout == "server" else None
    began_s = loop.time()
    session = hub.open(
        kind="realtime",
        model="slow",
        patch=SessionPatch(antiphon=Extensions(timeline=True)),
        playback=None if speaker is None else speaker.playback,
    )
    recorder.follow(session.settings)
    line = Line("client")
    session.attach(line)
    playing = None
    if speaker is not None:
        speaker.on_drained = session.drained  # type: ignore[method-assign]
        playing = loop.create_task(speaker.run(began_s, draw.uniform(0, 0.02)))
    chunk_ms = FRAME_MS if speaker else draw.choice((20, 40))
    for utterance in utterances(count, draw):
        microphone = utterance + noise(2_200 + draw.randrange(40), draw)
        size = 2 * MS * chunk_ms  # A microphone sends whole pieces, and neither less nor more.
        for at in range(0, len(microphone) // size * size, size):
            chunk = microphone[at : at + size]
            await asyncio.sleep(chunk_ms / 1000)
            if speaker is not None:
                session.hear(chunk)
            else:
                session.receive(line, InputAudioBufferAppend(audio=chunk))
    told = [event["timeline"] for event in line.take() if event["type"] == "antiphon.timeline"]
    session.detach(line, for_good=True)
    await hub.aclose()
    if playing is not None:
        playing.cancel()
    await asyncio.gather(*[task for task in [playing] if task], return_exceptions=True)
    sides = np.frombuffer(bytes(kept), "<i2").reshape(-1, 2)
    agent = sides[:, 1] if speaker is None else speaker.recording()
    return compared(told, sides[:, 0], agent)


def compared(told: list[dict[str, Any]], user: Sound, agent: Sound) -> list[Turn]:
    """Each timeline with what the recording shows of its turn."""
    turns = []
    answers = [begin for begin, _ in bursts(agent)]
    words = [end for _, end in bursts(user)]
    for timeline in told:
        total = sum(part["duration_ms"] for part in timeline["segments"])
        assert total == timeline["ended_ms"] - timeline["began_ms"]
        answer = min(answers, key=lambda at: abs(at - MS * timeline["ended_ms"]))
        last_word = max(end for end in words if end < answer)
        turns.append(Turn(total, (answer - last_word) / MS))
    assert len(answers) == len(turns), "no answer is without its timeline"
    return turns


def bursts(side: Sound) -> list[tuple[int, int]]:
    """Where somebody speaks: what is loud, with pauses of less than 450 ms in it."""
    loud = np.flatnonzero(np.abs(side.astype(np.int32)) > 400)
    cuts = [0, *(np.flatnonzero(np.diff(loud) > 450 * MS) + 1), loud.size]
    return [(int(loud[a]), int(loud[b - 1])) for a, b in pairwise(cuts)]


def measure(count: int, playout: Playout, seed: int = 7) -> list[Turn]:
    return run_in_virtual_time(converse(count, playout, seed))


def main() -> None:
    count = int(sys.argv[1])
    for playout in ("client", "server"):
        off = np.abs([turn.off_ms for turn in measure(count, playout)])
        p50, p99 = np.percentile(off, [50, 99])
        print(  # noqa: T201
            f"{playout} plays: {off.size} turns, |told - recorded| p50 {p50:.1f}, "
            f"p99 {p99:.1f}, most {off.max():.1f} ms"
        )


if __name__ == "__main__":
    main()
