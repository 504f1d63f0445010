from __future__ import annotations

from datetime import date

import pytest

from antiphon.metering.prices import TOKEN_KINDS, Price, PriceTable, known_prices, prices_in

TODAY = "2026-11-29"


def test_the_prices_that_come_along_are_those_of_their_sources() -> None:
    table = PriceTable(known_prices())
    found = table.find("gpt-realtime-2.1", TODAY)
    assert found is not None
    assert [getattr(found, kind) for kind in TOKEN_KINDS] == [
        4_000_000_000,
        400_000_000,
        24_000_000_000,
        32_000_000_000,
        400_000_000,
        64_000_000_000,
        5_000_000_000,
        500_000_000,
    ]
    whisper = table.find("gpt-realtime-whisper", TODAY)
    assert whisper is not None
    assert whisper.minute == 17_000_000


def test_each_of_them_says_who_says_so_and_when_it_was_read() -> None:
    for row in known_prices():
        assert row.source, row.model
        assert date.fromisoformat(row.noted) <= date(2026, 11, 29), row.model


def test_a_row_holds_from_its_day_until_the_next() -> None:
    old, new = Price(model="m", text_in=1), Price(model="m", since="2026-12-01", text_in=2)
    table = PriceTable([old, new])
    assert table.find("m", "2026-11-30") is old
    assert table.find("m", "2026-12-01") is new
    assert PriceTable([new]).find("m", "2026-11-30") is None


def test_the_operators_rows_go_before_and_names_before_patterns() -> None:
    pattern, name = Price(model="gpt-*", text_in=1), Price(model="gpt-x", text_in=2)
    longer, own = Price(model="gpt-r*", text_in=3), Price(model="g*", text_in=4)
    table = PriceTable([pattern, name, longer])
    assert table.find("gpt-x", TODAY) is name
    assert table.find("gpt-real", TODAY) is longer
    assert table.find("gpt-any", TODAY) is pattern
    assert table.find("other", TODAY) is None
    assert PriceTable([own], [name]).find("gpt-x", TODAY) is own


def test_cached_tokens_are_input_where_nothing_else_is_said() -> None:
    assert Price(model="m", text_in=7).for_tokens("text_cached") == 7
    assert Price(model="m", text_in=7).for_tokens("audio_in") is None
    assert Price(model="m", minute=7).for_tokens("audio_in") == 0
    assert Price(model="m", minute=7, text_in=1).for_tokens("audio_in") is None


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"text_in": 1}, "row 1 .*: model: a row names the model"),
        ({"model": "m"}, "a row needs a price"),
        ({"model": "m", "text": 1}, "text: there is no such field"),
        ({"model": "m", "minute": -1}, "minute: '-1' is less than nothing"),
        ({"model": "m", "minute": True}, "minute: an amount in dollars"),
        ({"model": "m", "minute": 1, "since": "soon"}, "since: 'soon' is no day"),
        ({"model": 5, "minute": 1}, "model: a text is expected"),
    ],
)
def test_a_wrong_row_is_refused_by_name(row: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        prices_in([row])
