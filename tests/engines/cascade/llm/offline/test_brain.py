from __future__ import annotations

import datetime as dt
import json
import random
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec import structs

from antiphon.core.effects import Generate
from antiphon.engines.cascade.llm.offline.brain import OfflineBrain
from antiphon.engines.cascade.llm.offline.resuming import MAX_HEARD_AGAIN
from antiphon.engines.cascade.llm.offline.script import Script
from antiphon.engines.cascade.llm.offline.script_file import load_script, parse_script
from antiphon.engines.cascade.parts import CallTool, SayText, Thinking, Thought
from antiphon.errors import EngineUnavailable
from antiphon.protocol.items import (
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputImage,
    InputText,
    Item,
    Message,
    OutputAudio,
)
from antiphon.protocol.session import (
    DEFAULT_INSTRUCTIONS,
    FunctionChoice,
    FunctionTool,
    McpTool,
    Tool,
)

EXAMPLES = Path(__file__).parents[5] / "examples" / "agents"
NOW = dt.datetime(2026, 5, 6, 14, 30, tzinfo=dt.UTC)


class Client:
    """A client's side of a conversation: keeps the items, asks for answers."""

    def __init__(
        self, script: Script | None = None, *, tools: tuple[Tool, ...] = (), chance: int = 7
    ) -> None:
        brain = OfflineBrain(script, clock=lambda: NOW, new_random=lambda: random.Random(chance))
        self.mind = brain.open("sess_1")
        self.items: list[Item] = []
        self.options: dict[str, Any] = {"tools": tools, "instructions": DEFAULT_INSTRUCTIONS}
        self.news: list[Thinking] = []

    def request(self, **changed: Any) -> Generate:
        options = {**self.options, **changed}
        return Generate(response_id="resp", items=tuple(self.items), **options)

    def add(self, item: Item) -> None:
        self.items.append(item)

    def user(self, text: str) -> None:
        part = InputAudio(transcript=text)
        self.add(Message(id=f"item_{len(self.items)}_{text[:4]}", role="user", content=(part,)))

    async def respond(self, *, keep: bool = True, **changed: Any) -> str:
        self.news = [news async for news in self.mind.think(self.request(**changed))]
        assert isinstance(self.news[-1], Thought)
        assert sum(isinstance(news, Thought) for news in self.news) == 1
        if keep:
            if self.text:
                said = (OutputAudio(transcript=self.text),)
                item_id = f"said_{len(self.items)}"
                self.add(Message(id=item_id, role="assistant", content=said))
            for call in self.calls:
                self.add(
                    FunctionCall(
                        id=f"fc_{len(self.items)}",
                        name=call.name,
                        call_id=call.call_id,
                        arguments=call.arguments,
                    )
                )
        return self.text

    @property
    def text(self) -> str:
        return "".join(news.text for news in self.news if isinstance(news, SayText))

    @property
    def calls(self) -> list[CallTool]:
        return [news for news in self.news if isinstance(news, CallTool)]

    def called(self) -> tuple[str, dict[str, Any]]:
        (call,) = self.calls
        return call.name, json.loads(call.arguments)

    async def say(self, text: str, **changed: Any) -> str:
        self.user(text)
        return await self.respond(**changed)

    async def answer(self, output: str, **changed: Any) -> str:
        call_id = next(i.call_id for i in reversed(self.items) if isinstance(i, FunctionCall))
        assert isinstance(call_id, str)
        self.add(FunctionCallOutput(id=f"fo_{len(self.items)}", call_id=call_id, output=output))
        return await self.respond(**changed)

    def grammar(self, **changed: Any) -> str:
        grammar = self.mind.expects(self.request(**changed))
        return grammar.jsgf if grammar else ""


