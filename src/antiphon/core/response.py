"""The life of one response: `response.created` to `response.done`, and all between.

The order of events is that of docs/reference/protocol.md, "Response skeleton"; whatever
ends a response closes first what it had opened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Literal, TypeVar

from antiphon.audio.formats import Encoder
from antiphon.core.causes import EngineCalled, EngineFinished, Ms, Word
from antiphon.core.effects import Effect
from antiphon.core.formats import encoder
from antiphon.core.items import (
    CallEntry,
    Entry,
    MessageEntry,
    SpokenPart,
    TextPart,
    ms_to_samples,
    samples_to_ms,
)
from antiphon.core.lifecycle import Lifecycle
from antiphon.core.records import ResponseEnded
from antiphon.core.stage import Stage
from antiphon.core.usage import (
    CHARACTERS_PER_TOKEN,
    NO_TOKENS,
    Tokens,
    add_usage,
    counted_together,
    speech_tokens,
    usage_of,
)
from antiphon.protocol import server as events
from antiphon.protocol.items import Status
from antiphon.protocol.session import (
    AudioFormat,
    FunctionTool,
    MaxTokens,
    Modality,
    ReasoningEffort,
    Tool,
    ToolChoice,
)

E = TypeVar("E")

DELTA_SAMPLES = ms_to_samples(200)
"""The longest audio delta: frames stay far below the 1 MiB that some clients take."""


class Phase(Enum):
    WAITING = auto()
    SPEAKING = auto()
    WRITING = auto()
    CALLING = auto()
    COMPLETED = auto()
    CANCELLED = auto()
    INCOMPLETE = auto()
    FAILED = auto()


class Move(Enum):
    SPEAK = auto()
    WRITE = auto()
    CALL = auto()
    CLOSE = auto()
    FINISH = auto()
    CANCEL = auto()
    CUT = auto()
    FAIL = auto()


_OPEN = {Phase.SPEAKING: Move.SPEAK, Phase.WRITING: Move.WRITE, Phase.CALLING: Move.CALL}
_ENDS = {
    Move.FINISH: Phase.COMPLETED,
    Move.CANCEL: Phase.CANCELLED,
    Move.CUT: Phase.INCOMPLETE,
    Move.FAIL: Phase.FAILED,
}
_STATUS: dict[Phase, events.ResponseStatus] = {
    Phase.COMPLETED: "completed",
    Phase.CANCELLED: "cancelled",
    Phase.INCOMPLETE: "incomplete",
    Phase.FAILED: "failed",
}
"""How the wire calls an ended response; all others are "in_progress"."""
RESPONSE = Lifecycle(
    "response",
    {(Phase.WAITING, move): phase for phase, move in _OPEN.items()}
    | {(phase, Move.CLOSE): Phase.WAITING for phase in _OPEN}
    | {(Phase.WAITING, move): phase for move, phase in _ENDS.items()},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a response is to be, settled when it is created."""

    id: str
    in_conversation: bool
    modality: Modality
    instructions: str
    tools: tuple[Tool, ...]
    server_tools: tuple[FunctionTool, ...]
    tool_choice: ToolChoice
    voice: str
    speed: float
    audio_format: AudioFormat
    max_output_tokens: MaxTokens
    parallel_tool_calls: bool | None
    reasoning_effort: ReasoningEffort | None
    metadata: dict[str, str] | None
    engine_name: str
    """What the engine calls it: our id, or its own where it began it."""
    context: Tokens = NO_TOKENS
    """What the response sees, counted."""

    def with_context(self, tokens: Tokens) -> Plan:
        return replace(self, context=tokens)

    def asked_again(self, engine_name: str, server_tools: tuple[FunctionTool, ...]) -> Plan:
        return replace(self, engine_name=engine_name, server_tools=server_tools)


