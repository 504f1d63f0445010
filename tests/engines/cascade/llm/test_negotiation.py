from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.effects import Generate
from antiphon.engines.cascade.http.backoff import LONGEST_WAIT_S, Backoff
from antiphon.engines.cascade.http.refusals import Refusal, Why
from antiphon.engines.cascade.llm.context_window import ContextWindow
from antiphon.engines.cascade.llm.negotiation import (
    LearnedQuirks,
    Negotiation,
)
from antiphon.engines.cascade.llm.quirks import STRICTEST, Quirk, Quirks
from antiphon.protocol.items import InputText, Message

ITEMS = tuple(
    Message(id=f"i{n}", role="user", content=(InputText("some words"),)) for n in range(8)
)


def written(request: Generate, quirks: Quirks) -> bytes:
    """Shows what a body depends on."""
    names = sorted(quirk.name for quirk in quirks)
    return json.dumps([names, [item.id for item in request.items]]).encode()


def negotiation(
    learned: LearnedQuirks | None = None, *, retries: int = 2, **options: Any
) -> Negotiation:
    more: dict[str, Any] = {"window": ContextWindow(), "write": written, **options}
    request = Generate(response_id="r", items=ITEMS)
    return Negotiation(
        request, learned=learned or LearnedQuirks(), backoff=Backoff(retries, lambda: 1.0), **more
    )


def shown(asking: Negotiation) -> tuple[set[str], list[str]]:
    quirks, items = json.loads(asking.body)
    return set(quirks), items


IDS = "Tool call ids must have a length of 9."
SYSTEM = "System role not supported; a system message must be at the beginning."
LIMIT = "max_tokens is too large, unsupported"


def about(words: str = "no") -> Refusal:
    return Refusal(why=Why.REFUSED, status=400, text=words)


def test_what_is_learned_counts_only_once_the_server_answers() -> None:
    learned = LearnedQuirks()
    asking = negotiation(learned)
    assert asking.ask_again(about(IDS)) == 0
    assert shown(asking)[0] == {"SHORT_CALL_IDS"}
    assert learned.quirks == frozenset()
    asking.succeeded()
    assert learned.quirks == {Quirk.SHORT_CALL_IDS}
    assert shown(negotiation(learned))[0] == {"SHORT_CALL_IDS"}


def test_a_quirk_that_changes_nothing_cannot_be_what_is_meant() -> None:
    def deaf(request: Generate, quirks: Quirks) -> bytes:
        return written(request, quirks - {Quirk.NO_SYSTEM})

    asking = negotiation(write=deaf)
    assert asking.ask_again(about(SYSTEM)) == 0
    assert shown(asking)[0] == {"FRONT_SYSTEM"}


def test_a_guess_is_made_once_and_what_was_said_before_it_is_told() -> None:
    asking, first = negotiation(), about()
    assert asking.ask_again(first) == 0
    assert shown(asking)[0] == {quirk.name for quirk in STRICTEST}
    second = Refusal(why=Why.REFUSED, text="something else")
    assert asking.ask_again(second) is None
    assert asking.verdict(second) is first
    key = Refusal(why=Why.KEY_REFUSED)
    assert asking.verdict(key) is key


def test_a_limit_that_is_too_large_is_left_out_for_now() -> None:
    learned = LearnedQuirks()
    asking = negotiation(learned)
    assert asking.ask_again(about(LIMIT)) == 0
    assert shown(asking)[0] == {"NO_LIMIT"}
    asking.succeeded()
    assert learned.quirks == frozenset()


def test_a_full_context_is_halved_three_times_at_most() -> None:
    full = Refusal(why=Why.CONTEXT_FULL)
    window = ContextWindow()
    asking = negotiation(window=window)
    assert [asking.ask_again(full) for _ in range(4)] == [0, 0, 0, None]
    assert shown(asking)[1] == ["i7"]
    assert len(window.view(ITEMS)) == 8
    asking.succeeded()
    assert window.view(ITEMS) == ITEMS[7:]


def test_a_response_beside_the_conversation_moves_no_cut() -> None:
    window = ContextWindow()
    request = Generate(response_id="r", items=ITEMS, out_of_band=True)
    asking = Negotiation(
        request,
        learned=LearnedQuirks(),
        window=window,
        write=written,
        backoff=Backoff(0, lambda: 0.0),
    )
    asking.ask_again(Refusal(why=Why.CONTEXT_FULL))
    asking.succeeded()
    assert window.view(ITEMS) == ITEMS


REFUSALS = st.builds(
    Refusal,
    why=st.sampled_from(Why),
    status=st.sampled_from([0, 200, 400, 429, 500]),
    text=st.sampled_from(["", "no", IDS, SYSTEM, LIMIT, f"{IDS} {SYSTEM}"]),
    retry_after_s=st.none() | st.floats(0, 100),
)


@given(st.lists(REFUSALS, min_size=40, max_size=40), st.integers(0, 3))
def test_whatever_is_refused_there_is_an_end_and_no_long_wait(
    refusals: list[Refusal], retries: int
) -> None:
    asking = negotiation(retries=retries)
    asked = 0
    for refusal in refusals:
        before = asking.body
        wait_s = asking.ask_again(refusal)
        if wait_s is None:
            break
        asked += 1
        assert 0 <= wait_s <= LONGEST_WAIT_S
        # Without a wait it is another request, or a connection that was made anew.
        assert wait_s or refusal.why is Why.CLOSED or asking.body != before
    assert asked < 30
