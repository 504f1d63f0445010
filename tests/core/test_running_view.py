from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.core.history import History
from antiphon.core.ids import Ids
from antiphon.core.items import CallEntry, Entry, HeardPart, MessageEntry, OutputEntry, SpokenPart
from antiphon.core.records import Recorder
from antiphon.core.usage import add_up, entry_tokens

Step = tuple[str, int, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["heard", "answer", "call", "output", "say", "speak", "grow", "words", "delete", "look"]
        ),
        st.integers(0, 30),
        st.integers(0, 30),
    ),
    max_size=40,
)


def history() -> History:
    ids = Ids("virtualcall00")
    return History(ids, Recorder(ids, on=False))


def looks_the_same(found: History) -> None:
    entries = list(found)
    calls = {entry.call_id for entry in entries if isinstance(entry, CallEntry)}
    outputs = {entry.call_id for entry in entries if isinstance(entry, OutputEntry)}
    whole = found.whole()
    assert all(one is other for one, other in zip(whole.entries, entries, strict=True))
    assert whole.items == tuple(entry.for_engine() for entry in entries)
    assert whole.tokens == add_up(map(entry_tokens, entries))
    assert whole.has_orphans == bool(outputs - calls)


def carry_out(found: History, name: str, step: Step) -> None:
    kind, size, pick = step
    entries = list(found)
    after = (
        entries[pick % len(entries)].id if entries and pick % 3 else ("root" if pick % 2 else "")
    )
    of_kind = [entry for entry in entries if isinstance(entry, MessageEntry)]
    spoken = [entry for entry in of_kind if entry.role == "assistant"]
    calls = [entry for entry in entries if isinstance(entry, CallEntry)]
    made: dict[str, Entry] = {
        "heard": MessageEntry(name, "user", parts=[HeardPart(samples=2_400 * size)]),
        "answer": MessageEntry(name, "assistant", parts=[SpokenPart()], status="in_progress"),
        "call": CallEntry(name, "look_up", f"call_{size % 3}", status="in_progress"),
        "output": OutputEntry(name, f"call_{size % 3}", "x" * size),
    }
    if kind in made:
        found.add(made[kind], [], after=after)
    elif kind == "say" and spoken:
        found.say(spoken[pick % len(spoken)], "word " * size)
    elif kind == "speak" and spoken:
        found.speak(spoken[pick % len(spoken)], bytes(4_800 * size), ())
    elif kind == "grow" and calls:
        found.extend_call(calls[pick % len(calls)], "x" * size)
    elif kind == "words" and (heard := [one for one in of_kind if one.role == "user"]):
        turn = heard[pick % len(heard)]
        part = turn.parts[0]
        assert isinstance(part, HeardPart)
        found.transcribe(turn, part, "word " * size, [])
    elif kind == "delete" and entries:
        found.delete(entries[pick % len(entries)].id, [])
    elif kind == "look":
        looks_the_same(found)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(STEPS)
def test_what_is_kept_is_what_would_be_made_anew(steps: list[Step]) -> None:
    found = history()
    for number, step in enumerate(steps):
        carry_out(found, f"item_{number}", step)
    looks_the_same(found)


def test_nothing_is_made_anew_where_nothing_has_changed() -> None:
    found = history()
    for number in range(3):
        carry_out(found, f"item_{number}", ("heard", 1, 2))
    whole = found.whole()
    assert found.whole() is whole
    carry_out(found, "item_3", ("heard", 1, 2))
    assert found.whole() is not whole
    assert all(one is other for one, other in zip(found.whole().items, whole.items, strict=False))
