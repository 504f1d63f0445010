"""How a `session.update` changes the session: a recursive, partial merge.

Absent keeps, ``null`` clears what can be null and keeps what cannot.  The whole patch is
checked before any of it counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from antiphon.core.faults import Fault
from antiphon.protocol.session import (
    Answering,
    AnySession,
    AudioInput,
    AudioInputPatch,
    AudioOutput,
    AudioOutputPatch,
    CustomVoice,
    McpTool,
    NoiseReduction,
    NoiseReductionPatch,
    Overlap,
    OverlapPatch,
    SemanticVad,
    ServerVad,
    Session,
    SessionPatch,
    Transcription,
    TranscriptionPatch,
    TranscriptionSession,
    TurnDetection,
    TurnDetectionPatch,
    Voice,
)

S = TypeVar("S", bound=Struct)


def voice_name(voice: Voice) -> str:
    return voice.id if isinstance(voice, CustomVoice) else voice


def update_session(session: AnySession, patch: SessionPatch, *, voice_locked: bool) -> AnySession:
    """The session after ``patch``.

    Raises:
        Fault: the patch cannot be applied; nothing has changed.
    """
    if patch.type is not UNSET and patch.type != session.__struct_config__.tag:
        kind = session.__struct_config__.tag
        raise Fault(
            "invalid_parameter",
            f"Passing a {patch.type} session update event to a {kind} session is not allowed.",
            param="session.type",
        )
    if isinstance(session, TranscriptionSession):
        return _update_transcription_session(session, patch)
    return _update_realtime_session(session, patch, voice_locked=voice_locked)


def _update_realtime_session(
    session: Session, patch: SessionPatch, *, voice_locked: bool
) -> Session:
    changes = _given(
        patch,
        ("instructions", "tool_choice", "max_output_tokens", "truncation"),
        nullable=("tracing", "prompt", "include"),
    )
    changes |= _extensions(session, patch)
    # `model` is fixed at the start; clients resend it, so another one is no error.
    if patch.output_modalities:
        changes["output_modalities"] = one_modality(patch.output_modalities)
    elif patch.output_modalities == ():
        raise Fault(
            "invalid_value",
            "Invalid value: []. Supported values are: ['audio'], ['text'].",
            param="session.output_modalities",
        )
    if patch.tools is not UNSET:
        changes["tools"] = patch.tools or ()
        _check_tools(changes["tools"])
    for name in ("parallel_tool_calls", "reasoning"):
        if getattr(patch, name) is not UNSET:
            changes[name] = UNSET if getattr(patch, name) is None else getattr(patch, name)
    if patch.audio:
        audio = session.audio
        if patch.audio.input:
            audio = replace(audio, input=_update_input(audio.input, patch.audio.input))
        if patch.audio.output:
            output = _update_output(audio.output, patch.audio.output, voice_locked=voice_locked)
            audio = replace(audio, output=output)
        changes["audio"] = audio
    return replace(session, **changes)


def _update_transcription_session(
    session: TranscriptionSession, patch: SessionPatch
) -> TranscriptionSession:
    changes = _given(patch, (), nullable=("include",)) | _extensions(session, patch)
    if patch.audio and patch.audio.input:
        updated = _update_input(session.audio.input, patch.audio.input)
        changes["audio"] = replace(session.audio, input=updated)
    return replace(session, **changes)


def _extensions(session: AnySession, patch: SessionPatch) -> dict[str, Any]:
    """What is off is absent: other servers do not know the key."""
    wanted = patch.antiphon
    if not wanted:
        return {}
    was = session.antiphon or Answering()
    cost = was.cost if wanted.cost is UNSET else bool(wanted.cost)
    timeline = was.timeline if wanted.timeline is UNSET else bool(wanted.timeline)
    return {"antiphon": Answering(cost=cost, timeline=timeline) if cost or timeline else UNSET}


def one_modality(modalities: tuple[str, ...]) -> tuple[str, ...]:
    """Audio includes its transcript, so asking for both is asking for audio."""
    return ("audio",) if "audio" in modalities else ("text",)


def check_voice(voice: Voice, current: Voice, *, locked: bool) -> None:
    if locked and voice_name(voice) != voice_name(current):
        raise Fault(
            "cannot_update_voice",
            "Cannot update a conversation's voice if assistant audio is present.",
        )


def check_known_voice(voice: Voice, known: Sequence[str], param: str) -> None:
    """Where the operator wants unknown names refused.

    Raises:
        Fault: the engine has voices, and none of that name.
    """
    name = voice_name(voice)
    if known and name not in known:
        listed = ", ".join(f"'{one}'" for one in known)
        raise Fault(
            "invalid_value",
            f"Invalid value: '{name[:100]}'. Supported values are: {listed}.",
            param=param,
        )


def _check_tools(tools: tuple[Any, ...]) -> None:
    labels = [tool.server_label for tool in tools if isinstance(tool, McpTool)]
    for label in labels:
        if labels.count(label) > 1:
            raise Fault(
                "invalid_value",
                f"Duplicate MCP server_label '{label}': each tool server needs its own label.",
                param="session.tools",
            )


def _update_input(current: AudioInput, patch: AudioInputPatch) -> AudioInput:
    changes = _given(patch, ("format",))
    if patch.transcription is not UNSET:
        changes["transcription"] = _update_transcription(current.transcription, patch.transcription)
    if patch.noise_reduction is not UNSET:
        changes["noise_reduction"] = _update_noise(current.noise_reduction, patch.noise_reduction)
    if patch.turn_detection is not UNSET:
        changes["turn_detection"] = _update_turns(current.turn_detection, patch.turn_detection)
    return replace(current, **changes)


def _update_output(
    current: AudioOutput, patch: AudioOutputPatch, *, voice_locked: bool
) -> AudioOutput:
    changes = _given(patch, ("format", "voice", "speed"))
    if "voice" in changes:
        check_voice(changes["voice"], current.voice, locked=voice_locked)
    return replace(current, **changes)


def _update_transcription(
    current: Transcription | None, patch: TranscriptionPatch | None
) -> Transcription | None:
    if patch is None:
        return None
    names = ("model", "language", "languages", "prompt", "keywords", "delay")
    return replace(current or Transcription(), **_given(patch, (), nullable=names))


def _update_noise(
    current: NoiseReduction | None, patch: NoiseReductionPatch | None
) -> NoiseReduction | None:
    if patch is None or patch.type is None:
        return None
    return replace(current or NoiseReduction("near_field"), **_given(patch, ("type", "strength")))


def _update_turns(
    current: TurnDetection | None, patch: TurnDetectionPatch | None
) -> TurnDetection | None:
    """The same type merges field by field; another type starts from its own defaults."""
    if patch is None:
        return None
    kinds: dict[str, type[TurnDetection]] = {"server_vad": ServerVad, "semantic_vad": SemanticVad}
    kind = type(current or ServerVad()) if patch.type is UNSET else kinds[patch.type]
    base: TurnDetection = current if isinstance(current, kind) else kind()
    changes = _given(patch, ("create_response", "interrupt_response"))
    if patch.overlap is not UNSET:
        changes["overlap"] = _update_overlap(base.overlap, patch.overlap)
    if isinstance(base, SemanticVad):
        return replace(base, **changes, **_given(patch, ("eagerness",)))
    names = ("threshold", "prefix_padding_ms", "silence_duration_ms")
    return replace(base, **changes, **_given(patch, names, nullable=("idle_timeout_ms",)))


def _update_overlap(
    current: Overlap | UnsetType, patch: OverlapPatch | None
) -> Overlap | UnsetType:
    if patch is None:
        return UNSET
    base = current if isinstance(current, Overlap) else Overlap()
    return replace(base, **_given(patch, ("interruption_ms", "wait_ms")))


def _given(
    patch: Struct, names: tuple[str, ...], *, nullable: tuple[str, ...] = ()
) -> dict[str, Any]:
    changes = {n: v for n in names if (v := getattr(patch, n)) is not UNSET and v is not None}
    changes |= {n: v for n in nullable if (v := getattr(patch, n)) is not UNSET}
    return changes


def replace(struct: S, **changes: Any) -> S:
    return msgspec.structs.replace(struct, **changes) if changes else struct
