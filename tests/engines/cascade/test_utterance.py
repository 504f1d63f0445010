from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.engines.cascade.utterance import joined
from antiphon.protocol.items import InputAudio, InputText, Item, Message, OutputAudio


def user(words: str | None, item_id: str = "item_1") -> Message:
    return Message(id=item_id, role="user", content=(InputAudio(words),))


def typed(words: str) -> Message:
    return Message(id="item_typed", role="user", content=(InputText(words),))


def assistant(words: str) -> Message:
    return Message(id="item_a", role="assistant", content=(OutputAudio(words),))


BOOK, FOUR = user("I would like a table for.", "item_1"), user("four people.", "item_2")
WHOLE = user("I would like a table for, four people.", "item_2")


def test_pieces_are_one_under_the_name_of_the_last() -> None:
    assert joined([BOOK, FOUR]) == (WHOLE,)


def test_an_answer_that_was_not_heard_does_not_part_them() -> None:
    assert joined([assistant("Hello."), BOOK, assistant(""), FOUR]) == (assistant("Hello."), WHOLE)


def test_what_was_heard_parts_them() -> None:
    items = (BOOK, assistant("How"), FOUR)
    assert joined(items) == items


def test_what_was_typed_is_no_piece() -> None:
    for items in ((BOOK, typed("Hi.")), (typed("Hi."), FOUR), (user(None), FOUR)):
        assert joined(items) == items


def test_a_question_keeps_its_mark_and_silence_adds_nothing() -> None:
    assert joined([user("Is it open?"), user("On Monday?")]) == (user("Is it open? On Monday?"),)
    assert joined([user("Is it open?"), user("")]) == (user("Is it open?"),)
    assert joined([user(""), user("")]) == (user(""),)


ITEMS = st.lists(
    st.sampled_from([user("A."), user("b"), user(None), assistant(""), assistant("C."), typed("D")])
)


@settings(max_examples=200, derandomize=True, deadline=None, database=None)
@given(ITEMS)
def test_all_words_stay_and_in_order(items: list[Item]) -> None:
    found = joined(items)
    assert _words(found) == _words(items)
    assert joined(found) == found
    assert found[-1:] == tuple(items[-1:]) or found[-1].id == items[-1].id


def _words(items: list[Item] | tuple[Item, ...]) -> str:
    texts = []
    for item in items:
        assert isinstance(item, Message)
        for part in item.content:
            texts.append(getattr(part, "transcript", None) or getattr(part, "text", "") or "")
    return "".join(texts).translate({ord(sign): None for sign in "., "})
