"""What the upstream is to be set to, from what our session is.

Sound travels at 24 kHz between us; formats, noise reduction and idle time are done here.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET
from msgspec.structs import replace

from antiphon.core.effects import Generate
from antiphon.protocol.client import (
    ResponseAudio,
    ResponseAudioOutput,
    ResponseOptions,
)
from antiphon.protocol.items import InputItem
from antiphon.protocol.session import (
    AnySession,
    AudioInputPatch,
    AudioOutputPatch,
    AudioPatch,
    FunctionTool,
    McpChoice,
    PcmFormat,
    SemanticVad,
    ServerVad,
    Session,
    SessionPatch,
    Tool,
    ToolChoice,
    Transcription,
    TranscriptionPatch,
    TranscriptionSession,
    TurnDetectionPatch,
)

TurnFinding = Literal["ours", "theirs", "duplex"]
"""Who finds the user's turns: we; the upstream, and we ask for each answer; the upstream, which
answers them of itself."""


def detects(session: AnySession, finding: TurnFinding) -> bool:
    """Whether the upstream is to find turns."""
    return finding != "ours" and session.audio.input.turn_detection is not None


def essentials(session: AnySession) -> SessionPatch:
    """What the relay itself relies on; first of all, nobody finds turns."""
    if isinstance(session, TranscriptionSession):
        audio_input = AudioInputPatch(format=PcmFormat(), turn_detection=None)
        return SessionPatch(type="transcription", audio=AudioPatch(input=audio_input))
    return SessionPatch(
        type="realtime",
        audio=AudioPatch(
            input=AudioInputPatch(format=PcmFormat(), turn_detection=None),
            output=AudioOutputPatch(format=PcmFormat()),
        ),
    )


def wishes(session: AnySession) -> SessionPatch:
    """All that the client may set and the upstream does, but for the finding of turns."""
    audio_input = AudioInputPatch(
        transcription=_transcription(session.audio.input.transcription),
    )
    include = UNSET if session.include is None else session.include
    if isinstance(session, TranscriptionSession):
        if audio_input.transcription is None:
            audio_input = replace(audio_input, transcription=UNSET)
        return SessionPatch(
            type="transcription", include=include, audio=AudioPatch(input=audio_input)
        )
    output = session.audio.output
    return SessionPatch(
        type="realtime",
        output_modalities=session.output_modalities,
        instructions=session.instructions,
        tools=functions(session.tools),
        tool_choice=_choice(session.tool_choice),
        max_output_tokens=session.max_output_tokens,
        truncation=session.truncation,
        include=include,
        parallel_tool_calls=session.parallel_tool_calls,
        reasoning=session.reasoning,
        prompt=UNSET if session.prompt is None else session.prompt,
        audio=AudioPatch(
            input=audio_input, output=AudioOutputPatch(voice=output.voice, speed=output.speed)
        ),
    )


def with_memory(instructions: str, memory: str) -> str:
    """What is known of the user has no place of its own there."""
    return "\n\n".join(text for text in (instructions, memory) if text)


def remembering(session: AnySession, memory: str) -> AnySession:
    if not memory or not isinstance(session, Session):
        return session
    return replace(session, instructions=with_memory(session.instructions, memory))


def turn_finding(session: AnySession, finding: TurnFinding) -> SessionPatch:
    """How the upstream is to find turns: apart, so that it is not refused with another wish."""
    kind: Literal["realtime", "transcription"] = (
        "realtime" if isinstance(session, Session) else "transcription"
    )
    audio_input = AudioInputPatch(turn_detection=_turn_detection(session, finding))
    return SessionPatch(type=kind, audio=AudioPatch(input=audio_input))


def options_of(
    command: Generate, session: Session | None, context: tuple[InputItem, ...] | None
) -> ResponseOptions:
    """What one answer is to do otherwise than the upstream's session would.

    ``session`` is how that is set; None: nobody knows, so all is told.  ``context`` is what the
    answer is to see, where that is not the conversation.
    """
    given: dict[str, Any] = {"output_modalities": (command.modality,)}
    instructions = with_memory(command.instructions, command.memory)
    if session is None or instructions != session.instructions:
        given["instructions"] = instructions
    if session is None or command.tools != session.tools:
        given["tools"] = functions(command.tools)
    if session is None or command.tool_choice != session.tool_choice:
        given["tool_choice"] = _choice(command.tool_choice)
    if session is None or command.max_output_tokens != session.max_output_tokens:
        given["max_output_tokens"] = command.max_output_tokens
    output = None if session is None else session.audio.output
    if command.modality == "audio" and (output is None or command.voice != output.voice):
        given["audio"] = ResponseAudio(ResponseAudioOutput(voice=command.voice))
    if context is not None:
        given["input"] = context
    if command.out_of_band:
        given["conversation"] = "none"
    return ResponseOptions(**given)


def functions(tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
    """Tool servers stay with us: their secrets were never kept."""
    return tuple(tool for tool in tools if isinstance(tool, FunctionTool))


def _choice(choice: ToolChoice) -> ToolChoice:
    return "auto" if isinstance(choice, McpChoice) else choice


def _transcription(wanted: Transcription | None) -> TranscriptionPatch | None:
    if wanted is None:
        return None
    set_fields = {
        name: value
        for name in wanted.__struct_fields__
        if (value := getattr(wanted, name)) is not None
    }
    return TranscriptionPatch(**set_fields)


def _turn_detection(session: AnySession, finding: TurnFinding) -> TurnDetectionPatch | None:
    detection = session.audio.input.turn_detection
    if detection is None or finding == "ours":
        return None
    answers = finding == "duplex" and detection.create_response
    common: dict[str, Any] = {
        "create_response": answers,
        "interrupt_response": detection.interrupt_response and finding == "duplex",
    }
    if isinstance(detection, SemanticVad):
        return TurnDetectionPatch(type="semantic_vad", eagerness=detection.eagerness, **common)
    assert isinstance(detection, ServerVad)
    return TurnDetectionPatch(
        type="server_vad",
        threshold=detection.threshold,
        prefix_padding_ms=detection.prefix_padding_ms,
        silence_duration_ms=detection.silence_duration_ms,
        **common,
    )
