from __future__ import annotations

from antiphon.protocol.items import (
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputText,
    Item,
    Message,
    OutputAudio,
    OutputText,
)
from antiphon.talk.history import History


def user(item_id: str) -> Item:
    return Message(id=item_id, role="user", content=(InputAudio(),))


def agent(item_id: str, text: str) -> Item:
    return Message(id=item_id, role="assistant", content=(OutputAudio(text),))


def test_the_conversation_is_told_again_in_its_order() -> None:
    history = History()
    history.put(user("u1"), None)
    history.put(agent("a1", "It is sunny."), "u1")
    history.put(user("u0"), None)
    history.set_text("u1", "Is it sunny?")
    history.set_text("u0", "Hello.")

    created, left_out = history.rebuild()

    assert left_out == 0
    assert [(c.previous_item_id, c.item) for c in created] == [
        ("root", Message(id="u0", role="user", content=(InputText("Hello."),))),
        ("u0", Message(id="u1", role="user", content=(InputText("Is it sunny?"),))),
        ("u1", Message(id="a1", role="assistant", content=(OutputText("It is sunny."),))),
    ]


def test_speech_without_a_transcript_is_left_out_and_counted() -> None:
    history = History()
    history.put(user("u1"), None)
    history.put(agent("a1", "Yes."), "u1")
    created, left_out = history.rebuild()
    assert [c.previous_item_id for c in created] == ["root"]
    assert left_out == 1


def test_of_a_cut_reply_only_what_was_heard_is_told() -> None:
    history = History()
    history.put(Message(id="a1", role="assistant", content=()), None)
    history.set_text("a1", "It is")
    history.put(agent("a1", "It is sunny."), None)
    (created,), _ = history.rebuild()
    assert created.item == Message(id="a1", role="assistant", content=(OutputText("It is"),))


def test_function_calls_keep_their_ids() -> None:
    history = History()
    history.put(FunctionCall(id="f1", name="f", call_id="call_1", arguments="{}"), None)
    history.put(FunctionCallOutput(id="o1", call_id="call_1", output="1"), "f1")
    created, _ = history.rebuild()
    assert [c.item for c in created] == [
        FunctionCall(id="f1", name="f", call_id="call_1", arguments="{}"),
        FunctionCallOutput(id="o1", call_id="call_1", output="1"),
    ]


def test_an_item_without_an_id_cannot_be_held() -> None:
    history = History()
    history.put(Message(role="user", content=(InputText("Hello."),)), None)
    assert len(history) == 0


def test_a_deleted_item_is_gone() -> None:
    history = History()
    history.put(agent("a1", "Yes."), None)
    history.remove("a1")
    assert len(history) == 0
