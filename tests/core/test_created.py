from __future__ import annotations

from typing import Any

import pytest

from antiphon.core.created import create_entry
from antiphon.core.faults import Fault
from antiphon.core.items import Entry
from antiphon.protocol.items import (
    BetaAudio,
    BetaText,
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
from antiphon.protocol.session import PcmFormat

IMAGE = InputImage("data:image/png;base64,AA==", "low")


def made(item: Item) -> Entry:
    return create_entry(item, "item_1", PcmFormat(), where="item").entry


def wire(role: Any, *content: Any) -> tuple[Any, ...]:
    item = made(Message(role=role, content=content)).wire()
    assert isinstance(item, Message)
    assert (item.id, item.role, item.status) == ("item_1", role, "completed")
    return item.content


@pytest.mark.parametrize(
    ("role", "given_", "shown"),
    [
        ("system", InputText("a"), InputText("a")),
        ("user", InputText("a"), InputText("a")),
        ("user", InputAudio("said"), InputAudio("said")),
        ("user", InputAudio(audio=b"\0\0"), InputAudio(None)),
        ("user", InputAudio("said", b"\0\0"), InputAudio("said")),
        ("user", IMAGE, IMAGE),
        ("user", InputImage("data:"), InputImage("data:")),
        ("assistant", OutputText("a"), OutputText("a")),
        ("assistant", InputText("a"), OutputText("a")),
        ("assistant", BetaText("a"), OutputText("a")),
        ("assistant", OutputAudio("a"), OutputText("a")),
        ("assistant", BetaAudio("a"), OutputText("a")),
    ],
)
def test_content_becomes_what_its_role_says(role: str, given_: Any, shown: Any) -> None:
    assert wire(role, given_) == (shown,)


@pytest.mark.parametrize(
    ("role", "given_"),
    [
        ("system", InputAudio("a")),
        ("system", IMAGE),
        ("system", OutputText("a")),
        ("user", OutputText("a")),
        ("user", OutputAudio("a")),
        ("user", BetaText("a")),
        ("assistant", InputAudio("a")),
        ("assistant", IMAGE),
    ],
)
def test_content_that_its_role_cannot_have_is_refused_with_its_place(
    role: Any, given_: Any
) -> None:
    content = ((OutputText("a") if role == "assistant" else InputText("a")), given_)
    with pytest.raises(Fault, match=f"Supported values for role '{role}' are: '") as fault:
        made(Message(role=role, content=content))
    assert (fault.value.code, fault.value.param) == ("invalid_value", "item.content[1].type")


@pytest.mark.parametrize(
    ("role", "given_", "param"),
    [
        ("assistant", OutputAudio(), "item.content[0].text"),
        ("assistant", BetaAudio(), "item.content[0].text"),
        ("user", InputAudio(), "item.content[0].audio"),
    ],
)
def test_content_that_says_nothing_is_refused(role: Any, given_: Any, param: str) -> None:
    with pytest.raises(Fault) as fault:
        made(Message(role=role, content=(given_,)))
    assert (fault.value.code, fault.value.param) == ("missing_required_parameter", param)


def test_a_message_may_be_empty() -> None:
    assert wire("user") == ()


def test_calls_and_outputs_keep_all_that_they_say() -> None:
    call = FunctionCall(name="look", call_id="call_1", arguments='{"a":1}')
    assert made(call).wire() == FunctionCall(
        id="item_1", status="completed", name="look", call_id="call_1", arguments='{"a":1}'
    )
    output = FunctionCallOutput(call_id="call_1", output="", status="incomplete")
    assert made(output).wire() == FunctionCallOutput(
        id="item_1", status="incomplete", call_id="call_1", output=""
    )


def test_the_part_whose_words_are_to_be_found_out_is_named() -> None:
    content = (InputText("Listen:"), InputAudio("known", b"\1\0"), InputAudio(audio=b"\2\0" * 3))
    created = create_entry(
        Message(role="user", content=content), "item_1", PcmFormat(), where="item"
    )
    assert (created.untold, created.untold_pcm) == (2, b"\2\0" * 3)


def test_words_of_two_parts_cannot_be_told_apart() -> None:
    content = (InputAudio(audio=b"\1\0"), InputAudio(audio=b"\2\0"))
    with pytest.raises(Fault, match="Only one part") as fault:
        create_entry(
            Message(role="user", content=content), "item_1", PcmFormat(), where="response.input[3]"
        )
    assert fault.value.param == "response.input[3].content[1]"
