from __future__ import annotations

import datetime as dt
import itertools
import random
from pathlib import Path
from typing import Any

import pytest

from antiphon.engines.cascade.llm.offline.dialogue import Dialogue
from antiphon.engines.cascade.llm.offline.grammars import grammar_of
from antiphon.engines.cascade.llm.offline.results import read_result
from antiphon.engines.cascade.llm.offline.script import Script
from antiphon.engines.cascade.llm.offline.script_file import (
    load_script,
    parse_script,
    with_tool_items,
)
from antiphon.engines.cascade.llm.offline.situation import Situation, Surroundings, Turn, begin
from antiphon.protocol.session import FunctionTool

EXAMPLES = Path(__file__).parents[5] / "examples" / "agents"
NOW = dt.datetime(2026, 5, 6, 14, 30, tzinfo=dt.UTC)


class Talk:
    """A conversation in text with a script."""

    def __init__(self, script: Script, *, tools: tuple[str, ...] = (), seed: int = 1) -> None:
        numbers = itertools.count(1)
        offered = {name: FunctionTool(name=name) for name in tools}
        around = Surroundings(NOW, offered, lambda: f"call_{next(numbers)}")
        self.dialogue = Dialogue(script, around)
        self.now: Situation = begin(script, random.Random(seed).randrange)
        self.turn: Turn | None = None

    def _took(self, turn: Turn) -> str:
        self.now, self.turn = turn.situation, turn
        return turn.reply

    def start(self) -> str:
        return self._took(self.dialogue.greet(self.now))

    def say(self, text: str) -> str:
        return self._took(self.dialogue.hear(self.now, text))

    def says(self, *texts: str) -> str:
        return [self.say(text) for text in texts][-1]

    def answer(self, output: str) -> str:
        assert self.turn is not None
        assert self.turn.call is not None
        return self._took(
            self.dialogue.answered(self.now, self.turn.call.call_id, read_result(output))
        )

    @property
    def called(self) -> tuple[str, dict[str, Any]] | None:
        assert self.turn is not None
        return (self.turn.call.tool, self.turn.call.arguments) if self.turn.call else None

    def grammar(self) -> str:
        grammar = grammar_of(self.dialogue.expected(self.now))
        return grammar.jsgf if grammar else ""


@pytest.fixture(scope="module")
def booking() -> Script:
    return load_script(EXAMPLES / "room_booking.toml")


@pytest.fixture(scope="module")
def door() -> Script:
    return load_script(EXAMPLES / "door_code.toml")


ASKED = ("book a room", "mountain view", "today", "two thirty pm", "half an hour")


def test_a_room_is_booked(booking: Script) -> None:
    talk = Talk(booking, tools=("book_room",))
    assert talk.start().endswith("You can say: book a room.")
    assert talk.say("book a room").startswith("Which room")
    assert talk.say("Mountain View.") == "For which day?"
    assert talk.say("today") == "And at what time?"
    assert talk.say("2:30 pm") == "For how long?"
    assert talk.say("half an hour") == "How many people will come?"
    assert talk.say("two people") == (
        "So mountain view, today at two thirty p.m., for half an hour, with two people."
        " Shall I book it?"
    )
    assert talk.say("yes") == ""
    assert talk.called == (
        "book_room",
        {
            "room": "mountain_view",
            "date": "2026-05-06",
            "time": "14:30",
            "minutes": 30,
            "people": 2,
        },
    )
    assert talk.answer('{"message": "Reference A1."}') == (
        "It is booked. Reference A1. You can say: book a room."
    )
    assert talk.say("how many rooms have I booked?") == "You have booked one."


def test_a_function_that_fails_is_told_of(booking: Script) -> None:
    talk = Talk(booking, tools=("book_room",))
    talk.start()
    talk.says(*ASKED, "two people", "yes")
    assert talk.answer('{"error": "the room is taken"}').startswith(
        "The room could not be booked. That did not work. the room is taken."
    )
    assert talk.now.state == "idle"


def test_without_the_function_it_says_so(booking: Script) -> None:
    talk = Talk(booking)
    talk.start()
    reply = talk.says(*ASKED, "two people", "yes")
    assert "no function to book with" in reply
    assert talk.called is None
    assert talk.now.state == "idle"


