from __future__ import annotations

from antiphon.engines.cascade.tts.word_marks import WordMarks


def test_a_word_ends_where_the_next_begins() -> None:
    marks = WordMarks("good day")
    assert marks.word(0, 0) is None
    assert marks.word(5, 900) == (4, 900)


def test_a_word_ends_before_its_pause() -> None:
    marks = WordMarks("well, then")
    marks.word(0, 0)
    marks.phoneme(10, silent=False)
    marks.phoneme(800, silent=True)
    marks.phoneme(900, silent=True)
    assert marks.word(6, 1000) == (5, 800)


def test_a_pause_inside_a_word_is_part_of_it() -> None:
    marks = WordMarks("a.b c")
    marks.word(0, 0)
    marks.phoneme(300, silent=True)
    marks.word(2, 400)
    marks.phoneme(400, silent=False)
    assert marks.word(4, 900) == (3, 900)


def test_what_the_synthesiser_calls_words_are_joined_to_what_a_reader_calls_one() -> None:
    marks = WordMarks("1,234 apples")
    assert [marks.word(at, at * 100) for at in (0, 1, 2, 3, 3)] == [None] * 5
    assert marks.word(6, 600) == (5, 600)


def test_positions_that_fall_back_say_nothing() -> None:
    marks = WordMarks("one two three")
    marks.word(4, 100)
    assert marks.word(0, 200) is None
    assert marks.word(8, 300) == (7, 300)


def test_scripts_without_spaces_have_a_mark_at_each_reported_word() -> None:
    marks = WordMarks("今天天气")
    assert marks.word(0, 0) is None
    assert marks.word(2, 500) == (2, 500)
