from __future__ import annotations

from typing import Any

from antiphon.core.effects import Generate
from antiphon.engines.cascade.llm.quirks import Quirk
from antiphon.engines.cascade.llm.responses_request import responses_request
from antiphon.protocol.items import (
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputImage,
    InputText,
    Message,
    OutputText,
)
from antiphon.protocol.session import FunctionChoice, FunctionTool

TOOL = FunctionTool("look", "Look around.", {"type": "object", "properties": {}})
ITEMS = (
    Message(role="user", content=(InputAudio("What is there?"),)),
    Message(role="assistant", content=(OutputText("Let me see."),)),
    FunctionCall(call_id="call_1", name="look", arguments="{}", status="completed"),
    FunctionCallOutput(call_id="call_1", output="a chair"),
    Message(
        role="user",
        content=(InputText("And here?"), InputImage("data:image/png;base64,AA==", "high")),
    ),
)


def body(**request: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"response_id": "r", "items": ITEMS, "modality": "text", **request}
    return responses_request(Generate(**given), "m", voice_hint="")


def test_a_conversation_becomes_input_items() -> None:
    assert body(instructions="Be brief.") == {
        "model": "m",
        "stream": True,
        "store": False,
        "input": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is there?"},
            {"role": "assistant", "content": "Let me see."},
            {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "a chair"},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "And here?"},
                    {
                        "type": "input_image",
                        "image_url": "data:image/png;base64,AA==",
                        "detail": "high",
                    },
                ],
            },
        ],
    }


def test_tools_limits_and_effort_have_the_names_of_this_api() -> None:
    asked = body(
        tools=(TOOL,),
        tool_choice=FunctionChoice("look"),
        parallel_tool_calls=False,
        max_output_tokens=100,
        reasoning_effort="low",
    )
    assert asked["tools"] == [
        {
            "type": "function",
            "name": "look",
            "description": "Look around.",
            "parameters": {"type": "object", "properties": {}},
            "strict": False,
        }
    ]
    assert asked["tool_choice"] == {"type": "function", "name": "look"}
    assert asked["parallel_tool_calls"] is False
    assert asked["max_output_tokens"] == 100
    assert asked["reasoning"] == {"effort": "low"}


def test_what_a_server_refused_is_left_out_here_too() -> None:
    request = Generate(
        response_id="r", items=ITEMS, max_output_tokens=100, reasoning_effort="low", tools=(TOOL,)
    )
    quirks = frozenset({Quirk.NO_LIMIT, Quirk.NO_EFFORT})
    asked = responses_request(request, "m", quirks=quirks, extra_body={"store": True, "x": 1})
    assert not {"max_output_tokens", "reasoning"} & asked.keys()
    assert (asked["store"], asked["x"]) == (True, 1)
