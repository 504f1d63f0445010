from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.causes import Word
from antiphon.core.faults import Fault
from antiphon.core.items import MAX_AUDIO_BYTES, HeardPart, MessageEntry, SpokenPart, entry_from
from antiphon.protocol.items import (
    BetaAudio,
    BetaText,
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputImage,
    InputText,
    Message,
    OutputAudio,
    OutputText,
)

IMAGE = InputImage("data:image/png;base64,AA==", "low")


def wire(role: Any, *content: Any) -> tuple[Any, ...]:
    item = entry_from(Message(role=role, content=content), "item_1").wire()
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
        entry_from(Message(role=role, content=content), "item_1")
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
        entry_from(Message(role=role, content=(given_,)), "item_1")
    assert (fault.value.code, fault.value.param) == ("missing_required_parameter", param)


def test_a_message_may_be_empty() -> None:
    assert wire("user") == ()


def test_calls_and_outputs_keep_all_that_they_say() -> None:
    call = FunctionCall(name="look", call_id="call_1", arguments='{"a":1}')
    assert entry_from(call, "item_1").wire() == FunctionCall(
        id="item_1", status="completed", name="look", call_id="call_1", arguments='{"a":1}'
    )
    output = FunctionCallOutput(call_id="call_1", output="", status="incomplete")
    assert entry_from(output, "item_2").wire() == FunctionCallOutput(
        id="item_2", status="incomplete", call_id="call_1", output=""
    )


# --- What was heard ----------------------------------------------------------


def spoken(text: str = "One two three.", samples: int = 24_000) -> SpokenPart:
    part = SpokenPart()
    part.say(text)
    part.speak(bytes(2 * samples), [Word(3, 6_000), Word(7, 14_000), Word(14, 24_000)])
    return part


@pytest.mark.parametrize(
    ("samples", "text"),
    [
        (0, ""),
        (5_999, ""),
        (6_000, "One"),
        (13_999, "One"),
        (14_000, "One two"),
        (23_999, "One two"),
        (24_000, "One two three."),
        (30_000, "One two three."),
    ],
)
def test_a_cut_keeps_the_words_that_were_heard_whole(samples: int, text: str) -> None:
    part = spoken()
    part.cut(samples)
    assert part.transcript == text
    assert part.samples == min(samples, 24_000)
    assert len(part.pcm) == 2 * part.samples


def test_a_second_cut_can_only_take_more() -> None:
    part = spoken()
    part.cut(14_000)
    part.cut(20_000)
    assert (part.samples, part.transcript) == (14_000, "One two")
    part.cut(6_000)
    assert (part.samples, part.transcript) == (6_000, "One")


def test_speech_without_word_marks_loses_its_text_when_cut() -> None:
    part = SpokenPart()
    part.say("Unaligned.")
    part.speak(bytes(4_800), [])
    part.cut(2_400)
    assert part.transcript == "Unaligned."
    part.cut(2_399)
    assert part.transcript == ""


def test_words_that_ran_ahead_of_a_voice_that_stopped_do_not_stay() -> None:
    part = SpokenPart()
    part.say("One two three.")
    part.speak(bytes(2 * 7_000), [Word(3, 6_000)])
    part.end_early()
    assert (part.transcript, part.samples) == ("One", 7_000)


def test_a_sealed_part_takes_nothing_more() -> None:
    part = spoken()
    part.sealed = True
    part.say(" Four.")
    part.speak(bytes(200), [Word(20, 25_000)])
    assert (part.transcript, part.samples, len(part.words)) == ("One two three.", 24_000, 3)


def test_an_endless_answer_is_counted_but_not_kept() -> None:
    part, second = SpokenPart(), bytes(48_000)
    for _ in range(100):
        part.speak(second, [])
        assert len(part.pcm) <= MAX_AUDIO_BYTES
    assert (part.samples, bytes(part.pcm)) == (100 * 24_000, b"")


@given(st.lists(st.integers(0, 30_000), max_size=6))
def test_cuts_never_bring_anything_back(cuts: list[int]) -> None:
    part = spoken()
    text, samples = part.transcript or "", part.samples
    for cut in cuts:
        part.cut(cut)
        assert text.startswith(part.transcript or "")
        assert part.samples <= samples
        text, samples = part.transcript or "", part.samples


def test_an_engine_is_told_a_transcript_that_is_not_shown() -> None:
    heard = HeardPart(shows_transcript=False)
    entry = MessageEntry("item_1", "user", parts=[heard])
    assert entry.for_engine() == entry.wire()
    heard.transcript = "Hello"
    assert entry.for_engine() == entry.with_content((InputAudio("Hello"),)) != entry.wire()
