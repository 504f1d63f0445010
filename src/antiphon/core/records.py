"""What a log keeps of a conversation, and what a conversation continues from.

Where its terms want it (`Terms.recorded`), a conversation tells each change that lasts as a
`Record` among its effects, just before the events that announce it.  `Recollection` adds the
changes up to a `Past`; a `Conversation` whose terms carry one goes on where it ended.

Records are kept at the joints: an item when it is added, done, cut, transcribed; not each delta.
What was under way when a process died ended with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from antiphon.core.context import Cut
from antiphon.core.ids import Ids
from antiphon.core.items import Entry
from antiphon.core.usage import add_usage
from antiphon.protocol.items import FunctionCall, FunctionCallOutput, Item
from antiphon.protocol.server import Response, Usage
from antiphon.protocol.session import AnySession


class ServerCall(Struct, frozen=True, kw_only=True):
    """A function that the server carried out for the engine: no item of the conversation, but the
    engine is shown it as if it were one.
    """

    item_id: str
    after: str | None
    """The item before it; None: it is the first."""
    call_id: str
    name: str
    arguments: str
    output: str | None = None
    """None: it was not answered."""
    output_id: str = ""

    def items(self) -> Iterator[Item]:
        yield FunctionCall(
            id=self.item_id,
            status="completed",
            name=self.name,
            call_id=self.call_id,
            arguments=self.arguments,
        )
        if self.output is not None:
            yield FunctionCallOutput(
                id=self.output_id, status="completed", call_id=self.call_id, output=self.output
            )


class _Change(Struct, frozen=True, tag_field="change"):
    pass


class SessionChanged(_Change, frozen=True, tag="session"):
    """The settings as they are from now on; the first change of every conversation."""

    session: AnySession
    conversation_id: str
    drawn_for: str = ""
    """As in `Generate`, where it is not the conversation's id."""


class ItemChanged(_Change, frozen=True, tag="item"):
    """An item as it is from now on."""

    item: Entry
    after: str | None = None
    """Where it is new: the item before it; None: it is the first."""


class ItemDeleted(_Change, frozen=True, tag="item_deleted"):
    item_id: str


class ResponseEnded(_Change, frozen=True, tag="response"):
    """A response as `response.done` shows it, with what it used."""

    response: Response
    voice_heard: bool = False
    """The assistant has spoken in this conversation: its voice can no longer change."""


class ContextCut(_Change, frozen=True, tag="context_cut"):
    """From now on, responses see the conversation from there on (`Window`)."""

    cut: Cut


class ServerCallChanged(_Change, frozen=True, tag="server_call"):
    """A function that the server carries out, when it was called and again when it was answered."""

    call: ServerCall


class EngineChanged(_Change, frozen=True, tag="engine"):
    """Another engine serves the session from now on."""

    engine: str
    code: str
    """Why."""


Change = (
    SessionChanged
    | ItemChanged
    | ItemDeleted
    | ResponseEnded
    | ContextCut
    | ServerCallChanged
    | EngineChanged
)


class Record(Struct, frozen=True, tag_field="command", tag="record"):
    """An effect: keep this, before the events that follow are sent."""

    change: Change
    ids_used: int
    """How many ids the conversation had made until then."""


class Recorder:
    """Where the core tells a log what lasts, if one is kept (``on``)."""

    def __init__(self, ids: Ids, *, on: bool) -> None:
        self.on = on
        self._ids = ids

    def tell(self, change: Change, out: list[Any]) -> None:
        if self.on:
            out.append(Record(change, self._ids.used))


class Past(Struct, frozen=True, kw_only=True):
    """A conversation that was; its settings are those of the terms that carry it."""

    conversation_id: str
    items: tuple[Entry, ...] = ()
    """Oldest first."""
    ids_used: int = 0
    """How many ids were made (`Ids`), so that one that goes on under the same seed makes others."""
    used: Usage = Usage()
    """By all its responses together."""
    voice_heard: bool = False
    cut: Cut | None = None
    """Where the context was cut last."""
    drawn_for: str = ""
    """As in `Generate`, where it is not the conversation's id."""
    server_calls: tuple[ServerCall, ...] = ()
    """Oldest first."""


class Recollection:
    """A conversation, put together again from what was recorded of it."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.session: AnySession | None = None
        """The settings as they were last; None: nothing was recorded."""
        self._conversation_id = ""
        self._entries: dict[str, Entry] = {}
        self._order: list[str] = []
        self._ids_used = 0
        self._used = Usage()
        self._voice_heard = False
        self._cut: Cut | None = None
        self._drawn_for = ""
        self._server_calls: dict[str, ServerCall] = {}
        for record in records:
            self.add(record)

    @property
    def past(self) -> Past:
        return Past(
            conversation_id=self._conversation_id,
            items=tuple(self._entries[item_id] for item_id in self._order),
            ids_used=self._ids_used,
            used=self._used,
            voice_heard=self._voice_heard,
            cut=self._cut,
            drawn_for=self._drawn_for,
            server_calls=tuple(self._server_calls.values()),
        )

    def add(self, record: Record) -> None:
        """Raises:
        ValueError: it speaks of an item that is not there; the log is not whole.
        """
        self._ids_used = record.ids_used
        match record.change:
            case SessionChanged(session, conversation_id, drawn_for):
                self.session, self._conversation_id = session, conversation_id
                self._drawn_for = drawn_for
            case ItemChanged(item, after):
                if item.id not in self._entries:
                    self._order.insert(
                        0 if after is None else self._order.index(after) + 1, item.id
                    )
                self._entries[item.id] = item
            case ItemDeleted(item_id):
                del self._order[self._place(item_id)]
                del self._entries[item_id]
            case ContextCut(cut):
                self._cut = cut
            case ServerCallChanged(call):
                self._server_calls[call.item_id] = call
            case ResponseEnded(response, voice_heard):
                self._used = add_usage(self._used, response.usage or Usage())
                self._voice_heard = voice_heard

    def _place(self, item_id: str) -> int:
        if item_id not in self._entries:
            raise ValueError(f"the records speak of an item that they do not have: {item_id}")
        return self._order.index(item_id)
