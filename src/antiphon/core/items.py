"""Items as the conversation keeps them: what the wire shows, and what was heard of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from msgspec import UNSET

from antiphon.core.causes import MEDIA_RATE_HZ, Word
from antiphon.core.faults import Fault
from antiphon.protocol.items import (
    BetaAudio,
    BetaText,
    Content,
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

PartKind = Literal["input_text", "input_audio", "input_image", "output_text", "output_audio"]


MAX_AUDIO_BYTES = 320 * 1024
"""Audio kept for `conversation.item.retrieve`, by one item and by all: some 7 s.  As base64 it
stays far below the 1 MiB frame that some clients take at most.  Overflow policy: the audio of an
item that is longer is not kept, of several the oldest item's goes."""


def samples_to_ms(samples: int) -> int:
    return samples * 1000 // MEDIA_RATE_HZ


def ms_to_samples(ms: int) -> int:
    return ms * MEDIA_RATE_HZ // 1000


@dataclass(slots=True, eq=False)
class Part:
    """One content part of a message."""

    kind: PartKind
    text: str | None = None
    """Text, or transcript; None: not known yet."""
    shows_text: bool = True
    """False: the transcript is for the engine alone, as the session did not ask for it."""
    pcm: bytearray = field(default_factory=bytearray)
    """24 kHz; dropped first when a session holds too much (`History`)."""
    samples: int = 0
    """How long the audio is, also where ``pcm`` was dropped."""
    words: list[Word] = field(default_factory=list)
    sealed: bool = False
    """Cut at what was heard: what is generated after that was never heard."""
    image_url: str = ""
    image_detail: Literal["auto", "low", "high"] | None = None

    @property
    def is_audio(self) -> bool:
        return self.kind in ("input_audio", "output_audio")

    def speak(self, pcm: bytes, words: Iterable[Word]) -> None:
        if self.sealed:
            return
        if len(self.pcm) == 2 * self.samples and len(self.pcm) + len(pcm) <= MAX_AUDIO_BYTES:
            self.pcm += pcm
        else:
            self.pcm = bytearray()
        self.samples += len(pcm) // 2
        self.words += words

    def say(self, text: str) -> None:
        if not self.sealed:
            self.text = (self.text or "") + text

    def end_early(self) -> None:
        """Words run ahead of their sound; keep those that were spoken."""
        if self.words or not self.samples:
            self.text = (self.text or "")[: self._heard_chars(self.samples)].rstrip()

    def cut(self, samples: int) -> None:
        """Keep what was heard: whole words, up to ``samples``.

        Where nothing was cut, nothing is lost: a client truncates at the full length
        whenever the user speaks after the answer has ended.
        """
        if samples < self.samples:
            del self.pcm[2 * samples :]
            self.samples = samples
            self.text = (self.text or "")[: self._heard_chars(samples)].rstrip()
            self.words = [word for word in self.words if word.end_sample <= samples]

    def _heard_chars(self, samples: int) -> int:
        return max((w.text_end for w in self.words if w.end_sample <= samples), default=0)

    def wire(self, audio: bytes | None = None) -> Content:
        shown = self.text if self.shows_text else None
        pcm = UNSET if audio is None else audio
        match self.kind:
            case "input_text":
                return InputText(self.text or "")
            case "output_text":
                return OutputText(self.text or "")
            case "input_audio":
                return InputAudio(shown, pcm)
            case "output_audio":
                return OutputAudio(self.text or "", pcm)
            case "input_image":
                return InputImage(self.image_url, self.image_detail or UNSET)


