from __future__ import annotations

import pytest

from antiphon.metering.money import nano_of, proportion, shown


@pytest.mark.parametrize(
    ("dollars", "nano"),
    [("32", 32_000_000_000), (".40", 400_000_000), (0.017, 17_000_000), ("0.000000001", 1), (0, 0)],
)
def test_amounts_are_read_exactly(dollars: str | float, nano: int) -> None:
    assert nano_of(dollars) == nano


@pytest.mark.parametrize("dollars", ["-1", "much", "nan", "inf", "0.0000000001", ""])
def test_what_is_no_amount_is_refused(dollars: str) -> None:
    with pytest.raises(ValueError, match=r"amount|less|parts"):
        nano_of(dollars)


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "$0.00"),
        (12_340_000_000, "$12.34"),
        (12_300_000, "$0.0123"),
        (4_000, "$0.000004000"),
        (123_456, "$0.000123"),
        (-12_300_000, "-$0.0123"),
    ],
)
def test_small_amounts_are_shown_with_more_places(nano: int, text: str) -> None:
    assert shown(nano) == text


def test_a_proportion_is_rounded_to_the_nearest_nano() -> None:
    assert proportion(1, 17_000_000, 60_000) == 283
    assert proportion(500, 1_000, 1_000_000) == 1  # a half, up
    assert proportion(10, 32_000_000_000, 1_000_000) == 320_000
