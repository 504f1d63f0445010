"""A fork begins as the conversation went, with what was drawn for that."""

from __future__ import annotations

from antiphon.core.records import ServerCall, ServerCallChanged
from antiphon.journal.entries import Changed, Opened
from antiphon.journal.fork import forked
from antiphon.journal.recall import Recalled
from tests.journal.logs import CONVERSATION, NOW_S, changed, opened, said, whole_log


def test_a_fork_of_a_fork_draws_as_the_first_one_did() -> None:
    fork = forked(whole_log(), conversation_id="conv_2", item_id=None, now_s=NOW_S)
    again = forked(fork, conversation_id="conv_3", item_id=None, now_s=NOW_S)
    assert Recalled(fork).past.drawn_for == CONVERSATION
    assert Recalled(again).past.drawn_for == CONVERSATION
    assert Recalled(whole_log()).past.drawn_for == ""


def test_a_fork_has_what_the_server_carried_out_before_its_last_item() -> None:
    calls = [
        ServerCall(item_id=f"c{at}", after=at, call_id="x", name="recall", arguments="", output="")
        for at in ("a", "b")
    ]
    log: list[Opened | Changed] = [opened(), said("a"), said("b", after="a")]
    log += [changed(ServerCallChanged(call)) for call in calls]
    for item_id, kept in (("b", calls[:1]), (None, calls)):
        fork = forked(log, conversation_id="conv_2", item_id=item_id, now_s=NOW_S)
        assert list(Recalled(fork).past.server_calls) == kept
