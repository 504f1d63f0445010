"""Conversations that are kept: who has one now, who may go on with it, what another begins with."""

from __future__ import annotations

import asyncio
import logging
import secrets
import string
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
    suppress,
)
from typing import Final, Protocol

from msgspec.structs import replace

from antiphon.core.records import ItemChanged, Past
from antiphon.errors import AntiphonError
from antiphon.journal.entries import Changed, JournalError, LogEntry
from antiphon.journal.fork import forked
from antiphon.journal.journal import Fate
from antiphon.journal.recall import Recalled
from antiphon.runtime.door import SessionDoor
from antiphon.runtime.keeping import Keeping
from antiphon.runtime.outbox import HOLD_MS

log = logging.getLogger(__name__)

_ALPHABET: Final = string.ascii_letters + string.digits


class ConversationNotFound(AntiphonError):
    """There is no conversation of that id to go on with."""


class ConversationInUse(AntiphonError):
    """A live session has it."""


class Talking(SessionDoor, Protocol):
    """What is asked of the session that has a conversation."""

    def being_heard(self) -> Sequence[ItemChanged]:
        """Items whose end was not heard yet, cut at what was, as a log would keep them."""
        ...


class KeptConversations:
    """Of one process.

    Args:
        keeping: Where they are kept; None: they end with their sessions.
        sessions: Those that are live, now and whenever it is looked at.
    """

    def __init__(self, keeping: Keeping | None, sessions: Collection[Talking]) -> None:
        self._keeping = keeping
        self._sessions = sessions
        self._claimed: set[str] = set()
        """Those that somebody is about to open, or to erase."""
        self.claiming: Callable[[str], AbstractAsyncContextManager[None]] = lambda _: nullcontext()
        """Keeps other processes from opening a conversation in the body (`ConversationInUse`)."""

    def live_in(self, conversation_id: str) -> Talking | None:
        """The session that has the conversation now."""
        found = (s for s in self._sessions if s.about.conversation_id == conversation_id)
        return next(found, None)

    @contextmanager
    def claimed(self, conversation_id: str) -> Iterator[None]:
        """Nobody else opens or erases the conversation in the body.

        Raises:
            ConversationInUse: somebody has it.
        """
        if self.live_in(conversation_id) is not None or conversation_id in self._claimed:
            raise ConversationInUse(
                f"Conversation '{conversation_id}' is in use by a live session; end that first."
            )
        self._claimed.add(conversation_id)
        try:
            yield
        finally:
            self._claimed.discard(conversation_id)

    @asynccontextmanager
    async def recalled(
        self,
        conversation_id: str | None,
        *,
        may_take_over: Callable[[SessionDoor], bool] = lambda _: False,
    ) -> AsyncIterator[Past | None]:
        """What the session that is opened in the body goes on with; None: it begins anew.

        Args:
            conversation_id: The conversation; None: none.
            may_take_over: Whether a live session that has it shall end.

        Raises:
            ConversationNotFound, ConversationInUse: it cannot go on with that.
            JournalError: what was kept cannot be read.
        """
        if conversation_id is None:
            yield None
            return
        live = self.live_in(conversation_id)
        if live is not None and may_take_over(live):
            log.info("session %s: another goes on with its conversation", live.id)
            live.be_taken_over()
        async with self.claiming(conversation_id):
            with self.claimed(conversation_id):
                entries = await self._entries(conversation_id)
                # Also where the entry that names it was lost.
                yield replace(Recalled(entries).past, conversation_id=conversation_id)

    async def fork(self, conversation_id: str, *, item_id: str | None = None) -> str:
        """Begin a conversation as another went, live or not, until ``item_id``, or until now.

        Returns:
            Its id, once it is durable.

        Raises:
            ConversationNotFound, ItemNotFound: there is nothing to be forked, or not there.
            JournalError: it cannot be read, or the fork not written.
        """
        entries = self.with_what_was_heard(conversation_id, await self._entries(conversation_id))
        fork_id = "conv_" + "".join(secrets.choice(_ALPHABET) for _ in range(21))
        log_of_it = forked(entries, conversation_id=fork_id, item_id=item_id, now_s=time.time())
        assert self._keeping is not None, "it has been read"
        tickets = [self._keeping.journal.append(fork_id, entry) for entry in log_of_it]
        settled = asyncio.Event()
        tickets[-1].then(lambda _: settled.set())
        with suppress(TimeoutError):
            async with asyncio.timeout(max(self._keeping.hold_ms, HOLD_MS) / 1000):
                await settled.wait()
        if tickets[-1].fate is not Fate.DURABLE:
            raise JournalError(f"the fork {fork_id} could not be written in time")
        log.info("conversation %s: forked as %s", conversation_id, fork_id)
        return fork_id

    def with_what_was_heard(
        self, conversation_id: str, entries: Sequence[LogEntry]
    ) -> Sequence[LogEntry]:
        """The log; where its end is being said just now, cut at what was heard of it until now."""
        live = self.live_in(conversation_id)
        changed = [entry for entry in entries if isinstance(entry, Changed)]
        if live is None or not changed:
            return entries
        now_s, items = time.time(), (entry.change for entry in changed)
        known = {change.item.id for change in items if isinstance(change, ItemChanged)}
        heard = (change for change in live.being_heard() if change.item.id in known)
        return [*entries, *(replace(changed[-1], at_s=now_s, change=c) for c in heard)]

    async def _entries(self, conversation_id: str) -> Sequence[LogEntry]:
        if self._keeping is None:
            raise ConversationNotFound("This server keeps no conversations: its journal is off.")
        entries = await self._keeping.journal.read(conversation_id)
        if not entries:
            raise ConversationNotFound(
                f"There is no conversation '{conversation_id[:100]}'; nothing was said in it, "
                "or it was erased."
            )
        return entries