WEATHER = FunctionTool(
    name="get_weather",
    description="Get the current weather for a location",
    parameters={
        "type": "object",
        "properties": {
            "location": {"type": "string", "description": "City name"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["location"],
    },
)
TABLE = FunctionTool(
    name="book_table",
    description="Book a table at a restaurant",
    parameters={
        "type": "object",
        "properties": {
            "party_size": {"type": "integer", "description": "number of people", "maximum": 20},
            "date": {"type": "string", "format": "date"},
            "time": {"type": "string"},
            "outdoor": {"type": "boolean"},
        },
        "required": ["party_size", "time"],
    },
)
LIGHTS = FunctionTool(
    name="setLights",
    description="Turn the lights on or off",
    parameters={
        "type": "object",
        "properties": {
            "on": {"type": "boolean"},
            "room": {"type": "string", "enum": ["kitchen", "living_room"]},
        },
        "required": ["on", "room"],
        "additionalProperties": False,
    },
)
SEARCH = FunctionTool(
    name="search_web",
    description="Search the web",
    parameters={
        "type": "object",
        "properties": {"query": {"type": "string"}},
        "required": ["query"],
    },
)
MESSAGE = FunctionTool(
    name="send_message",
    description="Send a message to a contact",
    parameters={
        "type": "object",
        "properties": {"recipient": {"type": "string"}, "message": {"type": "string"}},
        "required": ["recipient", "message"],
    },
)
BILLING = FunctionTool(
    name="transfer_to_billing_agent",
    description="Handoff to the billing agent to handle the request.",
    parameters={"type": "object", "properties": {}, "required": [], "additionalProperties": False},
)
SUPPORT = FunctionTool(name="transfer_to_customer_support", parameters=None)
CLOCK = FunctionTool(name="get_current_time")
ALL = (WEATHER, TABLE, LIGHTS, SEARCH, MESSAGE, BILLING, SUPPORT, CLOCK)

# --- Small talk --------------------------------------------------------------


async def test_it_greets_and_says_at_once_what_it_is() -> None:
    assert await Client().respond() == "Hi, I am the Antiphon demo. Ask me for a joke."


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("what time is it", "It is two thirty p.m."),
        ("What day is it today?", "Today is Wednesday, the sixth of May, twenty twenty six."),
        ("what is six times ten", "Six times ten is sixty."),
        ("12 plus 30", "Twelve plus thirty is forty two."),
        ("what's two plus three times four", "Two plus three times four is fourteen."),
        ("how much is ten divided by four", "Ten divided by four is two point five."),
        (
            "ten divided by three",
            "Ten divided by three is about three point three three three three.",
        ),
        ("what is twenty percent of fifty", "Twenty percent of fifty is ten."),
        ("one divided by zero", "One divided by zero has no answer that I could tell."),
        ("nine squared", "Nine to the power of two is eighty one."),
        ("two to the power of minus two", "Two to the power of minus two is zero point two five."),
        ("9 to the power of 9999999", "has no answer"),
        ("thank you very much", "You are welcome."),
        ("how are you today", "All my parts are running"),
        ("bye", "Goodbye!"),
        ("who are you", "I am Antiphon, a voice without a language model."),
        ("what can you do?", "I tell the time"),
        ("count to five", "One, two, three, four, five."),
        ("count from three to one please", "Three, two, one."),
        ("hello my name is marcelo", "Nice to meet you, Marcelo. I am Antiphon."),
        ("", "I did not catch that. Ask me for a joke"),
        ("repeat that", "I have not said anything yet."),
        ("yes", "Good."),
    ],
)
async def test_small_talk(said: str, answer: str) -> None:
    assert answer in await Client().say(said)


async def test_repeat_says_what_the_user_has_really_heard() -> None:
    client = Client()
    await client.say("count to twenty")
    heard = Message(id="cut", role="assistant", content=(OutputAudio(transcript="One, two,"),))
    client.items[-1] = heard
    assert await client.say("say that again") == "One, two,"


