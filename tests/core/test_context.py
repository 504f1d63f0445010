from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.context import ContextTooLong, Window, fit_context
from antiphon.core.items import CallEntry, Entry, MessageEntry, OutputEntry, TextPart
from antiphon.core.usage import entry_tokens
from antiphon.protocol.session import RetentionRatio, TokenLimits, Truncation


def message(tokens: int) -> Entry:
    part = TextPart("input_text", "x" * (4 * tokens))
    return MessageEntry(f"m{tokens}", "user", parts=[part])


def call(call_id: str, tokens: int = 1) -> Entry:
    return CallEntry(f"c{call_id}", "", call_id, "x" * (4 * tokens))


def output(call_id: str, tokens: int = 1) -> Entry:
    return OutputEntry(f"o{call_id}", call_id, "x" * (4 * tokens))


def fitted(
    entries: list[Entry],
    limit: int,
    truncation: Truncation = "auto",
    instructions: int = 0,
    window: Window | None = None,
) -> list[str]:
    kept, tokens = fit_context(
        entries,
        limit_tokens=limit,
        instruction_tokens=instructions,
        truncation=truncation,
        window=window,
    )
    assert tokens.total == sum(entry_tokens(e).total for e in kept)
    return [e.id for e in kept]


def test_all_of_it_where_it_fits() -> None:
    assert fitted([message(50), message(50)], 100) == ["m50", "m50"]


def test_the_oldest_go_until_it_fits() -> None:
    assert fitted([message(10), message(20), message(30), message(40)], 70) == ["m30", "m40"]
    assert fitted([message(10), message(20), message(30), message(40)], 69) == ["m40"]


def test_instructions_take_their_part() -> None:
    assert fitted([message(50), message(51)], 101, instructions=1) == ["m51"]


def test_what_is_being_answered_stays() -> None:
    assert fitted([message(10), message(500)], 100) == ["m500"]
    assert fitted([], 100) == []


def test_a_ratio_drops_more_at_once() -> None:
    entries = [message(n) for n in (10, 20, 30, 41)]
    assert fitted(entries, 100, RetentionRatio(0.8)) == ["m30", "m41"]
    assert fitted(entries, 101, RetentionRatio(0.8)) == ["m10", "m20", "m30", "m41"]
    assert fitted(entries, 100, RetentionRatio(0.0)) == ["m41"]
    assert fitted(entries, 100, RetentionRatio(1.0)) == ["m20", "m30", "m41"]


def test_a_token_limit_lowers_the_limit_and_counts_no_instructions() -> None:
    entries = [message(20), message(30)]
    ratio = RetentionRatio(1.0, TokenLimits(post_instructions=50))
    assert fitted(entries, 100, ratio, instructions=50) == ["m20", "m30"]
    ratio = RetentionRatio(1.0, TokenLimits(post_instructions=49))
    assert fitted(entries, 1_000, ratio) == ["m30"]
    assert fitted(entries, 1_000, RetentionRatio(0.1, TokenLimits())) == ["m20", "m30"]


def test_disabled_means_that_nothing_may_go() -> None:
    assert fitted([message(100)], 100, "disabled") == ["m100"]
    with pytest.raises(ContextTooLong):
        fitted([message(101)], 100, "disabled")


def test_an_output_whose_call_was_dropped_is_dropped() -> None:
    entries = [call("1", 90), output("1"), message(50), message(49)]
    assert fitted(entries, 100) == ["m50", "m49"]


def test_an_output_whose_call_is_gone_is_left_out_even_where_all_fits() -> None:
    assert fitted([output("1"), message(1)], 100) == ["m1"]


def test_the_output_that_is_being_answered_keeps_its_call() -> None:
    assert fitted([message(50), call("1", 60), output("1", 60)], 100) == ["c1", "o1"]
    entries = [call("1", 50), call("2", 50), output("1", 50), output("2", 50)]
    assert fitted(entries, 100) == ["c2", "o2"]


def test_the_beginning_moves_only_when_what_came_since_does_not_fit() -> None:
    window, ratio = Window(), RetentionRatio(0.5)
    entries = [message(n) for n in (40, 30, 20, 11)]
    assert fitted(entries, 100, ratio, window=window) == ["m20", "m11"]
    for tokens in (12, 13, 14, 15):  # 85 in all: the same beginning each time.
        entries.append(message(tokens))
        assert fitted(entries, 100, ratio, window=window)[0] == "m20"
    entries.append(message(16))
    assert fitted(entries, 100, ratio, window=window) == ["m14", "m15", "m16"]


def test_a_cut_is_forgotten_where_it_is_not_needed_or_the_rule_is_another() -> None:
    window, ratio = Window(), RetentionRatio(0.5)
    entries = [message(n) for n in (40, 30, 20, 11)]
    assert fitted(entries, 100, ratio, window=window) == ["m20", "m11"]
    assert fitted(entries, 101, ratio, window=window) == ["m40", "m30", "m20", "m11"]
    assert fitted(entries, 100, "auto", window=window) == ["m30", "m20", "m11"]
    assert fitted(entries, 100, ratio, window=Window()) == ["m20", "m11"]
    # What it began with was deleted.
    window = Window()
    fitted(entries, 100, ratio, window=window)
    left = [message(50), *entries[:2], entries[3]]
    assert fitted(left, 100, ratio, window=window) == ["m30", "m11"]


def test_where_the_cut_fell_between_call_and_output_it_stays_there() -> None:
    window = Window()
    entries = [call("1", 90), output("1"), message(50), message(49)]
    assert fitted(entries, 100, window=window) == ["m50", "m49"]
    assert fitted(entries, 100, window=window) == ["m50", "m49"]


ENTRIES = st.lists(
    st.one_of(
        st.integers(0, 40).map(message),
        st.tuples(st.sampled_from("abc"), st.integers(0, 40)).map(lambda t: call(*t)),
        st.tuples(st.sampled_from("abc"), st.integers(0, 40)).map(lambda t: output(*t)),
    ),
    max_size=12,
)


@given(ENTRIES, st.integers(-10, 120), st.sampled_from(["auto", RetentionRatio(0.5)]))
def test_what_is_left_is_newest_in_order_and_without_orphans(
    entries: list[Entry], limit: int, truncation: Truncation
) -> None:
    kept, _ = fit_context(entries, limit_tokens=limit, instruction_tokens=0, truncation=truncation)
    places = [next(i for i, other in enumerate(entries) if other is e) for e in kept]
    assert places == sorted(places)
    calls = {e.call_id for e in kept if isinstance(e, CallEntry)}
    assert all(e.call_id in calls for e in kept if isinstance(e, OutputEntry))
    whole = sum(entry_tokens(e).total for e in entries)
    if kept and whole > limit and sum(entry_tokens(e).total for e in kept) > limit:
        assert isinstance(kept[0], CallEntry) or len(kept) == 1, "only what must stay"
