from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from antiphon.protocol import server
from antiphon.protocol.client import ConversationItemCreate, ResponseCreate
from antiphon.protocol.dialect import GA
from antiphon.protocol.dialects import beta
from antiphon.protocol.items import FunctionCall, FunctionCallOutput, InputText, Item, Message
from antiphon.protocol.server import ServerEvent
from antiphon.protocol.session import FunctionChoice, FunctionTool, Session, TranscriptionSession
from antiphon.protocol.veil import Hidden, veiled
from antiphon.testing import VirtualCall

CALL = FunctionCall(name="open_safe", arguments='{"code":"4711"}', call_id="call_1", id="item_c")
OUTPUT = FunctionCallOutput(call_id="call_1", output="gold", id="item_o")
SAID = Message(role="user", content=(InputText("Hello."),), id="item_m")
SESSION = Session(
    id="sess_1",
    model="test",
    expires_at=1,
    instructions="The code is 4711.",
    tools=(FunctionTool("open_safe", description="Takes 4711."),),
    tool_choice=FunctionChoice("open_safe"),
)


def shown(event: ServerEvent, *hidden: Hidden) -> list[Any]:
    return [json.loads(message) for message in veiled(GA, hidden).encode(event)]


@pytest.mark.parametrize("item", [CALL, OUTPUT])
def test_calls_and_outputs_are_hidden_wherever_items_are_told(item: Item) -> None:
    told: list[ServerEvent] = [
        server.ConversationItemAdded(event_id="e", previous_item_id=None, item=item),
        server.ConversationItemDone(event_id="e", previous_item_id=None, item=item),
        server.ConversationItemRetrieved(event_id="e", item=item),
        server.ResponseOutputItemAdded(event_id="e", response_id="r", output_index=0, item=item),
        server.ResponseOutputItemDone(event_id="e", response_id="r", output_index=0, item=item),
    ]
    for event in told:
        assert shown(event, "tools") == []
        assert len(shown(event, "instructions")) == 1


def test_a_message_is_shown_as_it_is() -> None:
    event = server.ConversationItemAdded(event_id="e", previous_item_id="item_o", item=SAID)
    assert veiled(GA, ["tools", "instructions"]).encode(event) == GA.encode(event)


@pytest.mark.parametrize(
    "told",
    [
        server.ConversationItemAdded(event_id="e", previous_item_id=None, item=SAID),
        server.ConversationItemDone(event_id="e", previous_item_id=None, item=SAID),
        server.ConversationItemRetrieved(event_id="e", item=SAID),
    ],
)
def test_of_a_system_message_it_is_told_that_there_is_one(
    told: server.ConversationItemAdded
    | server.ConversationItemDone
    | server.ConversationItemRetrieved,
) -> None:
    secret = Message(role="system", content=(InputText("Offer a refund."),), id="item_s")
    event = replace(told, item=secret)
    [whole] = shown(event, "tools")
    assert whole["item"]["content"][0]["text"] == "Offer a refund."
    [veiled_] = shown(event, "tools", "instructions")
    assert veiled_["item"] == whole["item"] | {"content": []}


def test_a_session_is_shown_without_what_is_hidden() -> None:
    [created] = shown(server.SessionCreated(event_id="e", session=SESSION), "tools")
    assert (created["session"]["tools"], created["session"]["tool_choice"]) == ([], "auto")
    assert created["session"]["instructions"] == "The code is 4711."
    [updated] = shown(server.SessionUpdated(event_id="e", session=SESSION), "instructions")
    assert updated["session"]["instructions"] == ""
    assert updated["session"]["tools"][0]["name"] == "open_safe"
    listening = server.SessionCreated(
        event_id="e", session=TranscriptionSession(id="sess_1", expires_at=1)
    )
    assert veiled(GA, ["tools"]).encode(listening) == GA.encode(listening)


def test_nothing_of_a_whole_conversation_tells_of_tools() -> None:
    call = VirtualCall(SESSION)
    call.client(ResponseCreate()).engine_calls("open_safe", '{"code":"4711"}').engine_finishes()
    call.client(ConversationItemCreate(item=OUTPUT), ResponseCreate())
    call.engine_speaks(100, "It is open.").engine_finishes()
    events = [*call.opening, *call.take()]
    for dialect in (GA, beta.DIALECT.connect(strict=False, extras={})):
        veil = veiled(dialect, ["tools", "instructions"])
        messages = [
            message
            for effect in events
            if isinstance(event := getattr(effect, "event", effect), server.Error | ServerEvent)
            for message in veil.encode(event)
        ]
        said = b"".join(messages).decode()
        assert "It is open." in said
        for secret in ("4711", "open_safe", "call_1", "gold", "function_call"):
            assert secret not in said