@dataclass(slots=True, eq=False)
class Entry:
    """One item of the conversation."""

    id: str
    type: Literal["message", "function_call", "function_call_output"]
    status: Status = "completed"
    role: Literal["system", "user", "assistant"] = "user"
    parts: list[Part] = field(default_factory=list)
    name: str = ""
    call_id: str = ""
    arguments: str = ""
    output: str = ""
    _told: tuple[object, Item] | None = None
    """What an engine was told last, and of which state."""

    def wire(self) -> Item:
        """As events show it: without audio."""
        return self.with_content(tuple(part.wire() for part in self.parts))

    def with_content(self, content: tuple[Content, ...]) -> Item:
        match self.type:
            case "message":
                return Message(id=self.id, status=self.status, role=self.role, content=content)
            case "function_call":
                return FunctionCall(
                    id=self.id,
                    status=self.status,
                    name=self.name,
                    call_id=self.call_id,
                    arguments=self.arguments,
                )
            case "function_call_output":
                return FunctionCallOutput(
                    id=self.id, status=self.status, call_id=self.call_id, output=self.output
                )

    def for_engine(self) -> Item:
        """As an engine sees it: with every transcript that is known, without audio.

        Each response asks this of the whole conversation: what has not changed is not made anew.
        """
        state = self._state()
        if self._told is None or self._told[0] != state:
            self._told = state, self._made_for_engine()
        return self._told[1]

    def _state(self) -> object:
        """All that may change of what an engine sees."""
        if self.type != "message":
            return self.status, self.call_id, self.arguments
        if len(self.parts) == 1:  # by far the most
            part = self.parts[0]
            return self.status, part.text, part.shows_text
        return self.status, [(part.text, part.shows_text) for part in self.parts]

    def _made_for_engine(self) -> Item:
        if all(part.shows_text for part in self.parts):
            return self.wire()
        return self.with_content(
            tuple(
                InputAudio(part.text) if part.kind == "input_audio" else part.wire()
                for part in self.parts
            )
        )

    @property
    def audio_part(self) -> Part | None:
        return next((part for part in self.parts if part.is_audio), None)


_ALLOWED: dict[str, tuple[type, ...]] = {
    "system": (InputText,),
    "user": (InputText, InputAudio, InputImage),
    # Pipecat sends an assistant's history as `input_text`.
    "assistant": (OutputText, OutputAudio, BetaText, BetaAudio, InputText),
}


def entry_from(item: Message | FunctionCall | FunctionCallOutput, item_id: str) -> Entry:
    """What a client's item becomes, but for the audio in it.

    Raises:
        Fault: a content part that its role cannot have, or one that says nothing.
    """
    status: Status = "completed" if item.status is UNSET else item.status
    if isinstance(item, FunctionCall):
        call_id = "" if item.call_id is UNSET else item.call_id
        return Entry(
            item_id,
            "function_call",
            status,
            name=item.name,
            call_id=call_id,
            arguments=item.arguments,
        )
    if isinstance(item, FunctionCallOutput):
        return Entry(
            item_id, "function_call_output", status, call_id=item.call_id, output=item.output
        )
    parts = [_part_from(content, item.role, i) for i, content in enumerate(item.content)]
    return Entry(item_id, "message", status, role=item.role, parts=parts)


def _part_from(content: object, role: str, index: int) -> Part:
    where = f"item.content[{index}]"
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
            return Part("output_text" if role == "assistant" else "input_text", text)
        case OutputAudio(transcript, _) | BetaAudio(transcript, _):
            # A client cannot make the assistant's voice; what was said counts as text.
            if transcript is None:
                raise Fault(
                    "missing_required_parameter",
                    f"Missing required parameter: '{where}.text'.",
                    param=f"{where}.text",
                )
            return Part("output_text", transcript)
        case InputImage(image_url, detail):
            return Part("input_image", image_url=image_url, image_detail=detail or None)
        case InputAudio(transcript, audio):
            if audio is UNSET and transcript is None:
                raise Fault(
                    "missing_required_parameter",
                    f"Missing required parameter: '{where}.audio'.",
                    param=f"{where}.audio",
                )
            return Part("input_audio", transcript)
        case _:
            raise AssertionError(content)
