"""Tokens and audio, counted as the API counts them.

A user's audio is 1 token per 100 ms, an assistant's 1 per 50 ms, whether it is produced or
replayed as context (docs/reference/protocol.md, "Tokens").  Text is estimated at four
characters a token where no language model has counted it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from antiphon.core.causes import EngineFinished
from antiphon.core.items import (
    CallEntry,
    Entry,
    HeardPart,
    ImagePart,
    MessageEntry,
    Part,
    SpokenPart,
    samples_to_ms,
)
from antiphon.protocol.server import (
    CachedTokenDetails,
    InputTokenDetails,
    OutputTokenDetails,
    Usage,
)
from antiphon.protocol.session import Tool

CHARACTERS_PER_TOKEN = 4
USER_AUDIO_TOKEN_MS = 100
ASSISTANT_AUDIO_TOKEN_MS = 50
IMAGE_TOKENS = 258
"""An estimate for a picture of any size; only a model that sees it can count it."""


class Tokens(msgspec.Struct, frozen=True):
    text: int = 0
    audio: int = 0
    image: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.text + other.text, self.audio + other.audio, self.image + other.image)

    @property
    def total(self) -> int:
        return self.text + self.audio + self.image


NO_TOKENS = Tokens()


def add_up(counts: Iterable[Tokens]) -> Tokens:
    text = audio = image = 0
    for count in counts:
        text += count.text
        audio += count.audio
        image += count.image
    return Tokens(text, audio, image)


def text_tokens(text: str) -> int:
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def speech_tokens(samples: int) -> int:
    """Of the assistant's audio."""
    return -(-samples_to_ms(samples) // ASSISTANT_AUDIO_TOKEN_MS)


def entry_tokens(entry: Entry) -> Tokens:
    if isinstance(entry, MessageEntry):
        if len(entry.parts) == 1:  # by far the most
            return _part_tokens(entry.parts[0])
        return add_up(_part_tokens(part) for part in entry.parts)
    if isinstance(entry, CallEntry):
        return Tokens(text_tokens(entry.name + entry.arguments))
    return Tokens(text_tokens(entry.output))


def _part_tokens(part: Part) -> Tokens:
    match part:
        case HeardPart():
            # Rounded up, so that what was heard never counts as nothing.
            return Tokens(audio=-(-samples_to_ms(part.samples) // USER_AUDIO_TOKEN_MS))
        case SpokenPart():
            return Tokens(text=text_tokens(part.transcript), audio=speech_tokens(part.samples))
        case ImagePart():
            return Tokens(image=IMAGE_TOKENS)
        case _:
            return Tokens(text=text_tokens(part.text))


def instruction_tokens(instructions: str, tools: tuple[Tool, ...]) -> int:
    return text_tokens(instructions) + (
        text_tokens(str(msgspec.json.encode(tools))) if tools else 0
    )


def usage_of(context: Tokens, output: Iterable[Entry], counted: EngineFinished | None) -> Usage:
    """The bill of one response; what others counted overrules our estimate."""
    if counted is not None and counted.usage is not None:
        return counted.usage
    made = add_up(entry_tokens(entry) for entry in output)
    cached = 0
    if counted is not None:
        if counted.input_tokens is not None:
            context = Tokens(text=counted.input_tokens)
        if counted.output_tokens is not None:
            made = Tokens(text=counted.output_tokens, audio=made.audio)
        cached = min(counted.cached_tokens or 0, context.text)
    return Usage(
        total_tokens=context.total + made.total,
        input_tokens=context.total,
        output_tokens=made.total,
        input_token_details=InputTokenDetails(
            text_tokens=context.text,
            audio_tokens=context.audio,
            image_tokens=context.image,
            cached_tokens=cached,
            cached_tokens_details=CachedTokenDetails(text_tokens=cached),
        ),
        output_token_details=OutputTokenDetails(text_tokens=made.text, audio_tokens=made.audio),
    )


def counted_together(parts: Sequence[EngineFinished]) -> EngineFinished:
    """The end of an answer that an engine gave in several parts, with what all of them used."""
    if len(parts) == 1:
        return parts[0]
    usage = None
    if all(part.usage is not None for part in parts):
        usage = Usage()
        for part in parts:
            usage = add_usage(usage, part.usage or Usage())
    return replace(
        parts[-1],
        input_tokens=_added(part.input_tokens for part in parts),
        output_tokens=_added(part.output_tokens for part in parts),
        cached_tokens=_added(part.cached_tokens for part in parts),
        usage=usage,
    )


def _added(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def add_usage(one: Usage, other: Usage) -> Usage:
    """Field by field, at every depth."""
    total: Usage = _sum(one, other)
    return total


def _sum(one: Any, other: Any) -> Any:
    if isinstance(one, int):
        return one + other
    names = one.__struct_fields__
    return type(one)(**{name: _sum(getattr(one, name), getattr(other, name)) for name in names})
