"""A conversation, read from its log."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from antiphon.core.items import Entry, HeardPart, MessageEntry
from antiphon.core.records import Change, ItemChanged, Past, Recollection, Record, ResponseEnded
from antiphon.journal.entries import Changed, LogEntry, Missed, Opened, Timed
from antiphon.protocol.items import Item
from antiphon.protocol.server import Response, Usage
from antiphon.protocol.session import AnySession
from antiphon.protocol.timeline import Timeline


class Recalled:
    """What became of a conversation, over all its sessions.

    Attributes:
        sessions: Each with its model, engine and times, in order.
        responses: As `response.done` showed them.
        timelines: Of its answered turns; their times are of their sessions.
        whole: False where entries are missing; what the others tell is here.
    """

    def __init__(self, entries: Iterable[LogEntry]) -> None:
        self.sessions: list[Opened] = []
        self.responses: list[Response] = []
        self.timelines: list[Timeline] = []
        self.whole = True
        self._recollection = Recollection()
        for entry in entries:
            if isinstance(entry, Opened):
                self.sessions.append(entry)
            elif isinstance(entry, Missed):
                self.whole = False
            elif isinstance(entry, Timed):
                self.timelines.append(entry.timeline)
            elif isinstance(entry, Changed):
                self._add(Record(entry.change, entry.ids_used))
                if isinstance(entry.change, ResponseEnded):
                    self.responses.append(entry.change.response)

    @property
    def past(self) -> Past:
        """For a new session that goes on with it.

        What was under way is incomplete, and words that an engine still owed will not come where
        the sound is not kept.  The new session's voice is its own to choose.
        """
        past = self._recollection.past
        return replace(past, items=tuple(map(_ended, past.items)), voice_heard=False)

    @property
    def items(self) -> tuple[Item, ...]:
        """As events show them, oldest first."""
        return tuple(entry.wire() for entry in self.past.items)

    @property
    def session(self) -> AnySession | None:
        """The settings as they were last; None: that entry is missing."""
        return self._recollection.session

    @property
    def used(self) -> Usage:
        return self._recollection.past.used

    def _add(self, record: Record) -> None:
        try:
            self._recollection.add(record)
        except ValueError:
            self.whole = False
            change = self._placed(record.change)
            if change is not None:
                self._recollection.add(replace(record, change=change))

    def _placed(self, change: Change) -> Change | None:
        """An item whose place is not known is the newest; a deletion has nothing to delete."""
        if not isinstance(change, ItemChanged):
            return None
        items = self._recollection.past.items
        return replace(change, after=items[-1].id if items else None)


def _ended(entry: Entry) -> Entry:
    if entry.status == "in_progress":
        entry = replace(entry, status="incomplete")
    if isinstance(entry, MessageEntry) and any(map(_owed, entry.parts)):
        parts = [replace(p, awaits_transcript=False) if _owed(p) else p for p in entry.parts]
        entry = replace(entry, parts=parts)
    return entry


def _owed(part: object) -> bool:
    return isinstance(part, HeardPart) and part.awaits_transcript and not part.pcm
