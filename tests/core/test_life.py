"""Who owns a session, and how long it waits for them."""

from __future__ import annotations

from antiphon.core.causes import Attached, Detached, ShuttingDown
from antiphon.core.effects import Close, StopGenerating
from antiphon.protocol import server
from antiphon.testing.virtual_call import CLIENT
from tests.core.stories import by_hand, respond, text

CLOSED = Close(1000, "The session has ended.")


def test_a_session_ends_with_its_last_owner() -> None:
    call = by_hand()
    call.give(Attached("second"))
    call.give(Detached(CLIENT))
    assert CLOSED not in call.take()
    call.give(Detached("second"))
    assert call.take() == [CLOSED]


def test_a_sideband_neither_keeps_a_session_nor_ends_it() -> None:
    call = by_hand()
    call.give(Attached("sideband", owns=False))
    assert call.conversation.owners == {CLIENT}
    call.give(Detached("sideband"))
    assert CLOSED not in call.take()
    call.give(Attached("sideband", owns=False))
    call.give(Detached(CLIENT))
    assert call.take()[-1] == CLOSED


def test_it_lingers_where_it_may() -> None:
    call = by_hand(linger_ms=30_000)
    call.client(text("Hello."))
    call.take()
    call.give(Detached(CLIENT))
    call.wait(29_999)
    assert call.take() == []
    call.wait(1)
    assert call.take() == [CLOSED]


def test_who_comes_back_finds_it_as_it_was() -> None:
    call = by_hand(linger_ms=30_000)
    call.client(text("Hello."))
    call.give(Detached(CLIENT))
    call.wait(20_000)
    call.give(Attached("again"))
    call.wait(60_000)
    assert CLOSED not in call.take()
    assert len(call.conversation.items) == 1
    assert call.conversation.owners == {"again"}


def test_what_was_being_said_to_nobody_is_ended_truthfully() -> None:
    call = by_hand(linger_ms=1_000)
    call.client(respond()).engine_speaks(200, "Hello.").take()
    call.give(Detached(CLIENT))
    call.wait(1_000)
    effects = call.take()
    assert effects[0] == StopGenerating(call.response_id)
    [done] = [e for e in effects if isinstance(e, server.ResponseDone)]
    assert done.response.status == "cancelled"
    assert effects[-1] == CLOSED


def test_nobody_is_waited_for_while_the_server_goes_away() -> None:
    call = by_hand(linger_ms=30_000)
    call.client(respond())
    call.give(ShuttingDown())
    call.give(Detached(CLIENT))
    assert call.take()[-1] == CLOSED
    call = by_hand(linger_ms=30_000)
    call.give(Detached(CLIENT))
    call.give(ShuttingDown())
    assert isinstance(call.take()[-1], Close)
