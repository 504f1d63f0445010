from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.effects import Generate
from antiphon.engines.cascade.llm.chat_messages import VOICE_HINT, chat_request
from antiphon.engines.cascade.llm.quirks import STRICTEST, Quirk, Quirks
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
from antiphon.protocol.session import FunctionChoice, FunctionTool, McpChoice, McpTool

BEGIN = "(The conversation has just begun. Speak first.)"
PENDING = "(Still running. The result will come later; do not call again.)"
UNSAID = "…"


def user(text: str | None) -> Message:
    return Message(role="user", content=(InputAudio(transcript=text),))


def assistant(text: str) -> Message:
    return Message(role="assistant", content=(OutputAudio(transcript=text),))


def system(text: str) -> Message:
    return Message(role="system", content=(InputText(text),))


def call(call_id: str, arguments: str = '{"a":1}', status: Any = "completed") -> FunctionCall:
    return FunctionCall(name="f", call_id=call_id, arguments=arguments, status=status)


def output(call_id: str, text: str | None = None) -> FunctionCallOutput:
    return FunctionCallOutput(call_id=call_id, output=f"out {call_id}" if text is None else text)


def body(*items: Item, quirks: Quirks = frozenset(), **options: Any) -> dict[str, Any]:
    return chat_request(Generate(response_id="r", items=items, **options), "m", quirks=quirks)


def messages(*items: Item, **options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body(*items, **{"modality": "text", **options})["messages"]
    return found


def told(*items: Item, quirks: Quirks = frozenset(), **options: Any) -> list[tuple[str, Any]]:
    """Each message as its role and words; a call by its id."""
    return [
        (
            m["role"],
            [c["id"] for c in m["tool_calls"]] if "tool_calls" in m else m["content"],
        )
        for m in messages(*items, quirks=quirks, **options)
    ]


def test_the_context_becomes_messages_in_order() -> None:
    image = InputImage(image_url="data:image/png;base64,AA", detail="low")
    assert messages(
        user("hello"),
        assistant("Hi."),
        Message(role="user", content=(InputText("look"), image)),
        instructions="You are a shop.",
    ) == [
        {"role": "system", "content": "You are a shop."},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "Hi."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look"},
                {
                    "type": "image_url",
                    "image_url": {"url": "data:image/png;base64,AA", "detail": "low"},
                },
            ],
        },
    ]


def test_spoken_answers_are_asked_for_as_such() -> None:
    spoken = body(user("hi"), instructions="Be brief.")["messages"][0]
    assert spoken == {"role": "system", "content": f"Be brief.\n\n{VOICE_HINT}"}


def test_what_is_known_of_the_user_and_the_servers_functions_stand_after_the_clients() -> None:
    own = FunctionTool("remember", "Keeps a fact.", {"type": "object"})
    options: dict[str, Any] = {"tools": (FunctionTool("weather"),), "server_tools": (own,)}
    asked = body(user("hi"), instructions="Be brief.", memory="Notes.", modality="text", **options)
    assert asked["messages"][0] == {"role": "system", "content": "Be brief.\n\nNotes."}
    assert [tool["function"]["name"] for tool in asked["tools"]] == ["weather", "remember"]


def test_an_empty_conversation_has_a_user_all_the_same() -> None:
    assert told(instructions="Greet.") == [("system", "Greet."), ("user", BEGIN)]


def test_after_a_greeting_the_conversation_begins_as_the_greeting_was_asked_for() -> None:
    # The same words in front: what the server has cached stays good.
    assert told(assistant("Hello!"), user("hi"), instructions="Greet.") == [
        ("system", "Greet."),
        ("user", BEGIN),
        ("assistant", "Hello!"),
        ("user", "hi"),
    ]


def test_speech_that_was_not_understood_is_told_of_and_silence_is_not() -> None:
    assert told(user(""), assistant("")) == [
        ("user", "(The user spoke, but nothing was understood.)")
    ]


def test_where_roles_must_take_turns_who_speaks_twice_in_a_row_has_one_message() -> None:
    strict = frozenset({Quirk.STRICT_TURNS})
    image = InputImage(image_url="data:image/png;base64,AA")
    items = (user("one"), user("two"), assistant("a"), assistant("b"), user("three"))
    assert told(*items, quirks=strict) == [
        ("user", "one\n\ntwo"),
        ("assistant", "a\n\nb"),
        ("user", "three"),
    ]
    assert len(told(*items)) == 5
    seen = Message(role="user", content=(image,))
    both = messages(user("see"), seen, quirks=strict)[0]["content"]
    assert [part["type"] for part in both] == ["text", "image_url"]


