from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.http.sse import MalformedStream, SseReader
from antiphon.engines.cascade.llm.chat_stream import ChatStream, UpstreamError
from antiphon.engines.cascade.parts import CallTool, SayText, Thinking, Thought
from antiphon.testing.openai_server import call_piece, delta_chunk, events, text_chunks

CALLS = [
    delta_chunk({"content": "Let me see…"}),
    delta_chunk({"tool_calls": [call_piece(0, call_id="call_a", name="first")]}),
    delta_chunk({"tool_calls": [call_piece(0, '{"city":')]}),
    delta_chunk({"tool_calls": [call_piece(0, ' "Zürich"}')]}),
    delta_chunk({"tool_calls": [call_piece(1, call_id="call_b", name="second")]}),
    delta_chunk({"tool_calls": [call_piece(1, "{}")]}),
    delta_chunk({}, "tool_calls"),
]


TOOLS = ("first", "second", "get", "get_weather", "get_time", "f", "g")


def chat_stream(taken: tuple[str, ...] = ()) -> ChatStream:
    numbers = itertools.count(1)
    return ChatStream(new_call_id=lambda: f"new_{next(numbers)}", taken=taken, tool_names=TOOLS)


def read(wire: bytes, *cuts: int, taken: tuple[str, ...] = ()) -> list[Thinking]:
    stream = chat_stream(taken)
    reader, found = SseReader(), list[Thinking]()
    for start, end in itertools.pairwise((0, *cuts, len(wire))):
        for data in reader.feed(wire[start:end]):
            found += stream.take(data)
    for data in reader.end():
        found += stream.take(data)
    return found + stream.end()


def calls(thoughts: list[Thinking]) -> list[tuple[str, str, str]]:
    """Each whole call; its pieces must come without a gap, and only the last one ends it."""
    found: list[tuple[str, str, str]] = []
    for call_id, pieces in itertools.groupby(
        [t for t in thoughts if isinstance(t, CallTool)], key=lambda t: t.call_id
    ):
        listed = list(pieces)
        assert [piece.ended for piece in listed] == [False] * (len(listed) - 1) + [True]
        found.append((call_id, listed[0].name, "".join(piece.arguments for piece in listed)))
    assert len({call[0] for call in found}) == len(found)
    return found


def test_the_stream_is_the_same_wherever_it_is_cut() -> None:
    for wire in (
        events(CALLS),
        events(CALLS).replace(b"\n", b"\r\n"),
        events(CALLS).replace(b"\n", b"\r"),
    ):
        whole = read(wire)
        assert calls(whole) == [
            ("call_a", "first", '{"city": "Zürich"}'),
            ("call_b", "second", "{}"),
        ]
        for cut in range(len(wire)):
            assert read(wire, cut) == whole


@given(st.lists(st.integers(0, 900), max_size=8))
def test_the_stream_is_the_same_in_many_pieces(cuts: list[int]) -> None:
    wire = events(CALLS)
    assert read(wire, *sorted(min(cut, len(wire)) for cut in cuts)) == read(wire)


def test_comments_other_fields_and_a_missing_end_do_not_matter() -> None:
    wire = b": keep-alive\n\nevent: message\nid: 1\ndata:" + events(text_chunks("Hi"))[6:]
    assert read(wire.rstrip(b"\n"))[0] == SayText("Hi")


def test_calls_that_are_mixed_up_come_one_after_the_other() -> None:
    names = [call_piece(0, call_id="a", name="f"), call_piece(1, call_id="b", name="g")]
    mixed = [
        delta_chunk({"tool_calls": names}),
        delta_chunk({"tool_calls": [call_piece(1, "[2"), call_piece(0, "[1")]}),
        delta_chunk({"tool_calls": [call_piece(1, "]"), call_piece(0, "]")]}),
        delta_chunk({}, "tool_calls"),
    ]
    found = calls(read(events(mixed)))
    assert [(name, arguments) for _, name, arguments in found] == [("f", "[1]"), ("g", "[2]")]


def test_servers_that_number_calls_badly_or_not_at_all() -> None:
    same = [
        call_piece(0, "[1]", call_id="a", name="f"),
        call_piece(0, "[2]", call_id="b", name="f"),
    ]
    none: list[dict[str, Any]] = [
        {k: v for k, v in piece.items() if k != "index"} for piece in same
    ]
    for pieces in (same, none):
        wire = events([delta_chunk({"tool_calls": pieces}), delta_chunk({}, "tool_calls")])
        assert calls(read(wire)) == [("a", "f", "[1]"), ("b", "f", "[2]")]


def test_ids_that_the_realtime_api_does_not_allow_or_that_are_taken_are_replaced() -> None:
    pieces = [
        call_piece(0, "{}", call_id="x" * 40, name="f"),
        call_piece(1, "{}", call_id="a/b", name="f"),
        call_piece(2, "{}", call_id="call_0", name="f"),
        call_piece(3, "{}", name="f"),
    ]
    wire = events([delta_chunk({"tool_calls": pieces}), delta_chunk({}, "stop")])
    assert [call[0] for call in calls(read(wire, taken=("call_0",)))] == [
        "new_1",
        "new_2",
        "new_3",
        "new_4",
    ]


