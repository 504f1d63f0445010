"""Hugging Face speech-to-speech: its Realtime server and a pool of pipelines (`--num_pipelines`).

Recogniser, model and voice are handlers of its own kind that cost nothing.  Its Silero comes from a
pinned package instead of GitHub.  Smart Turn, its default, is off: turns end by silence alone, as
in the other peers.  It waits for 64 ms of silence and then for the time in which one may still go
on; both are the window.  The voice is at 16 kHz, which is what its pipeline has.
"""

from __future__ import annotations

import argparse
import socket
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import nltk
import numpy as np
import torch
import voice

nltk.download = lambda *_, **__: True  # For sentences of a model that is not used here.
SILERO = Path(find_spec("silero_vad").origin).parent / "data" / "silero_vad.jit"
torch.hub.load = lambda *_, **__: (torch.jit.load(SILERO), None)

import aioice.ice  # noqa: E402
import speech_to_speech.s2s_pipeline as s2s  # noqa: E402
import uvicorn  # noqa: E402
from speech_to_speech.api.openai_realtime.websocket_router import create_app  # noqa: E402
from speech_to_speech.arguments_classes.module_arguments import ModuleArguments  # noqa: E402
from speech_to_speech.arguments_classes.vad_arguments import VADHandlerArguments  # noqa: E402
from speech_to_speech.backend_registry import (  # noqa: E402
    BackendSelection,
    BackendSpec,
    EmptyBackendArguments,
)
from speech_to_speech.baseHandler import BaseHandler  # noqa: E402
from speech_to_speech.pipeline.messages import (  # noqa: E402
    AUDIO_RESPONSE_DONE,
    EndOfResponse,
    LLMResponseChunk,
    Transcription,
)
from speech_to_speech.STT.base_stt_handler import BaseSTTHandler  # noqa: E402
from speech_to_speech.utils.thread_manager import ThreadManager  # noqa: E402

aioice.ice.get_host_addresses = lambda **_: ["127.0.0.1"]
SOFT_SILENCE_MS = 64
"""Its own; the caller asks for the same."""
RATE_HZ = 16_000
PIECE = np.frombuffer(voice.tone(RATE_HZ), "<i2")


class ZeroRecognizer(BaseSTTHandler):
    def process(self, heard) -> Iterator[Transcription]:
        if heard.mode != "progressive":
            yield Transcription(
                text="hello",
                language_code="en",
                turn_id=heard.turn_id,
                turn_revision=heard.turn_revision,
                speech_stopped_at_s=heard.speech_end_at_s,
            )


class ZeroModel(BaseHandler):
    def setup(self, cancel_scope) -> None:
        self.cancel_scope = cancel_scope

    def process(self, request) -> Iterator[LLMResponseChunk | EndOfResponse]:
        turn = {
            "turn_id": request.turn_id,
            "turn_revision": request.turn_revision,
            "cancel_generation": self.cancel_scope.generation,
            "response_key": request.response_key,
        }
        yield LLMResponseChunk(
            text="Hello.",
            runtime_config=request.runtime_config,
            response=request.response,
            speech_stopped_at_s=request.speech_stopped_at_s,
            **turn,
        )
        yield EndOfResponse(**turn)


class ToneVoice(BaseHandler):
    """As its own voices do: it asks whether the turn stands, and stops when it was cancelled."""

    def setup(self, cancel_scope, speculative_turns) -> None:
        self.cancel_scope = cancel_scope
        self.turns = speculative_turns

    def process(self, said) -> Iterator[np.ndarray | bytes]:
        if isinstance(said, EndOfResponse):
            if not self.turns.wait_for_gate(said.turn_id, said.turn_revision):
                if said.response_key is None:
                    return
                said.cleanup_only = True
            yield AUDIO_RESPONSE_DONE
            return
        if not self.turns.wait_for_gate(said.turn_id, said.turn_revision, commit=True):
            return
        generation, began = self.cancel_scope.generation, time.monotonic()
        for piece in range(voice.REPLY_MS // voice.PIECE_MS):
            time.sleep(max(0.0, began + piece * voice.PIECE_MS / 1000 - time.monotonic()))
            if self.cancel_scope.is_stale(generation):
                return
            yield PIECE


def backend(kind: str, handler: type[BaseHandler], *shared: str) -> BackendSelection:
    def create(context, _) -> BaseHandler:
        return handler(
            context.stop_event,
            queue_in=context.queue_in,
            queue_out=context.queue_out,
            setup_kwargs={name: getattr(context, name) for name in shared},
        )

    return BackendSelection(BackendSpec("zero", kind, EmptyBackendArguments, create), {})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--num-pipelines", type=int, default=1)
    args = parser.parse_args()
    stop = threading.Event()
    pool = [
        s2s._build_pipeline_unit(
            index=index,
            stop_event=stop,
            module_kwargs=ModuleArguments(
                enable_live_transcription=False, num_pipelines=args.num_pipelines
            ),
            vad_handler_kwargs=VADHandlerArguments(
                smart_turn=False, speculative_reopen_ms=voice.SILENCE_MS - SOFT_SILENCE_MS
            ),
            stt_backend=backend("stt", ZeroRecognizer),
            llm_backend=backend("llm", ZeroModel, "cancel_scope"),
            tts_backend=backend("tts", ToneVoice, "cancel_scope", "speculative_turns"),
        )
        for index in range(args.num_pipelines)
    ]
    manager = ThreadManager([handler for unit in pool for handler in unit.handlers])
    manager.start()
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    print(listening.getsockname()[1], flush=True)
    app = create_app(pool=pool, stop_event=stop)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listening])
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
