"""Functions that the server carries out itself: seen by engines, and by nobody else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antiphon.core.causes import (
    EngineCalled,
    EngineFinished,
    EngineMoved,
    MemoryChanged,
    ToolAnswered,
)
from antiphon.core.effects import Configure, Generate, RunTool, StopGenerating
from antiphon.core.records import (
    Past,
    Recollection,
    Record,
    ServerCall,
    ServerCallChanged,
)
from antiphon.core.server_calls import MAX_KEPT, MAX_ROUNDS
from antiphon.protocol import server
from antiphon.protocol.client import (
    ConversationItemCreate,
    ResponseCancel,
    ResponseCreate,
    ResponseOptions,
)
from antiphon.protocol.items import FunctionCall, FunctionCallOutput, InputText, Message
from antiphon.protocol.session import FunctionTool
from antiphon.testing import VirtualCall
from antiphon.testing.virtual_call import session
from tests.core.witness import LawfulCall

REMEMBER = FunctionTool("remember", "Keeps a fact.", {"type": "object"})
WEATHER = FunctionTool("weather")
HELLO = Message(role="user", content=(InputText("Hello."),))


def calling(**settings: Any) -> VirtualCall:
    tools, memory = (REMEMBER,), "Likes tea."
    call = LawfulCall(session(**settings), recorded=True, server_tools=tools, memory=memory)
    call.client(ConversationItemCreate(item=HELLO))
    return call


def asked(call: VirtualCall, **options: Any) -> Generate:
    call.take()
    call.client(ResponseCreate(response=ResponseOptions(**options)))
    return call.one(Generate)


def remembering(call: VirtualCall) -> RunTool:
    asked(call)
    call.engine_calls("remember", '{"fact":"x"}')
    return call.one(RunTool)


def nothing_but_records(call: VirtualCall) -> bool:
    return all(isinstance(effect, Record) for effect in call.take())


def kept_calls(call: VirtualCall) -> tuple[ServerCall, ...]:
    assert isinstance(call, LawfulCall)
    records = [effect for effect in call.everything if isinstance(effect, Record)]
    log = msgspec.msgpack.decode(msgspec.msgpack.encode(records), type=list[Record])
    return Recollection(log).past.server_calls


def test_what_is_known_of_the_user_is_the_engines_alone_to_see() -> None:
    call = calling(instructions="Be brief.")
    assert Configure(call.conversation.session, "Likes tea.") in call.opening
    generate = asked(call)
    assert (generate.instructions, generate.memory) == ("Be brief.", "Likes tea.")
    assert generate.server_tools == (REMEMBER,)
    call.give(MemoryChanged("Likes coffee."))
    assert call.one(Configure).memory == "Likes coffee."
    call.engine_finishes()
    assert asked(call).memory == "Likes coffee."
    assert b"tea" not in msgspec.json.encode(call.conversation.session)


def test_a_response_goes_on_once_the_server_has_answered() -> None:
    call = calling()
    first = asked(call)
    call.engine_speaks(400, "One moment.")
    call.give(EngineCalled(call.response_id, "call_1", "remember", '{"fact":', ended=False))
    call.give(EngineCalled(call.response_id, "call_1", "remember", '"tea"}'))
    run = call.one(RunTool)
    assert (run.name, run.turn) == ("remember", 1)
    call.engine_finishes()
    assert call.types() == []
    call.give(ToolAnswered(run.call_id, "kept"))
    again = call.one(Generate)
    assert again.response_id != first.response_id
    hello, moment, *called = again.items
    assert isinstance(hello, Message)
    assert isinstance(moment, Message)
    [function, output] = called
    assert isinstance(function, FunctionCall)
    assert isinstance(output, FunctionCallOutput)
    assert (function.name, output.output) == ("remember", "kept")
    call.engine_speaks(400, "Done.")
    call.engine_finishes()
    events = call.events()
    [done] = [e for e in events if isinstance(e, server.ResponseDone)]
    assert done.response.id == first.response_id
    assert done.response.status == "completed"
    assert all(isinstance(item, Message) for item in done.response.output)
    assert [type(item) for item in call.conversation.items] == [Message] * 3
    later = asked(call)
    assert [i for i in later.items if isinstance(i, FunctionCall)] == [function], "it is known"


def test_an_answer_that_comes_first_lets_it_go_on_when_the_engine_has_ended() -> None:
    call = calling()
    run = remembering(call)
    call.give(ToolAnswered(run.call_id, "kept"))
    assert nothing_but_records(call)
    call.engine_finishes()
    output = call.one(Generate).items[-1]
    assert isinstance(output, FunctionCallOutput)
    assert (output.call_id, output.output) == (run.call_id, "kept")


def test_of_a_response_that_was_cancelled_nothing_goes_on() -> None:
    call = calling()
    run = remembering(call)
    call.engine_finishes()
    call.client(ResponseCancel())
    assert isinstance(call.one(StopGenerating), StopGenerating)
    call.give(ToolAnswered(run.call_id, "kept"))
    assert nothing_but_records(call)
    assert call.conversation.activity == "idle"


def test_where_the_client_has_a_call_to_answer_too_it_asks_for_more_itself() -> None:
    call = calling(tools=(WEATHER,))
    run = remembering(call)
    call.engine_calls("weather", "{}", "call_2")
    call.engine_finishes()
    assert "response.done" in call.types()
    call.give(ToolAnswered(run.call_id, "kept"))
    assert nothing_but_records(call)
    assert any(isinstance(item, FunctionCallOutput) for item in asked(call).items)


def test_a_model_that_calls_on_and_on_is_offered_nothing_in_the_end() -> None:
    call = calling()
    asked(call)
    offered = []
    for at in range(MAX_ROUNDS):
        call.engine_calls("remember", "{}", f"call_{at}")
        call.engine_finishes()
        call.take()
        call.give(ToolAnswered(f"call_{at}", "kept"))
        offered.append(bool(call.one(Generate).server_tools))
    assert offered == [True] * (MAX_ROUNDS - 1) + [False]
    call.engine_finishes()
    assert "response.done" in call.types()


def test_an_engine_that_takes_over_is_asked_once() -> None:
    call = calling()
    run = remembering(call)
    call.engine_finishes()
    call.give(EngineMoved(name="other", message="gone"))
    assert not any(isinstance(effect, Generate) for effect in call.take())
    call.give(ToolAnswered(run.call_id, "kept"))
    assert call.one(Generate)


def test_what_all_parts_used_is_counted() -> None:
    call = calling()
    run = remembering(call)
    call.give(EngineFinished(call.response_id, input_tokens=100, output_tokens=7))
    call.give(ToolAnswered(run.call_id, "kept"))
    call.take()
    call.give(EngineFinished(call.response_id, input_tokens=120, output_tokens=5))
    usage = call.one(server.ResponseDone).response.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (220, 12)


@pytest.mark.parametrize(
    "options",
    [
        {"tool_choice": "none"},
        {"tool_choice": "required"},
        {"conversation": "none"},
        {"input": (HELLO,)},
        {"tools": (FunctionTool("remember"),)},
    ],
)
def test_where_they_are_not_offered(options: dict[str, Any]) -> None:
    assert asked(calling(tools=(WEATHER,)), **options).server_tools == ()


# --- In the log ------------------------------------------------------------------


def test_a_call_is_in_the_log_before_it_is_carried_out_and_its_answer_before_it_is_told() -> None:
    call = calling()
    asked(call)
    call.give(EngineCalled(call.response_id, "call_1", "remember", '{"fact":', ended=False))
    call.give(EngineCalled(call.response_id, "call_1", "remember", '"tea"}'))
    first, second = [e for e in call.take() if isinstance(e, Record | RunTool)]
    assert isinstance(second, RunTool)
    assert isinstance(first, Record)
    [kept] = kept_calls(call)
    hello = call.conversation.items[0].id
    assert (kept.name, kept.after, kept.output) == ("remember", hello, None)
    assert kept.arguments == '{"fact":"tea"}'
    call.engine_finishes()
    call.take()
    call.give(ToolAnswered("call_1", "kept"))
    record, generate = [e for e in call.take() if isinstance(e, Record | Generate)]
    assert isinstance(generate, Generate)
    assert isinstance(record, Record)
    assert isinstance(record.change, ServerCallChanged)
    assert kept_calls(call)[0].output == "kept"


def test_a_conversation_that_goes_on_shows_its_engine_what_was_carried_out() -> None:
    call = calling()
    assert isinstance(call, LawfulCall)
    run = remembering(call)
    call.engine_finishes()
    call.give(ToolAnswered(run.call_id, "kept"))
    call.engine_speaks(400, "Done.").engine_finishes()
    unbroken = asked(call).items
    records = [e for e in call.everything if isinstance(e, Record)]
    past = Recollection(records).past
    again = VirtualCall(session(), recorded=True, server_tools=(REMEMBER,), past=past)
    assert asked(again).items == unbroken
    assert any(isinstance(item, FunctionCallOutput) for item in unbroken)


def test_of_a_log_with_many_the_engine_is_shown_the_newest() -> None:
    calls = tuple(
        ServerCall(
            item_id=f"item_{at}",
            after=None,
            call_id=f"call_{at}",
            name="remember",
            arguments="{}",
            output="kept",
            output_id=f"told_{at}",
        )
        for at in range(MAX_KEPT + 5)
    )
    past = Past(conversation_id="conv_1", server_calls=calls)
    again = VirtualCall(session(), recorded=True, server_tools=(REMEMBER,), past=past)
    shown = [item for item in asked(again).items if isinstance(item, FunctionCall)]
    assert [item.call_id for item in shown] == [call.call_id for call in calls[5:]]


def test_more_calls_than_are_kept_are_all_answered() -> None:
    call = calling()
    asked(call)
    names = [f"call_{at}" for at in range(MAX_KEPT + 1)]
    for name in names:
        call.engine_calls("remember", "{}", name)
    call.engine_finishes()
    call.take()
    for name in names:
        call.give(ToolAnswered(name, "kept"))
    assert call.one(Generate)
