from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.llm.context_window import ContextWindow, newer_half
from antiphon.protocol.items import FunctionCall, FunctionCallOutput, InputText, Item, Message


def message(n: int, size: int = 100) -> Message:
    return Message(id=f"i{n}", role="user", content=(InputText("x" * size),))


def test_the_newer_half_is_kept() -> None:
    items = [message(n) for n in range(8)]
    assert newer_half(items) == tuple(items[4:])


def test_the_last_item_stays_however_long_it_is_and_an_output_with_its_call() -> None:
    assert newer_half([message(1), message(2, 9_000)]) == (message(2, 9_000),)
    call = FunctionCall(id="c", name="f", call_id="k", arguments="{}")
    output = FunctionCallOutput(id="o", call_id="k", output="x" * 9_000)
    assert newer_half([message(1), call, message(2), output]) == (call, message(2), output)
    assert newer_half([]) == ()


def test_a_cut_stays_until_the_next_one() -> None:
    window = ContextWindow()
    items = [message(n) for n in range(8)]
    assert window.view(items) == tuple(items)
    window.keep(newer_half(items))
    assert window.view([*items, message(8)]) == (*items[4:], message(8))
    assert window.view(items[5:]) == tuple(items[5:])  # What it began with is gone.


@given(st.lists(st.integers(0, 500), max_size=12))
def test_halves_of_halves_come_to_an_end(sizes: list[int]) -> None:
    items: tuple[Item, ...] = tuple(message(n, size) for n, size in enumerate(sizes))
    for _ in range(12):
        half = newer_half(items)
        assert half == items[len(items) - len(half) :]
        assert len(half) < len(items) or len(items) <= 1
        items = half
