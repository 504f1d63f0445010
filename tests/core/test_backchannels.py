from __future__ import annotations

import pytest

from antiphon.core.backchannels import begins_as_backchannel, is_backchannel, is_reply


@pytest.mark.parametrize(
    "text",
    [
        "Mm-hmm.",
        "Mhm",
        "Mm.",
        "Hmm",
        "Uh-huh.",
        "Uh huh",
        "Yeah.",
        "Yeah, yeah, okay.",
        "Okay.",
        "Right!",
        "That's right.",
        "Oh, I see.",
        "Got it, thanks".removesuffix(", thanks"),
        "Aha",
        "Oh.",
        "Mmhmm. Right.",
        "Genau.",
        "D'accord.",
        "Sí, claro",
        "嗯。",
        "なるほど",
    ],
)
def test_who_listens_says_so(text: str) -> None:
    assert is_backchannel(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "No.",
        "Nope",
        "Stop.",
        "Wait",
        "Okay, stop.",
        "Yeah but",
        "I see a dog",
        "Hello?",
        "What?",
        "Him",
        "Home",
        "Humans",
        "Right now",
        "Tuesday",
        "Ham",
    ],
)
def test_whoever_says_more_does_not_only_listen(text: str) -> None:
    assert not is_backchannel(text)


@pytest.mark.parametrize("text", ["Yes", "Mm-hmm", "Okay.", "Oh, sure"])
def test_after_a_question_some_are_answers(text: str) -> None:
    assert is_reply(text)


@pytest.mark.parametrize("text", ["Oh.", "Hmm", "Really? Wow."])
def test_and_some_are_not(text: str) -> None:
    assert not is_reply(text)


@pytest.mark.parametrize(
    ("text", "begins"),
    [("Yeah, you", True), ("all right then", True), ("You, yeah", False), ("", False)],
)
def test_how_it_begins(text: str, *, begins: bool) -> None:
    assert begins_as_backchannel(text) == begins