class Response:
    """One response.  Every method appends what follows to ``out``."""

    def __init__(self, plan: Plan, stage: Stage) -> None:
        self.plan = plan
        self.id = plan.id
        self.sound_ends_ms: Ms = 0
        """When its sound is over, if it is played as it comes."""
        self._stage = stage
        self._phase = Phase.WAITING
        self._entries: list[Entry] = []
        self._said = ""
        self._output_characters = 0
        self._counted: list[EngineFinished] = []
        """What the engine counted of parts that were before this one."""
        self._spoken_samples = 0
        self._encoder: Encoder | None = None

    # --- News of the engine --------------------------------------------------

    def created(self, out: list[Effect]) -> None:
        out.append(events.ResponseCreated(event_id=self._event_id(), response=self._wire()))

    def say(self, text: str, out: list[Effect]) -> None:
        if self.plan.modality == "text":
            self.write(text, out)
            return
        self._open_speech(out)
        self._say(text)
        if text:
            out.append(self._at_part(events.ResponseOutputAudioTranscriptDelta, delta=text))

    def speak(self, pcm: bytes, words: tuple[Word, ...], now_ms: Ms, out: list[Effect]) -> None:
        if self.plan.modality == "text":
            return
        self._open_speech(out)
        entry, sounding = self._message, self._stage.sounding
        self._stage.voice_heard = True
        self._spoken_samples += len(pcm) // 2
        self.sound_ends_ms = max(self.sound_ends_ms, now_ms) + samples_to_ms(len(pcm) // 2)
        self._stage.history.speak(entry, pcm, words)
        sounding.play(self.id, entry.id, pcm, now_ms, out)
        if sounding.by_server:
            return
        for at in range(0, len(pcm), 2 * DELTA_SAMPLES):
            self._send_audio(self._encoder_now.encode(pcm[at : at + 2 * DELTA_SAMPLES]), out)

    def write(self, text: str, out: list[Effect]) -> None:
        if self._phase is not Phase.WRITING:
            self._make_room(out)
            self._open_message(Move.WRITE, TextPart("output_text"), events.TextPart(), out)
        self._say(text)
        if text:
            out.append(self._at_part(events.ResponseOutputTextDelta, delta=text))

    def call(self, news: EngineCalled, out: list[Effect]) -> None:
        entry = self._call
        if entry is None or entry.call_id != news.call_id:
            self._make_room(out)
            entry = CallEntry(
                self._stage.new_item_id(), news.name, news.call_id, status="in_progress"
            )
            self._open_item(Move.CALL, entry, out)
        self._stage.history.extend_call(entry, news.arguments)
        self._output_characters += len(news.arguments)
        if news.arguments:
            out.append(
                events.ResponseFunctionCallArgumentsDelta(
                    event_id=self._event_id(),
                    response_id=self.id,
                    item_id=entry.id,
                    output_index=len(self._entries) - 1,
                    call_id=entry.call_id,
                    delta=news.arguments,
                )
            )
        if news.ended:
            out.append(
                events.ResponseFunctionCallArgumentsDone(
                    event_id=self._event_id(),
                    response_id=self.id,
                    item_id=entry.id,
                    output_index=len(self._entries) - 1,
                    call_id=entry.call_id,
                    name=entry.name,
                    arguments=entry.arguments,
                )
            )
            self._close_item("completed", out)

    @property
    def has_begun(self) -> bool:
        """Something of it was told."""
        return bool(self._entries)

    @property
    def has_spent_its_tokens(self) -> bool:
        limit = self.plan.max_output_tokens
        if limit == "inf":
            return False
        text = -(-self._output_characters // CHARACTERS_PER_TOKEN)
        return text + speech_tokens(self._spoken_samples) >= limit

    # --- Where it goes on ----------------------------------------------------

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Its items so far."""
        return tuple(self._entries)

    @property
    def calls_client(self) -> bool:
        return any(isinstance(entry, CallEntry) for entry in self._entries)

    def rest(self, out: list[Effect]) -> None:
        """What is open is whole; what comes next stands apart."""
        self._make_room(out)

    def pause(self, news: EngineFinished) -> None:
        """The engine has ended its part, and will be asked for more."""
        self._counted.append(news)

    # --- Its end -------------------------------------------------------------

    def finish(self, news: EngineFinished, out: list[Effect]) -> None:
        news = counted_together([*self._counted, news])
        if news.reason is None:
            self._end(Move.FINISH, None, out, counted=news)
        else:
            self._end(
                Move.CUT,
                events.StatusDetails(type="incomplete", reason=news.reason),
                out,
                counted=news,
            )

    def cancel(
        self, reason: Literal["turn_detected", "client_cancelled"], out: list[Effect]
    ) -> None:
        self._end(Move.CANCEL, events.StatusDetails(type="cancelled", reason=reason), out)

    def cut(self, out: list[Effect]) -> None:
        details = events.StatusDetails(type="incomplete", reason="max_output_tokens")
        self._end(Move.CUT, details, out)

    def fail(self, error: events.ResponseError, out: list[Effect]) -> None:
        self._end(Move.FAIL, events.StatusDetails(type="failed", error=error), out)

    def _end(
        self,
        move: Move,
        details: events.StatusDetails | None,
        out: list[Effect],
        *,
        counted: EngineFinished | None = None,
    ) -> None:
        if move is Move.FINISH:
            self._make_room(out)
        else:
            self._close_item("incomplete", out)
        self._phase = RESPONSE.next(self._phase, move)
        usage = usage_of(self.plan.context, self._entries, counted)
        if move is Move.FAIL and not self._entries:
            usage = events.Usage()
        ended = self._wire(details, usage)
        self._stage.used = add_usage(self._stage.used, usage)
        self._stage.recorder.tell(ResponseEnded(ended, self._stage.voice_heard), out)
        out.append(events.ResponseDone(event_id=self._event_id(), response=ended))

    # --- Items and parts -----------------------------------------------------

    def _open_speech(self, out: list[Effect]) -> None:
        if self._phase is not Phase.SPEAKING:
            self._make_room(out)
            self._open_message(Move.SPEAK, SpokenPart(), events.AudioPart(), out)
            self._encoder = encoder(self.plan.audio_format)
        if not self._stage.sounding.takes(self.id):
            self._stage.history.seal(self._message)

    def _open_message(
        self, move: Move, part: SpokenPart | TextPart, shown: events.Part, out: list[Effect]
    ) -> None:
        entry = MessageEntry(self._stage.new_item_id(), "assistant", "in_progress")
        self._open_item(move, entry, out)
        self._stage.history.open_part(entry, part)
        self._said = ""
        out.append(self._at_part(events.ResponseContentPartAdded, part=shown))

    def _open_item(self, move: Move, entry: Entry, out: list[Effect]) -> None:
        self._phase = RESPONSE.next(self._phase, move)
        self._entries.append(entry)
        out.append(
            events.ResponseOutputItemAdded(
                event_id=self._event_id(),
                response_id=self.id,
                output_index=len(self._entries) - 1,
                item=entry.wire(),
            )
        )
        if self.plan.in_conversation:
            self._stage.history.add(entry, out)
            self._stage.history.tell_engine(entry, out, response_name=self.plan.engine_name)

    def _make_room(self, out: list[Effect]) -> None:
        """Close what is open because something else comes; half a call stays incomplete."""
        self._close_item("incomplete" if self._phase is Phase.CALLING else "completed", out)

    def _close_item(self, status: Status, out: list[Effect]) -> None:
        if self._phase is Phase.WAITING:
            return
        entry = self._entry
        if self._phase is Phase.SPEAKING:
            self._close_speech(out)
        elif self._phase is Phase.WRITING:
            out.append(self._at_part(events.ResponseOutputTextDone, text=self._said))
            self._close_part(events.TextPart(self._said), out)
        self._phase = RESPONSE.next(self._phase, Move.CLOSE)
        self._stage.history.complete(entry, status, out)
        out.append(
            events.ResponseOutputItemDone(
                event_id=self._event_id(),
                response_id=self.id,
                output_index=len(self._entries) - 1,
                item=entry.wire(),
            )
        )

    def _close_speech(self, out: list[Effect]) -> None:
        self._send_audio(self._encoder_now.flush(), out)
        self._encoder = None
        out.append(self._at_part(events.ResponseOutputAudioDone))
        out.append(self._at_part(events.ResponseOutputAudioTranscriptDone, transcript=self._said))
        self._close_part(events.AudioPart(self._said), out)

    def _close_part(self, part: events.Part, out: list[Effect]) -> None:
        out.append(self._at_part(events.ResponseContentPartDone, part=part))

    # --- Small ---------------------------------------------------------------

    def _send_audio(self, data: bytes, out: list[Effect]) -> None:
        if data:
            # Spelled out: more of these are made than of all other events together.
            out.append(
                events.ResponseOutputAudioDelta(
                    event_id=self._event_id(),
                    response_id=self.id,
                    item_id=self._entry.id,
                    output_index=len(self._entries) - 1,
                    content_index=0,
                    delta=data,
                )
            )

    def _say(self, text: str) -> None:
        self._said += text
        self._output_characters += len(text)
        self._stage.history.say(self._message, text)

    def _event_id(self) -> str:
        return self._stage.ids.event()

    @property
    def _entry(self) -> Entry:
        return self._entries[-1]

    @property
    def _message(self) -> MessageEntry:
        entry = self._entries[-1]
        assert isinstance(entry, MessageEntry), "a message is open"
        return entry

    @property
    def _call(self) -> CallEntry | None:
        """The call that is open, if one is."""
        entry = self._entries[-1] if self._phase is Phase.CALLING else None
        return entry if isinstance(entry, CallEntry) else None

    @property
    def _encoder_now(self) -> Encoder:
        assert self._encoder is not None, "speech is open"
        return self._encoder

    def _at_part(self, event: Callable[..., E], **fields: object) -> E:
        """An event about the open part."""
        return event(
            event_id=self._event_id(),
            response_id=self.id,
            item_id=self._entry.id,
            output_index=len(self._entries) - 1,
            content_index=0,
            **fields,
        )

    def _wire(
        self, details: events.StatusDetails | None = None, usage: events.Usage | None = None
    ) -> events.Response:
        plan = self.plan
        return events.Response(
            id=self.id,
            status=_STATUS.get(self._phase, "in_progress"),
            status_details=details,
            output=tuple(entry.wire() for entry in self._entries),
            conversation_id=self._stage.conversation_id if plan.in_conversation else None,
            output_modalities=(plan.modality,),
            max_output_tokens=plan.max_output_tokens,
            audio=events.ResponseAudioOut(events.ResponseVoice(plan.audio_format, plan.voice)),
            usage=usage,
            metadata=plan.metadata,
        )
