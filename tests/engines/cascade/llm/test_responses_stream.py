from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.http.sse import MalformedStream
from antiphon.engines.cascade.llm.chat_stream import UpstreamError
from antiphon.engines.cascade.llm.responses_stream import ResponsesStream
from antiphon.engines.cascade.parts import CallTool, SayText, Thinking, Thought
from antiphon.testing.openai_server import response_call, response_ends, response_texts

Event = dict[str, Any]


def thought(*events: Event, ended: bool = True) -> list[Thinking]:
    ids = count(1)
    stream = ResponsesStream(new_call_id=lambda: f"new_{next(ids)}", tool_names=["look"])
    found: list[Thinking] = []
    for event in events:
        found += stream.take(json.dumps(event).encode())
    assert stream.done is ended
    return [*found, *stream.end()]


USAGE = {
    "input_tokens": 7,
    "output_tokens": 3,
    "input_tokens_details": {"cached_tokens": 5},
}


def test_text_is_passed_on_as_it_comes_with_the_tokens_at_the_end() -> None:
    assert thought(*response_texts("One ", "two."), response_ends(usage=USAGE)) == [
        SayText("One "),
        SayText("two."),
        Thought(None, 7, 3, 5),
    ]


def test_a_call_comes_in_pieces_under_the_id_of_the_server() -> None:
    events = response_call(1, "look", '{"at":', ' "door"}', call_id="call_a")
    found = thought(*response_texts("Well."), *events, response_ends())
    assert found[0] == SayText("Well.")
    calls = [part for part in found if isinstance(part, CallTool)]
    assert {(call.call_id, call.name) for call in calls} == {("call_a", "look")}
    assert "".join(call.arguments for call in calls) == '{"at": "door"}'
    assert [call.ended for call in calls] == [False] * (len(calls) - 1) + [True]


def test_two_calls_come_one_after_the_other() -> None:
    found = thought(
        *response_call(0, "look", '{"at": 1}', call_id="a"),
        *response_call(1, "look", '{"at": 2}', call_id="b"),
        response_ends(),
    )
    ended = [part.call_id for part in found if isinstance(part, CallTool) and part.ended]
    assert ended == ["a", "b"]


WHOLE_CALL = {"type": "function_call", "call_id": "a", "name": "look", "arguments": '{"at": 1}'}
MESSAGE = {"type": "message", "content": [{"type": "output_text", "text": "One two."}]}


@pytest.mark.parametrize(
    "events",
    [
        [{"type": "response.output_item.done", "output_index": 0, "item": WHOLE_CALL}],
        [
            {
                "type": "response.output_item.added",
                "output_index": 0,
                "item": {**WHOLE_CALL, "arguments": ""},
            },
            {
                "type": "response.function_call_arguments.done",
                "output_index": 0,
                "arguments": '{"at": 1}',
            },
        ],
    ],
)
def test_a_call_may_come_in_one_piece(events: list[Event]) -> None:
    found = thought(*events, response_ends())
    arguments = "".join(part.arguments for part in found if isinstance(part, CallTool))
    assert arguments == '{"at": 1}'


def test_a_whole_answer_is_one_too() -> None:
    response = {"object": "response", "status": "completed", "usage": USAGE}
    found = thought({**response, "output": [MESSAGE, WHOLE_CALL]}, ended=False)
    assert found[0] == SayText("One two.")
    assert found[-1] == Thought(None, 7, 3, 5)
    assert any(isinstance(part, CallTool) and part.ended for part in found)


def test_nothing_is_said_twice_though_the_end_repeats_all() -> None:
    end = response_ends(output=[MESSAGE])
    done = {"type": "response.output_item.done", "output_index": 0, "item": MESSAGE}
    assert thought(*response_texts("One ", "two."), done, end)[:-1] == [
        SayText("One "),
        SayText("two."),
    ]


@pytest.mark.parametrize(
    ("reason", "told"),
    [("max_output_tokens", "max_output_tokens"), ("content_filter", "content_filter")],
)
def test_an_answer_that_was_cut_says_why(reason: str, told: str) -> None:
    found = thought(*response_texts("One "), response_ends(incomplete=reason))
    end = found[-1]
    assert isinstance(end, Thought)
    assert end.reason == told


def test_half_a_call_that_was_cut_is_never_whole() -> None:
    half = response_call(0, "look", '{"at": "do', call_id="a")[:-1]
    found = thought(*half, response_ends(incomplete="max_output_tokens"))
    assert not any(isinstance(part, CallTool) and part.ended for part in found)


def test_reasoning_is_a_sign_of_life_and_never_said() -> None:
    stream = ResponsesStream(new_call_id=lambda: "x")
    event = {"type": "response.reasoning_summary_text.delta", "delta": "The user wants"}
    assert stream.take(json.dumps(event).encode()) == []
    assert (stream.thinks, stream.began) == (True, False)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "server_error", "message": "It broke."},
        {"type": "error", "error": {"message": "It broke."}},
        {"error": {"message": "It broke."}},
        {"type": "response.failed", "response": {"error": {"message": "It broke."}}},
        {"object": "response", "status": "failed", "error": {"message": "It broke."}},
    ],
)
def test_an_error_within_the_stream_is_told_in_its_words(event: Event) -> None:
    with pytest.raises(UpstreamError) as failed:
        thought(event)
    assert b"It broke." in failed.value.body


FIELDS = (
    "type", "item", "delta", "response", "output_index", "output", "error", "arguments", "name",
    "content", "usage", "status",
)  # fmt: skip


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["type", "item", "delta", "response", "output_index", "output", "error"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
    st.sampled_from(
        [
            "response.output_text.delta",
            "response.output_item.added",
            "response.output_item.done",
            "response.function_call_arguments.delta",
            "response.completed",
            "response.incomplete",
            "response.x",
        ]
    ),
)
def test_any_event_is_read_or_refused(value: Any, kind: str) -> None:
    stream = ResponsesStream(new_call_id=lambda: "x")
    event = {**value, "type": kind} if isinstance(value, dict) else value
    try:
        stream.take(json.dumps(event).encode())
        stream.end()
    except (MalformedStream, UpstreamError):
        pass
