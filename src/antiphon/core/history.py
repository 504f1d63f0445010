"""The conversation's items, in order: the only place that changes them.

Whatever becomes of an item (it is added, grows, is completed, cut, transcribed, deleted) is
done here, and told here: by the `conversation.item.*` events, and by a `Record` before them
where a log is kept.  `Past` is the inverse: a history that was, taken up again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from antiphon.core.causes import Word
from antiphon.core.effects import Effect, ItemAdded, ItemCut, ItemRemoved, SendTo
from antiphon.core.faults import Fault
from antiphon.core.ids import Ids
from antiphon.core.items import (
    MAX_AUDIO_BYTES,
    CallEntry,
    Entry,
    HeardPart,
    MessageEntry,
    Part,
    SpokenPart,
    TextPart,
    audio_parts,
    samples_to_ms,
    snapshot,
)
from antiphon.core.records import ItemChanged, ItemDeleted, Recorder
from antiphon.core.running_view import RunningView, Whole
from antiphon.core.usage import Tokens, entry_tokens
from antiphon.protocol.items import Item, Status
from antiphon.protocol.server import (
    ConversationItemAdded,
    ConversationItemDeleted,
    ConversationItemDone,
    ConversationItemTruncated,
)

MAX_ITEMS = 10_000
"""Overflow policy: a client's new item is refused; a session's hour does not get there by voice."""


class History:
    """Args:
    ids: For the events.
    recorder: Where changes are told to a log.
    past: The items that are there already.
    """

    def __init__(self, ids: Ids, recorder: Recorder, past: Iterable[Entry] = ()) -> None:
        self._ids = ids
        self._recorder = recorder
        self.engine_follows = False
        """The engine wants to know what becomes of items."""
        self._entries: dict[str, Entry] = {}
        self._order: list[str] = []
        self._audio: dict[str, int] = {}
        """How many bytes of audio an item brought, oldest first."""
        self._audio_bytes = 0
        self._reserved: set[str] = set()
        self._told: dict[str, Item] = {}
        """What an engine was told of items that have not changed since."""
        self._counted: dict[str, Tokens] = {}
        """What such items count."""
        self._view = RunningView(self.tokens, self.for_engine)
        for entry in past:
            self._entries[entry.id] = kept = snapshot(entry)
            self._order.append(kept.id)
            self._keep_audio(kept)

    def __iter__(self) -> Iterator[Entry]:
        return (self._entries[item_id] for item_id in self._order)

    def __len__(self) -> int:
        return len(self._order)

    # --- What is there -------------------------------------------------------

    def get(self, item_id: str) -> Entry | None:
        return self._entries.get(item_id)

    @property
    def held_audio_bytes(self) -> int:
        """The audio of all items, also of those that are not finished."""
        return sum(_audio_size(entry) for entry in self)

    @property
    def last_id(self) -> str | None:
        return self._order[-1] if self._order else None

    @property
    def last_spoken(self) -> tuple[str, SpokenPart] | None:
        """The newest speech of the assistant, and whose it is."""
        for item_id in reversed(self._order):
            entry = self._entries[item_id]
            if isinstance(entry, MessageEntry) and entry.spoken is not None:
                return item_id, entry.spoken
        return None

    def previous_id(self, item_id: str) -> str | None:
        """The id before an item; None for the first one, and for one that is gone."""
        if item_id not in self._entries:
            return None
        # Nearly always asked of a new item, so look from the end.
        at = len(self._order) - 1
        while self._order[at] != item_id:
            at -= 1
        return self._order[at - 1] if at else None

    def has_call(self, call_id: str) -> bool:
        return any(isinstance(e, CallEntry) and e.call_id == call_id for e in self)

    def for_engine(self, entry: Entry) -> Item:
        """Each response asks this of the whole conversation: what has not changed is not
        made anew.
        """
        told = self._told.get(entry.id)
        if told is None:
            told = entry.for_engine()
            if self._holds(entry):
                self._told[entry.id] = told
        return told

    def whole(self) -> Whole:
        """All of it, as an answer would see it."""
        return self._view.whole(self._order, self._entries)

    def tokens(self, entry: Entry) -> Tokens:
        """What an item counts in a context; counted once, as long as it does not change."""
        counted = self._counted.get(entry.id)
        if counted is None:
            counted = entry_tokens(entry)
            if self._holds(entry):
                self._counted[entry.id] = counted
        return counted

    # --- Places --------------------------------------------------------------

    def reserve(self, item_id: str) -> None:
        """An item that is to come has its id already: nobody else may take it."""
        self._reserved.add(item_id)

    def release(self, item_id: str) -> None:
        self._reserved.discard(item_id)

    def is_reserved(self, item_id: str) -> bool:
        return item_id in self._reserved

    def check_place(self, previous_item_id: str | None) -> None:
        """Raises:
        Fault: there is no such item to put something after.
        """
        if len(self._order) >= MAX_ITEMS:
            raise Fault(
                "invalid_request_error",
                f"The conversation already has {MAX_ITEMS} items; delete some first.",
            )
        if (
            previous_item_id
            and previous_item_id != "root"
            and previous_item_id not in self._entries
        ):
            raise Fault(
                "item_create_invalid_previous_item_id",
                f"Error creating item: the item with id '{previous_item_id}' does not exist.",
                param="previous_item_id",
            )

    # --- What becomes of an item ---------------------------------------------

    def add(self, entry: Entry, out: list[Effect], *, after: str | None = None) -> None:
        """Put an entry after another; None or "" is the end, "root" the front."""
        self._insert(entry, after)
        previous = self.previous_id(entry.id)
        if self._recorder.on:
            self._recorder.tell(ItemChanged(snapshot(entry), previous), out)
        out.append(self._added(entry, previous))

    def add_whole(self, entry: Entry, out: list[Effect], *, after: str | None = None) -> None:
        """Add an item that is done already."""
        self.add(entry, out, after=after)
        self._keep_audio(entry)
        out.append(self._done(entry, self.previous_id(entry.id)))

    def tell_engine(
        self, entry: Entry, out: list[Effect], *, response_name: str | None = None
    ) -> None:
        """That an item is there: a client's, or a part of an answer that the engine knows by name.

        Of its cuts and its end the engine is told here as well.
        """
        if self.engine_follows:
            item, previous = self.for_engine(entry), self.previous_id(entry.id)
            out.append(ItemAdded(item, previous, response_name))

    def announce_again(self, entry: Entry, out: list[Effect]) -> None:
        previous = self.previous_id(entry.id)
        out.append(self._added(entry, previous))
        out.append(self._done(entry, previous))

    def open_part(self, entry: MessageEntry, part: Part) -> None:
        entry.parts.append(part)
        self._forget(entry.id)

    def say(self, entry: MessageEntry, text: str) -> None:
        """More words of the part that is open; where it was cut, they were never heard."""
        part = entry.parts[-1]
        assert isinstance(part, SpokenPart | TextPart), "an assistant's part is open"
        part.say(text)
        self._forget(entry.id)

    def speak(self, entry: MessageEntry, pcm: bytes, words: Iterable[Word]) -> None:
        """More sound of the part that is open."""
        part = entry.parts[-1]
        assert isinstance(part, SpokenPart), "speech is open"
        part.speak(pcm, words)
        # For engines nothing has changed: audio is not told.
        self._counted.pop(entry.id, None)
        self._view.changed(entry.id)

    def extend_call(self, entry: CallEntry, arguments: str) -> None:
        entry.arguments += arguments
        self._forget(entry.id)

    def seal(self, entry: MessageEntry) -> None:
        """Nothing more of this answer will be heard."""
        if entry.spoken is not None:
            entry.spoken.sealed = True

    def complete(self, entry: Entry, status: Status, out: list[Effect]) -> None:
        """The item has all that it will have; where it ended early, what was not spoken goes."""
        if status == "incomplete" and isinstance(entry, MessageEntry) and entry.spoken is not None:
            entry.spoken.end_early()
        entry.status = status
        self._forget(entry.id)
        if not self._holds(entry):
            return  # Out of band, or deleted while it grew.
        self._keep_audio(entry)
        self._record(entry, out)
        out.append(self._done(entry, self.previous_id(entry.id)))

    def cut(
        self,
        entry: MessageEntry,
        part: SpokenPart,
        audio_end_ms: int,
        samples: int,
        out: list[Effect],
    ) -> None:
        """Keep what was heard of an item."""
        done = entry.status != "in_progress"
        part.cut(samples, done=done)
        part.sealed = part.sealed or not done
        self._forget(entry.id)
        self._record(entry, out)
        if self.engine_follows:
            out.append(ItemCut(self.for_engine(entry), audio_end_ms))
        index = next(i for i, other in enumerate(entry.parts) if other is part)
        out.append(
            ConversationItemTruncated(
                event_id=self._ids.event(),
                item_id=entry.id,
                content_index=index,
                audio_end_ms=audio_end_ms,
            )
        )

    def cut_at_heard(self, item_id: str, heard_samples: int, out: list[Effect]) -> None:
        """The server's own truncation; an item that is gone needs none."""
        entry = self._entries.get(item_id)
        if isinstance(entry, MessageEntry) and entry.spoken is not None:
            self.cut(entry, entry.spoken, samples_to_ms(heard_samples), heard_samples, out)

    def transcribe(
        self, entry: MessageEntry, part: HeardPart, text: str | None, out: list[Effect]
    ) -> None:
        """The words of a turn are known; None: they never will be."""
        if text is not None:
            part.transcript = text
        part.awaits_transcript = False
        self._forget(entry.id)
        self._record(entry, out)

    def delete(self, item_id: str, out: list[Effect]) -> None:
        del self._entries[item_id]
        self._order.remove(item_id)
        self._forget(item_id)
        self._audio_bytes -= self._audio.pop(item_id, 0)
        self._recorder.tell(ItemDeleted(item_id), out)
        if self.engine_follows:
            out.append(ItemRemoved(item_id))
        out.append(ConversationItemDeleted(event_id=self._ids.event(), item_id=item_id))

    # --- Telling -------------------------------------------------------------

    def show(self, connection: str, out: list[Effect]) -> None:
        """Tell one who joins all items that are there, as if each were added now."""
        previous: str | None = None
        for entry in self:
            out.append(SendTo(connection, self._added(entry, previous)))
            out.append(SendTo(connection, self._done(entry, previous)))
            previous = entry.id

    def _added(self, entry: Entry, previous: str | None) -> ConversationItemAdded:
        return ConversationItemAdded(
            event_id=self._ids.event(), previous_item_id=previous, item=entry.wire()
        )

    def _done(self, entry: Entry, previous: str | None) -> ConversationItemDone:
        return ConversationItemDone(
            event_id=self._ids.event(), previous_item_id=previous, item=entry.wire()
        )

    def _record(self, entry: Entry, out: list[Effect]) -> None:
        if self._recorder.on and self._holds(entry):
            self._recorder.tell(ItemChanged(snapshot(entry)), out)

    # --- Keeping -------------------------------------------------------------

    def _holds(self, entry: Entry) -> bool:
        return self._entries.get(entry.id) is entry

    def _forget(self, item_id: str) -> None:
        self._told.pop(item_id, None)
        self._counted.pop(item_id, None)
        self._view.changed(item_id)

    def _insert(self, entry: Entry, after: str | None) -> None:
        assert entry.id not in self._entries, entry.id
        self._entries[entry.id] = entry
        self._view.inserted(None if after == "root" else after or "")
        if not after:
            self._order.append(entry.id)
        elif after == "root":
            self._order.insert(0, entry.id)
        else:
            self._order.insert(self._order.index(after) + 1, entry.id)

    def _keep_audio(self, entry: Entry) -> None:
        """Count a finished entry's audio, and forget the oldest where it is too much."""
        size = _audio_size(entry)
        if not size or entry.id in self._audio:
            return
        self._audio[entry.id] = size
        self._audio_bytes += size
        while self._audio_bytes > MAX_AUDIO_BYTES:
            oldest = next(iter(self._audio))
            self._audio_bytes -= self._audio.pop(oldest)
            for part in audio_parts(self._entries[oldest]):
                part.pcm = bytearray()


def _audio_size(entry: Entry) -> int:
    return sum(len(part.pcm) for part in audio_parts(entry))
