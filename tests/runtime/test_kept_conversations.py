"""Who may go on with a conversation: by one process's own knowledge."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from antiphon.journal.entries import Opened
from antiphon.journal.memory import MemoryJournal
from antiphon.runtime.door import About
from antiphon.runtime.keeping import Keeping
from antiphon.runtime.kept_conversations import (
    ConversationInUse,
    ConversationNotFound,
    KeptConversations,
    Talking,
)

NAME = "conv_1"


class Session:
    """Live in the conversation, until it is taken over."""

    id = "sess_1"

    def __init__(self, live: list[Talking]) -> None:
        self._live = live
        live.append(cast("Talking", self))
        self.about = About(
            session_id=self.id,
            engine_name="any",
            transport="websocket",
            began_at=0,
            conversation_id=NAME,
        )

    def be_taken_over(self) -> None:
        self._live.clear()


async def kept(live: list[Talking] | None = None) -> KeptConversations:
    journal = MemoryJournal()
    await journal.start()
    opened = Opened(
        at_s=0.0,
        session_id="sess_0",
        kind="realtime",
        model="any",
        engine="any",
        transport="websocket",
    )
    journal.append(NAME, opened)
    return KeptConversations(Keeping(journal=journal), live if live is not None else [])


async def test_one_that_is_claimed_is_nobody_elses_until_it_is_let_go() -> None:
    conversations = await kept()
    async with conversations.recalled(NAME) as past:
        assert past is not None
        assert past.conversation_id == NAME
        with pytest.raises(ConversationInUse), conversations.claimed(NAME):
            pass
    with conversations.claimed(NAME), conversations.claimed("conv_2"):
        pass


async def test_one_in_use_is_gone_on_with_only_by_who_may_take_it_over() -> None:
    live: list[Talking] = []
    session: Any = Session(live)
    conversations = await kept(live)
    assert conversations.live_in(NAME) is session
    with pytest.raises(ConversationInUse, match="end that first"):
        async with conversations.recalled(NAME):
            pass
    async with conversations.recalled(NAME, may_take_over=lambda door: door is session) as past:
        assert past is not None
    assert conversations.live_in(NAME) is None


async def test_other_processes_are_kept_from_it_meanwhile() -> None:
    held: list[str] = []

    @asynccontextmanager
    async def claiming(name: str) -> AsyncIterator[None]:
        held.append(name)
        yield
        held.remove(name)

    conversations = await kept()
    conversations.claiming = claiming
    async with conversations.recalled(NAME):
        assert held == [NAME]
    assert held == []


async def test_what_nobody_keeps_is_not_found() -> None:
    nowhere = KeptConversations(None, [])
    for conversations, problem in ((nowhere, "journal is off"), (await kept(), "There is no")):
        with pytest.raises(ConversationNotFound, match=problem):
            async with conversations.recalled("conv_of_nobody"):
                pass
        async with conversations.recalled(None) as past:
            assert past is None
