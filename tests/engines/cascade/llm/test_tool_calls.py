"""Each call once and whole, however a server writes it: what streams of real ones look like."""

from __future__ import annotations

import itertools
import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.llm.chat_stream import ChatStream
from antiphon.engines.cascade.parts import CallTool, SayText, Thinking, Thought
from antiphon.testing.openai_server import delta_chunk

NAMES = ("get", "get_weather", "get_time", "set_timer")


def piece(name: str | None = None, arguments: Any = "", **more: Any) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return {"function": function, **more}


Step = list[dict[str, Any]] | str
"""Pieces of calls, or text between them."""


def read(steps: list[Step], finish: str | None = "tool_calls") -> list[Thinking]:
    numbers = itertools.count(1)
    stream = ChatStream(new_call_id=lambda: f"new_{next(numbers)}", tool_names=NAMES)
    found: list[Thinking] = []
    for step in steps:
        delta = {"content": step} if isinstance(step, str) else {"tool_calls": step}
        found += stream.take(json.dumps(delta_chunk(delta)).encode())
    if finish is not None:
        found += stream.take(json.dumps(delta_chunk({}, finish)).encode())
    return found + stream.end()


class Found(NamedTuple):
    done: list[tuple[str, Any]]
    """Calls that were announced as whole: name and arguments."""
    half: list[tuple[str, str]]
    text: str


def found(thoughts: list[Thinking]) -> Found:
    """Checks what holds of every stream, and sums it up."""
    seen: list[str] = []
    done, half = list[tuple[str, Any]](), list[tuple[str, str]]()
    for call_id, group in itertools.groupby(
        thoughts, key=lambda t: t.call_id if isinstance(t, CallTool) else None
    ):
        if call_id is None:
            continue
        assert call_id not in seen, "one call, one item: its pieces come in one go"
        seen.append(call_id)
        pieces = [t for t in group if isinstance(t, CallTool)]
        assert not any(p.ended for p in pieces[:-1])
        assert len({p.name for p in pieces}) == 1
        arguments = "".join(p.arguments for p in pieces)
        if pieces[-1].ended:
            done.append((pieces[0].name, json.loads(arguments)))
        else:
            half.append((pieces[0].name, arguments))
    assert not any(isinstance(t, Thought) for t in thoughts[:-1])
    return Found(done, half, "".join(t.text for t in thoughts if isinstance(t, SayText)))


BERLIN = ("get_weather", {"city": "Berlin"})
PARIS = ("get_weather", {"city": "Paris"})
CET = ("get_time", {"zone": "CET"})
W, T = "get_weather", "get_time"
B_TEXT, P_TEXT, C_TEXT = (json.dumps(call[1]) for call in (BERLIN, PARIS, CET))

