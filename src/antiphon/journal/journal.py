"""Where conversations are kept: append, read, list, erase."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Protocol

from msgspec import Struct

from antiphon.identity.principal import DEFAULT_TENANT
from antiphon.journal.entries import AnyEntry, LogEntry, Piece
from antiphon.journal.expiry import Expiry
from antiphon.journal.line_table import LinesPage, LinesWanted, TotalsPage
from antiphon.metering.bill import Dimension


class Fate(Enum):
    WAITING = auto()
    DURABLE = auto()
    LOST = auto()
    """It was not written and will not be."""


class Ticket:
    """What becomes of an entry that was appended.  Settled once, on the event loop.

    Args:
        hurry: The journal's, who may take its time for as long as nobody waits.
    """

    __slots__ = ("_hurry", "_then", "fate")

    def __init__(self, hurry: Callable[[], None] | None = None) -> None:
        self.fate = Fate.WAITING
        self._hurry = hurry
        self._then: Callable[[Ticket], None] | None = None

    @property
    def waits(self) -> bool:
        return self.fate is Fate.WAITING

    def then(self, callback: Callable[[Ticket], None], *, hurry: bool = True) -> None:
        """Call back once it is settled, at once where it is.  One callback; the last one counts.

        ``hurry``: somebody waits for it.
        """
        if self.waits:
            self._then = callback
            if hurry and self._hurry is not None:
                self._hurry()
                self._hurry = None
        else:
            callback(self)

    def settle(self, fate: Fate) -> None:
        """For the journal."""
        assert self.waits, "it was settled before"
        self.fate = fate
        callback, self._then = self._then, None
        if callback is not None:
            callback(self)


class JournalLoad(Struct, frozen=True, kw_only=True):
    """How far behind a journal is."""

    queued_bytes: int = 0
    """Of entries that are not durable yet."""
    lost_entries: int = 0
    """Since the process began."""
    delay_s: float = 0.0
    """How long the oldest entry of the last commit had waited for it."""


class Kept(Struct, frozen=True, kw_only=True):
    """A conversation in the list; nothing in it tells what was said."""

    id: str
    model: str | None
    engine: str
    transport: str
    end_user_id: str | None
    tenant: str = DEFAULT_TENANT
    began_at_s: float
    """Unix time."""
    changed_at_s: float
    """When a session last began or ended."""


class Wanted(Struct, frozen=True, kw_only=True):
    """Which conversations are listed; None: any."""

    tenant: str | None = None
    end_user_id: str | None = None
    model: str | None = None
    began_after_s: float | None = None
    began_before_s: float | None = None

    def __contains__(self, kept: Kept) -> bool:
        return (
            self.tenant in (None, kept.tenant)
            and self.end_user_id in (None, kept.end_user_id)
            and self.model in (None, kept.model)
            and (self.began_after_s is None or kept.began_at_s > self.began_after_s)
            and (self.began_before_s is None or kept.began_at_s < self.began_before_s)
        )


class Page(Struct, frozen=True):
    conversations: tuple[Kept, ...]
    """The newest first."""
    has_more: bool


class Note(Struct, frozen=True):
    """What is kept of one end user, whatever it says, and which writing of it this is."""

    data: bytes
    version: int


class Notes(Protocol):
    """What is kept of end users, beside their conversations: one note each, sealed under a key of
    its own that changes with each writing, so that what was written over is gone.
    """

    @property
    def place(self) -> str: ...

    async def read_note(self, user: str) -> Note | None:
        """Raises:
        JournalError: what was kept cannot be read.
        """
        ...

    async def write_note(self, user: str, data: bytes, *, over: int, now_s: float) -> bool:
        """Put it in place of version ``over``; 0: there is none yet.  What was there is erased.

        Returns:
            Whether it is durable; False: somebody else has written meanwhile, nothing was changed.

        Raises:
            JournalError: it could not be written, or what was there not be erased.
        """
        ...

    async def erase_note(self, user: str) -> bool:
        """Whether there was one; nothing of it is left.

        Raises:
            JournalError: it could not be erased.
        """
        ...


class Journal(Notes, Protocol):
    """Everything is asked on the event loop.

    Entries of one conversation become durable in the order in which they were appended.
    """

    @property
    def place(self) -> str:
        """Where it is, for the operator."""
        ...

    @property
    def trouble(self) -> str | None:
        """What is wrong now; None: nothing is."""
        ...

    @property
    def load(self) -> JournalLoad: ...

    async def start(self) -> None:
        """Raises:
        JournalError: it cannot be opened.
        """
        ...

    def append(self, conversation_id: str, entry: AnyEntry) -> Ticket:
        """Never waits.  Overflow policy: an entry that there is no room for is lost, and its
        ticket says so.  What is appended to an erased conversation is erased with it, but for
        what it cost (`Metered`).
        """
        ...

    async def read(self, conversation_id: str) -> Sequence[LogEntry]:
        """All that was appended until now, but for sound and tapes; empty: there is no such
        conversation.

        Raises:
            JournalError: what was kept cannot be read.
        """
        ...

    async def read_apart(self, conversation_id: str, kind: type[Piece]) -> Sequence[Piece]:
        """All of its recordings (`Sounded`), or of its tapes (`Taped`).

        Raises:
            JournalError: as `read`.
        """
        ...

    async def listed(self, wanted: Wanted, *, after: str | None, limit: int) -> Page:
        """``after``: the id of the last conversation of the page before.

        Raises:
            JournalError: as `read`.
        """
        ...

    async def erase(self, conversation_id: str) -> bool:
        """Whether there was such a conversation; nothing of it is left.  What it cost is, without
        the names of who was in it (`line_table.Erased`).

        Raises:
            JournalError: it could not be erased.
        """
        ...

    async def sweep(self, expiry: Expiry) -> int:
        """Erase conversations that are too old; how many there were.

        Raises:
            JournalError: as `erase`.
        """
        ...

    async def lines(self, wanted: LinesWanted, *, after: int = 0, limit: int) -> LinesPage:
        """What was used (`Metered`), oldest first; ``after``: the cursor of the page before.

        Raises:
            JournalError: as `read`.
        """
        ...

    async def totals(
        self,
        wanted: LinesWanted,
        by: Sequence[Dimension],
        *,
        after: Sequence[str] | None = None,
        limit: int,
    ) -> TotalsPage:
        """The same, added up; ``after``: what the last total of the page before was of.

        Raises:
            JournalError: as `read`.
        """
        ...

    async def disown_lines(self, tenant: str, user: str) -> int:
        """Take the user's name from all lines (`line_table.Erased`); how many had it.

        Raises:
            JournalError: as `erase`.
        """
        ...

    async def sweep_lines(self, before_day: str) -> int:
        """Forget lines of the days before that one; how many there were.

        Raises:
            JournalError: as `erase`.
        """
        ...

    async def aclose(self) -> None:
        """Write what is still to be written, as far as that is possible."""
        ...
