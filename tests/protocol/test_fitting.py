"""Events for connections that take little at once."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from antiphon.protocol.codec import encode_server_event
from antiphon.protocol.fitting import MIN_MESSAGE_BYTES, fitting
from antiphon.protocol.items import FunctionCallOutput, InputAudio, InputImage, Message
from antiphon.protocol.server import (
    ConversationItemDone,
    ConversationItemRetrieved,
    ResponseOutputAudioDelta,
    ResponseOutputTextDelta,
    ServerEvent,
    SessionCreated,
)
from antiphon.protocol.session import FunctionTool, Session

LIMIT_BYTES = 65_536


def fitted(event: ServerEvent, limit_bytes: int | None = LIMIT_BYTES) -> list[dict[str, Any]]:
    messages = fitting(encode_server_event(event), limit_bytes)
    assert all(limit_bytes is None or len(message) <= limit_bytes for message in messages)
    return [json.loads(message) for message in messages]


def created(*, instructions: str = "", tools: tuple[FunctionTool, ...] = ()) -> ServerEvent:
    session = Session(
        id="sess_1", model="test", expires_at=1, instructions=instructions, tools=tools
    )
    return SessionCreated(event_id="event_1", session=session)


def tool(number: int, *, description: int, properties: int) -> FunctionTool:
    names = {
        f"property_{i}": {"type": "string", "description": "y" * 200} for i in range(properties)
    }
    return FunctionTool(
        name=f"tool_{number}",
        description="x" * description,
        parameters={"type": "object", "properties": names},
    )


def test_what_fits_goes_as_it_is() -> None:
    message = encode_server_event(created(instructions="x" * 70_000))
    assert fitting(message, None) == fitting(message, 100_000) == [message]


def test_long_instructions_are_cut_and_say_so() -> None:
    [event] = fitted(
        created(
            instructions="You are a clerk. " * 4200, tools=(tool(1, description=9, properties=1),)
        )
    )
    instructions = event["session"]["instructions"]
    assert event["type"] == "session.created"
    assert instructions.startswith("You are a clerk. You")
    assert instructions.endswith("…")
    assert len(instructions) > 60_000, "no shorter than it must be"
    assert event["session"]["tools"][0]["description"] == "x" * 9, "short texts stay as they are"


def test_tools_lose_their_descriptions_first_then_long_texts_are_cut() -> None:
    [event] = fitted(
        created(tools=tuple(tool(i, description=1500, properties=0) for i in range(60)))
    )
    assert {frozenset(one) for one in event["session"]["tools"]} == {
        frozenset({"type", "name", "parameters"})
    }
    [event] = fitted(
        created(tools=tuple(tool(i, description=400, properties=7) for i in range(60)))
    )
    tools = event["session"]["tools"]
    assert [one["name"] for one in tools] == [f"tool_{i}" for i in range(60)]
    assert all(one["description"].endswith("…") for one in tools)
    assert tools[0]["parameters"]["properties"]["property_6"]["description"].endswith("…")


def test_at_last_tools_lose_their_parameters_and_then_go() -> None:
    many = tuple(tool(i, description=10, properties=400) for i in range(9))
    [event] = fitted(created(tools=many))
    assert all(one["parameters"] == {} for one in event["session"]["tools"])
    [event] = fitted(created(tools=many), 1200)
    assert event["session"]["tools"] == []


def test_an_echo_of_a_long_item_is_cut_and_of_a_spoken_one_comes_without_its_audio() -> None:
    output = FunctionCallOutput(id="item_1", call_id="call_1", output="z" * 80_000)
    [event] = fitted(ConversationItemDone(event_id="event_1", previous_item_id=None, item=output))
    assert event["item"]["output"].startswith("zzz")
    assert event["item"]["call_id"] == "call_1"
    spoken = Message(
        id="item_1", role="user", content=(InputAudio(transcript="hello", audio=bytes(80_000)),)
    )
    [event] = fitted(ConversationItemRetrieved(event_id="event_1", item=spoken))
    assert event["item"]["content"] == [{"type": "input_audio", "transcript": "hello"}]


def test_an_echo_of_a_picture_says_what_kind_it_was() -> None:
    picture = InputImage("data:image/png;base64," + "A" * 80_000, "low")
    item = Message(id="item_1", role="user", content=(picture,))
    [event] = fitted(ConversationItemDone(event_id="event_1", previous_item_id=None, item=item))
    [part] = event["item"]["content"]
    assert part == {
        "type": "input_image",
        "image_url": "data:image/png;base64,…",
        "detail": "low",
    }


def test_audio_is_split_between_bytes() -> None:
    audio = bytes(range(256)) * 40
    delta = ResponseOutputAudioDelta(
        event_id="event_1",
        response_id="resp_1",
        item_id="item_1",
        output_index=0,
        content_index=0,
        delta=audio,
    )
    events = fitted(delta, 1_111)
    assert b"".join(base64.b64decode(event["delta"], validate=True) for event in events) == audio


def test_a_message_as_long_as_clients_may_send_is_shortened() -> None:
    limit = 1 << 20
    [event] = fitted(created(instructions='"' * 11_000_000), limit)
    assert len(event["session"]["instructions"]) > limit // 2 - 1_000
    many = tuple(tool(i, description=2_000, properties=0) for i in range(10_000))
    [event] = fitted(created(tools=many), limit)
    assert len(event["session"]["tools"]) == 10_000


def test_tools_without_end_lose_at_once_what_would_take_long_to_shorten() -> None:
    tools = tuple(tool(number, description=9, properties=20) for number in range(300))
    [event] = fitted(created(tools=tools), 1_000_000)
    assert len(event["session"]["tools"]) == 300
    assert all(one["parameters"] == {} for one in event["session"]["tools"])
    assert not any("description" in one for one in event["session"]["tools"])


def test_what_cannot_be_shortened_is_told_of() -> None:
    content = tuple(InputAudio(transcript="hello") for _ in range(100))
    item = Message(id="item_1", role="user", content=content)
    [event] = fitted(ConversationItemRetrieved(event_id="event_1", item=item), 1100)
    assert event["type"] == "error"
    assert event["error"]["code"] == "event_too_long"
    assert "'conversation.item.retrieved' (event_1)" in event["error"]["message"]


@given(st.text(min_size=1, max_size=3000), st.integers(MIN_MESSAGE_BYTES, 2000))
def test_a_long_delta_comes_as_several_and_nothing_of_it_is_lost(text: str, limit: int) -> None:
    delta = ResponseOutputTextDelta(
        event_id="event_1",
        response_id="resp_1",
        item_id="item_1",
        output_index=0,
        content_index=0,
        delta=text,
    )
    events = fitted(delta, limit)
    assert "".join(event["delta"] for event in events) == text
    assert len({event["event_id"] for event in events}) == len(events)


@given(st.text(max_size=5000), st.integers(0, 30), st.integers(0, 5), st.integers(1024, 20_000))
def test_every_event_comes_in_some_form(text: str, tools: int, size: int, limit: int) -> None:
    made = tuple(tool(i, description=50 * size, properties=size) for i in range(tools))
    [event] = fitted(created(instructions=text, tools=made), limit)
    assert event["type"] in ("session.created", "error")
