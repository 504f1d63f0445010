"""The session object (GA dialect), and patches to it.

A `Session` always holds every field; a `…Patch` holds what a client sent, where
absent is `UNSET` and ``null`` is ``None``.  The rules by which a patch changes a
session are behaviour and live in `antiphon.core.settings`.

Bounds and defaults: docs/reference/protocol.md, "The session object".
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

# --- Audio formats -----------------------------------------------------------


class PcmFormat(Struct, frozen=True, tag="audio/pcm", tag_field="type"):
    """Signed 16-bit little-endian mono."""

    rate: Literal[24000] = 24000


class PcmuFormat(Struct, frozen=True, tag="audio/pcmu", tag_field="type"):
    """G.711 µ-law, 8 kHz mono."""


class PcmaFormat(Struct, frozen=True, tag="audio/pcma", tag_field="type"):
    """G.711 A-law, 8 kHz mono."""


AudioFormat = PcmFormat | PcmuFormat | PcmaFormat

# --- Small vocabularies ------------------------------------------------------

Modality = Literal["audio", "text"]
Eagerness = Literal["auto", "low", "medium", "high"]
Unit = Annotated[float, Meta(ge=0, le=1)]
Speed = Annotated[float, Meta(ge=0.25, le=1.5)]
MaxTokens = Annotated[int, Meta(ge=1, le=4096)] | Literal["inf"]
IdleTimeout = Annotated[int, Meta(ge=5_000, le=30_000)]
Milliseconds = Annotated[int, Meta(ge=0, le=600_000)]
"""Ten minutes: so much of the microphone is kept."""
Include = Literal["item.input_audio_transcription.logprobs"]


class CustomVoice(Struct, frozen=True):
    id: str


Voice = str | CustomVoice

# --- Tools -------------------------------------------------------------------


class FunctionTool(Struct, frozen=True, omit_defaults=True, tag="function", tag_field="type"):
    name: Annotated[str, Meta(min_length=1, max_length=128)]
    description: str | None = None
    parameters: dict[str, Any] | None = None


class McpTool(Struct, frozen=True, omit_defaults=True, tag="mcp", tag_field="type"):
    """A tool server.  Its secrets (`authorization`, `headers`) are never kept."""

    server_label: str
    server_url: str | None = None
    connector_id: str | None = None
    server_description: str | None = None
    allowed_tools: Any = None
    require_approval: Any = None


Tool = FunctionTool | McpTool


class FunctionChoice(Struct, frozen=True, tag="function", tag_field="type"):
    name: str


class McpChoice(Struct, frozen=True, omit_defaults=True, tag="mcp", tag_field="type"):
    server_label: str
    name: str | None = None


ToolChoice = Literal["auto", "none", "required"] | FunctionChoice | McpChoice

# --- Truncation of the context ----------------------------------------------


class TokenLimits(Struct, frozen=True, omit_defaults=True):
    post_instructions: Annotated[int, Meta(ge=0, le=1_000_000_000)] | None = None


class RetentionRatio(
    Struct, frozen=True, omit_defaults=True, tag="retention_ratio", tag_field="type"
):
    retention_ratio: Unit
    token_limits: TokenLimits | None = None


Truncation = Literal["auto", "disabled"] | RetentionRatio

# --- Turn detection ----------------------------------------------------------


class Overlap(Struct, frozen=True):
    """A sound while the assistant is heard interrupts once it proves to be one who wants the
    floor (beyond OpenAI's API, where each does at once; docs/concepts/turns.md).
    """

    interruption_ms: Milliseconds = 800
    """A clear voice that goes on so long interrupts, whatever it says."""
    wait_ms: Milliseconds = 1_200
    """So long after a sound its words are waited for; without any it was an interruption."""


class ServerVad(Struct, frozen=True, tag="server_vad", tag_field="type"):
    threshold: Unit = 0.5
    prefix_padding_ms: Milliseconds = 300
    silence_duration_ms: Milliseconds = 500
    idle_timeout_ms: IdleTimeout | None = None
    create_response: bool = True
    interrupt_response: bool = True
    overlap: Overlap | UnsetType = UNSET
    """Shown only when a client set it."""


class SemanticVad(Struct, frozen=True, tag="semantic_vad", tag_field="type"):
    eagerness: Eagerness = "auto"
    create_response: bool = True
    interrupt_response: bool = True
    overlap: Overlap | UnsetType = UNSET


TurnDetection = ServerVad | SemanticVad


class OverlapPatch(Struct, frozen=True):
    interruption_ms: Milliseconds | UnsetType | None = UNSET
    wait_ms: Milliseconds | UnsetType | None = UNSET


class TurnDetectionPatch(Struct, frozen=True):
    """Fields that the chosen type does not have are ignored."""

    type: Literal["server_vad", "semantic_vad"] | UnsetType = UNSET
    threshold: Unit | UnsetType | None = UNSET
    prefix_padding_ms: Milliseconds | UnsetType | None = UNSET
    silence_duration_ms: Milliseconds | UnsetType | None = UNSET
    idle_timeout_ms: IdleTimeout | UnsetType | None = UNSET
    eagerness: Eagerness | UnsetType | None = UNSET
    create_response: bool | UnsetType | None = UNSET
    interrupt_response: bool | UnsetType | None = UNSET
    overlap: OverlapPatch | UnsetType | None = UNSET
    """``null`` turns it off."""


# --- Input -------------------------------------------------------------------


STREAMS_WHILE_SPOKEN = frozenset({"gpt-realtime-whisper", "gpt-live-transcribe", "antiphon-live"})
"""Transcription models whose deltas may come before the turn is committed."""


class Transcription(Struct, frozen=True, omit_defaults=True):
    """Absent keys stay absent in the echo: Pipecat refuses ones that it does not know."""

    model: str | None = None
    language: str | None = None
    languages: tuple[str, ...] | None = None
    prompt: str | None = None
    keywords: tuple[str, ...] | None = None
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None


class TranscriptionPatch(Struct, frozen=True):
    model: str | UnsetType | None = UNSET
    language: str | UnsetType | None = UNSET
    languages: tuple[str, ...] | UnsetType | None = UNSET
    prompt: str | UnsetType | None = UNSET
    keywords: tuple[str, ...] | UnsetType | None = UNSET
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | UnsetType | None = UNSET


class NoiseReduction(Struct, frozen=True, omit_defaults=True):
    type: Literal["near_field", "far_field"]
    strength: Unit | None = None


class NoiseReductionPatch(Struct, frozen=True):
    type: Literal["near_field", "far_field"] | UnsetType | None = UNSET
    strength: Unit | UnsetType | None = UNSET


class AudioInput(Struct, frozen=True):
    format: AudioFormat = PcmFormat()
    transcription: Transcription | None = None
    noise_reduction: NoiseReduction | None = None
    turn_detection: TurnDetection | None = ServerVad()


class AudioInputPatch(Struct, frozen=True):
    format: AudioFormat | UnsetType | None = UNSET
    transcription: TranscriptionPatch | UnsetType | None = UNSET
    noise_reduction: NoiseReductionPatch | UnsetType | None = UNSET
    turn_detection: TurnDetectionPatch | UnsetType | None = UNSET


# --- Output ------------------------------------------------------------------


class AudioOutput(Struct, frozen=True):
    format: AudioFormat = PcmFormat()
    voice: Voice = "marin"
    speed: Speed = 1.0


class AudioOutputPatch(Struct, frozen=True):
    format: AudioFormat | UnsetType | None = UNSET
    voice: Voice | UnsetType | None = UNSET
    speed: Speed | UnsetType | None = UNSET


class Audio(Struct, frozen=True):
    input: AudioInput = AudioInput()
    output: AudioOutput = AudioOutput()


class AudioPatch(Struct, frozen=True):
    input: AudioInputPatch | UnsetType | None = UNSET
    output: AudioOutputPatch | UnsetType | None = UNSET


# --- The session -------------------------------------------------------------


ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]


class Reasoning(Struct, frozen=True, omit_defaults=True):
    effort: ReasoningEffort | None = None


class TracingSettings(Struct, frozen=True, omit_defaults=True):
    workflow_name: str | None = None
    group_id: str | None = None
    metadata: dict[str, Any] | None = None


Tracing = Literal["auto"] | TracingSettings


class StoredPrompt(Struct, frozen=True, omit_defaults=True):
    """A prompt that OpenAI keeps; here it is echoed, and no more."""

    id: str
    version: str | None = None
    variables: dict[str, Any] | None = None


DEFAULT_INSTRUCTIONS = (
    "You are a helpful, friendly voice assistant. Answer briefly and in the language of the user."
)


class Resume(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How to come back, and what this connection came back to."""

    conversation_id: str
    token: str | None = None
    """Brings its bearer back to this session, once; None: one cannot come back to it."""
    linger_s: float | None = None
    """How long the session waits for one whose connection was lost."""
    continues: Literal["session", "conversation"] | None = None
    """Which of both is older than this connection; None: neither."""
    gap: bool = False
    """Events between the cursor and now are gone; the items that follow show what came of them."""


class Answering(Struct, frozen=True, omit_defaults=True):
    """Who really answers, whatever names were asked for (beyond OpenAI's API)."""

    engine: str = ""
    voice: str | None = None
    cost: bool = False
    """`antiphon.cost` tells what each answer cost."""
    timeline: bool = False
    """`antiphon.timeline` tells where the time of each turn went."""
    recording: bool = False
    """The sound of both sides is recorded."""
    resume: Resume | None = None
    """In `session.created` alone, of servers that keep conversations."""


class Session(Struct, frozen=True, kw_only=True, tag="realtime", tag_field="type"):
    """A realtime session, complete, as `session.created` and `session.updated` show it."""

    object: str = "realtime.session"
    id: str
    model: str
    expires_at: int
    """Unix seconds."""
    output_modalities: tuple[Modality, ...] = ("audio",)
    instructions: str = DEFAULT_INSTRUCTIONS
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    max_output_tokens: MaxTokens = "inf"
    truncation: Truncation = "auto"
    tracing: Tracing | None = None
    prompt: StoredPrompt | None = None
    include: tuple[Include, ...] | None = None
    audio: Audio = Audio()
    # Shown only when a client set them: older clients do not know these keys.
    parallel_tool_calls: bool | UnsetType = UNSET
    reasoning: Reasoning | UnsetType = UNSET
    antiphon: Answering | UnsetType = UNSET


class TranscriptionAudio(Struct, frozen=True):
    input: AudioInput = AudioInput()


class TranscriptionSession(
    Struct, frozen=True, kw_only=True, tag="transcription", tag_field="type"
):
    """A session that only listens (`?intent=transcription`)."""

    object: str = "realtime.transcription_session"
    id: str
    expires_at: int
    include: tuple[Include, ...] | None = None
    audio: TranscriptionAudio = TranscriptionAudio()
    antiphon: Answering | UnsetType = UNSET


AnySession = Session | TranscriptionSession


class Extensions(Struct, frozen=True, kw_only=True):
    """What a client may set beyond OpenAI's API, as `session.antiphon`."""

    cost: bool | UnsetType | None = UNSET
    """Tell what each answer cost (`antiphon.cost`)."""
    timeline: bool | UnsetType | None = UNSET
    """Tell where the time of each turn went (`antiphon.timeline`)."""


class SessionPatch(Struct, frozen=True, kw_only=True):
    """What `session.update` (or a client secret) may set; ``type`` chooses the kind."""

    type: Literal["realtime", "transcription"] | UnsetType = UNSET
    model: str | UnsetType | None = UNSET
    output_modalities: tuple[Modality, ...] | UnsetType | None = UNSET
    instructions: str | UnsetType | None = UNSET
    tools: tuple[Tool, ...] | UnsetType | None = UNSET
    tool_choice: ToolChoice | UnsetType | None = UNSET
    max_output_tokens: MaxTokens | UnsetType | None = UNSET
    truncation: Truncation | UnsetType | None = UNSET
    tracing: Tracing | UnsetType | None = UNSET
    prompt: StoredPrompt | UnsetType | None = UNSET
    include: tuple[Include, ...] | UnsetType | None = UNSET
    audio: AudioPatch | UnsetType | None = UNSET
    parallel_tool_calls: bool | UnsetType | None = UNSET
    reasoning: Reasoning | UnsetType | None = UNSET
    antiphon: Extensions | UnsetType | None = UNSET
