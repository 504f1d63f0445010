from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.effects import Generate
from antiphon.engines.cascade.llm.chat_messages import VOICE_HINT, chat_request
from antiphon.protocol.items import (
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputImage,
    InputText,
    Item,
    Message,
    OutputAudio,
    OutputText,
)
from antiphon.protocol.session import FunctionChoice, FunctionTool, McpChoice, McpTool


def user(text: str | None) -> Message:
    return Message(role="user", content=(InputAudio(transcript=text),))


def assistant(text: str) -> Message:
    return Message(role="assistant", content=(OutputAudio(transcript=text),))


def call(call_id: str, name: str = "f") -> FunctionCall:
    return FunctionCall(name=name, call_id=call_id, arguments='{"a":1}')


def output(call_id: str) -> FunctionCallOutput:
    return FunctionCallOutput(call_id=call_id, output=f"out {call_id}")


def body(*items: Item, **options: Any) -> dict[str, Any]:
    return chat_request(Generate(response_id="r", items=items, **options), "m")


def messages(*items: Item, **options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body(*items, modality="text", **options)["messages"]
    return found


def test_the_context_becomes_messages_in_order() -> None:
    image = InputImage(image_url="data:image/png;base64,AA", detail="low")
    assert messages(
        Message(role="system", content=(InputText("Be kind."),)),
        user("hello"),
        assistant("Hi."),
        Message(role="assistant", content=(OutputText("I am here."),)),
        Message(role="user", content=(InputText("look"), image)),
        instructions="You are a shop.",
    ) == [
        {"role": "system", "content": "You are a shop."},
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "Hi."},
        {"role": "assistant", "content": "I am here."},
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


def test_an_empty_conversation_has_a_user_all_the_same() -> None:
    assert [m["role"] for m in messages(instructions="Greet.")] == ["system", "user"]


def test_speech_that_was_not_understood_is_told_of_and_silence_is_not() -> None:
    assert messages(user(""), assistant("")) == [
        {"role": "user", "content": "(The user spoke, but nothing was understood.)"}
    ]


def test_parallel_calls_are_one_message_followed_by_their_outputs() -> None:
    found = messages(user("x"), call("a"), call("b"), output("b"), output("a"), assistant("ok"))
    assert [m["role"] for m in found] == ["user", "assistant", "tool", "tool", "assistant"]
    assert [c["id"] for c in found[1]["tool_calls"]] == ["a", "b"]
    assert found[1]["content"] is None
    assert [(m["tool_call_id"], m["content"]) for m in found[2:4]] == [
        ("a", "out a"),
        ("b", "out b"),
    ]


def test_an_output_that_came_late_stands_after_its_call() -> None:
    found = messages(call("a"), user("well?"), output("a"))
    assert [m["role"] for m in found] == ["assistant", "tool", "user"]


def test_calls_without_output_and_outputs_without_call_are_left_out() -> None:
    found = messages(call("a"), user("x"), output("z"), call("b"), output("b"))
    assert [m["role"] for m in found] == ["user", "assistant", "tool"]


ITEMS = st.lists(
    st.sampled_from(["a", "b", "c"]).flatmap(
        lambda i: st.sampled_from([call(i), output(i), user(i), assistant(i)])
    ),
    max_size=12,
)


@given(ITEMS)
def test_each_tool_message_follows_the_message_that_calls_it(items: list[Item]) -> None:
    waiting: list[str] = []
    seen: set[str] = set()
    for message in messages(*items):
        if message["role"] == "tool":
            assert message["tool_call_id"] == waiting.pop(0)
            continue
        assert waiting == []
        for made in message.get("tool_calls", ()):
            waiting.append(made["id"])
            seen.add(made["id"])
    assert waiting == []
    answered = {
        item.call_id
        for n, item in enumerate(items)
        if isinstance(item, FunctionCallOutput)
        and any(isinstance(i, FunctionCall) and i.call_id == item.call_id for i in items[:n])
    }
    assert seen == answered


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