STREAMS: dict[str, tuple[list[Step], list[tuple[str, Any]]]] = {
    "a new id with each piece": (
        [
            [piece(W, "", index=0, id="c1")],
            [piece(None, '{"city": ', index=0, id="c2")],
            [piece(None, '"Berlin"}', index=0, id="c3")],
        ],
        [BERLIN],
    ),
    "a new id with each piece, without a number": (
        [
            [piece(W, "", id="c1")],
            [piece(None, '{"city": ', id="c2")],
            [piece(None, '"Berlin"}', id="c3")],
        ],
        [BERLIN],
    ),
    "a new id with each piece, and the name": (
        [[piece(W, '{"city": ', id="c1")], [piece(W, '"Berlin"}', id="c2")]],
        [BERLIN],
    ),
    "number 0 for all, ids": (
        [[piece(W, B_TEXT, index=0, id="c1")], [piece(T, C_TEXT, index=0, id="c2")]],
        [BERLIN, CET],
    ),
    "number 0 for all, no ids": (
        [[piece(W, B_TEXT, index=0)], [piece(T, C_TEXT, index=0)]],
        [BERLIN, CET],
    ),
    "number 0 for all, one name": (
        [[piece(W, B_TEXT, index=0)], [piece(W, P_TEXT, index=0)]],
        [BERLIN, PARIS],
    ),
    "number 0 for all, mixed up by id": (
        [
            [piece(W, '{"city"', index=0, id="a"), piece(T, '{"zone"', index=0, id="b")],
            [piece(None, ': "Berlin"}', index=0, id="a")],
            [piece(None, ': "CET"}', index=0, id="b")],
        ],
        [BERLIN, CET],
    ),
    "no numbers, no ids": ([[piece(W, B_TEXT), piece(T, C_TEXT)]], [BERLIN, CET]),
    "no numbers, empty ids": (
        [[piece(W, B_TEXT, id="")], [piece(T, C_TEXT, id="")]],
        [BERLIN, CET],
    ),
    "no numbers, in pieces": (
        [
            [piece(W, '{"city"')],
            [piece(None, ': "Berlin"}')],
            [piece(T, "")],
            [piece(None, C_TEXT)],
        ],
        [BERLIN, CET],
    ),
    "one id for all": (
        [[piece(W, B_TEXT, index=0, id="c")], [piece(T, C_TEXT, index=1, id="c")]],
        [BERLIN, CET],
    ),
    "numbers as text": (
        [[piece(W, '{"city"', index="0")], [piece(None, ': "Berlin"}', index="0")]],
        [BERLIN],
    ),
    "a number for each piece": (
        [[piece(W, '{"city"', index=0)], [piece(None, ': "Berlin"}', index=1)]],
        [BERLIN],
    ),
    "mixed up": (
        [
            [piece(W, '{"city"', index=0, id="a")],
            [piece(T, '{"zo', index=1, id="b")],
            [piece(None, ': "Berlin"}', index=0)],
            [piece(None, 'ne": "CET"}', index=1)],
        ],
        [BERLIN, CET],
    ),
    "the name again": (
        [
            [piece(W, '{"city"', index=0, id="a")],
            [piece(W, ': "Berlin"}', index=0, id="a")],
            [piece(W, "", index=0, id="a")],
        ],
        [BERLIN],
    ),
    "the whole call again": (
        [[piece(W, B_TEXT, index=0, id="a")], [piece(W, B_TEXT, index=0, id="a")]],
        [BERLIN],
    ),
    "the same call twice": (
        [[piece(W, B_TEXT, index=0, id="a")], [piece(W, B_TEXT, index=1, id="b")]],
        [BERLIN, BERLIN],
    ),
    "the name in pieces": (
        [
            [piece("get", "", index=0, id="a")],
            [piece("_weather", "", index=0, id="a")],
            [piece(None, B_TEXT, index=0)],
        ],
        [BERLIN],
    ),
    "the id before the name": (
        [
            [piece(None, "", index=0, id="a")],
            [piece(W, "", index=0)],
            [piece(None, B_TEXT, index=0)],
        ],
        [BERLIN],
    ),
    "null for no arguments": ([[piece(W, None, index=0, id="a")]], [("get_weather", {})]),
    "the word null": ([[piece(W, "null", index=0, id="a")]], [("get_weather", {})]),
    "two calls without arguments": (
        [[piece(W, None, index=0, id="a")], [piece(T, "", index=0, id="b")]],
        [("get_weather", {}), ("get_time", {})],
    ),
    "an object": ([[piece(W, BERLIN[1], index=0, id="a")]], [BERLIN]),
    "JSON in a string of JSON": ([[piece(W, json.dumps(B_TEXT), index=0, id="a")]], [BERLIN]),
    "an empty object first": (
        [[piece(W, "{}", index=0, id="a")], [piece(None, '{"city": ', index=0)],
         [piece(None, '"Berlin"}', index=0)]],
        [BERLIN],
    ),
    "more after the end": (
        [[piece(W, B_TEXT, index=0, id="a")], [piece(None, "\n", index=0)],
         [piece(None, '"}', index=0)]],
        [BERLIN],
    ),
    "brackets in strings": (
        [[piece(W, '{"city": "}]\\"{', index=0, id="a")], [piece(None, '"}', index=0)]],
        [("get_weather", {"city": '}]"{'})],
    ),
    "blank text between": (
        ["\n\n", [piece(W, '{"city": ', index=0, id="a")], " ", [piece(None, '"Berlin"}', index=0)],
         "\n", [piece(T, C_TEXT, index=1, id="b")], "\n"],
        [BERLIN, CET],
    ),
    "no call at all": ([[{"index": 0, "id": "a"}], [piece(None, "", index=1)]], []),
}  # fmt: skip


@pytest.mark.parametrize("kind", STREAMS)
def test_each_call_comes_once_and_whole(kind: str) -> None:
    steps, expected = STREAMS[kind]
    result = found(read(steps))
    assert result == (expected, [], "")


@pytest.mark.parametrize("finish", ["length", "content_filter", "tool_calls"])
def test_a_stream_that_stops_anywhere_never_announces_half_a_call(finish: str) -> None:
    cuts = [(kind, kept) for kind in STREAMS for kept in range(len(STREAMS[kind][0]))]
    for kind, kept in cuts:
        steps, expected = STREAMS[kind]
        thoughts = read(steps[:kept], finish)
        result = found(thoughts)
        # A whole one may be announced; of a half one the client hears at most the beginning.
        assert all(call in expected or call[1] == {} for call in result.done), kind
        assert len(result.done) + len(result.half) <= len(expected), kind
        if finish != "tool_calls":
            assert isinstance(thoughts[-1], Thought), kind
            assert thoughts[-1].reason is not None, kind


def test_half_a_call_without_a_reason_is_no_end() -> None:
    thoughts = read([[piece(W, '{"city": "Frank', index=0, id="a")]])
    assert found(thoughts).half == [("get_weather", '{"city": "Frank')]
    assert not any(isinstance(t, Thought) for t in thoughts)


def test_a_limit_before_the_first_argument_announces_nothing() -> None:
    assert read([[piece(W, "", index=0, id="a")]], "length") == [Thought("max_output_tokens")]