def test_arguments_that_are_empty_or_an_object_become_json_text() -> None:
    odd: dict[str, Any] = {"index": 1, "id": "b", "function": {"name": "g", "arguments": {"a": 1}}}
    pieces = [call_piece(0, call_id="a", name="f"), odd]
    wire = events([delta_chunk({"tool_calls": pieces}), delta_chunk({}, "tool_calls")])
    assert [call[2] for call in calls(read(wire))] == ["{}", '{"a": 1}']


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", None),
        ("eos", None),
        ("length", "max_output_tokens"),
        ("MAX_TOKENS", "max_output_tokens"),
        ("content_filter", "content_filter"),
        ("SAFETY", "content_filter"),
    ],
)
def test_why_it_ended_and_what_it_used(finish: str, reason: Any) -> None:
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    end = read(events(text_chunks("x", finish_reason=finish, usage=usage)))[-1]
    assert end == Thought(reason=reason, input_tokens=9, output_tokens=3, cached_tokens=4)
    assert read(events(text_chunks("x")))[-1] == Thought()


def test_a_whole_message_is_taken_as_well() -> None:
    message = {"role": "assistant", "content": "All at once."}
    whole = {"choices": [{"message": message, "finish_reason": "stop"}]}
    assert read(events([whole], done=False))[0] == SayText("All at once.")


def said(thoughts: list[Thinking]) -> str:
    return "".join(t.text for t in thoughts if isinstance(t, SayText))


def deltas(*contents: Any, finish: str | None = "stop") -> bytes:
    chunks = [delta_chunk({"content": content}) for content in contents]
    return events([*chunks, delta_chunk({}, finish)])


def test_content_may_be_a_list_of_parts_and_its_thoughts_are_not_said() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    found = read(deltas([thinking, {"type": "text", "text": "Hi"}], [{"text": " you"}, "!"]))
    assert said(found) == "Hi you!"


def test_half_a_character_waits_for_the_other_half() -> None:
    wire = b'data: {"choices":[{"delta":{"content":"Hi \\ud83d"}}]}\n\n'
    wire += b'data: {"choices":[{"delta":{"content":"\\ude00!"}}]}\n\n'
    wire += b'data: {"choices":[{"delta":{"content":" \\ude00 \xff"}}]}\n\ndata: [DONE]\n\n'
    assert (
        said(read(wire))
        == "Hi \N{GRINNING FACE}! \N{REPLACEMENT CHARACTER} \N{REPLACEMENT CHARACTER}"
    )


def test_blank_text_is_no_message() -> None:
    assert read(deltas("\n", "\n ", "")) == [Thought()]
    assert said(read(deltas("\n\n", "  Hi", "\n", "there"))) == "Hi\nthere"


def test_a_whole_message_after_its_pieces_is_not_said_again() -> None:
    last = {"choices": [{"delta": {}, "message": {"content": "Hi."}, "finish_reason": "stop"}]}
    assert said(read(events([delta_chunk({"content": "Hi."}), last]))) == "Hi."


@pytest.mark.parametrize("empty", ["", "null", None, 0])
def test_an_empty_reason_is_no_end(empty: Any) -> None:
    stream = chat_stream()
    stream.take(json.dumps(delta_chunk({"content": "x"}, empty)).encode())
    assert stream.finish_reason is None


def test_a_reason_beside_content_may_be_in_every_chunk() -> None:
    stream = chat_stream()
    stream.take(json.dumps(delta_chunk({"content": "x"}, "stop")).encode())
    assert (stream.finish_reason, stream.is_settled) == ("stop", False)
    stream.take(json.dumps(delta_chunk({}, "stop")).encode())
    assert stream.is_settled


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_is_a_sign_of_life_and_is_not_said(field: str) -> None:
    stream = chat_stream()
    assert stream.take(json.dumps(delta_chunk({"role": "assistant", "content": ""})).encode()) == []
    assert not stream.thinks
    assert stream.take(json.dumps(delta_chunk({field: "hm"})).encode()) == []
    assert (stream.thinks, stream.began) == (True, False)


def test_the_older_function_call_is_a_call() -> None:
    chunks = [
        delta_chunk({"function_call": {"name": "f", "arguments": ""}}),
        delta_chunk({"function_call": {"arguments": '{"a": 1}'}}),
        delta_chunk({}, "function_call"),
    ]
    assert [call[1:] for call in calls(read(events(chunks)))] == [("f", '{"a": 1}')]


def test_a_server_that_gave_up_has_not_finished() -> None:
    with pytest.raises(UpstreamError):
        read(deltas("x", finish="error"))


@pytest.mark.parametrize(
    "data",
    [b"{", b"[]", b'{"choices": [3]}', b'{"choices": [{"delta": "x"}]}', b"\xff",
     b'{"choices": [{"delta": {"tool_calls": [1]}}]}'],
)  # fmt: skip
def test_what_is_no_chunk_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedStream):
        chat_stream().take(data)


@pytest.mark.parametrize(
    "data",
    [
        b'{"error": {"message": "out of memory"}}',
        b'{"error": "out of memory"}',
        b'{"object": "error", "message": "out of memory"}',
    ],
)
def test_an_error_in_the_stream_is_one(data: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        chat_stream().take(data)
    assert caught.value.body == data
