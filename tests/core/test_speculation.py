"""Answers that are begun before it is certain that the user has said all."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from antiphon.core.causes import EngineMoved, Speculated, TurnJudged
from antiphon.core.effects import Effect, Generate, Speculate, StopSpeculating, TurnCommitted
from antiphon.core.speculation import Speculations
from antiphon.protocol import client, server
from antiphon.protocol import session as wire
from antiphon.protocol.items import InputAudio, Message
from tests.core.stories import hands_free, of_kind, text, update
from tests.core.witness import LawfulCall

SURE, UNSURE, UNFINISHED = 0.9, 0.63, 0.2
OURS = (Speculate, StopSpeculating, Generate)


def speculating(detection: wire.TurnDetection | None = None, **terms: Any) -> LawfulCall:
    return hands_free(detection or wire.SemanticVad(), engine_speculates=True, **terms)


def say(call: LawfulCall, words: str, completeness: float = UNSURE) -> LawfulCall:
    """The user says something and pauses; in the pause it is understood."""
    call.user_speaks(400).user_is_quiet(280)
    call.give(TurnJudged(turn_of(call), completeness, words))
    return call


def turn_of(call: LawfulCall) -> str:
    assert call.witness.turn is not None
    return call.witness.turn


def ours(effects: list[Effect]) -> list[Effect]:
    return [effect for effect in effects if isinstance(effect, OURS)]


def test_a_pause_that_is_probably_the_end_is_answered_ahead() -> None:
    call = speculating()
    call.client(text("Before.", "item_before"))
    call.take()
    [speculate] = ours(say(call, "What time is it?").take())
    assert isinstance(speculate, Speculate)
    before, said = speculate.request.items
    assert before.id == "item_before"
    assert said == Message(
        id=turn_of(call),
        status="completed",
        role="user",
        content=(InputAudio("What time is it?"),),
    )
    effects = call.user_is_quiet(600).take()
    [generate] = ours(effects)
    assert isinstance(generate, Generate)
    call.engine_heard("What time is it?")
    [known] = call.conversation.items[1:]
    assert speculate.request == replace(
        generate,
        response_id="",
        items=(before, replace(known, content=(InputAudio("What time is it?"),))),
    )


def test_the_client_hears_of_it_only_when_it_is_asked_for() -> None:
    call = speculating()
    call.take()
    say(call, "What time is it?")
    assert call.types() == ["input_audio_buffer.speech_started"]
    assert call.conversation.items == ()


def test_it_is_thrown_away_when_the_user_goes_on() -> None:
    call = speculating()
    say(call, "I would like").take()
    assert ours(call.user_speaks(200).take()) == [StopSpeculating()]
    again = ours(say(call, "I would like two.").take())
    assert [type(effect) for effect in again] == [Speculate]


def test_a_click_throws_nothing_away() -> None:
    call = speculating()
    say(call, "What time is it?").take()
    effects = ours(call.user_speaks(40).user_is_quiet(700).take())
    assert [type(effect) for effect in effects] == [Generate]


def test_other_words_take_the_place_of_the_first() -> None:
    call = speculating()
    say(call, "What time").take()
    call.give(TurnJudged(turn_of(call), UNSURE, "What time is it?"))
    [again] = ours(call.take())
    assert isinstance(again, Speculate)
    call.give(TurnJudged(turn_of(call), UNSURE, "What time is it?"))
    assert ours(call.take()) == []


@pytest.mark.parametrize(
    ("detection", "completeness", "words"),
    [
        (wire.SemanticVad(), UNFINISHED, "I would like to"),
        (wire.SemanticVad(), UNSURE, ""),
        (wire.SemanticVad(create_response=False), SURE, "What time is it?"),
    ],
)
def test_what_is_probably_not_answered_now_is_not_answered_ahead(
    detection: wire.TurnDetection, completeness: float, words: str
) -> None:
    call = speculating(detection)
    assert ours(say(call, words, completeness).take()) == []


def test_silence_alone_makes_an_end_probable_where_it_alone_decides() -> None:
    call = speculating(wire.ServerVad())
    [effect] = ours(say(call, "I would like to", UNFINISHED).take())
    assert isinstance(effect, Speculate)


def test_an_engine_that_cannot_is_not_asked() -> None:
    call = hands_free(wire.SemanticVad())
    assert ours(say(call, "What time is it?").take()) == []


def test_words_that_were_understood_in_speech_are_not_all() -> None:
    call = speculating()
    call.user_speaks(400)
    call.give(TurnJudged(turn_of(call), UNSURE, "What"))
    assert ours(call.user_is_quiet(200).take()) == []


def test_nobody_speculates_beside_a_running_answer() -> None:
    call = speculating(wire.SemanticVad(interrupt_response=False))
    call.client(client.ResponseCreate())
    call.take()
    assert ours(say(call, "What time is it?").take()) == []


def test_an_answer_that_the_client_asks_for_ends_it() -> None:
    call = speculating()
    say(call, "What time is it?").take()
    effects = ours(call.client(client.ResponseCreate()).take())
    assert [type(effect) for effect in effects] == [Generate]
    assert ours(call.user_speaks(200).take()) == []


@pytest.mark.parametrize("ending", [client.InputAudioBufferClear(), update(output_modalities=())])
def test_a_turn_that_goes_takes_it_along(ending: client.ClientEvent) -> None:
    call = speculating()
    say(call, "What time is it?").take()
    effects = ours(call.client(ending).take())
    assert effects == (
        [StopSpeculating()] if isinstance(ending, client.InputAudioBufferClear) else []
    )


def test_no_id_is_spent_on_it() -> None:
    """What nobody sees must not change what is seen."""
    called, plain = speculating(), hands_free(wire.SemanticVad())
    for call in (called, plain):
        say(call, "What time is it?").user_is_quiet(700)
    [one] = of_kind(called.events(), server.ResponseCreated)
    [other] = of_kind(plain.events(), server.ResponseCreated)
    assert one == other


def test_another_engine_is_asked_afresh() -> None:
    call = speculating()
    say(call, "What time is it?").take()
    moved = EngineMoved(name="other", message="It was lost.", speculates=True)
    assert [type(e) for e in ours(call.give(moved))] == [Speculate]
    moved = EngineMoved(name="third", message="It was lost.")
    assert ours(call.give(moved)) == []
    call.take()
    assert ours(call.user_speaks(200).take()) == []


def test_what_it_came_to_is_counted() -> None:
    call = speculating()
    say(call, "I would like").user_speaks(200)
    call.give(Speculated(used=False, output_tokens=5))
    say(call, "I would like two.").user_is_quiet(700)
    call.give(Speculated(used=True))
    counted = call.conversation.speculations
    assert counted.wasted_input_tokens > 0, "estimated, where nobody counted"
    assert counted == Speculations(
        begun=2,
        used=1,
        thrown_away=1,
        wasted_input_tokens=counted.wasted_input_tokens,
        wasted_output_tokens=5,
    )
    call.give(Speculated(used=False, input_tokens=100, output_tokens=1))
    wasted = call.conversation.speculations.wasted_input_tokens
    assert wasted == counted.wasted_input_tokens + 100


def test_the_last_item_is_the_turn_where_the_context_is_cut() -> None:
    call = speculating(context_tokens=60)
    call.client(text("A long story. " * 40, "item_before"))
    call.take()
    [effect] = ours(say(call, "What time is it?").take())
    assert isinstance(effect, Speculate)
    assert [item.id for item in effect.request.items] == [turn_of(call)]
    effects = call.user_is_quiet(700).take()
    assert any(isinstance(effect, TurnCommitted) for effect in effects)
