"""LiveKit Agents' session core without a room: PCM at 24 kHz over the package `websockets`.

As its documentation has it: `AgentSession` with its own bundled Silero and its fixed endpointing.
What it lacks here is LiveKit's transport (WebRTC to a server of its own, in Go), so its CPU is that
of the floor's WebSocket and of the core.  Recogniser, model and voice cost nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import multiprocessing
import time

import voice
from livekit import rtc
from livekit.agents import Agent, AgentSession, inference, llm, stt
from livekit.agents.voice import io
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

VAD_SILENCE_S = 0.25
"""LiveKit's own; what remains of the window of silence is its endpointing's."""

WARM = ["livekit.agents", "livekit.rtc", "numpy", "websockets.asyncio.server"]
STARTING_AT_ONCE = 4
"""More would only make each slower."""
START_S = 20


class ZeroRecognizer(stt.STT):
    """Has understood "hello" as soon as a voice is silent, when it is asked for the rest."""

    def __init__(self) -> None:
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=True, interim_results=False, offline_recognize=False, manual_flush=True
            )
        )

    async def _recognize_impl(self, *_, **__) -> stt.SpeechEvent:
        raise NotImplementedError

    def stream(self, *, conn_options, **_) -> stt.RecognizeStream:
        return ZeroStream(stt=self, conn_options=conn_options)


class ZeroStream(stt.RecognizeStream):
    async def _run(self) -> None:
        async for heard in self._input_ch:
            if isinstance(heard, self._FlushSentinel):
                said = stt.SpeechData(language="en", text="hello")
                kind = stt.SpeechEventType.FINAL_TRANSCRIPT
                self._event_ch.send_nowait(stt.SpeechEvent(type=kind, alternatives=[said]))


class ZeroModel(llm.LLM):
    """There has to be one; what it says is in `Assistant.llm_node`."""

    def chat(self, **_) -> llm.LLMStream:
        raise NotImplementedError


class Microphone(io.AudioInput):
    def __init__(self) -> None:
        super().__init__(label="websocket")
        self.frames: asyncio.Queue[rtc.AudioFrame | None] = asyncio.Queue()

    async def __anext__(self) -> rtc.AudioFrame:
        frame = await self.frames.get()
        if frame is None:
            raise StopAsyncIteration
        return frame


class Loudspeaker(io.AudioOutput):
    """The voice is in real time, so a frame is played when it is sent."""

    def __init__(self, connection: ServerConnection) -> None:
        super().__init__(
            label="websocket",
            capabilities=io.AudioOutputCapabilities(pause=False),
            sample_rate=voice.RATE_HZ,
        )
        self._connection = connection
        self._played_s = 0.0

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if not self._played_s:
            self.on_playback_started(created_at=time.time())
        self._played_s += frame.duration
        with contextlib.suppress(ConnectionClosed):
            await self._connection.send(bytes(frame.data))

    def flush(self) -> None:
        super().flush()
        self._over(interrupted=False)

    def clear_buffer(self) -> None:
        self._over(interrupted=True)

    def _over(self, *, interrupted: bool) -> None:
        if self._played_s:
            played_s, self._played_s = self._played_s, 0.0
            self.on_playback_finished(playback_position=played_s, interrupted=interrupted)


class Assistant(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")

    async def llm_node(self, *_):
        yield llm.ChatChunk(id="zero", delta=llm.ChoiceDelta(role="assistant", content="Hello."))

    async def tts_node(self, text, _):
        async for _ in text:
            pass
        async for piece in voice.speech():
            yield rtc.AudioFrame(piece, voice.RATE_HZ, 1, len(piece) // 2)


async def talk(connection: ServerConnection) -> None:
    session = AgentSession(
        stt=ZeroRecognizer(),
        llm=ZeroModel(),
        vad=inference.VAD(min_silence_duration=VAD_SILENCE_S),
        turn_handling={
            "turn_detection": "vad",
            "endpointing": {"mode": "fixed", "min_delay": voice.SILENCE_MS / 1000},
            "interruption": {"mode": "vad"},
            "preemptive_generation": {"enabled": False},
        },
        aec_warmup_duration=None,
    )
    microphone = Microphone()
    session.input.audio = microphone
    session.output.audio = Loudspeaker(connection)
    await session.start(Assistant(), record=False)
    try:
        async for pcm in connection:
            microphone.frames.put_nowait(rtc.AudioFrame(pcm, voice.RATE_HZ, 1, len(pcm) // 2))
    except ConnectionClosed:
        pass
    finally:
        microphone.frames.put_nowait(None)
        await session.aclose()


async def main(starting=None) -> None:
    logging.getLogger("livekit").setLevel(logging.CRITICAL)
    async with serve(talk, "127.0.0.1", 0, compression=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        if starting is not None:
            starting.release()
        await asyncio.get_running_loop().create_future()


def run(starting=None) -> None:
    asyncio.run(main(starting))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--processes", type=int, default=0)
    args = parser.parse_args()
    if not args.processes:
        run()
    else:
        # As LiveKit's workers make them: from a warm process, one for each job.  What is imported
        # there has to be found without this folder; what is not, each of them would import.
        forking = multiprocessing.get_context("forkserver")
        forking.set_forkserver_preload(WARM)
        starting = forking.Semaphore(STARTING_AT_ONCE)
        jobs = []
        for _ in range(args.processes):
            starting.acquire(timeout=START_S)  # One that failed frees no place.
            jobs.append(forking.Process(target=run, args=(starting,)))
            jobs[-1].start()
        for job in jobs:
            job.join()
