from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.causes import Word
from antiphon.core.items import MAX_AUDIO_BYTES, HeardPart, MessageEntry, SpokenPart
from antiphon.protocol.items import InputAudio


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
    part.cut(samples, done=True)
    assert part.transcript == text
    assert part.samples == min(samples, 24_000)
    assert len(part.pcm) == 2 * part.samples


def test_a_second_cut_can_only_take_more() -> None:
    part = spoken()
    part.cut(14_000, done=True)
    part.cut(20_000, done=True)
    assert (part.samples, part.transcript) == (14_000, "One two")
    part.cut(6_000, done=True)
    assert (part.samples, part.transcript) == (6_000, "One")


def test_speech_without_word_marks_loses_its_text_when_cut() -> None:
    part = SpokenPart()
    part.say("Unaligned.")
    part.speak(bytes(4_800), [])
    part.cut(2_400, done=True)
    assert part.transcript == "Unaligned."
    part.cut(2_399, done=True)
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
        part.cut(cut, done=True)
        assert text.startswith(part.transcript or "")
        assert part.samples <= samples
        text, samples = part.transcript or "", part.samples


def test_an_engine_is_told_a_transcript_that_is_not_shown() -> None:
    heard = HeardPart(shows_transcript=False)
    entry = MessageEntry("item_1", "user", parts=[heard])
    assert entry.for_engine() == entry.wire()
    heard.transcript = "Hello"
    assert entry.for_engine() == entry.with_content((InputAudio("Hello"),)) != entry.wire()


@pytest.mark.parametrize("samples", [0, 100])
def test_words_before_the_first_sound_were_not_heard(samples: int) -> None:
    part = SpokenPart()
    part.say("One two three.")
    part.cut(samples, done=False)
    assert (part.transcript, part.samples) == ("", 0)


def test_a_cut_at_all_there_is_so_far_leaves_out_words_that_ran_ahead() -> None:
    part = SpokenPart()
    part.say("One two three.")
    part.speak(bytes(2 * 7_000), [Word(3, 6_000)])
    part.cut(7_000, done=False)
    assert (part.transcript, part.samples) == ("One", 7_000)
