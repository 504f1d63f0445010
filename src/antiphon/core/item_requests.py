"""What clients ask of single items: create, retrieve, truncate, delete."""

from __future__ import annotations

from msgspec import UNSET

from antiphon.core.created import create_entry
from antiphon.core.effects import Effect, SendTo, TurnCommitted
from antiphon.core.faults import Fault
from antiphon.core.formats import encode_whole
from antiphon.core.items import (
    CallEntry,
    Entry,
    HeardPart,
    MessageEntry,
    OutputEntry,
    Part,
    SpokenPart,
    ms_to_samples,
    samples_to_ms,
)
from antiphon.core.stage import Stage
from antiphon.protocol.client import (
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemRetrieve,
    ConversationItemTruncate,
)
from antiphon.protocol.items import Content
from antiphon.protocol.server import ConversationItemRetrieved
from antiphon.protocol.session import AudioFormat, Session

TRUNCATE_TOLERANCE_MS = 500
"""Clients measure playback by their own clocks and overshoot by tens of milliseconds."""


class ItemRequests:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def create(self, event: ConversationItemCreate, out: list[Effect]) -> None:
        stage, item = self._stage, event.item
        item_id = stage.new_item_id() if item.id is UNSET else item.id
        created = create_entry(item, item_id, self._input_format, where="item")
        entry = created.entry
        known = stage.history.get(entry.id)
        if known is not None:
            self._acknowledge_again(known, entry, out)
            return
        if stage.history.is_reserved(entry.id):
            raise Fault(
                "item_create_duplicate_item_id",
                f"Error creating item: the id '{entry.id}' is that of the turn being spoken.",
                param="item.id",
            )
        stage.history.check_place(event.previous_item_id)
        if isinstance(entry, OutputEntry) and not stage.history.has_call(entry.call_id):
            raise Fault(
                "invalid_tool_call_id",
                f"Tool call ID '{entry.call_id}' not found in conversation.",
            )
        stage.check_images(entry, "item")
        if isinstance(entry, CallEntry) and not entry.call_id:
            entry.call_id = stage.ids.new("call")
        if created.untold is None:
            stage.history.add_whole(entry, out, after=event.previous_item_id)
            stage.history.tell_engine(entry, out)
            return
        assert isinstance(entry, MessageEntry), "it has a part"
        part = entry.parts[created.untold]
        assert isinstance(part, HeardPart), "it was made of audio"
        part.shows_transcript, part.awaits_transcript = stage.transcripts.wanted, True
        pcm = created.untold_pcm  # The history keeps only so much of it.
        stage.history.add_whole(entry, out, after=event.previous_item_id)
        out.append(TurnCommitted(entry.id, pcm))
        stage.transcripts.commit(entry.id, created.untold, out)

    def retrieve(self, event: ConversationItemRetrieve, connection: str, out: list[Effect]) -> None:
        entry = self._stage.history.get(event.item_id)
        if entry is None:
            raise Fault(
                "item_retrieve_invalid_item_id",
                f"Error retrieving item: the item with id '{event.item_id}' does not exist.",
                param="item_id",
            )
        item = entry.wire()
        # Where the server plays, its owner reads events from a data channel, beside the sound
        # itself; a sideband is a WebSocket.
        by_channel = self._stage.sounding.by_server and connection in self._stage.life.owners
        if isinstance(entry, MessageEntry) and not by_channel:
            item = entry.with_content(tuple(self._content(part) for part in entry.parts))
        answer = ConversationItemRetrieved(event_id=self._stage.ids.event(), item=item)
        out.append(SendTo(connection, answer))

    def truncate(self, event: ConversationItemTruncate, out: list[Effect]) -> None:
        entry = self._stage.history.get(event.item_id)
        if entry is None:
            raise Fault(
                "item_truncate_invalid_item_id",
                f"Error truncating item: the item with id '{event.item_id}' does not exist.",
                param="item_id",
            )
        parts = entry.parts if isinstance(entry, MessageEntry) else []
        part = parts[event.content_index] if event.content_index < len(parts) else None
        if not isinstance(part, SpokenPart):
            raise Fault(
                "unsupported_content_type", "Only model output audio messages can be truncated"
            )
        have_ms = samples_to_ms(part.samples)
        if event.audio_end_ms > have_ms + TRUNCATE_TOLERANCE_MS:
            raise Fault(
                "invalid_value",
                f"Audio content of {have_ms}ms is already shorter than {event.audio_end_ms}ms",
                param="audio_end_ms",
            )
        assert isinstance(entry, MessageEntry), "it has a spoken part"
        samples = ms_to_samples(event.audio_end_ms)
        self._stage.history.cut(entry, part, event.audio_end_ms, samples, out)

    def delete(self, event: ConversationItemDelete, out: list[Effect]) -> None:
        if self._stage.history.get(event.item_id) is None:
            raise Fault(
                "item_delete_invalid_item_id",
                f"Error deleting item: the item with id '{event.item_id}' does not exist.",
                param="item_id",
            )
        self._stage.transcripts.drop(event.item_id)
        self._stage.history.delete(event.item_id, out)

    def _acknowledge_again(self, known: Entry, entry: Entry, out: list[Effect]) -> None:
        """The same item twice is a client that repeats itself; another one is a mistake."""
        if known.wire() != entry.wire():
            raise Fault(
                "item_create_duplicate_item_id",
                f"Error creating item: an item with id '{entry.id}' already exists.",
                param="item.id",
            )
        self._stage.history.announce_again(known, out)

    def _content(self, part: Part) -> Content:
        """A part with its audio, where it is kept."""
        if not isinstance(part, HeardPart | SpokenPart) or not part.pcm:
            return part.wire()
        audio_format = self._input_format if isinstance(part, HeardPart) else self._output_format
        return part.wire(encode_whole(audio_format, bytes(part.pcm)))

    @property
    def _input_format(self) -> AudioFormat:
        return self._stage.session.audio.input.format

    @property
    def _output_format(self) -> AudioFormat:
        session = self._stage.session
        assert isinstance(session, Session), "only a realtime session makes audio"
        return session.audio.output.format
