"""What the events of another server's session mean for the log that is kept here.  No I/O.

The session is held there: its items, responses and ids are taken as they are told.  What a log
wants to know of them are the same changes that a conversation of our own tells
(`antiphon.core.records`), so that it is listed, shown and gone on with as any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from antiphon.core.items import (
    CallEntry,
    Entry,
    HeardPart,
    ImagePart,
    MessageEntry,
    OutputEntry,
    Part,
    SpokenPart,
    TextPart,
    ms_to_samples,
    snapshot,
)
from antiphon.core.records import Change, ItemChanged, ItemDeleted, ResponseEnded, SessionChanged
from antiphon.core.terms import Activity
from antiphon.protocol import server
from antiphon.protocol.client import ConversationItemRetrieve
from antiphon.protocol.items import (
    AnyContent,
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
)
from antiphon.protocol.server import ServerEvent
from antiphon.protocol.session import Session

ASKS = "antiphon_asks_"
"""How the ids of our own client events begin."""

_changes = msgspec.msgpack.Decoder(Change)


class Meaning(msgspec.Struct):
    """Of one event."""

    changes: list[Change] = []
    """For the log, in order."""
    asks: list[ConversationItemRetrieve] = []
    """To be sent there: how an item is now is told in no event."""
    is_ours: bool = False
    """It answers what we asked, and is for nobody else."""
    is_missing: bool = False
    """Something lasting was told that cannot be kept as it is."""


class Following:
    """Args:
    session: As far as it is known before the first event; its id is ours, and its model the name
        that the client asked for.
    conversation_id: Ours.
    """

    def __init__(self, session: Session, conversation_id: str) -> None:
        self.session = session
        """As it was told last."""
        self._id = session.id
        self._model = session.model
        self._conversation_id = conversation_id
        self._logged: Session | None = None
        self._entries: dict[str, Entry] = {}
        self._order: list[str] = []
        self._began_ms: dict[str, int] = {}
        """When turns began that have not ended."""
        self._samples: dict[str, int] = {}
        """How long turns were whose items have not come."""
        self._asked: set[str] = set()
        self._running: set[str] = set()
        self._user_speaks = False

    def begin(self) -> list[Change]:
        """The first change of every conversation."""
        return self._settled(self.session)

    @property
    def activity(self) -> Activity:
        if self._user_speaks:
            return "user_speaking"
        return "responding" if self._running else "idle"

    @property
    def items(self) -> Iterator[tuple[str | None, Item]]:
        """Each with the id of the one before."""
        previous: str | None = None
        for item_id in self._order:
            yield previous, self._entries[item_id].wire()
            previous = item_id

    def rejoined(self) -> list[ConversationItemRetrieve]:
        """Events were missed: what was under way is asked for."""
        self._running.clear()
        self._user_speaks = False
        self._began_ms.clear()
        unsettled = [entry.id for entry in self._entries.values() if _is_unsettled(entry)]
        self._asked.clear()
        return self._ask(unsettled)

    def saw(self, event: ServerEvent) -> Meaning:
        meaning = self._saw(event)
        kept = [change for change in meaning.changes if _can_be_read_again(change)]
        if len(kept) < len(meaning.changes):
            return replace(meaning, changes=kept, is_missing=True)
        return meaning

    # --- Events --------------------------------------------------------------

    def _saw(self, event: ServerEvent) -> Meaning:
        match event:
            case (
                server.SessionCreated(session=Session() as session)
                | server.SessionUpdated(session=Session() as session)
            ):
                return Meaning(self._settled(session))
            case server.ConversationItemAdded() | server.ConversationItemDone():
                return Meaning(self._items([event.item], event.previous_item_id))
            case server.ConversationItemRetrieved(item=item):
                return self._retrieved(item)
            case server.ConversationItemTruncated(item_id=item_id):
                return Meaning(asks=self._ask([item_id]))
            case server.ConversationItemDeleted(item_id=item_id):
                return Meaning(self._deleted(item_id))
            case server.TranscriptionCompleted():
                return Meaning(
                    self._heard(event.item_id, event.content_index, transcript=event.transcript)
                )
            case server.TranscriptionFailed():
                return Meaning(self._heard(event.item_id, event.content_index, transcript=None))
            case server.SpeechStarted():
                self._user_speaks = True
                self._began_ms = {event.item_id: event.audio_start_ms}
            case server.SpeechStopped():
                self._stopped(event)
            case server.ResponseCreated(response=response):
                self._running.add(response.id)
            case server.ResponseDone(response=response):
                return Meaning(self._ended(response))
            case server.Error(error=error) if (error.event_id or "").startswith(ASKS):
                self._asked.discard((error.event_id or "").removeprefix(ASKS))
                return Meaning(is_ours=True)
        return Meaning()

    def _settled(self, session: Session) -> list[Change]:
        self.session = replace(session, model=self._model)
        logged = replace(self.session, id=self._id, antiphon=UNSET)
        if logged == self._logged:
            return []
        self._logged = logged
        return [SessionChanged(logged, self._conversation_id)]

    def _stopped(self, event: server.SpeechStopped) -> None:
        self._user_speaks = False
        began_ms = self._began_ms.pop(event.item_id, None)
        if began_ms is not None:
            self._samples = {event.item_id: ms_to_samples(event.audio_end_ms - began_ms)}

    def _retrieved(self, item: Item) -> Meaning:
        is_ours = item.id in self._asked
        if is_ours:
            self._asked.discard(str(item.id))
        is_known = item.id in self._entries
        return Meaning(self._items([item], None) if is_known else [], is_ours=is_ours)

    def _deleted(self, item_id: str) -> list[Change]:
        if self._entries.pop(item_id, None) is None:
            return []
        self._order.remove(item_id)
        return [ItemDeleted(item_id)]

    def _ended(self, response: server.Response) -> list[Change]:
        self._running.discard(response.id)
        changes: list[Change] = []
        if response.conversation_id is not None:
            response = replace(response, conversation_id=self._conversation_id)
            # Where their own events were missed, this is where the answer's items are told.
            missed = [item for item in response.output if self._lacks(item)]
            changes = self._items(missed, self._order[-1] if self._order else None)
        spoken = any(_is_spoken(item) for item in response.output)
        return [*changes, ResponseEnded(response, voice_heard=spoken)]

    # --- Items ---------------------------------------------------------------

    def _items(self, items: Iterable[Item], previous: str | None) -> list[Change]:
        changes: list[Change] = []
        for item in items:
            entry = self._entry_of(item)
            if entry is None:
                continue
            after, is_new = None, entry.id not in self._entries
            if is_new:
                after = self._place(entry.id, previous)
            if self._entries.get(entry.id) != entry:
                self._entries[entry.id] = entry
                changes.append(ItemChanged(snapshot(entry), after))
            previous = entry.id
        return changes

    def _place(self, item_id: str, previous: str | None) -> str | None:
        """Where it is: behind the one named, or last where that is not known."""
        if previous is None:
            at = 0
        elif previous in self._entries:
            at = self._order.index(previous) + 1
        else:
            at = len(self._order)
        self._order.insert(at, item_id)
        return self._order[at - 1] if at else None

    def _lacks(self, item: Item) -> bool:
        entry = self._entries.get(str(item.id))
        return entry is None or entry.status == "in_progress"

    def _heard(self, item_id: str, index: int, *, transcript: str | None) -> list[Change]:
        entry = self._entries.get(item_id)
        if not isinstance(entry, MessageEntry) or not 0 <= index < len(entry.parts):
            return []
        part = entry.parts[index]
        if not isinstance(part, HeardPart):
            return []
        part.transcript, part.awaits_transcript = transcript, False
        return [ItemChanged(snapshot(entry))]

    def _ask(self, item_ids: Iterable[str]) -> list[ConversationItemRetrieve]:
        asked = [item_id for item_id in item_ids if item_id in self._entries]
        self._asked.update(asked)
        return [
            ConversationItemRetrieve(event_id=ASKS + item_id, item_id=item_id) for item_id in asked
        ]

    def _entry_of(self, item: Item) -> Entry | None:
        """None: nobody could name it again."""
        if item.id is UNSET or not item.id:
            return None
        status = "completed" if item.status is UNSET else item.status
        match item:
            case FunctionCall():
                call_id = "" if item.call_id is UNSET else item.call_id
                return CallEntry(item.id, item.name, call_id, item.arguments, status)
            case FunctionCallOutput():
                return OutputEntry(item.id, item.call_id, item.output, status)
            case Message():
                entry = MessageEntry(item.id, item.role, status)
                entry.parts = [self._part_of(content, item) for content in item.content]
                self._keep_heard(entry)
                return entry

    def _part_of(self, content: AnyContent, item: Message) -> Part:
        match content:
            case InputText():
                return TextPart("input_text", content.text)
            case OutputText():
                return TextPart("output_text", content.text)
            case BetaText():
                return TextPart(
                    "output_text" if item.role == "assistant" else "input_text", content.text
                )
            case InputImage():
                detail = None if content.detail is UNSET else content.detail
                return ImagePart(content.image_url, detail)
            case InputAudio():
                is_awaited = self.session.audio.input.transcription is not None
                return HeardPart(
                    content.transcript,
                    awaits_transcript=content.transcript is None and is_awaited,
                    samples=self._samples.get(str(item.id), 0),
                )
            case _:
                return SpokenPart(content.transcript or "")

    def _keep_heard(self, entry: MessageEntry) -> None:
        """What is known of a turn, and told in one event alone."""
        before = self._entries.get(entry.id)
        if not isinstance(before, MessageEntry):
            return
        for old, new in zip(before.parts, entry.parts, strict=False):
            if isinstance(old, HeardPart) and isinstance(new, HeardPart):
                new.samples = new.samples or old.samples
                if new.transcript is None:
                    new.transcript = old.transcript
                    new.awaits_transcript = old.awaits_transcript


def _is_unsettled(entry: Entry) -> bool:
    if entry.status == "in_progress":
        return True
    parts = entry.parts if isinstance(entry, MessageEntry) else []
    return any(isinstance(part, HeardPart) and part.awaits_transcript for part in parts)


def _is_spoken(item: Item) -> bool:
    return isinstance(item, Message) and any(isinstance(c, OutputAudio) for c in item.content)


def _can_be_read_again(change: Change) -> bool:
    """Other servers say more than our types allow, and a log must stay readable."""
    try:
        _changes.decode(msgspec.msgpack.encode(change))
    except (msgspec.MsgspecError, OverflowError, UnicodeError):
        return False
    return True
