"""A conversation's items as a brain reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeGuard

from antiphon.protocol.items import (
    BetaAudio,
    BetaText,
    FunctionCallOutput,
    InputAudio,
    InputText,
    Item,
    Message,
    OutputAudio,
    OutputText,
)


def text_of(message: Message) -> str:
    """All words of a message; audio by its transcript, "" where there is none."""
    texts = []
    for part in message.content:
        match part:
            case InputText() | OutputText() | BetaText():
                texts.append(part.text)
            case InputAudio() | OutputAudio() | BetaAudio():
                texts.append(part.transcript or "")
    return " ".join(text for text in texts if text)


def is_input(item: Item) -> TypeGuard[Message | FunctionCallOutput]:
    """Whether it came from the client's side."""
    return isinstance(item, FunctionCallOutput) or (
        isinstance(item, Message) and item.role == "user"
    )


def keyed_inputs(items: Sequence[Item]) -> Iterator[tuple[str, Message | FunctionCallOutput]]:
    """What came from the client's side, oldest first, each with a key that stays the same."""
    for index, item in enumerate(items):
        if is_input(item):
            yield (item.id if isinstance(item.id, str) else f"#{index}"), item


def last_reply(items: Sequence[Item]) -> str:
    """What the assistant said last, as far as it was heard."""
    for item in reversed(items):
        if isinstance(item, Message) and item.role == "assistant" and text_of(item):
            return text_of(item)
    return ""