async def test_it_can_tell_what_the_user_said_before() -> None:
    client = Client()
    assert (await client.say("What did I say?")).startswith("Nothing yet.")
    await client.say("Tell me a joke.")
    assert await client.say("What did I just say?") == "You said: Tell me a joke."


@pytest.mark.parametrize("said", ["tell me a story", "count to one hundred"])
async def test_long_answers_come_in_many_small_pieces(said: str) -> None:
    client = Client()
    await client.say(said)
    pieces = [news.text for news in client.news if isinstance(news, SayText)]
    assert len(pieces) > 8
    assert max(map(len, pieces)) < 130
    assert len(client.text) > 500


async def test_what_it_cannot_do_it_says_and_explains_once() -> None:
    client = Client()
    first = await client.say("write a poem about rain", instructions="You are a poet.")
    assert first.startswith("I heard: write a poem about rain. I have no language model, so I")
    assert "Nor can I follow the instructions that I was given." in first
    second = await client.say("but you are a poet", instructions="You are a poet.")
    assert second.startswith("I heard: but you are a poet.")
    assert "language model" not in second


async def test_without_instructions_of_anyone_it_claims_none() -> None:
    answer = await Client().say("how old is the brooklyn bridge")
    assert "I have no language model, so I cannot answer that." in answer
    assert "instructions" not in answer


@pytest.mark.parametrize(
    ("instructions", "answer"),
    [
        ("Say exactly: Hello there, John.", "Hello there, John."),
        ('Please say "Welcome to the shop."', "Welcome to the shop."),
        ("Greet the user warmly.", "Hi, I am the Antiphon demo."),
    ],
)
async def test_simple_instructions_for_one_response_are_obeyed(
    instructions: str, answer: str
) -> None:
    client = Client()
    await client.say("what time is it")
    assert (await client.respond(instructions=instructions)).startswith(answer)


async def test_it_cannot_see() -> None:
    client = Client()
    client.add(Message(id="i", role="user", content=(InputImage(image_url="data:,"),)))
    assert (await client.respond()).startswith("I was sent an image, but I cannot see.")
    text = (InputImage(image_url="data:,"), InputText("two plus two"))
    client.add(Message(id="j", role="user", content=text))
    assert await client.respond() == "Two plus two is four."


async def test_an_answer_asked_for_without_anything_new() -> None:
    client = Client()
    await client.say("what time is it")
    assert (await client.respond()).startswith("I am still here.")


async def test_the_limit_of_tokens_is_kept() -> None:
    client = Client()
    text = await client.say("tell me a story", max_output_tokens=10)
    assert len(text) <= 40
    assert client.news[-1] == Thought(reason="max_output_tokens")
    assert await client.say("two plus two", max_output_tokens=100) == "Two plus two is four."
    assert client.news[-1] == Thought()


# --- The client's functions --------------------------------------------------


@pytest.mark.parametrize(
    ("said", "name", "arguments"),
    [
        ("what's the weather in New York?", "get_weather", {"location": "new york"}),
        (
            "whats the wether like in paris in celsius",
            "get_weather",
            {"location": "paris", "unit": "celsius"},
        ),
        (
            "book a table for four people tomorrow at half past seven in the evening",
            "book_table",
            {"party_size": 4, "date": "2026-05-07", "time": "19:30"},
        ),
        ("turn off the lights in the kitchen", "setLights", {"on": False, "room": "kitchen"}),
        ("living room lights on", "setLights", {"on": True, "room": "living_room"}),
        ("search the web for the history of tea", "search_web", {"query": "history of tea"}),
        ("search for red shoes please", "search_web", {"query": "red shoes"}),
        (
            "send a message to Anna saying I am late",
            "send_message",
            {"recipient": "anna", "message": "i am late"},
        ),
        ("let me talk to the billing agent", "transfer_to_billing_agent", {}),
        ("billing department", "transfer_to_billing_agent", {}),
        ("i'd like to speak to customer support", "transfer_to_customer_support", {}),
        ("what time is it", "get_current_time", {}),
    ],
)
async def test_functions_are_called_with_what_was_said(
    said: str, name: str, arguments: dict[str, Any]
) -> None:
    client = Client(tools=ALL)
    await client.say(said)
    assert client.called() == (name, arguments)


