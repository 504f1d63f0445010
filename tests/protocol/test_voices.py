from __future__ import annotations

from antiphon.protocol.voices import answering_voice

VOICES = ("alloy", "marin", "sage")


def test_a_voice_that_is_there_answers_itself() -> None:
    assert [answering_voice(name, VOICES) for name in VOICES] == list(VOICES)


def test_an_unknown_name_always_gets_the_same_one() -> None:
    names = [f"voice_{n}" for n in range(100)]
    first = [answering_voice(name, VOICES) for name in names]
    assert first == [answering_voice(name, VOICES) for name in names]
    assert set(first) == set(VOICES)


def test_an_engine_that_knows_of_no_names_says_none() -> None:
    assert answering_voice("marin", ()) is None