def test_where_roles_must_take_turns_an_answer_that_is_to_go_on_is_asked_to() -> None:
    items = (user("hi"), assistant("So,"))
    assert told(*items) == [("user", "hi"), ("assistant", "So,")]
    assert told(*items, quirks=frozenset({Quirk.STRICT_TURNS})) == [
        ("user", "hi"),
        ("assistant", "So,"),
        ("user", "(Go on.)"),
    ]


def test_system_items_in_front_join_the_instructions_and_later_ones_keep_their_place() -> None:
    assert told(system("A."), user("hi"), system("B."), user("so"), instructions="I.") == [
        ("system", "I.\n\nA."),
        ("user", "hi"),
        ("system", "B."),
        ("user", "so"),
    ]


# --- Calls ---------------------------------------------------------------------


def test_parallel_calls_are_one_message_followed_by_their_outputs() -> None:
    found = messages(user("x"), call("a"), call("b"), output("b"), output("a"), assistant("ok"))
    assert [m["role"] for m in found] == ["user", "assistant", "tool", "tool", "assistant"]
    assert [c["id"] for c in found[1]["tool_calls"]] == ["a", "b"]
    assert found[1]["content"] is None
    assert [(m["tool_call_id"], m["content"]) for m in found[2:4]] == [
        ("a", "out a"),
        ("b", "out b"),
    ]


def test_words_before_a_call_stand_in_its_message() -> None:
    found = messages(user("x"), assistant("Let me look."), call("a"), output("a"))
    assert [m["role"] for m in found] == ["user", "assistant", "tool"]
    assert found[1]["content"] == "Let me look."


def test_a_call_that_still_runs_is_shown_as_pending() -> None:
    assert told(user("book"), call("a"), user("well?")) == [
        ("user", "book"),
        ("assistant", ["a"]),
        ("tool", PENDING),
        ("user", "well?"),
    ]


def test_a_result_that_came_late_stands_after_its_call_and_is_announced_where_it_came() -> None:
    assert told(user("book"), call("a"), user("well?"), assistant("Wait."), output("a")) == [
        ("user", "book"),
        ("assistant", ["a"]),
        ("tool", "out a"),
        ("user", "well?"),
        ("assistant", "Wait."),
        ("user", "(The result of f has come.)"),
    ]


def test_half_a_call_is_not_sent_again_nor_is_an_output_without_a_call() -> None:
    half = call("h", '{"city": "Frank', status="incomplete")
    running = call("r", '{"ci', status="in_progress")
    assert told(user("x"), half, running, output("h"), output("z"), user("y")) == [
        ("user", "x"),
        ("user", "y"),
    ]


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ("", "{}"),
        ("null", "{}"),
        ("[1]", '{"value":[1]}'),
        ("to Berlin", '{"value":"to Berlin"}'),
    ],
)
def test_templates_are_given_arguments_that_they_can_read(arguments: str, sent: str) -> None:
    found = messages(user("x"), call("a", arguments), output("a"))
    assert found[1]["tool_calls"][0]["function"]["arguments"] == sent


def test_an_empty_output_says_so() -> None:
    assert told(user("x"), call("a"), output("a", ""))[-1] == ("tool", "(no output)")


# --- Quirks --------------------------------------------------------------------


def test_where_system_messages_stand_only_in_front_later_ones_are_remarks() -> None:
    items = (user("hi"), assistant("Yes?"), system("Page 3."), user("what now"))
    assert told(*items, quirks=frozenset({Quirk.FRONT_SYSTEM}), instructions="I.") == [
        ("system", "I."),
        ("user", "hi"),
        ("assistant", "Yes?"),
        ("user", "(Page 3.)"),
        ("user", "what now"),
    ]
    assert told(*items, quirks=frozenset({Quirk.NO_SYSTEM}), instructions="I.") == [
        ("user", "I.\n\nhi"),
        ("assistant", "Yes?"),
        ("user", "(Page 3.)"),
        ("user", "what now"),
    ]


