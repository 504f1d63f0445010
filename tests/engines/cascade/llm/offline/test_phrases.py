from __future__ import annotations

import datetime as dt
import re

import pytest

from antiphon.engines.cascade.llm.offline.grammars import MAX_WORDS, grammar_of, sayable
from antiphon.engines.cascade.llm.offline.matching import Matched, best_match
from antiphon.engines.cascade.llm.offline.phrases import Phrase, PhraseError, parse_phrase
from antiphon.engines.cascade.llm.offline.slots import (
    PLAIN_SLOTS,
    Choice,
    DigitsSlot,
    EnumSlot,
    NumberSlot,
    Slot,
    TextSlot,
)

TODAY = dt.date(2026, 5, 6)
ROOMS = EnumSlot(
    "room", (Choice("mtv", ("mountain view", "the mountain")), Choice("mill", ("old mill",)))
)
SLOTS: dict[str, Slot] = {
    "number": NumberSlot(),
    "code": DigitsSlot(4),
    "time": PLAIN_SLOTS["time"],
    "date": PLAIN_SLOTS["date"],
    "duration": PLAIN_SLOTS["duration"],
    "text": TextSlot(),
    "room": ROOMS,
}


def phrase(source: str) -> Phrase:
    return parse_phrase(source, lambda name, kind: SLOTS[kind or name])


def match(text: str, *sources: str) -> Matched[str] | None:
    return best_match(text, [(source, phrase(source)) for source in sources], today=TODAY)


def slots(text: str, source: str) -> dict[str, object]:
    found = match(text, source)
    assert found is not None, f"{text!r} is not {source!r}"
    return {name: filled.value for name, filled in found.slots.items()}


BOOK = "[i want to] book (a room | [the] {room}) [for {people:number} people] [{date}] [at {time}]"


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("book a room", {}),
        ("I want to book Mountain View", {"room": "mtv"}),
        ("book the old mill for two people", {"room": "mill", "people": 2}),
        ("Book a room today at 2:30pm!", {"date": "2026-05-06", "time": "14:30"}),
        ("um book a room for 12 people please", {"people": 12}),
        ("book montain view for two peple", {"room": "mtv", "people": 2}),
    ],
)
def test_a_phrase_takes_its_slots_from_the_words(text: str, filled: dict[str, object]) -> None:
    assert slots(text, BOOK) == filled


def test_the_code_slot_takes_exactly_its_digits() -> None:
    assert slots("the code is four two seven one", "the code is {code}") == {"code": "4271"}
    assert match("four two seven", "{code}") is None
    assert match("4 2 7 1 9", "{code}") is None


def test_a_phrase_is_found_inside_more_words_but_not_after_a_refusal() -> None:
    assert match("hello there could you book a room", "book a room")
    assert match("could you open it", "open the door") is None
    assert match("do not book a room", "book a room") is None
    assert match("the room that we said we would like to book was long gone", "room") is None


def test_strict_readings_win_over_tolerant_ones_and_earlier_phrases_over_later() -> None:
    found = match("old mill", "mold mill", "old mill", "{room}")
    assert found is not None
    assert found.key == "old mill"


def test_a_match_that_is_not_accepted_gives_way_to_the_next() -> None:
    phrases = [("first", phrase("{n:number}")), ("second", phrase("{n:number}"))]
    found = best_match("three", phrases, today=TODAY, accepts=lambda key, _, exact: key == "second")
    assert found is not None
    assert found.key == "second"


def test_free_text_takes_all_that_follows() -> None:
    assert slots("remind me to buy milk", "remind me to {text}") == {"text": "buy milk"}


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("book (a room", "'(' is not closed"),
        ("book a room]", "']' closes nothing"),
        ("[book]", "no words at all"),
        ("book (a | ) room", "empty alternative"),
        ("{two words:number}", "needs a name"),
        ("{number} or {number}", "stands twice"),
        ("open } it", "'}' stands alone"),
    ],
)
def test_a_phrase_that_cannot_be_read_says_why(source: str, why: str) -> None:
    with pytest.raises(PhraseError) as caught:
        phrase(source)
    assert why in str(caught.value)


def test_long_speech_ends_in_no_match_and_in_no_time() -> None:
    assert match("blah " * 5000, "[a] [b] [c] [d] {text} x {more:text} y") is None


# --- Grammars ----------------------------------------------------------------


def test_a_grammar_has_words_alone_with_numbers_spelled_out() -> None:
    grammar = grammar_of([phrase("book room 12 at 2 pm"), phrase("{code}"), phrase("{room}")])
    assert grammar is not None
    assert "book room twelve at two p.m." in grammar.jsgf
    assert "mountain view | the mountain | old mill" in grammar.jsgf
    header, _, rules = grammar.jsgf.partition("\n")
    assert header == "#JSGF V1.0;"
    assert not any(c.isdigit() for c in re.sub(r"<\w+>", "", rules))


def test_equal_grammars_have_equal_keys() -> None:
    first, same = (
        grammar_of([phrase("yes"), phrase("no")]),
        grammar_of([phrase("yes"), phrase("no")]),
    )
    other = grammar_of([phrase("yes")])
    assert first is not None
    assert same is not None
    assert other is not None
    assert first.key == same.key != other.key


def test_free_text_leaves_recognition_open() -> None:
    assert grammar_of([phrase("yes"), phrase("say {text}")]) is None
    assert grammar_of([]) is None


def test_words_that_no_english_grammar_has_are_left_out() -> None:
    grammar = grammar_of([phrase("ja bitte schön"), phrase("yes")])
    assert grammar is not None
    assert grammar.jsgf.endswith("public <said> = yes;\n")
    assert sayable("ü") == ""


def test_a_grammar_stays_small() -> None:
    letters = [chr(97 + i // 26 % 26) + chr(97 + i % 26) + chr(97 + i // 676) for i in range(900)]
    grammar = grammar_of([phrase(word) for word in letters])
    assert grammar is not None
    assert grammar.jsgf.count("|") == MAX_WORDS - 1
    big = grammar_of([phrase(f"{word} {{a:code}}") for word in letters])
    assert big is not None
    assert 100 < big.jsgf.count("<digits_4>") < 150


def test_the_recogniser_compiles_what_we_write() -> None:
    pocketsphinx = pytest.importorskip("pocketsphinx")
    grammar = grammar_of(
        [phrase(BOOK), *(phrase(f"{{{name}}}") for name in SLOTS if name != "text")]
    )
    assert grammar is not None
    decoder = pocketsphinx.Decoder(lm=None, loglevel="FATAL", samprate=16000)
    decoder.add_jsgf_string("expected", grammar.jsgf)
    decoder.activate_search("expected")
    assert decoder.current_search() == "expected"
