"""FastRTC on a FastAPI app, as in its documentation: `ReplyOnPause` with its Silero.

Recogniser and model cost nothing.  Its model is fetched from Hugging Face at the first start; here
the same network (Silero 4) comes with a pinned package, so that nothing is downloaded in a run.
Its window of silence is a chunk of speech of that length in which hardly anybody spoke.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import aioice.ice
import anyio.to_thread
import numpy as np
import uvicorn
import voice
from fastapi import FastAPI
from fastrtc import AlgoOptions, ReplyOnPause, Stream
from fastrtc.pause_detection.silero import SileroVADModel

aioice.ice.get_host_addresses = lambda **_: ["127.0.0.1"]
MOST_CALLS = 512
"""Also threads: its voices wait in one each, of which asyncio has six on two cores."""


def shipped_model() -> str:
    package = find_spec("faster_whisper")
    assert package is not None, "it is pinned"
    return str(Path(package.origin).parent / "assets" / "silero_vad.onnx")


SileroVADModel.download_model = staticmethod(shipped_model)


async def reply(_: tuple[int, np.ndarray]) -> AsyncGenerator[tuple[int, np.ndarray], None]:
    async for piece in voice.speech():
        yield voice.RATE_HZ, np.frombuffer(piece, "<i2").reshape(1, -1)


stream = Stream(
    ReplyOnPause(
        reply,
        algo_options=AlgoOptions(audio_chunk_duration=voice.SILENCE_MS / 1000),
        output_sample_rate=voice.RATE_HZ,
    ),
    modality="audio",
    mode="send-receive",
    concurrency_limit=MOST_CALLS,
    server_rtc_configuration={"iceServers": []},
    verbose=False,
)
app = FastAPI()
stream.mount(app)


async def main() -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(MOST_CALLS))
    anyio.to_thread.current_default_thread_limiter().total_tokens = MOST_CALLS
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    print(listening.getsockname()[1], flush=True)
    await uvicorn.Server(uvicorn.Config(app, log_level="error")).serve(sockets=[listening])


if __name__ == "__main__":
    asyncio.run(main())
