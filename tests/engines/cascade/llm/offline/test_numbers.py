from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.llm.offline.calendar import (
    read_date,
    read_duration,
    read_time,
    spoken_date,
    spoken_duration,
    spoken_time,
)
from antiphon.engines.cascade.llm.offline.numbers import (
    read_digits,
    read_number,
    spoken_digits,
    spoken_number,
)
from antiphon.engines.cascade.llm.offline.words import canon, corrected, words_of

WEDNESDAY = dt.date(2026, 5, 6)


@given(st.integers(-(10**14), 10**14))
def test_a_spoken_number_is_read_back_whole(number: int) -> None:
    words = canon(spoken_number(number))
    assert read_number(words, 0) == (len(words), number)


@pytest.mark.parametrize(
    ("value", "spoken"),
    [
        (0, "zero"),
        (1205, "one thousand two hundred and five"),
        (-3.25, "minus three point two five"),
        (4.0, "four"),
        (0.1 + 0.2, "zero point three"),
        (2 * 10**15, "two" + " zero" * 15),
        (1e20, "1e+20"),
        (float("nan"), "nan"),
    ],
)
def test_numbers_are_spoken_without_hyphens_and_commas(value: float, spoken: str) -> None:
    assert spoken_number(value) == spoken


@given(st.text("0123456789", min_size=1, max_size=12))
def test_spoken_digits_are_read_back(code: str) -> None:
    words = canon(spoken_digits(code))
    assert read_digits(words, 0) == (len(words), code)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("twelve", 12),
        ("1,200", 1200),
        ("3.5 million", 3_500_000),
        ("three point one four", 3.14),
        ("two and a half", 2.5),
        ("a hundred and one", 101),
        ("one hundred twenty three thousand", 123_000),
        ("minus five", -5),
    ],
)
def test_numbers_as_people_say_them(text: str, number: float) -> None:
    words = canon(text)
    assert read_number(words, 0) == (len(words), number)


@pytest.mark.parametrize("text", ["", "and", "hello", "a room", "point five"])
def test_what_is_no_number(text: str) -> None:
    assert read_number(canon(text), 0) is None


def test_two_numbers_in_a_row_are_two_numbers() -> None:
    assert read_number(canon("two thirty"), 0) == (1, 2)
    assert read_number(canon("five six"), 0) == (1, 5)


@pytest.mark.parametrize(
    ("text", "code"),
    [("nine oh two one oh", "90210"), ("1234", "1234"), ("twelve thirty four", "1234")],
)
def test_codes(text: str, code: str) -> None:
    assert read_digits(canon(text), 0)[1] == code


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("two thirty pm", "14:30"),
        ("2:30 p.m.", "14:30"),
        ("at half past two", "14:30"),
        ("quarter to three", "14:45"),
        ("quarter to one", "12:45"),
        ("nine o'clock", "09:00"),
        ("nine oh five", "09:05"),
        ("nine forty five am", "09:45"),
        ("ten in the morning", "10:00"),
        ("noon", "12:00"),
        ("twelve am", "00:00"),
        ("14:15", "14:15"),
        ("1415", "14:15"),
    ],
)
def test_times(text: str, time: str) -> None:
    words = canon(text)
    found = read_time(words, 0)
    assert found is not None
    assert (found[0], found[1].strftime("%H:%M")) == (len(words), time)


@given(st.times())
def test_a_spoken_time_is_read_back(time: dt.time) -> None:
    time = time.replace(second=0, microsecond=0)
    words = canon(spoken_time(time))
    assert read_time(words, 0) == (len(words), time)


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("today", "2026-05-06"),
        ("tomorrow", "2026-05-07"),
        ("the day after tomorrow", "2026-05-08"),
        ("on friday", "2026-05-08"),
        ("next wednesday", "2026-05-13"),
        ("may the third", "2027-05-03"),
        ("the twenty first of june", "2026-06-21"),
        ("June 21st", "2026-06-21"),
        ("2026-08-01", "2026-08-01"),
        ("february the twenty ninth", "2028-02-29"),
    ],
)
def test_dates(text: str, date: str) -> None:
    words = canon(text)
    found = read_date(words, 0, WEDNESDAY)
    assert found is not None
    assert (found[0], found[1].isoformat()) == (len(words), date)


def test_a_day_that_does_not_exist_is_no_date() -> None:
    assert read_date(canon("june thirty first"), 0, WEDNESDAY) is None


@given(st.dates(WEDNESDAY, WEDNESDAY + dt.timedelta(days=360)))
def test_a_spoken_date_is_read_back(date: dt.date) -> None:
    words = canon(spoken_date(date).partition(",")[2])
    assert read_date(words, 0, WEDNESDAY) == (len(words), date)


@given(st.integers(0, 24 * 60 - 1))
def test_a_spoken_duration_is_read_back(minutes: int) -> None:
    words = canon(spoken_duration(minutes))
    assert read_duration(words, 0) == (len(words), minutes)


@pytest.mark.parametrize(
    ("text", "minutes"), [("an hour and a half", 90), ("for 2 hours", 120), ("half hour", 30)]
)
def test_durations(text: str, minutes: int) -> None:
    assert read_duration(canon(text), 0) == (len(canon(text)), minutes)


def test_words_are_compared_without_case_punctuation_and_spelling_of_numbers() -> None:
    assert canon("Two people, please!") == canon("2 People please") == ("2", "people", "please")
    assert canon("12+30") == canon("twelve plus thirty")
    assert canon("2:30 p. m.") == ("2:30", "pm")


def test_small_spelling_errors_are_put_right_but_short_words_are_left_alone() -> None:
    fixed = corrected(words_of("i want an amercano or tee"), {"americano", "tea"})
    assert [word.text for word in fixed] == ["i", "want", "an", "americano", "or", "tee"]


def test_digits_that_are_no_decimals_are_no_numbers() -> None:
    assert read_number(canon("²"), 0) is None
    assert read_digits(canon("፩ ②"), 0) == (0, "")
    assert read_time(canon("³"), 0) is None