@pytest.mark.parametrize(
    "said",
    ["what is six times ten", "hello", "how are you", "thank you", "tell me a joke about cats",
     "don't search the web", "i paid my billing address no mind whatsoever at all today"],
)  # fmt: skip
async def test_functions_are_not_called_for_other_things(said: str) -> None:
    client = Client(tools=ALL)
    assert await client.say(said)
    assert client.calls == []


async def test_tool_choice_none_and_tool_servers_call_nothing() -> None:
    client = Client(tools=(WEATHER, McpTool(server_label="weather")))
    await client.say("what's the weather in paris", tool_choice="none")
    assert client.calls == []
    only = Client(tools=(McpTool(server_label="weather", server_description="the weather"),))
    await only.say("what's the weather in paris", tool_choice="required")
    assert only.calls == []
    assert only.text


async def test_a_missing_argument_is_asked_for() -> None:
    client = Client(tools=(WEATHER,))
    question = await client.say("what is the weather like")
    assert question == (
        "For get weather I need the location. That is: City name. What shall it be?"
    )
    assert client.grammar() == ""
    await client.say("Mountain View.")
    assert client.called() == ("get_weather", {"location": "Mountain View"})


async def test_several_arguments_are_asked_for_in_turn_and_bad_ones_again() -> None:
    client = Client(tools=(TABLE,))
    assert "party size" in await client.say("book a table")
    assert "I could not use that." in await client.say("purple")
    assert "time" in await client.say("for four of us")
    await client.say("at eight")
    assert client.called() == ("book_table", {"party_size": 4, "time": "08:00"})


async def test_a_question_can_be_left_and_another_thing_said_instead() -> None:
    client = Client(tools=(TABLE, LIGHTS))
    await client.say("book a table")
    assert await client.say("never mind") == "All right, I leave it."
    assert "two" in await client.say("one plus one")
    assert await client.say("lights on") == (
        "For set lights I need the room. You can say: kitchen, living room."
    )
    assert "kitchen | living room" in client.grammar()


async def test_a_result_is_spoken_and_the_function_not_called_again() -> None:
    client = Client(tools=(WEATHER,))
    await client.say("what's the weather in paris")
    assert await client.answer('{"sky": "clear", "degrees": 21}') == (
        "The sky is clear. The degrees is twenty one."
    )
    assert client.calls == []
    assert (await client.respond()).startswith("I am still here.")
    await client.say("what's the weather in rome")
    assert await client.answer('{"error": "no data"}') == "That did not work. no data."


async def test_results_of_parallel_calls_are_all_told() -> None:
    client = Client(tools=(WEATHER,))
    client.user("weather in rome and paris")
    for name in ("a", "b"):
        client.add(
            FunctionCall(id=name, name="get_weather", call_id=f"call_{name}", arguments="{}")
        )
    for name in ("a", "b"):
        client.add(FunctionCallOutput(id=f"o{name}", call_id=f"call_{name}", output=f"Rain {name}"))
    assert await client.respond() == "Rain a. Rain b."


async def test_while_a_function_has_not_answered_it_says_so() -> None:
    client = Client(tools=(WEATHER,))
    await client.say("weather in rome")
    assert await client.respond() == "I am still waiting for the function's answer."


@pytest.mark.parametrize("tool", ALL, ids=lambda tool: tool.name)
async def test_a_named_function_is_always_called_with_fitting_arguments(tool: FunctionTool) -> None:
    for said in (None, "", "hello", "four people in paris at nine"):
        client = Client(tools=ALL)
        if said is not None:
            client.user(said)
        await client.respond(tool_choice=FunctionChoice(tool.name))
        name, arguments = client.called()
        assert name == tool.name
        jsonschema.validate(arguments, tool.parameters or {})
        await client.answer("done", tool_choice=FunctionChoice(tool.name))
        assert client.called()[0] == tool.name


