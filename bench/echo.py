"""Does the agent's own voice, come back through the microphone, cut its reply?

    python bench/echo.py [--replies N]

Calls over WebRTC (an aiortc client, Silero voice detection, the offline engine's voice).
The client's microphone hears what its speaker plays, so much quieter and 60 ms later, in
the noise of a room.  Browsers cancel echo by themselves; this is what a speakerphone
without that does.  For each level it prints how many of the replies were cut though nobody
spoke, and, with a person who speaks into the reply, how many were cut and how soon after
the person's first sound.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np
from av import AudioFrame

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from antiphon.engines.cascade.tts.espeak import EspeakSynthesizer  # noqa: E402
from antiphon.engines.vad.silero import SileroDetector  # noqa: E402
from antiphon.runtime.hub import Hub  # noqa: E402
from antiphon.transports.webrtc.calls import Calls  # noqa: E402
from antiphon.transports.webrtc.settings import WebRtcSettings  # noqa: E402
from tests.recordings import at_24khz  # noqa: E402
from tests.transports.webrtc.client import Client, PcmTrack, SayingEngine  # noqa: E402

LEVELS_DB = (-60, -30, -20, -14, -8)
DELAY_FRAMES = 3
NOISE = 6.0
PERSON = "laptop_yes"
TEXT = (
    "There was a lighthouse keeper who talked to the ships at night. The ships never answered, "
    "but they always turned in time, so she went on talking."
)
VOICES = ("marin", "cedar", "alloy", "coral", "verse")


class EchoingMicrophone(PcmTrack):
    """Hears the room, the speaker, and a person when one speaks."""

    def __init__(self, level_db: float) -> None:
        super().__init__()
        self._gain = 10 ** (level_db / 20)
        self._random = np.random.default_rng(1)
        self._speaker: list[np.ndarray[Any, Any]] = []
        self._person = np.zeros(0)

    def plays(self, pcm: np.ndarray[Any, Any]) -> None:
        """20 ms that the speaker plays, 24 kHz."""
        self._speaker.append(pcm)

    def speaks(self, pcm: bytes) -> None:
        self._person = np.frombuffer(pcm, "<i2").astype(float)

    async def recv(self) -> AudioFrame:
        frame = await super().recv()
        heard = self._random.normal(0, NOISE, 480)
        if len(self._speaker) > DELAY_FRAMES:
            heard += self._gain * self._speaker.pop(0)[:480]
        heard[: len(self._person)] += self._person[:480][: len(heard)]
        self._person = self._person[480:]
        pcm = np.clip(heard, -32768, 32767).astype("<i2")
        echoed = AudioFrame.from_ndarray(pcm[None, :], "s16", "mono")
        echoed.sample_rate, echoed.pts, echoed.time_base = 24_000, frame.pts, frame.time_base
        return echoed


class Caller(Client):
    def __init__(self, calls: Calls, level_db: float) -> None:
        super().__init__(calls)
        self.ears = EchoingMicrophone(level_db)
        self.connection.getSenders()[0].replaceTrack(self.ears)

    async def _tell(self) -> None:
        await super()._tell()
        while self.frames:
            _, pcm = self.frames.pop(0)
            self.ears.plays(pcm[::2].astype(float))  # 48 to 24 kHz; an ear minds no alias.


async def spoken(voice: str, synthesizer: EspeakSynthesizer) -> bytes:
    pieces = [p.pcm async for p in synthesizer.speak(TEXT, voice=voice, speed=1)]
    return b"".join(pieces)


async def replies(
    calls: Calls, engine: SayingEngine, speeches: list[bytes], level_db: float, *, person: bool
) -> list[float | None]:
    """For each reply: ms from the person's first sound (or its own) to the cut; None: whole."""
    results: list[float | None] = []
    loop = asyncio.get_running_loop()
    for speech in speeches:
        engine.speech = speech
        caller = Caller(calls, level_db)
        await caller.call()
        await caller.event("session.created")
        await asyncio.sleep(0.5)
        caller.send("response.create")
        await caller.event("output_audio_buffer.started")
        began_s = loop.time()
        if person:
            await asyncio.sleep(2.0)
            began_s = loop.time()
            caller.ears.speaks(at_24khz(PERSON))
        cut = asyncio.ensure_future(caller.event("output_audio_buffer.cleared"))
        whole = asyncio.ensure_future(asyncio.sleep(len(speech) / 48_000 + 1.5))
        await asyncio.wait((cut, whole), return_when=asyncio.FIRST_COMPLETED)
        results.append((loop.time() - began_s) * 1000 if cut.done() else None)
        cut.cancel()
        whole.cancel()
        await asyncio.gather(cut, whole, return_exceptions=True)
        await caller.hang_up()
    return results


async def main(count: int) -> None:
    synthesizer = EspeakSynthesizer(workers=1)
    detector = SileroDetector()
    await synthesizer.start()
    speeches = [await spoken(VOICES[n % len(VOICES)], synthesizer) for n in range(count)]
    engine = SayingEngine()
    hub = Hub(lambda _: engine, detector=detector)
    calls = Calls(hub, WebRtcSettings(host_addresses=("127.0.0.1",)))
    for level_db in LEVELS_DB:
        alone = await replies(calls, engine, speeches, level_db, person=False)
        met = await replies(calls, engine, speeches, level_db, person=True)
        cuts_ms = [ms for ms in met if ms is not None]
        median = f", median {statistics.median(cuts_ms):.0f} ms" if cuts_ms else ""
        print(
            f"echo {level_db:4d} dB: cut by itself {sum(ms is not None for ms in alone)}/{count}; "
            f"by a person {len(cuts_ms)}/{count}{median}",
            flush=True,
        )
    await calls.aclose()
    await hub.aclose()
    await synthesizer.aclose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--replies", type=int, default=5)
    asyncio.run(main(parser.parse_args().replies))
