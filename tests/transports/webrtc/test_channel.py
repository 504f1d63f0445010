from __future__ import annotations

import json
from typing import Any

from antiphon.protocol.items import InputAudio, Message
from antiphon.protocol.server import (
    ConversationItemRetrieved,
    InputAudioBufferCleared,
    ResponseOutputTextDelta,
    ServerEvent,
    SessionUpdated,
)
from antiphon.protocol.session import FunctionTool, Session
from antiphon.transports.webrtc.channel import (
    MAX_KEPT_BYTES,
    MAX_QUEUED_BYTES,
    TRY_AGAIN_LATER,
    EventsChannel,
)


class ListWire:
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.queued_bytes = 0

    def send_text(self, text: str) -> None:
        self.texts.append(text)

    async def writable(self) -> None: ...

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.texts]


class Case:
    def __init__(self, *, max_message_bytes: int | None = 1000, expected: bool = True) -> None:
        self.wire = ListWire()
        self.closed: list[int] = []
        self.channel = EventsChannel(
            "rtc_1",
            self.wire,
            max_message_bytes=max_message_bytes,
            expected=expected,
            on_close=lambda code, _: self.closed.append(code),
        )


def cleared(number: int) -> ServerEvent:
    return InputAudioBufferCleared(event_id=f"event_{number}")


def delta(number: int, text: str) -> ServerEvent:
    return ResponseOutputTextDelta(
        event_id=f"event_{number}",
        response_id="resp_1",
        item_id="item_1",
        output_index=0,
        content_index=0,
        delta=text,
    )


def test_events_wait_for_the_channel_and_keep_their_order() -> None:
    case = Case()
    case.channel.send(cleared(1))
    case.channel.send(cleared(2))
    assert case.wire.texts == []
    assert case.channel.queued_bytes > 0
    case.channel.opened()
    case.channel.send(cleared(3))
    assert [e["event_id"] for e in case.wire.events] == ["event_1", "event_2", "event_3"]
    assert case.channel.queued_bytes == 0


def test_without_a_channel_events_go_nowhere_and_are_not_kept() -> None:
    case = Case(expected=False)
    case.channel.send(cleared(1))
    assert case.channel.queued_bytes == 0


def test_an_item_too_long_for_the_peer_comes_without_its_audio() -> None:
    case = Case()
    case.channel.opened()
    content = (InputAudio(transcript="hello", audio=bytes(5000)),)
    item = Message(id="item_1", role="user", content=content)
    case.channel.send(ConversationItemRetrieved(event_id="event_1", item=item))
    [event] = case.wire.events
    assert event["type"] == "conversation.item.retrieved"
    assert event["item"]["content"] == [{"type": "input_audio", "transcript": "hello"}]


def test_a_session_with_too_many_tools_comes_without_their_descriptions() -> None:
    case = Case(max_message_bytes=4000)
    case.channel.opened()
    tool = FunctionTool(name="look_up", description="x" * 5000, parameters={"type": "object"})
    session = Session(id="sess_1", model="test", expires_at=1, tools=(tool,))
    case.channel.send(SessionUpdated(event_id="event_1", session=session))
    [event] = case.wire.events
    assert event["session"]["tools"][0]["name"] == "look_up"
    assert "description" not in event["session"]["tools"][0]


def test_a_channel_that_closes_before_it_is_used_loses_nothing() -> None:
    case = Case()
    case.channel.opened()
    case.channel.send(cleared(1))
    case.channel.lost()
    case.channel.send(cleared(2))
    assert len(case.wire.texts) == 1
    case.wire.texts.clear()
    case.channel.opened()  # another one
    case.channel.send(cleared(3))
    case.channel.settled()
    case.channel.send(cleared(4))
    assert [e["event_id"] for e in case.wire.events] == [f"event_{i}" for i in (1, 2, 3, 4)]


def test_what_waits_for_a_channel_is_bounded_and_the_client_is_told() -> None:
    case = Case(max_message_bytes=None)
    for number in range(40):
        case.channel.send(delta(number, "x" * 60_000))
    assert case.channel.queued_bytes <= MAX_KEPT_BYTES
    assert not case.closed, "a channel that never opens ends no call"
    case.channel.opened()
    *kept, told = case.wire.events
    assert [event["event_id"] for event in kept] == [f"event_{i}" for i in range(len(kept))]
    assert told["error"]["code"] == "events_left_out"
    assert f"last {40 - len(kept)} events" in told["error"]["message"]


def test_a_slow_reader_is_closed_once() -> None:
    case = Case()
    case.channel.opened()
    case.wire.queued_bytes = MAX_QUEUED_BYTES
    case.channel.send(cleared(1))
    case.channel.send(cleared(2))
    case.channel.close(1000, "again")
    assert case.closed == [TRY_AGAIN_LATER]
    assert case.wire.texts == []
