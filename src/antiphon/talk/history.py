"""The items of the conversation, held so that it can be rebuilt on a new connection."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.protocol.client import ConversationItemCreate
from antiphon.protocol.items import (
    AnyContent,
    BetaText,
    FunctionCall,
    FunctionCallOutput,
    InputImage,
    InputText,
    Item,
    Message,
    OutputText,
)


@dataclass
class Entry:
    """An item, and its words as far as they are known.

    Attributes:
        item_id: The server's; each item of a conversation has one.
        text: What was said; None for user audio that nobody has transcribed.
    """

    item_id: str
    item: Item
    text: str | None = None


class History:
    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, item: Item, previous_item_id: str | None) -> None:
        """Add the item after the one named (first if none), or bring it up to date."""
        if not item.id:
            return
        text = _text_of(item)
        if (entry := self._find(item.id)) is not None:
            entry.item = item
            # What the user heard stands: a cut reply is not made whole by late news.
            entry.text = text if entry.text is None else entry.text
            return
        at = 0
        if previous_item_id is not None:
            before = self._find(previous_item_id)
            at = self._entries.index(before) + 1 if before else len(self._entries)
        self._entries.insert(at, Entry(item.id, item, text))

    def remove(self, item_id: str) -> None:
        self._entries = [e for e in self._entries if e.item_id != item_id]

    def set_text(self, item_id: str, text: str) -> None:
        if (entry := self._find(item_id)) is not None:
            entry.text = text

    def rebuild(self) -> tuple[list[ConversationItemCreate], int]:
        """The messages that make this conversation anew, in order, and how many items
        cannot be told again: user audio without a transcript, replies nobody heard.
        """
        created: list[ConversationItemCreate] = []
        previous_id = "root"
        for entry in self._entries:
            item = _create(entry)
            if item is not None:
                created.append(ConversationItemCreate(item=item, previous_item_id=previous_id))
                previous_id = entry.item_id
        return created, len(self._entries) - len(created)

    def _find(self, item_id: str) -> Entry | None:
        return next((e for e in self._entries if e.item_id == item_id), None)


def _text_of(item: Item) -> str | None:
    if not isinstance(item, Message):
        return None
    words = [_words_of(part) for part in item.content]
    return " ".join(word for word in words if word) or None


def _words_of(part: AnyContent) -> str | None:
    match part:
        case InputText(text) | OutputText(text) | BetaText(text):
            return text
        case InputImage():
            return None
        case _:
            return part.transcript


def _create(entry: Entry) -> Item | None:
    match entry.item:
        case FunctionCall(name=name, call_id=call_id, arguments=arguments):
            return FunctionCall(
                id=entry.item_id, name=name, call_id=call_id or "", arguments=arguments or "{}"
            )
        case FunctionCallOutput(call_id=call_id, output=output):
            return FunctionCallOutput(id=entry.item_id, call_id=call_id, output=output)
        case Message(role="assistant") if entry.text:
            # The client cannot create assistant audio: the words stand for it.
            return Message(id=entry.item_id, role="assistant", content=(OutputText(entry.text),))
        case Message(role="user" | "system" as role) if entry.text:
            return Message(id=entry.item_id, role=role, content=(InputText(entry.text),))
        case _:
            return None
