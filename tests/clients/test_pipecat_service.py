"""Pipecat's own service for the Realtime API, in a pipeline, with nothing changed but the URL."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.arrangements import Arrangement, Serves
from tests.clients.judged import APPEND_BYTES, BYTES_PER_MS, TIMEOUT_S
from tests.recordings import at_24khz
from tests.server_process import ServerProcess

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Its own imports are not ours to mend.
    from loguru import logger
    from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
    from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
    from pipecat.frames.frames import (
        ErrorFrame,
        Frame,
        InputAudioRawFrame,
        LLMRunFrame,
        TTSAudioRawFrame,
        TTSTextFrame,
    )
    from pipecat.observers.base_observer import BaseObserver, FramePushed
    from pipecat.pipeline.pipeline import Pipeline
    from pipecat.pipeline.worker import PipelineParams, PipelineWorker
    from pipecat.processors.aggregators.llm_context import LLMContext
    from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
    from pipecat.services.openai.realtime import events
    from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
    from pipecat.workers.runner import WorkerRunner

BOOK_ROOM = FunctionSchema(
    name="book_room", description="Book a meeting room.", properties={}, required=[]
)


class Watch(BaseObserver):
    """Each frame once, as it is pushed."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: asyncio.Queue[Frame] = asyncio.Queue()
        self.said = ""
        self._known: set[int] = set()

    async def on_push_frame(self, data: FramePushed) -> None:
        if data.frame.id not in self._known:
            self._known.add(data.frame.id)
            self.frames.put_nowait(data.frame)

    async def until(self, kind: type[Any], holds: Callable[[Any], bool] = lambda _: True) -> Any:
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                frame = await self.frames.get()
                assert not isinstance(frame, ErrorFrame), frame
                if isinstance(frame, TTSTextFrame):
                    self.said += frame.text
                if isinstance(frame, kind) and holds(frame):
                    return frame

    async def says(self, text: str) -> None:
        """Words may come before sound that was waited for."""
        if text not in self.said:
            await self.until(TTSTextFrame, lambda _: text in self.said)
        self.said = ""


@asynccontextmanager
async def bot(
    server: Serves, context: LLMContext
) -> AsyncIterator[tuple[OpenAIRealtimeLLMService, PipelineWorker, Watch]]:
    logger.remove()
    transcription = events.InputAudioTranscription()
    session = events.SessionProperties(
        audio=events.AudioConfiguration(input=events.AudioInput(transcription=transcription))
    )
    service = OpenAIRealtimeLLMService(
        api_key="any",
        base_url=f"{server.websocket_url}/v1/realtime",
        settings=OpenAIRealtimeLLMService.Settings(session_properties=session),
    )
    aggregators = LLMContextAggregatorPair(context)
    watch = Watch()
    worker = PipelineWorker(
        Pipeline([aggregators.user(), service, aggregators.assistant()]),
        cancel_on_idle_timeout=False,
        enable_rtvi=False,
        observers=[watch],
        params=PipelineParams(audio_in_sample_rate=24_000, audio_out_sample_rate=24_000),
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    try:
        yield service, worker, watch
    finally:
        await worker.cancel()
        await running


async def test_a_bot_hears_speaks_and_calls_functions(
    offline_server: ServerProcess, arrangement: Arrangement
) -> None:
    context = LLMContext(
        [{"role": "user", "content": "What is six times ten?"}],
        tools=ToolsSchema(standard_tools=[BOOK_ROOM]),
    )
    called: list[str] = []

    async def book_room(call: Any) -> None:
        called.append(call.function_name)
        await call.result_callback("The old mill is yours.")

    async with (
        arrangement.of(offline_server, hears=["book a room"]) as server,
        bot(server, context) as (service, worker, watch),
    ):
        service.register_function("book_room", book_room)
        await worker.queue_frame(LLMRunFrame())
        audio = await watch.until(TTSAudioRawFrame)
        assert (audio.sample_rate, audio.num_channels) == (24_000, 1)
        await watch.says("sixty")

        silence = bytes(1000 * BYTES_PER_MS)
        pcm = silence + at_24khz("cmd_book_a_room") + silence
        for at in range(0, len(pcm), APPEND_BYTES):
            piece = pcm[at : at + APPEND_BYTES]
            await worker.queue_frame(InputAudioRawFrame(piece, 24_000, 1))
        await watch.says("The old mill is yours.")
        assert called == ["book_room"]
