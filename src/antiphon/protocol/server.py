"""The events the server sends (GA dialect), but for those of SIP, MCP and translation."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from antiphon.protocol.items import Item
from antiphon.protocol.session import AnySession, AudioFormat, MaxTokens, Modality
from antiphon.protocol.timeline import Timeline


class _Event(Struct, frozen=True, kw_only=True, tag_field="type"):
    event_id: str


# --- Session -----------------------------------------------------------------


class ErrorDetail(Struct, frozen=True, kw_only=True):
    type: str = "invalid_request_error"
    code: str | None = None
    message: str
    param: str | None = None
    event_id: str | None = None
    """The client event that is at fault."""


class Error(_Event, frozen=True, kw_only=True, tag="error"):
    error: ErrorDetail


class PartFailed(_Event, frozen=True, kw_only=True, tag="antiphon.part_failed"):
    """Beyond OpenAI's API: a part of the engine failed, and the session goes on without it."""

    part: Literal["recognizer", "language_model", "voice"]
    code: str
    """``voice_replaced``: another voice speaks in this response.  ``input_lost``: some of the
    turn was not heard."""
    message: str
    item_id: str | None = None
    """The turn that it happened in."""
    response_id: str | None = None
    """The response that it happened in."""


class SessionCreated(_Event, frozen=True, kw_only=True, tag="session.created"):
    session: AnySession


class SessionUpdated(_Event, frozen=True, kw_only=True, tag="session.updated"):
    session: AnySession


class RateLimit(Struct, frozen=True):
    name: Literal["requests", "tokens"]
    limit: int
    remaining: int
    reset_seconds: float


class RateLimitsUpdated(_Event, frozen=True, kw_only=True, tag="rate_limits.updated"):
    rate_limits: tuple[RateLimit, ...]


# --- Conversation items ------------------------------------------------------


class ConversationItemAdded(_Event, frozen=True, kw_only=True, tag="conversation.item.added"):
    previous_item_id: str | None
    item: Item


class ConversationItemDone(_Event, frozen=True, kw_only=True, tag="conversation.item.done"):
    previous_item_id: str | None
    item: Item


class ConversationItemRetrieved(
    _Event, frozen=True, kw_only=True, tag="conversation.item.retrieved"
):
    item: Item


class ConversationItemTruncated(
    _Event, frozen=True, kw_only=True, tag="conversation.item.truncated"
):
    item_id: str
    content_index: int
    audio_end_ms: int


class ConversationItemDeleted(_Event, frozen=True, kw_only=True, tag="conversation.item.deleted"):
    item_id: str


class Logprob(Struct, frozen=True):
    token: str
    logprob: float
    bytes: tuple[int, ...]


class TranscriptionDelta(
    _Event, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.delta"
):
    item_id: str
    content_index: int = 0
    delta: str
    logprobs: tuple[Logprob, ...] | UnsetType = UNSET


class TranscriptionUsage(Struct, frozen=True, tag="duration", tag_field="type"):
    seconds: float


class TranscriptionTokens(Struct, frozen=True, tag="tokens", tag_field="type"):
    """Of recognisers that are billed by the token; other servers send it."""

    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class TranscriptionCompleted(
    _Event, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.completed"
):
    item_id: str
    content_index: int = 0
    transcript: str
    usage: TranscriptionUsage | TranscriptionTokens
    logprobs: tuple[Logprob, ...] | UnsetType | None = UNSET


class TranscriptionError(Struct, frozen=True):
    """Without `param`: agents-js drops the event when that key is null."""

    type: str
    code: str
    message: str


class TranscriptionFailed(
    _Event, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.failed"
):
    item_id: str
    content_index: int = 0
    error: TranscriptionError


class CostTold(_Event, frozen=True, kw_only=True, tag="antiphon.cost"):
    """Only where the session has `antiphon.cost` (beyond OpenAI's API): what something cost, after
    the event that tells of it.
    """

    kind: Literal["response", "speech", "speculation", "transcription", "time"]
    """An answer, one that was begun early and thrown away, the words of a turn, or a while of the
    session.
    """
    response_id: str | None
    item_id: str | None
    nano_usd: int
    """In thousand-millionths of a US dollar; less than nothing where an estimate was too much."""
    session_nano_usd: int
    """By the session so far."""
    estimated: bool
    unpriced: bool
    """Some of it has no price, and is in neither sum."""