async def test_a_required_call_is_the_likeliest_one() -> None:
    client = Client(tools=ALL)
    await client.say("the kitchen lights", tool_choice="required")
    assert client.called()[0] == "setLights"
    assert client.called()[1]["room"] == "kitchen"
    await client.say("gibberish entirely", tool_choice="required")
    assert client.called()[0] == "get_weather"


async def test_call_ids_are_fit_for_the_wire_and_new() -> None:
    client = Client(tools=(CLOCK,))
    await client.say("what time is it")
    first = client.calls[0].call_id
    await client.say("what time is it")
    assert len(first) <= 32
    assert first.replace("_", "").isalnum()
    assert client.calls[0].call_id != first


# --- What the recogniser may expect ------------------------------------------


def test_without_a_script_commands_and_functions_are_expected() -> None:
    grammar = Client(tools=ALL).grammar()
    for phrase in (
        "what is the time",
        "weather",
        "billing",
        "kitchen | living room",
        "(plus | minus",
    ):
        assert phrase in grammar


# --- Scripts -----------------------------------------------------------------


@pytest.fixture(scope="module")
def booking() -> Script:
    return load_script(EXAMPLES / "room_booking.toml")


BOOK_ROOM = FunctionTool(name="book_room", parameters={"type": "object"})
STEPS = ("book a room", "mountain view", "today", "two thirty pm", "half an hour", "two people")


async def test_a_script_is_played_through_a_function_call(booking: Script) -> None:
    client = Client(booking, tools=(BOOK_ROOM,))
    assert (await client.respond()).startswith("Hello, this is the room desk.")
    for step in STEPS:
        await client.say(step)
    await client.say("yes")
    name, arguments = client.called()
    assert name == "book_room"
    assert arguments["room"] == "mountain_view"
    assert (await client.answer("Reference A1")).startswith("It is booked. Reference A1.")


async def test_an_answer_given_again_starts_from_the_same_place(booking: Script) -> None:
    client = Client(booking)
    client.user("book a room")
    first = await client.respond(keep=False)
    assert await client.respond(keep=False) == first
    assert (await client.say("old mill")) == "For which day?"


async def test_a_response_stopped_before_it_was_given_changes_nothing(booking: Script) -> None:
    client = Client(booking)
    client.user("book a room")
    thinking = client.mind.think(client.request())
    await thinking.aclose()
    thinking = client.mind.think(client.request())
    await anext(thinking)
    await thinking.aclose()
    assert (await client.respond()).startswith("Which room")
    stopped = Client(booking)
    stopped.user("book a room")
    thinking = stopped.mind.think(stopped.request())
    await anext(thinking)
    await thinking.aclose()
    assert (await stopped.say("how many rooms have i booked")) == "You have booked zero."


async def test_another_session_takes_the_conversation_up_where_it_was(booking: Script) -> None:
    first = Client(booking, tools=(BOOK_ROOM,))
    await first.respond()
    for step in (*STEPS, "yes", None, "how many rooms have i booked", "undo"):
        second = Client(booking, tools=(BOOK_ROOM,))
        second.items = [structs.replace(item, status="completed") for item in first.items]
        assert second.grammar() == first.grammar()
        if step is None:
            assert await second.answer("Reference A1") == await first.answer("Reference A1")
        else:
            assert await second.say(step) == await first.say(step)
        assert [call.arguments for call in second.calls] == [call.arguments for call in first.calls]


