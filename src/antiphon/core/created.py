"""What clients create: a wire item, and the audio in it, as an entry."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import UNSET

from antiphon.core.faults import Fault
from antiphon.core.formats import decode_whole
from antiphon.core.items import (
    CallEntry,
    Entry,
    HeardPart,
    ImagePart,
    MessageEntry,
    OutputEntry,
    Part,
    TextPart,
)
from antiphon.protocol.items import (
    BetaAudio,
    BetaText,
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputImage,
    InputText,
    Item,
    Message,
    OutputAudio,
    OutputText,
    Status,
)
from antiphon.protocol.session import AudioFormat

_ALLOWED: dict[str, tuple[type, ...]] = {
    "system": (InputText,),
    "user": (InputText, InputAudio, InputImage),
    # Pipecat sends an assistant's history as `input_text`.
    "assistant": (OutputText, OutputAudio, BetaText, BetaAudio, InputText),
}


class Created(NamedTuple):
    entry: Entry
    untold: int | None = None
    """Which part is audio whose words are to be found out, if one is."""

    @property
    def untold_pcm(self) -> bytes:
        """The audio of that part, at 24 kHz."""
        assert isinstance(self.entry, MessageEntry), "it has a part"
        assert self.untold is not None, "it has such a part"
        part = self.entry.parts[self.untold]
        assert isinstance(part, HeardPart), "it was made of audio"
        return bytes(part.pcm)


def create_entry(item: Item, item_id: str, audio_format: AudioFormat, *, where: str) -> Created:
    """What a client's item becomes; ``audio_format`` is that of the audio in it, ``where`` its
    path, for errors.

    Raises:
        Fault: a content part that its role cannot have, or one that says nothing; two parts
            whose words are to be found out: a turn has one transcript.
    """
    status: Status = "completed" if item.status is UNSET else item.status
    if isinstance(item, FunctionCall):
        call_id = "" if item.call_id is UNSET else item.call_id
        return Created(CallEntry(item_id, item.name, call_id, item.arguments, status))
    if isinstance(item, FunctionCallOutput):
        return Created(OutputEntry(item_id, item.call_id, item.output, status))
    untold = _only_untold(item, where)
    parts = [
        _part_from(content, item.role, audio_format, f"{where}.content[{index}]")
        for index, content in enumerate(item.content)
    ]
    return Created(MessageEntry(item_id, item.role, status, parts), untold)


def _part_from(content: object, role: str, audio_format: AudioFormat, where: str) -> Part:
    if not isinstance(content, _ALLOWED[role]):
        tag = type(content).__struct_config__.tag  # type: ignore[attr-defined]
        allowed = ", ".join(f"'{kind.__struct_config__.tag}'" for kind in _ALLOWED[role])  # type: ignore[attr-defined]
        raise Fault(
            "invalid_value",
            f"Invalid value: '{tag}'. Supported values for role '{role}' are: {allowed}.",
            param=f"{where}.type",
        )
    match content:
        case InputText(text) | OutputText(text) | BetaText(text):
            return TextPart("output_text" if role == "assistant" else "input_text", text)
        case OutputAudio(transcript, _) | BetaAudio(transcript, _):
            # A client cannot make the assistant's voice; what was said counts as text.
            if transcript is None:
                raise _missing(f"{where}.text")
            return TextPart("output_text", transcript)
        case InputImage(image_url, detail):
            return ImagePart(image_url, detail or None)
        case InputAudio(transcript, audio):
            if audio is UNSET and transcript is None:
                raise _missing(f"{where}.audio")
            pcm = decode_whole(audio_format, audio or b"")
            return HeardPart(transcript, pcm=bytearray(pcm), samples=len(pcm) // 2)
        case _:
            raise AssertionError(content)


def _only_untold(message: Message, where: str) -> int | None:
    untold = [
        index
        for index, content in enumerate(message.content)
        if isinstance(content, InputAudio) and content.audio and content.transcript is None
    ]
    if len(untold) > 1:
        raise Fault(
            "invalid_value",
            "Only one part of an item may be audio without a transcript; send them as items "
            "of their own.",
            param=f"{where}.content[{untold[1]}]",
        )
    return untold[0] if untold else None


def _missing(param: str) -> Fault:
    message = f"Missing required parameter: '{param}'."
    return Fault("missing_required_parameter", message, param=param)
