"""Pipecat's default turn strategy on the scenes of bench/turns.py, by its own parts.

Its voice activity (Silero, 0.2 s to begin, 0.2 s to end, confidence 0.7, volume 0.6) begins
and interrupts; Smart Turn v3.2, which its package carries, ends a turn after each pause, or 3 s
of silence do.  At the pace of the file, without its pipeline: what a recogniser, a language
model and a voice add to the felt silence is taken to be ours.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADState
from turn_call import ANSWER_MS, CHUNK, CHUNK_MS, DECODE_MS, Outcome
from turn_users import Scene
from turn_voices import say

from antiphon.audio.resample import Resampler

RATE_HZ = 16_000
STOP_MS = 3_000
PRE_SPEECH_MS = 700
MEMORY_MS = 8_000
INFERENCE_MS = 60


def pipecat_listener() -> Callable[[Scene], Outcome]:
    smart_turn = LocalSmartTurnAnalyzerV3(sample_rate=RATE_HZ)
    vad = SileroVADAnalyzer(sample_rate=RATE_HZ)
    return lambda scene: _listen(scene, vad, smart_turn)


def _listen(scene: Scene, vad: SileroVADAnalyzer, smart_turn: LocalSmartTurnAnalyzerV3) -> Outcome:
    vad.set_sample_rate(RATE_HZ)
    vad._model.reset_states()  # type: ignore[no-untyped-call]
    resampler = Resampler(24_000, RATE_HZ)
    outcome = Outcome()
    spoken_ms = len(say(scene.assistant, "slt")) // 24 if scene.assistant else 0
    heard = bytearray()
    in_turn, began_ms, quiet_since_ms = False, 0, 0
    before = VADState.QUIET
    for at in range(0, len(scene.sound) - CHUNK, CHUNK):
        now_ms = at // 24 + CHUNK_MS
        pcm = resampler.process(scene.sound[at : at + CHUNK].tobytes())
        heard += pcm
        state = vad._run_analyzer(pcm)  # What `analyze_audio` does in a thread.
        if state is VADState.SPEAKING and before in (VADState.QUIET, VADState.STARTING):
            if not in_turn:
                in_turn, began_ms = True, now_ms
                outcome.started_ms = outcome.started_ms or now_ms
                if now_ms < spoken_ms:
                    outcome.stopped_ms = outcome.stopped_ms or now_ms
        elif state is VADState.QUIET and before is not VADState.QUIET and in_turn:
            quiet_since_ms = now_ms
            if _is_complete(smart_turn, heard, began_ms, now_ms):
                in_turn = _end(outcome, now_ms)
        elif in_turn and state is VADState.QUIET and now_ms - quiet_since_ms >= STOP_MS:
            in_turn = _end(outcome, now_ms)
        before = state
    return outcome


def _is_complete(
    smart_turn: LocalSmartTurnAnalyzerV3, heard: bytearray, began_ms: int, now_ms: int
) -> bool:
    first_ms = max(0, began_ms - PRE_SPEECH_MS, now_ms - MEMORY_MS)
    sound = np.frombuffer(bytes(heard[2 * 16 * first_ms :]), "<i2").astype(np.float32) / 32_768
    return bool(smart_turn._predict_endpoint(sound)["prediction"])


def _end(outcome: Outcome, now_ms: int) -> bool:
    end_ms = now_ms + INFERENCE_MS
    outcome.committed_ms.append(end_ms)
    # The recogniser works through the whole turn only then.
    outcome.answered_ms.append(end_ms + DECODE_MS + ANSWER_MS)
    return False