BudgetStage = Literal["tell", "cheaper", "text", "end"]


class BudgetTold(_Event, frozen=True, kw_only=True, tag="antiphon.budget"):
    """To sidebands, and where the session has `antiphon.cost` to all (beyond OpenAI's API): so much
    of a budget is spent that something follows from it.
    """

    stage: BudgetStage
    """What follows: nothing yet; a cheaper engine; no more voice; the end."""
    scope: Literal["session", "user", "key", "tenant"]
    """Whose budget it is."""
    period: Literal["session", "day", "month"]
    limit_nano_usd: int
    spent_nano_usd: int


class TimelineTold(_Event, frozen=True, kw_only=True, tag="antiphon.timeline"):
    """Only where the session has `antiphon.timeline` (beyond OpenAI's API): where the time of a
    turn went, once it has its answer.
    """

    timeline: Timeline


OverlapState = Literal["open", "interruption", "backchannel", "noise", "dropped"]
"""``dropped``: a client committed or cleared it, or wants no more turns found."""

# --- Input audio buffer ------------------------------------------------------


class SpeechStarted(_Event, frozen=True, kw_only=True, tag="input_audio_buffer.speech_started"):
    audio_start_ms: int
    item_id: str


class SpeechStopped(_Event, frozen=True, kw_only=True, tag="input_audio_buffer.speech_stopped"):
    audio_end_ms: int
    item_id: str


class OverlapChanged(_Event, frozen=True, kw_only=True, tag="antiphon.overlap"):
    """Only where the session has `turn_detection.overlap` (beyond OpenAI's API): a sound began
    while the assistant was heard, or what it is was found out.  While it is open, whoever plays
    lowers the assistant's voice.
    """

    item_id: str
    """Of the turn that it is, or would have been."""
    state: OverlapState


class InputAudioBufferCommitted(
    _Event, frozen=True, kw_only=True, tag="input_audio_buffer.committed"
):
    previous_item_id: str | None
    item_id: str


class InputAudioBufferCleared(_Event, frozen=True, kw_only=True, tag="input_audio_buffer.cleared"):
    pass


class InputAudioBufferTimeoutTriggered(
    _Event, frozen=True, kw_only=True, tag="input_audio_buffer.timeout_triggered"
):
    audio_start_ms: int
    audio_end_ms: int
    item_id: str


# --- Output audio buffer (where the server owns playout) ---------------------


class OutputAudioBufferStarted(
    _Event, frozen=True, kw_only=True, tag="output_audio_buffer.started"
):
    response_id: str


class OutputAudioBufferStopped(
    _Event, frozen=True, kw_only=True, tag="output_audio_buffer.stopped"
):
    response_id: str


class OutputAudioBufferCleared(
    _Event, frozen=True, kw_only=True, tag="output_audio_buffer.cleared"
):
    response_id: str


# --- Response ----------------------------------------------------------------


class CachedTokenDetails(Struct, frozen=True):
    text_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0


class InputTokenDetails(Struct, frozen=True):
    text_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0
    cached_tokens: int = 0
    cached_tokens_details: CachedTokenDetails = CachedTokenDetails()


class OutputTokenDetails(Struct, frozen=True):
    text_tokens: int = 0
    audio_tokens: int = 0


class Usage(Struct, frozen=True):
    """``total = input + output``; cached tokens are a part of the input."""

    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    input_token_details: InputTokenDetails = InputTokenDetails()
    output_token_details: OutputTokenDetails = OutputTokenDetails()


ResponseStatus = Literal["in_progress", "completed", "cancelled", "incomplete", "failed"]


class ResponseError(Struct, frozen=True, kw_only=True):
    type: str = "server_error"
    code: str | None = None
    message: str


class StatusDetails(Struct, frozen=True, kw_only=True):
    type: Literal["cancelled", "incomplete", "failed"]
    reason: (
        Literal["turn_detected", "client_cancelled", "max_output_tokens", "content_filter"]
        | UnsetType
    ) = UNSET
    error: ResponseError | UnsetType = UNSET


class ResponseVoice(Struct, frozen=True):
    format: AudioFormat
    voice: str


class ResponseAudioOut(Struct, frozen=True):
    output: ResponseVoice