def test_where_roles_must_take_turns_an_answer_that_was_never_said_stands_in() -> None:
    items = (user("x"), call("a"), output("a"), user("y"))
    assert told(*items, quirks=frozenset({Quirk.STRICT_TURNS})) == [
        ("user", "x"),
        ("assistant", ["a"]),
        ("tool", "out a"),
        ("assistant", UNSAID),
        ("user", "y"),
    ]


@pytest.mark.parametrize(
    ("quirk", "content"),
    [(Quirk.TEXT_CONTENT, ""), (Quirk.FILLED_CONTENT, UNSAID)],
)
def test_where_null_is_refused_a_call_has_words(quirk: Quirk, content: str) -> None:
    found = messages(user("x"), call("a"), output("a"), quirks=frozenset({quirk}))
    assert found[1]["content"] == content


def test_where_words_and_calls_exclude_each_other_the_call_stays() -> None:
    quirks = frozenset({Quirk.CALL_WITHOUT_WORDS})
    found = messages(user("x"), assistant("I look."), call("a"), output("a"), quirks=quirks)
    assert found[1]["content"] is None
    assert [c["id"] for c in found[1]["tool_calls"]] == ["a"]


def test_where_a_message_may_make_one_call_each_call_has_its_own() -> None:
    items = (user("x"), call("a"), call("b"), call("c"), output("a"), output("c"))
    assert told(*items, quirks=frozenset({Quirk.ONE_CALL_EACH})) == [
        ("user", "x"),
        ("assistant", ["a"]),
        ("tool", "out a"),
        ("assistant", ["b"]),
        ("tool", PENDING),
        ("assistant", ["c"]),
        ("tool", "out c"),
    ]


def test_where_images_are_not_taken_a_remark_stands_for_them() -> None:
    image = InputImage(image_url="data:image/png;base64,AA")
    seen = Message(role="user", content=(InputText("look"), image))
    assert told(seen, user("well?"), quirks=frozenset({Quirk.NO_IMAGES})) == [
        ("user", "look\n\n(An image that you cannot see.)"),
        ("user", "well?"),
    ]


def test_where_a_function_cannot_be_chosen_it_is_the_only_one() -> None:
    tools = (TOOL, FunctionTool(name="g"))
    options: dict[str, Any] = {"tools": tools, "quirks": frozenset({Quirk.AUTO_CHOICE})}
    found = body(user("x"), tool_choice=FunctionChoice("g"), **options)
    assert found["tool_choice"] == "auto"
    assert [tool["function"]["name"] for tool in found["tools"]] == ["g"]
    assert len(body(user("x"), tool_choice="required", **options)["tools"]) == 2
    assert body(user("x"), tool_choice="none", **options)["tool_choice"] == "none"


def test_short_call_ids_are_the_same_in_call_and_output_and_stay_so() -> None:
    items = (user("x"), call("call_0123456789abcdef"), output("call_0123456789abcdef"))
    found = messages(*items, call("AbC123xyz"), quirks=frozenset({Quirk.SHORT_CALL_IDS}))
    assert [m["role"] for m in found] == ["user", "assistant", "tool", "assistant", "tool"]
    short = found[1]["tool_calls"][0]["id"]
    assert re.fullmatch("[A-Za-z0-9]{9}", short)
    assert found[2]["tool_call_id"] == short
    assert found[3]["tool_calls"][0]["id"] == "AbC123xyz"
    assert messages(*items, quirks=frozenset({Quirk.SHORT_CALL_IDS}))[2]["tool_call_id"] == short


ITEMS = st.lists(
    st.sampled_from(["a", "b", "c"]).flatmap(
        lambda i: st.sampled_from(
            [
                call(i),
                call(i, status="incomplete"),
                output(i),
                user(i),
                assistant(i),
                system(i),
                user(""),
                assistant(""),
            ]
        )
    ),
    max_size=14,
)


@given(ITEMS, st.frozensets(st.sampled_from(Quirk)))
def test_each_tool_message_follows_the_message_that_calls_it(
    items: list[Item], quirks: Quirks
) -> None:
    waiting: list[str] = []
    seen: list[str] = []
    for message in messages(*items, quirks=quirks - {Quirk.SHORT_CALL_IDS}):
        if message["role"] == "tool":
            assert message["tool_call_id"] == waiting.pop(0)
            assert message["content"]
            continue
        assert waiting == []
        for made in message.get("tool_calls", ()):
            waiting.append(made["id"])
            seen.append(made["id"])
    assert waiting == []
    whole = {i.call_id for i in items if isinstance(i, FunctionCall) and i.status == "completed"}
    assert sorted(seen) == sorted(str(call_id) for call_id in whole)


