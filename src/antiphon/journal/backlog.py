"""Entries that are not durable yet: bounded, counted, each with its ticket."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from antiphon.journal.entries import AnyEntry, encode
from antiphon.journal.journal import Fate, JournalLoad, Ticket

log = logging.getLogger(__name__)

MAX_QUEUED_BYTES: Final = 64 * 1024 * 1024
"""Encoded entries that are not durable yet.  Overflow policy: more of them are lost, and told."""
MAX_BATCH: Final = 2_000
"""Entries of one commit."""
RETRY_S: Final = 0.25
"""How long to wait after a commit that failed; nothing is given up until the journal is closed."""
SLOW_S: Final = 1.0
"""A commit that takes longer is trouble."""
ASKING_TIMEOUT_S: Final = 20.0
"""Who reads waits no longer for what was appended before."""


class Append(NamedTuple):
    """An entry that is to be written."""

    conversation_id: str
    entry: AnyEntry
    data: bytes
    """The entry, encoded."""
    ticket: Ticket
    at_s: float
    """When it was appended, or handed over to the writer, by the monotonic clock."""


class Backlog:
    """Args:
    place: Of the journal, for the log.
    trouble: What is wrong with it now.
    """

    def __init__(self, place: str, max_bytes: int, trouble: Callable[[], str | None]) -> None:
        self._place = place
        self._max_bytes = max_bytes
        self._trouble = trouble
        self._queued_bytes = 0
        self._lost = 0
        self._delay_s = 0.0

    @property
    def load(self) -> JournalLoad:
        return JournalLoad(
            queued_bytes=self._queued_bytes, lost_entries=self._lost, delay_s=self._delay_s
        )

    def take(
        self,
        conversation_id: str,
        entry: AnyEntry,
        *,
        may_wait: bool,
        hurry: Callable[[], None] | None = None,
    ) -> Append:
        """``hurry`` as in `Ticket`.  The ticket of one that may not wait, or that there is no room
        for, is settled: lost.
        """
        append = Append(conversation_id, entry, encode(entry), Ticket(hurry), time.monotonic())
        if may_wait and self._queued_bytes + len(append.data) <= self._max_bytes:
            self._queued_bytes += len(append.data)
        else:
            self._lose(1)
            append.ticket.settle(Fate.LOST)
        return append

    def settle(self, batch: Sequence[Append], fate: Fate) -> None:
        """For each batch of those that wait, in order."""
        if batch and fate is Fate.DURABLE:
            self._delay_s = time.monotonic() - batch[0].at_s
        self._queued_bytes -= sum(len(append.data) for append in batch)
        if fate is Fate.LOST:
            self._lose(len(batch))
        for append in batch:
            append.ticket.settle(fate)

    def _lose(self, count: int) -> None:
        if count and not self._lost:
            log.error("journal %s: entries are lost: %s", self._place, self._trouble() or "no room")
        self._lost += count
