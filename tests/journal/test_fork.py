"""A fork begins as the conversation went, with what was drawn for that."""

from __future__ import annotations

from antiphon.journal.fork import forked
from antiphon.journal.recall import Recalled
from tests.journal.logs import CONVERSATION, NOW_S, whole_log


def test_a_fork_of_a_fork_draws_as_the_first_one_did() -> None:
    fork = forked(whole_log(), conversation_id="conv_2", item_id=None, now_s=NOW_S)
    again = forked(fork, conversation_id="conv_3", item_id=None, now_s=NOW_S)
    assert Recalled(fork).past.drawn_for == CONVERSATION
    assert Recalled(again).past.drawn_for == CONVERSATION
    assert Recalled(whole_log()).past.drawn_for == ""
