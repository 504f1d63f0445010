"""Everything that can happen to a conversation.

A cause is plain data, so that a tape of causes (`antiphon.journal.tape`) replays a
session exactly.  Positions are media time: samples at `MEDIA_RATE_HZ`, counted
from the first sample the session ever heard, or the first one it ever played.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from antiphon.protocol.client import ClientEvent
from antiphon.protocol.server import (
    BudgetStage,
    ErrorDetail,
    Logprob,
    RateLimit,
    TranscriptionTokens,
    TranscriptionUsage,
    Usage,
)
from antiphon.protocol.timeline import Timeline

MEDIA_RATE_HZ = 24_000
"""The rate of all audio inside Antiphon: signed 16-bit mono."""

Ms = int
"""Driver time: milliseconds since the session opened."""


class _Cause(Struct, frozen=True, tag_field="cause"):
    pass


# --- Connections -------------------------------------------------------------


class Attached(_Cause, frozen=True, tag="attached"):
    """A connection joined the session: the client's own, or a sideband."""

    connection: str
    owns: bool = True
    """False: a sideband, which may come and go."""
    wants_items: bool = False
    """It is shown the items that there are: what it missed of them cannot be told any more."""


class Detached(_Cause, frozen=True, tag="detached"):
    connection: str
    for_good: bool = False
    """It said goodbye: it is not waited for."""
    played_samples: int = 0
    """Where the server owns playout: how much response audio has left so far."""


class ClientSent(_Cause, frozen=True, tag="client_sent"):
    connection: str
    event: ClientEvent
    played_samples: int = 0
    """Where the server owns playout: how much response audio has left so far."""


class MessageRefused(_Cause, frozen=True, tag="message_refused"):
    """A message that is no client event; ``detail`` says what is wrong with it."""

    connection: str
    detail: ErrorDetail


class ShuttingDown(_Cause, frozen=True, tag="shutting_down"):
    pass


class TakenOver(_Cause, frozen=True, tag="taken_over"):
    """Another session goes on with the conversation."""


# --- Media and time ----------------------------------------------------------


class Heard(_Cause, frozen=True, tag="heard"):
    """Microphone audio from a media transport (on WebSocket, audio comes as events)."""

    pcm: bytes


class VoiceScored(_Cause, frozen=True, tag="voice_scored"):
    """How likely the window that ends at ``at_sample`` holds a voice."""

    at_sample: int
    probability: float
    played_samples: int = 0
    is_echo: bool = False
    """What sounds there is our own voice, come back through the microphone."""

    @property
    def user_probability(self) -> float:
        """How likely it is the user who speaks."""
        return 0.0 if self.is_echo else self.probability


class PlayoutDrained(_Cause, frozen=True, tag="playout_drained"):
    """The transport has played out all that it was given."""

    played_samples: int


class Tick(_Cause, frozen=True, tag="tick"):
    """A deadline has come, as `Conversation.deadline_ms` asked."""

    played_samples: int = 0


# --- News from the engine: about what the user said --------------------------


class TranscriptGrew(_Cause, frozen=True, tag="transcript_grew"):
    """More words of a turn, final as far as they go; may come while the user still speaks."""

    item_id: str
    delta: str


class TranscriptEnded(_Cause, frozen=True, tag="transcript_ended"):
    """The whole text of a committed turn.  It overrules what grew before."""

    item_id: str
    text: str
    logprobs: tuple[Logprob, ...] = ()
    usage: TranscriptionUsage | TranscriptionTokens | None = None
    """The bill of one who writes it; None: the length of the sound."""


class TranscriptFailed(_Cause, frozen=True, tag="transcript_failed"):
    """The words of a committed turn will never be known."""

    item_id: str
    code: str
    message: str


class TurnJudged(_Cause, frozen=True, tag="turn_judged"):
    """How likely the words so far are all that the user wanted to say (0 to 1)."""

    item_id: str
    completeness: float
    words: str | None = None
    """What was understood so far, which may change; "": nothing.  None: not told."""
    words_are_late: bool = False
    """They are of sound that went on: however quiet it is by now, there may be more."""


class TurnFound(_Cause, frozen=True, tag="turn_found"):
    """The user began to speak, as an engine found that finds turns itself."""

    from_sample: int | None = None
    """None: now."""
    played_samples: int = 0
    """As the session knows it; the engine leaves it."""


class TurnEnded(_Cause, frozen=True, tag="turn_ended"):
    """The turn that the engine found is over, and is to be committed."""

    at_sample: int | None = None
    """None: now."""


# --- News from the engine: its answer ----------------------------------------


class Word(Struct, frozen=True, array_like=True):
    """``transcript[:text_end]`` has been heard once ``end_sample`` samples were played.

    Both count from the start of the spoken item that is open.
    """

    text_end: int
    end_sample: int


class EngineBegan(_Cause, frozen=True, tag="engine_began"):
    """The engine answers without having been told to; news of that answer follows.

    ``response_id`` is its own name for it, which no other response has: it comes back in
    `StopGenerating`.
    """

    response_id: str


class EngineThought(_Cause, frozen=True, tag="engine_thought"):
    """The first words of an answer are there, and more are waited for before they are spoken; for
    those who time it.
    """

    response_id: str


class EngineSaid(_Cause, frozen=True, tag="engine_said"):
    """More of the transcript of what is being spoken; runs ahead of the audio."""

    response_id: str
    text: str