class Response(Struct, frozen=True, kw_only=True):
    id: str
    object: Literal["realtime.response"] = "realtime.response"
    status: ResponseStatus
    status_details: StatusDetails | None = None
    output: tuple[Item, ...] = ()
    conversation_id: str | None
    output_modalities: tuple[Modality, ...]
    max_output_tokens: MaxTokens
    audio: ResponseAudioOut
    usage: Usage | None = None
    metadata: dict[str, str] | None = None


class ResponseCreated(_Event, frozen=True, kw_only=True, tag="response.created"):
    response: Response


class ResponseDone(_Event, frozen=True, kw_only=True, tag="response.done"):
    response: Response


class ResponseOutputItemAdded(_Event, frozen=True, kw_only=True, tag="response.output_item.added"):
    response_id: str
    output_index: int
    item: Item


class ResponseOutputItemDone(_Event, frozen=True, kw_only=True, tag="response.output_item.done"):
    response_id: str
    output_index: int
    item: Item


class TextPart(Struct, frozen=True, tag="text", tag_field="type"):
    text: str = ""


class AudioPart(Struct, frozen=True, tag="audio", tag_field="type"):
    transcript: str = ""


Part = TextPart | AudioPart


class _PartEvent(_Event, frozen=True, kw_only=True):
    response_id: str
    item_id: str
    output_index: int
    content_index: int


class ResponseContentPartAdded(
    _PartEvent, frozen=True, kw_only=True, tag="response.content_part.added"
):
    part: Part


class ResponseContentPartDone(
    _PartEvent, frozen=True, kw_only=True, tag="response.content_part.done"
):
    part: Part


class ResponseOutputTextDelta(
    _PartEvent, frozen=True, kw_only=True, tag="response.output_text.delta"
):
    delta: str


class ResponseOutputTextDone(
    _PartEvent, frozen=True, kw_only=True, tag="response.output_text.done"
):
    text: str


class ResponseOutputAudioDelta(
    _PartEvent, frozen=True, kw_only=True, tag="response.output_audio.delta"
):
    delta: bytes
    """Base64 on the wire, in the response's output format."""


class ResponseOutputAudioDone(
    _PartEvent, frozen=True, kw_only=True, tag="response.output_audio.done"
):
    pass


class ResponseOutputAudioTranscriptDelta(
    _PartEvent, frozen=True, kw_only=True, tag="response.output_audio_transcript.delta"
):
    delta: str


class ResponseOutputAudioTranscriptDone(
    _PartEvent, frozen=True, kw_only=True, tag="response.output_audio_transcript.done"
):
    transcript: str


class ResponseFunctionCallArgumentsDelta(
    _Event, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"
):
    response_id: str
    item_id: str
    output_index: int
    call_id: str
    delta: str


class ResponseFunctionCallArgumentsDone(
    _Event, frozen=True, kw_only=True, tag="response.function_call_arguments.done"
):
    response_id: str
    item_id: str
    output_index: int
    call_id: str
    name: str
    arguments: str


ServerEvent = (
    Error
    | PartFailed
    | SessionCreated
    | SessionUpdated
    | RateLimitsUpdated
    | ConversationItemAdded
    | ConversationItemDone
    | ConversationItemRetrieved
    | ConversationItemTruncated
    | ConversationItemDeleted
    | TranscriptionDelta
    | TranscriptionCompleted
    | TranscriptionFailed
    | SpeechStarted
    | SpeechStopped
    | CostTold
    | TimelineTold
    | BudgetTold
    | OverlapChanged
    | InputAudioBufferCommitted
    | InputAudioBufferCleared
    | InputAudioBufferTimeoutTriggered
    | OutputAudioBufferStarted
    | OutputAudioBufferStopped
    | OutputAudioBufferCleared
    | ResponseCreated
    | ResponseDone
    | ResponseOutputItemAdded
    | ResponseOutputItemDone
    | ResponseContentPartAdded
    | ResponseContentPartDone
    | ResponseOutputTextDelta
    | ResponseOutputTextDone
    | ResponseOutputAudioDelta
    | ResponseOutputAudioDone
    | ResponseOutputAudioTranscriptDelta
    | ResponseOutputAudioTranscriptDone
    | ResponseFunctionCallArgumentsDelta
    | ResponseFunctionCallArgumentsDone
)
