"""Any session that there can be, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st
from msgspec import UNSET

from antiphon.protocol.session import (
    Audio,
    AudioFormat,
    AudioInput,
    AudioOutput,
    CustomVoice,
    FunctionChoice,
    FunctionTool,
    NoiseReduction,
    PcmaFormat,
    PcmFormat,
    PcmuFormat,
    Reasoning,
    RetentionRatio,
    SemanticVad,
    ServerVad,
    Session,
    StoredPrompt,
    TracingSettings,
    Transcription,
    TranscriptionAudio,
    TranscriptionSession,
)

texts = st.text(max_size=12)
units = st.floats(0, 1)
durations_ms = st.integers(0, 5_000)
formats: st.SearchStrategy[AudioFormat] = st.sampled_from([PcmFormat(), PcmuFormat(), PcmaFormat()])
turn_detections = st.one_of(
    st.none(),
    st.builds(
        ServerVad,
        units,
        durations_ms,
        durations_ms,
        st.none() | st.integers(5_000, 30_000),
        st.booleans(),
        st.booleans(),
    ),
    st.builds(
        SemanticVad,
        st.sampled_from(["auto", "low", "medium", "high"]),
        st.booleans(),
        st.booleans(),
    ),
)
transcriptions = st.none() | st.builds(
    Transcription,
    model=st.none() | texts,
    language=st.none() | texts,
    prompt=st.none() | texts,
    keywords=st.none() | st.tuples(texts),
)
noise_reductions = st.none() | st.builds(
    NoiseReduction, st.sampled_from(["near_field", "far_field"]), st.none() | units
)
inputs = st.builds(AudioInput, formats, transcriptions, noise_reductions, turn_detections)
voices = st.sampled_from(["alloy", "marin", CustomVoice("voice_1")])
outputs = st.builds(AudioOutput, formats, voices, st.floats(0.25, 1.5))
tools = st.builds(FunctionTool, st.text("abc_", min_size=1, max_size=9), st.none() | texts)
includes = st.sampled_from([None, ("item.input_audio_transcription.logprobs",)])


def realtime_sessions(model: str = "gpt-4o-realtime-preview") -> st.SearchStrategy[Session]:
    return st.builds(
        Session,
        id=st.just("sess_AAAAAAAAAAAAAAAAAAAA1"),
        model=st.just(model),
        expires_at=st.just(1_795_000_000),
        output_modalities=st.sampled_from([("audio",), ("text",)]),
        instructions=texts,
        tools=st.lists(tools, max_size=2).map(tuple),
        tool_choice=st.sampled_from(["auto", "none", "required", FunctionChoice("f")]),
        max_output_tokens=st.just("inf") | st.integers(1, 4096),
        truncation=st.sampled_from(["auto", "disabled", RetentionRatio(0.5)]),
        tracing=st.sampled_from([None, "auto", TracingSettings("w")]),
        prompt=st.sampled_from([None, StoredPrompt("pmpt_1")]),
        include=includes,
        audio=st.builds(Audio, inputs, outputs),
        parallel_tool_calls=st.sampled_from([UNSET, True, False]),
        reasoning=st.sampled_from([UNSET, Reasoning("low")]),
    )


transcription_sessions = st.builds(
    TranscriptionSession,
    id=st.just("sess_AAAAAAAAAAAAAAAAAAAA1"),
    expires_at=st.just(1_795_000_000),
    include=includes,
    audio=st.builds(TranscriptionAudio, inputs),
)
