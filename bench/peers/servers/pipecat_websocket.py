"""Pipecat behind FastAPI's WebSocket, as in its examples: protobuf frames, Silero, a pipeline.

Recogniser, model and voice cost nothing.  Turns end by silence alone, as in the other peers (by
default Pipecat asks its Smart Turn model).  No observers, no metrics, no logs.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncGenerator

import processes
import uvicorn
import voice
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.protobuf import ProtobufFrameSerializer
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService
from pipecat.transports.websocket.fastapi import (
    FastAPIWebsocketParams,
    FastAPIWebsocketTransport,
)
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

VAD_STOP_S = 0.2
"""Pipecat's own; what remains of the window of silence is the strategy's timeout."""


class ZeroRecognizer(FrameProcessor):
    """Has understood "hello" as soon as a voice is silent."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            await self.push_frame(TranscriptionFrame("hello", "user", "", finalized=True))


class ZeroModel(FrameProcessor):
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        await self.push_frame(LLMTextFrame("Hello."))
        await self.push_frame(LLMFullResponseEndFrame())


class ToneVoice(TTSService):
    def __init__(self) -> None:
        super().__init__(
            sample_rate=voice.RATE_HZ,
            push_start_frame=True,
            push_stop_frames=True,
            settings=TTSSettings(model=None, voice=None, language=None),
        )

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        async for piece in voice.speech():
            yield TTSAudioRawFrame(piece, voice.RATE_HZ, 1, context_id=context_id)


def pipeline(transport) -> PipelineWorker:
    turns = UserTurnStrategies(
        start=[VADUserTurnStartStrategy()],
        stop=[
            SpeechTimeoutUserTurnStopStrategy(
                user_speech_timeout=voice.SILENCE_MS / 1000 - VAD_STOP_S
            )
        ],
    )
    user, assistant = LLMContextAggregatorPair(
        LLMContext(),
        user_params=LLMUserAggregatorParams(
            user_turn_strategies=turns,
            vad_analyzer=SileroVADAnalyzer(params=VADParams(stop_secs=VAD_STOP_S)),
        ),
    )
    parts = [
        transport.input(),
        ZeroRecognizer(),
        user,
        ZeroModel(),
        ToneVoice(),
        transport.output(),
        assistant,
    ]
    return PipelineWorker(
        Pipeline(parts),
        params=PipelineParams(
            audio_in_sample_rate=16_000, audio_out_sample_rate=voice.RATE_HZ, enable_metrics=False
        ),
    )


app = FastAPI()


@app.websocket("/ws")
async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    transport = FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            add_wav_header=False,
            serializer=ProtobufFrameSerializer(),
        ),
    )
    task = pipeline(transport)

    @transport.event_handler("on_client_disconnected")
    async def gone(*_) -> None:
        await task.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(task)
    await runner.run()


if __name__ == "__main__":
    processes.as_many_as_asked()
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listening])
