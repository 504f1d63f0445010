"""The items of the conversation, held so that it can be rebuilt on a new connection."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.protocol.client import ConversationItemCreate
from antiphon.protocol.items import FunctionCall, FunctionCallOutput, InputText, Message, OutputText
from antiphon.talk.wire import Item


@dataclass
class Entry:
    """An item, and its words as far as they are known.

    Attributes:
        text: What was said; None for user audio that nobody has transcribed.
    """

    item: Item
    text: str | None = None


class History:
    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, item: Item, previous_item_id: str | None) -> None:
        """Add the item after the one named (first if none), or bring it up to date."""
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
        self._entries.insert(at, Entry(item, text))

    def remove(self, item_id: str) -> None:
        self._entries = [e for e in self._entries if e.item.id != item_id]

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
                previous_id = entry.item.id
        return created, len(self._entries) - len(created)

    def _find(self, item_id: str) -> Entry | None:
        return next((e for e in self._entries if e.item.id == item_id), None)


def _text_of(item: Item) -> str | None:
    words = [part.text or part.transcript for part in item.content]
    known = [word for word in words if word]
    return " ".join(known) or None


def _create(entry: Entry) -> Message | FunctionCall | FunctionCallOutput | None:
    item = entry.item
    match item.type:
        case "function_call":
            return FunctionCall(
                id=item.id,
                name=item.name or "",
                call_id=item.call_id or "",
                arguments=item.arguments or "{}",
            )
        case "function_call_output":
            return FunctionCallOutput(
                id=item.id, call_id=item.call_id or "", output=item.output or ""
            )
        case "message" if entry.text and item.role == "assistant":
            # The client cannot create assistant audio: the words stand for it.
            return Message(id=item.id, role="assistant", content=(OutputText(entry.text),))
        case "message" if entry.text and item.role in ("user", "system"):
            return Message(id=item.id, role=item.role, content=(InputText(entry.text),))
        case _:
            return None