async def test_without_a_script_a_conversation_goes_on_and_is_not_heard_again() -> None:
    first = Client()
    await first.respond()
    await first.say("tell me a joke")
    await first.say("gibberish and nonsense")
    second = Client()
    second.items = [structs.replace(item, status="completed") for item in first.items]
    assert (await second.respond(keep=False)).startswith("I am still here.")
    assert await second.say("two plus two") == "Two plus two is four."
    third = Client()
    third.items = [*second.items[:-2]]
    assert await third.say("one plus two") == "One plus two is three."


async def test_of_a_long_history_the_newest_part_is_enough(booking: Script) -> None:
    first = Client(booking)
    await first.respond()
    for _ in range(2 * MAX_HEARD_AGAIN):
        await first.say("how many rooms have i booked")
    await first.say("book a room")
    second = Client(booking)
    second.items = first.items
    assert second.grammar() == first.grammar()
    assert await second.say("old mill") == "For which day?"


async def test_a_history_that_is_told_in_pieces_is_heard_once(booking: Script) -> None:
    first = Client(booking)
    await first.respond()
    for step in STEPS[:3]:
        await first.say(step)
    second = Client(booking)
    for item in first.items:
        second.items.append(item)
        second.grammar()  # As where the user begins to speak meanwhile.
    assert await second.say(STEPS[3]) == await first.say(STEPS[3])


async def after_a_cut(script: Script) -> Client:
    """Goes on with a conversation that ended as the answer to "mountain view" began."""
    client = Client(script)
    await client.respond()
    await client.say("book a room")
    client.user("mountain view")
    cut_off = (OutputAudio(transcript="For"),)
    client.add(Message(id="cut", role="assistant", status="incomplete", content=cut_off))
    another = Client(script)
    another.items = client.items
    return another


async def test_what_was_not_answered_in_the_other_session_is_still_to_be_answered(
    booking: Script,
) -> None:
    another = await after_a_cut(booking)
    assert await another.respond() == "For which day?"


async def test_who_goes_on_after_an_answer_that_was_cut_has_heard_it(booking: Script) -> None:
    another = await after_a_cut(booking)
    assert await another.say("today") == "And at what time?"


async def test_a_sentence_cut_in_two_by_a_pause_is_understood(booking: Script) -> None:
    client = Client(booking)
    await client.respond()
    client.user("I would like to book")
    assert (await client.say("a room")).startswith("Which room")


async def test_what_is_deleted_from_the_history_did_not_happen(booking: Script) -> None:
    client = Client(booking)
    await client.respond()
    await client.say("book a room")
    before = len(client.items)
    await client.say("mountain view")
    assert "today" in client.grammar()
    del client.items[before:]
    assert "mountain view" in client.grammar()
    assert await client.say("old mill") == "For which day?"


async def test_a_response_outside_of_the_conversation_leaves_it_as_it_is(booking: Script) -> None:
    client = Client(booking)
    await client.respond()
    client.user("book a room")
    await client.respond(keep=False, out_of_band=True, modality="text")
    await client.respond()
    await client.say("mountain view")
    client.user("today")
    await client.respond(keep=False, out_of_band=True)
    assert await client.respond() == "And at what time?"


async def test_what_is_expected_is_known_before_and_after_the_answer(booking: Script) -> None:
    client = Client(booking)
    client.user("book a room")
    before = client.grammar()
    await client.respond()
    assert "mountain view" in before
    assert client.grammar() == before


TINY = """#!antiphon-script
[agent]
name = "tiny"
greeting = "Tiny here."
start = "only"

[states.only]
on_enter = "Say ping."

[[states.only.intents]]
examples = ["ping"]
reply = ["pong", "pong again"]
"""


async def test_a_client_may_bring_its_own_script_in_the_instructions(booking: Script) -> None:
    client = Client(booking)
    client.options["instructions"] = TINY
    assert "ping" in client.grammar()
    assert await client.respond() == "Tiny here. Say ping."
    assert await client.say("ping!") == "pong"
    assert await client.respond(instructions="Say exactly: one moment.") == "one moment."
    assert await client.say("ping") == "pong again"
    client.options["instructions"] = "Something else."
    assert (await client.say("book a room")).startswith("Which room")


