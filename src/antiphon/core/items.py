"""Items as the conversation keeps them: what the wire shows, and what was heard of them.

Each kind of item, and of content part, is a type of its own.  They are plain data, so that a
log can keep them; only `History` changes them once they are in a conversation or a response.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeVar

from msgspec import UNSET, Struct, field
from msgspec.structs import replace

from antiphon.core.causes import MEDIA_RATE_HZ, Word
from antiphon.protocol.items import (
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

MAX_AUDIO_BYTES = 320 * 1024
"""Audio kept for `conversation.item.retrieve`, by one item and by all: some 7 s.  As base64 it
stays far below the 1 MiB frame that some clients take at most.  Overflow policy: the audio of an
item that is longer is not kept, of several the oldest item's goes."""


def samples_to_ms(samples: int) -> int:
    return samples * 1000 // MEDIA_RATE_HZ


def ms_to_samples(ms: int) -> int:
    return ms * MEDIA_RATE_HZ // 1000


# --- Content parts -----------------------------------------------------------


class TextPart(Struct, tag="text", tag_field="part"):
    """What was written, by anyone."""

    kind: Literal["input_text", "output_text"]
    text: str = ""

    def say(self, text: str) -> None:
        self.text += text

    def wire(self) -> Content:
        return InputText(self.text) if self.kind == "input_text" else OutputText(self.text)


class HeardPart(Struct, tag="heard", tag_field="part"):
    """What the user said."""

    transcript: str | None = None
    """None: not known (yet)."""
    shows_transcript: bool = True
    """False: it is for the engine alone, as the session did not ask for it."""
    awaits_transcript: bool = False
    """An engine was asked for the words and has not answered."""
    pcm: bytearray = field(default_factory=bytearray)
    """24 kHz; dropped first when a session holds too much (`History`)."""
    samples: int = 0
    """How long the audio is, also where ``pcm`` was dropped."""

    def wire(self, audio: bytes | None = None) -> Content:
        shown = self.transcript if self.shows_transcript else None
        return InputAudio(shown, UNSET if audio is None else audio)

    def for_engine(self) -> Content:
        return InputAudio(self.transcript)


class SpokenPart(Struct, tag="spoken", tag_field="part"):
    """What the assistant said aloud."""

    transcript: str = ""
    pcm: bytearray = field(default_factory=bytearray)
    """24 kHz; dropped first when a session holds too much (`History`)."""
    samples: int = 0
    """How long the audio is, also where ``pcm`` was dropped."""
    words: list[Word] = field(default_factory=list)
    sealed: bool = False
    """Cut at what was heard: what is generated after that was never heard."""

    def say(self, text: str) -> None:
        if not self.sealed:
            self.transcript += text

    def speak(self, pcm: bytes, words: Iterable[Word]) -> None:
        if self.sealed:
            return
        if len(self.pcm) == 2 * self.samples and len(self.pcm) + len(pcm) <= MAX_AUDIO_BYTES:
            self.pcm += pcm
        else:
            self.pcm = bytearray()
        self.samples += len(pcm) // 2
        self.words += words

    def end_early(self) -> None:
        """Words run ahead of their sound; keep those that were spoken."""
        if self.words or not self.samples:
            self.transcript = self._heard_text(self.samples)

    def cut(self, samples: int, *, done: bool) -> None:
        """Keep what was heard: whole words, up to ``samples``.

        Where nothing was cut of what is ``done``, nothing is lost: a client truncates at the
        full length whenever the user speaks after the answer has ended.  Words of what is not
        run ahead of their sound.
        """
        if samples < self.samples:
            del self.pcm[2 * samples :]
            self.samples = samples
            self.transcript = self._heard_text(samples)
            self.words = [word for word in self.words if word.end_sample <= samples]
        elif not done:
            self.end_early()

    def _heard_text(self, samples: int) -> str:
        heard = max((w.text_end for w in self.words if w.end_sample <= samples), default=0)
        return self.transcript[:heard].rstrip()

    def wire(self, audio: bytes | None = None) -> Content:
        return OutputAudio(self.transcript, UNSET if audio is None else audio)


class ImagePart(Struct, tag="image", tag_field="part"):
    image_url: str
    detail: Literal["auto", "low", "high"] | None = None

    def wire(self) -> Content:
        return InputImage(self.image_url, self.detail or UNSET)


Part = TextPart | HeardPart | SpokenPart | ImagePart
AudioPart = HeardPart | SpokenPart


# --- Items -------------------------------------------------------------------


class MessageEntry(Struct, tag="message", tag_field="entry"):
    id: str
    role: Literal["system", "user", "assistant"]
    status: Status = "completed"
    parts: list[Part] = field(default_factory=list)

    def wire(self) -> Item:
        """As events show it: without audio."""
        return self.with_content(tuple(part.wire() for part in self.parts))

    def for_engine(self) -> Item:
        """As an engine sees it: with every transcript that is known, without audio."""
        return self.with_content(
            tuple(
                part.for_engine() if isinstance(part, HeardPart) else part.wire()
                for part in self.parts
            )
        )

    def with_content(self, content: tuple[Content, ...]) -> Item:
        return Message(id=self.id, status=self.status, role=self.role, content=content)

    @property
    def spoken(self) -> SpokenPart | None:
        return next((part for part in self.parts if isinstance(part, SpokenPart)), None)

    @property
    def audio_parts(self) -> list[AudioPart]:
        return [part for part in self.parts if isinstance(part, HeardPart | SpokenPart)]


class CallEntry(Struct, tag="function_call", tag_field="entry"):
    """The assistant calls a function."""

    id: str
    name: str
    call_id: str
    arguments: str = ""
    status: Status = "completed"

    def wire(self) -> Item:
        return FunctionCall(
            id=self.id,
            status=self.status,
            name=self.name,
            call_id=self.call_id,
            arguments=self.arguments,
        )

    def for_engine(self) -> Item:
        return self.wire()


class OutputEntry(Struct, tag="function_call_output", tag_field="entry"):
    """What a function answered."""

    id: str
    call_id: str
    output: str = ""
    status: Status = "completed"

    def wire(self) -> Item:
        return FunctionCallOutput(
            id=self.id, status=self.status, call_id=self.call_id, output=self.output
        )

    def for_engine(self) -> Item:
        return self.wire()


Entry = MessageEntry | CallEntry | OutputEntry
E = TypeVar("E", bound=MessageEntry | CallEntry | OutputEntry)


def snapshot(entry: E) -> E:
    """A copy that does not change with the original."""
    if not isinstance(entry, MessageEntry):
        return replace(entry)
    return replace(entry, parts=[_copied(part) for part in entry.parts])


def as_heard(entry: MessageEntry, samples: int) -> MessageEntry:
    """As it would be kept if it were cut there."""
    copy = snapshot(entry)
    if copy.spoken is not None:
        copy.spoken.cut(samples, done=copy.status != "in_progress")
    return copy


def _copied(part: Part) -> Part:
    # By hand: `copy.deepcopy` takes ten times as long, and each record is a copy.
    match part:
        case HeardPart():
            return replace(part, pcm=bytearray(part.pcm))
        case SpokenPart():
            return replace(part, pcm=bytearray(part.pcm), words=list(part.words))
        case _:
            return replace(part)


def audio_parts(entry: Entry) -> list[AudioPart]:
    return entry.audio_parts if isinstance(entry, MessageEntry) else []
