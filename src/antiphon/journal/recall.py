"""A conversation, read from its log."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from antiphon.core.items import Entry, HeardPart, MessageEntry
from antiphon.core.records import (
    Change,
    EngineChanged,
    ItemChanged,
    Past,
    Recollection,
    Record,
    ResponseEnded,
    ServerCall,
)
from antiphon.journal.entries import Changed, LogEntry, Missed, Opened, Timed
from antiphon.protocol.items import Item
from antiphon.protocol.server import Response, Usage
from antiphon.protocol.session import AnySession
from antiphon.protocol.timeline import Timeline

NO_ANSWER = '{"error":"The session ended before there was an answer."}'


class Move(Struct, frozen=True):
    at: int
    """Unix time."""
    session_id: str
    engine: str
    code: str


class Recalled:
    """What became of a conversation, over all its sessions.

    Attributes:
        sessions: Each with its model, engine and times, in order.
        responses: As `response.done` showed them.
        moves: From one engine to another, in order.
        timelines: Of its answered turns; their times are of their sessions.
        whole: False where entries are missing; what the others tell is here.
    """

    def __init__(self, entries: Iterable[LogEntry]) -> None:
        self.sessions: list[Opened] = []
        self.responses: list[Response] = []
        self.moves: list[Move] = []
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
                change = entry.change
                if isinstance(change, ResponseEnded):
                    self.responses.append(change.response)
                elif isinstance(change, EngineChanged):
                    at, session_id = int(entry.at_s), entry.session_id
                    self.moves.append(Move(at, session_id, change.engine, change.code))

    @property
    def past(self) -> Past:
        """For a new session that goes on with it.

        What was under way is incomplete, and words that an engine still owed will not come where
        the sound is not kept.  The new session's voice is its own to choose.
        """
        past = self._recollection.past
        return replace(
            past,
            items=tuple(map(_ended, past.items)),
            server_calls=tuple(map(_answered, past.server_calls)),
            voice_heard=False,
        )

    @property
    def items(self) -> tuple[Item, ...]:
        """As events show them, oldest first."""
        return tuple(entry.wire() for entry in self.past.items)

    @property
    def all_items(self) -> tuple[Item, ...]:
        """The same, with what the server carried out itself where it was called."""
        past = self.past
        found: list[Item] = []
        for entry in (None, *past.items):
            found += [] if entry is None else [entry.wire()]
            after = None if entry is None else entry.id
            for call in past.server_calls:
                found += call.items() if call.after == after else ()
        return tuple(found)

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


def _answered(call: ServerCall) -> ServerCall:
    if call.output is not None:
        return call
    return replace(call, output=NO_ANSWER, output_id=f"{call.item_id}_output")


def _owed(part: object) -> bool:
    return isinstance(part, HeardPart) and part.awaits_transcript and not part.pcm