class EngineSpoke(_Cause, frozen=True, tag="engine_spoke"):
    """More speech, 16-bit mono at `MEDIA_RATE_HZ`."""

    response_id: str
    pcm: bytes
    words: tuple[Word, ...] = ()


class EngineWrote(_Cause, frozen=True, tag="engine_wrote"):
    """More of a written (not spoken) answer."""

    response_id: str
    text: str


class EngineCalled(_Cause, frozen=True, tag="engine_called"):
    """More of the arguments of a function call; the first one opens the call."""

    response_id: str
    call_id: str
    name: str
    arguments: str
    """The next piece of JSON text."""
    ended: bool = True


class EngineFinished(_Cause, frozen=True, tag="engine_finished"):
    """The answer has come to its end."""

    response_id: str
    reason: Literal["max_output_tokens", "content_filter"] | None = None
    """None: all was said."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    """As a language model counted them; None: the core estimates."""
    usage: Usage | None = None
    """The whole bill, by kinds of tokens, of one who writes it; it overrules all estimates."""


class EngineFailed(_Cause, frozen=True, tag="engine_failed"):
    """Nothing more comes of the answer; ``message`` is for the client's eyes."""

    response_id: str
    message: str
    code: str | None = None
    type: str = "server_error"
    is_unavailable: bool = False
    """The engine cannot serve now, whatever it is asked: another one might."""


class EngineCounted(_Cause, frozen=True, tag="engine_counted"):
    """What an answer used that was stopped: its bill came later, and overrules the estimate."""

    response_id: str
    usage: Usage


class RateLimitsChanged(_Cause, frozen=True, tag="rate_limits_changed"):
    """How much may still be asked of an engine that sets limits."""

    rate_limits: tuple[RateLimit, ...]


class EngineErred(_Cause, frozen=True, tag="engine_erred"):
    """Something went wrong, and nothing ends with it; ``detail`` is for the client's eyes."""

    detail: ErrorDetail


class PartFailed(_Cause, frozen=True, tag="part_failed"):
    """A part of the engine failed, and the session goes on without it, as well as it can."""

    part: Literal["recognizer", "language_model", "voice"]
    code: str
    message: str
    """What happened; for the client's eyes."""
    item_id: str | None = None
    """The turn that it happened in."""
    response_id: str | None = None
    """The answer that it happened in."""


class Speculated(_Cause, frozen=True, tag="speculated"):
    """What became of a `Speculate`: it was used for the answer, or thrown away unheard."""

    used: bool
    input_tokens: int | None = None
    """Of one thrown away, as a language model counted them; None: the core estimates."""
    output_tokens: int = 0
    """The same, or an estimate of what had come."""


class EngineLost(_Cause, frozen=True, tag="engine_lost"):
    """The engine is gone: nothing more can be generated in this session."""

    message: str


class EngineMoved(_Cause, frozen=True, kw_only=True, tag="engine_moved"):
    """Another engine serves the session from now on, and knows nothing of it yet."""

    name: str
    voices: tuple[str, ...] = ()
    speaks: bool = True
    finds_turns: bool = False
    begins: bool = False
    takes_images: bool = True
    follows_items: bool = False
    speculates: bool = False
    """The eight as in `Terms`."""
    message: str
    """Why; for the client's eyes."""
    code: str = "engine_moved"
    model: str | None = None
    voice: str | None = None
    """What the session has from now on; None: what it had."""


# --- Functions that the server carries out itself ---------------------------


class ToolAnswered(_Cause, frozen=True, tag="tool_answered"):
    """What came of a `RunTool`."""

    call_id: str
    output: str


class MemoryChanged(_Cause, frozen=True, tag="memory_changed"):
    """From now on this is what engines are shown of the user."""

    memory: str


class Costed(_Cause, frozen=True, kw_only=True, tag="costed"):
    """What something cost that has happened; who looks on has added it up."""

    kind: Literal["response", "speech", "speculation", "transcription", "time"]
    source_id: str = ""
    """Of the response, or the item."""
    nano_usd: int
    session_nano_usd: int
    is_estimated: bool = False
    is_unpriced: bool = False


class BudgetReached(_Cause, frozen=True, kw_only=True, tag="budget_reached"):
    """So much of a budget is spent that something follows from it."""

    stage: BudgetStage
    scope: Literal["session", "user", "key", "tenant"]
    period: Literal["session", "day", "month"]
    limit_nano_usd: int
    spent_nano_usd: int


class Timed(_Cause, frozen=True, tag="timed"):
    """A turn has its answer; who looks on has timed it."""

    timeline: Timeline


TurnNews = TranscriptGrew | TranscriptEnded | TranscriptFailed | TurnJudged | TurnFound | TurnEnded
OtherNews = EngineBegan | EngineThought | RateLimitsChanged | EngineErred | PartFailed | Speculated
EngineNews = (
    TurnNews
    | OtherNews
    | EngineSaid
    | EngineSpoke
    | EngineWrote
    | EngineCalled
    | EngineFinished
    | EngineFailed
    | EngineCounted
    | EngineLost
)

ConnectionCause = Attached | Detached | MessageRefused | ShuttingDown | TakenOver
Cause = (
    ConnectionCause
    | ClientSent
    | Heard
    | VoiceScored
    | PlayoutDrained
    | Tick
    | EngineNews
    | EngineMoved
    | ToolAnswered
    | MemoryChanged
    | Costed
    | BudgetReached
    | Timed
)