def test_no_takes_the_risky_answer_back_and_another_answer_replaces_it(booking: Script) -> None:
    talk = Talk(booking, tools=("book_room",))
    talk.start()
    talk.says(*ASKED, "three people")
    assert talk.say("no") == "All right, not that. How many people will come?"
    talk.say("three people")
    assert "with four people" in talk.say("for four people")
    assert talk.say("what was that again about cheese") == (
        "Please say yes or no. So mountain view, today at two thirty p.m., for half an hour,"
        " with four people. Shall I book it?"
    )
    talk.say("yeah")
    assert talk.called is not None
    assert talk.called[1]["people"] == 4


def test_a_question_that_gets_neither_yes_nor_no_is_dropped(booking: Script) -> None:
    talk = Talk(booking, tools=("book_room",))
    talk.start()
    talk.says(*ASKED, "three people")
    assert talk.say("purple elephants").startswith("Please say yes or no.")
    assert talk.say("") == (
        "I heard neither yes nor no, so I leave that. How many people will come?"
    )
    assert talk.now.confirming is None
    talk.say("yes")
    assert talk.called is None
    assert talk.say("three people").endswith("Shall I book it?")


def test_guards_choose_between_intents(booking: Script) -> None:
    talk = Talk(booking)
    talk.start()
    talk.says(*ASKED[:4])
    assert talk.say("nine hours").startswith("Four hours is the most")
    assert talk.now.state == "how_long"
    assert talk.say("ninety minutes") == "How many people will come?"


def test_undo_goes_back_step_by_step_and_cancel_to_the_beginning(booking: Script) -> None:
    talk = Talk(booking)
    talk.start()
    talk.says("book a room", "lake side", "tomorrow")
    assert talk.say("undo") == "All right, one step back. For which day?"
    assert "day" not in talk.now.variables
    assert talk.say("go back").endswith("mountain view, lake side or old mill?")
    assert talk.says("back", "back") == "There is nothing to undo. You can say: book a room."
    talk.say("book a room")
    assert talk.say("start over") == "All right, from the beginning. You can say: book a room."


def test_help_hints_and_repeat(booking: Script) -> None:
    talk = Talk(booking)
    talk.start()
    talk.say("book a room")
    assert talk.say("help").startswith("You can say: mountain view, lake side, or old mill.")
    assert talk.say("hint") == "There are three rooms."
    assert talk.say("another hint") == "The largest one is mountain view."
    assert talk.say("say that again") == "The largest one is mountain view."
    assert talk.say("who are you") == (
        "I am the room desk, a scripted agent without a language model."
    )


def test_misunderstandings_escalate_and_are_forgotten_once_understood(booking: Script) -> None:
    talk = Talk(booking)
    talk.start()
    talk.say("book a room")
    first, second, third = (talk.say("purple elephants") for _ in range(3))
    assert first.startswith("Sorry, I did not understand that. Which room")
    assert second.startswith("I heard: purple elephants, but")
    assert third.startswith("I still cannot follow. I understand only this here: mountain view")
    talk.say("old mill")
    assert talk.say("").startswith("I did not catch that.")


def test_who_speaks_first_is_answered_without_a_greeting(booking: Script) -> None:
    assert Talk(booking).say("book a room").startswith("Which room")
    assert Talk(booking).say("jabberwocky").startswith("Hello, this is the room desk.")


def test_the_code_is_new_each_time_and_the_same_within_one(door: Script) -> None:
    codes = {Talk(door, seed=seed).now.variables["code"].value for seed in range(8)}
    assert len(codes) == 8
    talk = Talk(door)
    code = talk.now.variables["code"]
    talk.start()
    assert talk.says("hint", "hint", "give me another hint") == (
        f"All right. The code is {code.spoken}."
    )
    assert talk.say(f"the code is {code.spoken}") == (
        "Click. That is it. The door swings open. Attempts: one. Will you go in?"
    )
    assert talk.say("yes please").startswith("You are inside.")


def test_five_wrong_codes_raise_the_alarm(door: Script) -> None:
    talk = Talk(door)
    wrong = "one two three four"
    assert talk.now.variables["code"].value != "1234"
    talk.start()
    assert talk.say("try 1 2 3 4") == "one two three four? No. Nothing moves."
    for _ in range(3):
        assert "either" in talk.say(wrong)
    assert talk.say(wrong).endswith("Everybody is awake now. Say start over to try again.")
    assert talk.say("start over") == "All right, from the beginning. What is the code?"
    assert talk.now.variables["attempts"].value == 0


