"""The examples' scripts, as they answer what people say: in text, and from recordings."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from antiphon.engines.cascade.llm.offline.dialogue import Dialogue
from antiphon.engines.cascade.llm.offline.results import read_result
from antiphon.engines.cascade.llm.offline.script_file import load_script
from antiphon.engines.cascade.llm.offline.situation import Surroundings, Turn, begin
from antiphon.protocol.session import FunctionTool

EXAMPLES = Path(__file__).parents[2] / "examples"
FUNCTIONS = {
    "escape_room/puzzle_master.toml": {
        "riddle": '{"riddle": "A riddle."}',
        "check_code": '{"success": false, "right": 2}',
    },
    "task_assistant/agent.toml": {
        "list_tasks": '{"spoken": "Your tasks."}',
        "complete_task": '{"spoken": "It is done."}',
        "create_task": '{"spoken": "It is on the list."}',
    },
    "clinic_assistant/agent.toml": {
        "free_times": '{"spoken": "At nine."}',
        "my_appointments": '{"spoken": "None."}',
        "book_appointment": '{"spoken": "Booked."}',
    },
}


class Talk:
    """A conversation with a script whose functions are answered."""

    def __init__(self, script: str) -> None:
        self._outputs = FUNCTIONS[script]
        offered = {name: FunctionTool(name=name) for name in self._outputs}
        now = dt.datetime(2026, 5, 6, tzinfo=dt.UTC)
        around = Surroundings(now, offered, lambda: "call")
        loaded = load_script(EXAMPLES / script)
        self._dialogue = Dialogue(loaded, around)
        self._now = begin(loaded, random.Random(1).randrange)
        self.called: list[tuple[str, dict[str, object]]] = []

    def start(self) -> str:
        return " ".join(self._told(self._dialogue.greet(self._now)))

    def say(self, text: str) -> str:
        return " ".join(self._told(self._dialogue.hear(self._now, text)))

    def _told(self, turn: Turn) -> Iterator[str]:
        self._now = turn.situation
        yield turn.reply
        if turn.call:
            self.called.append((turn.call.tool, turn.call.arguments))
            output = read_result(self._outputs[turn.call.tool])
            yield from self._told(self._dialogue.answered(self._now, turn.call.call_id, output))


@pytest.fixture
def room() -> Talk:
    talk = Talk("escape_room/puzzle_master.toml")
    talk.start()
    talk.called.clear()
    return talk


@pytest.fixture
def tasks() -> Talk:
    talk = Talk("task_assistant/agent.toml")
    talk.start()
    return talk


def test_four_digits_turn_the_dials(room: Talk) -> None:
    assert "two out of four" in room.say("is it one eight zero three").lower()
    assert room.called == [("check_code", {"guess": "1803"})]


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("zero one eight zero three", "Which four digits"),
        ("the code is one two three four five six", "Which four digits"),
        ("one two three", "all four digits"),
        ("eight", "all four digits"),
        ("one two three four or one two three five", "Which four digits"),
        ("one two three four no wait", "Which four digits"),
        ("one two three four no five", "Which four digits"),
        ("maybe one two three four", "Are you sure?"),
        ("one two three four i think", "Are you sure?"),
    ],
)
def test_digits_that_are_extra_missing_or_unsure_are_asked_about(
    room: Talk, said: str, asked: str
) -> None:
    assert asked in room.say(said)
    assert room.called == [], "nothing is turned meanwhile"


def test_an_unsure_guess_is_turned_to_once_it_is_sure(room: Talk) -> None:
    room.say("maybe one two three four")
    assert "two out of four" in room.say("yes").lower()
    assert room.called == [("check_code", {"guess": "1234"})]


@pytest.mark.parametrize(
    "said", ["next dial", "Next style.", "next trial", "text dial", "the next one please", "go on"]
)
def test_next_dial_is_forgiven_what_it_is_heard_as(room: Talk, said: str) -> None:
    assert "Dial two." in room.say(said)
    assert "Dial one." in room.say("go back"), "one who went too far comes back"


@pytest.mark.parametrize(
    "said", ["something else", "not that one", "never mind", "hello", "what is on my list"]
)
def test_what_is_not_about_the_confirmation_leaves_it(tasks: Talk, said: str) -> None:
    assert tasks.say("nothing") == "Shall I tick off: nothing?"
    assert "tick off: nothing" not in tasks.say(said)
    tasks.say("yes")
    assert "complete_task" not in [tool for tool, _ in tasks.called]


def test_the_clinic_greets_and_says_what_one_can_say() -> None:
    talk = Talk("clinic_assistant/agent.toml")
    for greeting in (talk.start(), talk.say("hello"), talk.say("Good morning!")):
        assert "Hello." in greeting
        assert "I need an appointment" in greeting
    assert "For which day?" in talk.say("I need an appointment")