@given(ITEMS, st.sampled_from(["", "Be kind."]))
def test_the_strictest_server_has_nothing_to_complain_of(items: list[Item], rules: str) -> None:
    found = messages(*items, instructions=rules, quirks=STRICTEST)
    roles = [message["role"] for message in found]
    assert "system" not in roles[1:]
    turns = ["system", *roles] if roles[0] != "system" else roles
    follows = {
        "system": {"user"},
        "user": {"assistant"},
        "assistant": {"user", "tool"},
        "tool": {"assistant"},
    }
    for before, after in itertools.pairwise(turns):
        assert after in follows[before]
    assert roles[-1] in ("user", "tool")
    for message in found:
        assert isinstance(message["content"], str | list)
        assert message["content"]
        assert len(message.get("tool_calls", [1])) == 1


@given(ITEMS, ITEMS)
def test_what_was_sent_stays_as_it_was_when_the_talk_goes_on(
    items: list[Item], more: list[Item]
) -> None:
    items = [user("hi"), *items, assistant("Yes.")]
    # But for what changes by itself: a result takes the place of "still running".
    more = [item for item in more if not isinstance(item, FunctionCallOutput)]
    before = messages(*items)
    kept = before[:-1]  # Words may be followed by their call.
    assert messages(*items, *more)[: len(kept)] == kept


def test_calls_one_after_the_other_stay_so() -> None:
    items = (user("x"), call("a"), output("a"), call("b"), output("b"))
    assert told(*items) == [
        ("user", "x"),
        ("assistant", ["a"]),
        ("tool", "out a"),
        ("assistant", ["b"]),
        ("tool", "out b"),
    ]


TOOL = FunctionTool(name="f", description="Does f.", parameters={"type": "object"})


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        (FunctionChoice("f"), {"type": "function", "function": {"name": "f"}}),
        (McpChoice("server"), "auto"),
    ],
)
def test_the_choice_of_tools_is_written_as_the_api_has_it(choice: Any, written: Any) -> None:
    found = body(user("x"), tools=(TOOL, McpTool(server_label="s")), tool_choice=choice)
    assert found["tool_choice"] == written
    assert found["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "f",
                "description": "Does f.",
                "parameters": {"type": "object"},
            },
        }
    ]


def test_without_functions_there_is_no_word_of_tools() -> None:
    assert not {"tools", "tool_choice"} & body(user("x"), tool_choice="required").keys()


def test_a_limit_of_tokens_is_passed_on_and_no_limit_is_not() -> None:
    assert body(user("x"), max_output_tokens=77)["max_tokens"] == 77
    assert "max_tokens" not in body(user("x"))


def test_a_limit_has_the_name_that_the_server_takes() -> None:
    newer = body(user("x"), max_output_tokens=77, quirks=frozenset({Quirk.NEWER_LIMIT}))
    assert newer["max_completion_tokens"] == 77
    assert "max_tokens" not in newer
    none = body(user("x"), max_output_tokens=77, quirks=frozenset({Quirk.NO_LIMIT}))
    assert not any(key.startswith("max") for key in none)


def test_what_a_client_says_of_calls_and_reasoning_reaches_the_model() -> None:
    options: dict[str, Any] = {"parallel_tool_calls": False, "reasoning_effort": "low"}
    found = body(user("x"), tools=(TOOL,), **options)
    assert (found["parallel_tool_calls"], found["reasoning_effort"]) == (False, "low")
    assert "parallel_tool_calls" not in body(user("x"), **options)  # Without tools it is refused.
    assert not options.keys() & body(user("x"), tools=(TOOL,)).keys()
    refused = frozenset({Quirk.NO_PARALLEL_CHOICE, Quirk.NO_EFFORT, Quirk.NO_USAGE})
    left = body(user("x"), tools=(TOOL,), quirks=refused, **options)
    assert not {*options, "stream_options"} & left.keys()


def test_what_the_operator_adds_overrules_what_we_send() -> None:
    request = Generate(response_id="r", items=(user("x"),), reasoning_effort="low")
    extra = {"top_k": 20, "reasoning_effort": "none"}
    found = chat_request(request, "m", extra_body=extra)
    assert (found["top_k"], found["reasoning_effort"]) == (20, "none")