def test_an_agent_has_its_own_words_for_misunderstandings(door: Script) -> None:
    talk = Talk(door)
    talk.start()
    assert talk.say("sesame").startswith("A door understands little.")
    assert talk.say("sesame").startswith("I heard: sesame. But I wait for four digits")


def test_each_state_has_its_own_narrow_grammar(booking: Script) -> None:
    talk = Talk(booking)
    talk.start()
    idle = talk.grammar()
    assert "book" in idle
    assert "mountain view" not in idle
    talk.say("book a room")
    where = talk.grammar()
    assert "mountain view" in where
    assert "repeat" in where
    assert "half an hour" not in where
    talk.says("mountain view", "today", "noon", "one hour", "two people")
    assert "yeah" in talk.grammar()


SHOP = """\
[agent]
name = "shop"
greeting = ["Hi."]
start = "order"

[enums]
drink = { tool = "order", parameter = "drink", items = ["tea"] }

[states.order]
on_enter = { reply = "What will it be?", set = { visits = "visits + 1" } }

[variables]
visits = 0

[[states.order.intents]]
examples = ["[a] {drink}"]
reply = "One moment."

[states.order.intents.call]
tool = "order"
arguments = { drink = "{drink}", note = "visit {visits}", shots = 2 }
goto = "order"

[[intents]]
examples = ["quit"]
goto = "end"

[states.end]
final = true
on_enter = "Closed."

[globals]
hint = false
help = { examples = ["assist"], reply = "Say: {options}." }
"""


def test_enumerations_may_come_from_the_clients_tools() -> None:
    script = parse_script(SHOP, source="shop")
    drinks = {("order", "drink"): ("flat_white", "", "mocha")}
    talk = Talk(with_tool_items(script, drinks), tools=("order",))
    talk.start()
    assert "flat white | mocha" in talk.grammar()
    assert talk.say("a flat white") == "One moment."
    assert talk.called == ("order", {"drink": "flat_white", "note": "visit 1", "shots": 2})
    assert talk.answer("on its way") == "on its way. What will it be?"

    plain = Talk(with_tool_items(script, {}), tools=("order",))
    plain.start()
    plain.say("tea")
    assert plain.called is not None
    assert plain.called[1]["drink"] == "tea"


def test_globals_can_be_changed_and_intents_can_be_for_all_states() -> None:
    talk = Talk(parse_script(SHOP, source="shop"))
    talk.start()
    assert talk.say("assist") == "Say: tea, or quit."
    assert talk.say("hint").startswith("Sorry")
    assert talk.say("quit") == "Closed."


def test_a_late_answer_of_a_function_is_told_all_the_same(booking: Script) -> None:
    talk = Talk(booking)
    talk.start()
    turn = talk.dialogue.answered(talk.now, "call_unknown", read_result("Rain."))
    assert turn.reply == "Rain."
    assert turn.situation.state == "idle"


@pytest.mark.parametrize(
    ("output", "text", "failed"),
    [
        ("It is sunny", "It is sunny.", False),
        ('"quoted"', "quoted.", False),
        ("", "It is done. There was no answer to tell.", False),
        ("null", "It is done. There was no answer to tell.", False),
        ("21.5", "twenty one point five.", False),
        (
            '{"temperature_c": 21, "sky": "clear", "rain": false}',
            "The temperature c is twenty one. The sky is clear. Rain: no.",
            False,
        ),
        ('{"slots": ["nine", "ten", "noon"]}', "The slots are nine, ten and noon.", False),
        ('["a", "b"]', "a and b.", False),
        ("[]", "There is nothing.", False),
        ('{"error": {"message": "no such city"}}', "That did not work. no such city.", True),
        ('{"ok": false}', "That did not work.", True),
        ("Error: timed out", "That did not work. Error: timed out.", True),
        ('{"message": "Done!"}', "Done!", False),
        ("{", "{.", False),
    ],
)
def test_results_are_spoken(output: str, text: str, failed: bool) -> None:
    result = read_result(output)
    assert (result.text, result.failed) == (text, failed)


def test_a_long_result_is_cut_and_says_so() -> None:
    text = read_result("word " * 1000).text
    assert len(text) < 700
    assert text.endswith("and there is more.")