def test_words_after_a_call_wait_until_it_is_whole() -> None:
    steps: list[Step] = [
        "I look. ",
        [piece(W, '{"city": ', index=0, id="a")],
        "One ",
        "moment.",
        [piece(None, '"Berlin"}', index=0)],
    ]
    assert [type(t).__name__ for t in read(steps)] == [
        "SayText",
        "CallTool",
        "CallTool",
        "SayText",
        "Thought",
    ]
    assert found(read(steps)) == ([BERLIN], [], "I look. One moment.")


def test_a_whole_call_does_not_hold_back_the_words_after_it() -> None:
    thoughts = read([[piece(W, B_TEXT, index=0, id="a")], "Moment.", " Please."], None)
    assert thoughts[1:3] == [
        CallTool("a", "get_weather", "", ended=True),
        SayText("Moment."),
    ]


def test_so_many_calls_that_no_answer_means_them_are_left_out() -> None:
    steps: list[Step] = [[piece(W, B_TEXT, index=n)] for n in range(200)]
    assert len(found(read(steps)).done) == 128


# --- Any calls, in any writing -------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
CALLS = st.lists(
    st.tuples(st.sampled_from(NAMES[1:]), st.dictionaries(st.text(max_size=4), VALUES, max_size=3)),
    min_size=1,
    max_size=4,
)
WRITINGS = (
    "as OpenAI",
    "ids in each piece",
    "number 0, ids",
    "number 0, no ids",
    "no numbers, ids",
    "no numbers, no ids",
    "changing ids",
)


def written(
    call: int, at: int, name: str, arguments: Any, writing: str, *, again: bool
) -> dict[str, Any]:
    """Piece number ``at`` of a call."""
    made = piece(name if at == 0 or again else None, arguments)
    if writing == "as OpenAI" or writing == "ids in each piece" or writing == "changing ids":
        made["index"] = call
    elif writing.startswith("number 0"):
        made["index"] = 0
    if writing == "changing ids":
        made["id"] = f"id_{call}_{at}"
    elif writing in ("ids in each piece", "number 0, ids", "no numbers, ids") or (
        writing == "as OpenAI" and at == 0
    ):
        made["id"] = f"id_{call}"
    return made


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Step], list[tuple[str, Any]]]:
    calls = draw(CALLS)
    writing = draw(st.sampled_from(WRITINGS))
    again = draw(st.booleans())
    cut_up: list[list[dict[str, Any]]] = []
    for number, (name, arguments) in enumerate(calls):
        text = draw(st.sampled_from([json.dumps(arguments), json.dumps(arguments, indent=1)]))
        cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
        texts = [text[a:b] for a, b in itertools.pairwise((0, *cuts, len(text)))]
        whole: list[Any] = [arguments] if draw(st.booleans()) else texts
        cut_up.append(
            [written(number, n, name, t, writing, again=again) for n, t in enumerate(whole)]
        )
    steps: list[Step] = []
    if writing in ("as OpenAI", "ids in each piece"):  # Only so can they be mixed up.
        # The first pieces in order, as they tell which call is which.
        steps += [[pieces.pop(0)] for pieces in cut_up]
        while left := [pieces for pieces in cut_up if pieces]:
            steps.append([draw(st.sampled_from(left)).pop(0)])
    else:
        steps += [[made] for pieces in cut_up for made in pieces]
    for blank in draw(st.lists(st.sampled_from(["", "\n", " \n\n"]), max_size=3)):
        steps.insert(draw(st.integers(0, len(steps))), blank)
    return steps, list(calls)


@given(streams())
def test_any_calls_in_any_writing_come_once_and_whole(
    stream: tuple[list[Step], list[tuple[str, Any]]],
) -> None:
    steps, calls = stream
    assert found(read(steps)) == (calls, [], "")


@given(streams(), st.integers(0, 30), st.sampled_from(["length", "content_filter", "stop"]))
def test_no_cut_of_any_stream_announces_what_was_not_written(
    stream: tuple[list[Step], list[tuple[str, Any]]], kept: int, finish: str
) -> None:
    steps, calls = stream
    result = found(read(steps[:kept], finish))
    left = list(calls)
    for call in result.done:
        # Without a limit, a call whose arguments have not begun is one without arguments.
        match = next(c for c in left if c == call or (c[0] == call[0] and finish == "stop"))
        left.remove(match)


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "content", "tool_calls", "function", "name", "arguments",
                 "index", "id", "finish_reason", "usage", "error", "message", "text", "type"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.lists(JSON_LIKE, max_size=6))
def test_whatever_a_server_sends_is_read_or_refused(chunks: list[Any]) -> None:
    from antiphon.engines.cascade.http.sse import MalformedStream
    from antiphon.engines.cascade.llm.chat_stream import UpstreamError

    stream = ChatStream(new_call_id=lambda: "x")
    thoughts: list[Thinking] = []
    for chunk in chunks:
        for sent in (chunk, {"choices": [{"delta": chunk}]}, {"choices": [chunk]}):
            try:
                thoughts += stream.take(json.dumps(sent).encode())
            except (MalformedStream, UpstreamError):
                continue
    for thought in thoughts + stream.end():
        if isinstance(thought, CallTool) and thought.ended:
            assert thought.name