async def test_a_script_in_the_instructions_that_is_wrong_fails_the_response() -> None:
    client = Client()
    client.options["instructions"] = TINY.replace('"only"', '"olny"', 1)
    assert client.grammar() == ""
    with pytest.raises(EngineUnavailable, match="no state 'olny'; did you mean 'only'"):
        await client.respond()


async def test_a_named_function_is_called_in_a_script_too(booking: Script) -> None:
    client = Client(booking, tools=(BILLING,))
    await client.respond()
    await client.say("billing", tool_choice=FunctionChoice(BILLING.name))
    assert client.called() == (BILLING.name, {})
    assert await client.answer("transferred") == "transferred."
    assert (await client.say("book a room")).startswith("Which room")


async def test_who_speaks_another_language_is_answered_in_it_with_its_sounds() -> None:
    client = Client()
    assert (await client.say("wie spät ist es")).startswith("Ich spreche leider nur Englisch.")
    assert {news.language for news in client.news if isinstance(news, SayText)} == {"de"}
    await client.say("tell me a joke")
    assert {news.language for news in client.news if isinstance(news, SayText)} == {None}


@pytest.mark.parametrize(
    ("heard_language", "reply"),
    [("de", "Ich spreche leider nur Englisch."), ("pt-BR", "Só falo inglês."), ("en", "I heard")],
)
async def test_a_language_that_the_ears_found_needs_no_known_word(
    heard_language: str, reply: str
) -> None:
    client = Client()
    assert (await client.say("zzyzx qrrbl", heard_language=heard_language)).startswith(reply)


async def test_what_is_understood_is_answered_whatever_the_ears_took_it_for() -> None:
    client = Client()
    assert "Englisch" not in await client.say("tell me a joke", heard_language="de")


LOTTERY = """
[agent]
name = "a lottery"
greeting = "Your number is {code}."
start = "only"
[random]
code = { digits = 8 }
[states.only]
on_enter = "It is {code}."
final = true
"""


async def test_what_is_drawn_for_a_kept_conversation_is_drawn_alike_when_it_goes_on() -> None:
    script = parse_script(LOTTERY, source="test")

    async def told(drawn_for: str, chance: int) -> str:
        client = Client(script, chance=chance)
        client.options["drawn_for"] = drawn_for
        client.grammar(drawn_for="")  # Somebody spoke before the first answer.
        return await client.respond()

    assert await told("conv_1", 1) == await told("conv_1", 2)
    assert await told("conv_1", 1) != await told("conv_2", 1)
    assert await told("", 1) != await told("", 2)


SAID = [
    "tell me a joke",
    "my name is Ada",
    "tell me another joke",
    "pick a number",
    "what colour is the wind",
    "flip a coin",
    "tell me a joke",
    "what is my name",
    "do fish dream",
    "pick a number",
]


@pytest.mark.parametrize("broken_at", range(1, len(SAID)))
async def test_the_host_goes_on_as_if_the_conversation_had_not_been_broken(broken_at: int) -> None:
    unbroken = Client(chance=1)
    before, after = Client(chance=2), Client(chance=3)
    for client in (unbroken, before, after):
        client.options["drawn_for"] = "conv_1"
    expected = [await unbroken.say(text) for text in SAID]
    heard = [await before.say(text) for text in SAID[:broken_at]]
    after.items = before.items
    heard += [await after.say(text) for text in SAID[broken_at:]]
    assert heard == expected


async def test_a_timer_does_not_run_anew_when_its_conversation_goes_on() -> None:
    before, after = Client(), Client()
    await before.say("set a timer for five minutes")
    await before.say("my name is Ada")
    after.items = before.items
    assert (await after.say("how long is left")).startswith("No timer is running.")
    assert await after.say("what is my name") == "You told me: Ada."
