"""Money, in whole nano-dollars: sums of it are exact."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

Nano = int
"""A thousand-millionth of a US dollar."""
NANO_PER_DOLLAR = 1_000_000_000


def nano_of(dollars: str | float | Decimal) -> Nano:
    """Raises:
    ValueError: it is no amount, is less than nothing, or has parts of a nano-dollar.
    """
    try:
        amount = Decimal(str(dollars)) * NANO_PER_DOLLAR
        whole = int(amount)
    except (InvalidOperation, OverflowError, ValueError):
        raise ValueError(f"'{dollars}' is no amount in dollars") from None
    if whole < 0:
        raise ValueError(f"'{dollars}' is less than nothing")
    if whole != amount:
        raise ValueError(f"'{dollars}' has parts of a nano-dollar (nine places behind the point)")
    return whole


def shown(nano: Nano) -> str:
    """For people: cents where it is much, and as many places as tell something where it is little.

    "$12.34", "$0.0123", "$0.000004".
    """
    if nano == 0:
        return "$0.00"
    sign, nano = ("-", -nano) if nano < 0 else ("", nano)
    for places in (2, 4, 6, 9):
        if nano * 10**places >= 100 * NANO_PER_DOLLAR or places == 9:
            return f"{sign}${Decimal(nano) / NANO_PER_DOLLAR:.{places}f}"
    raise AssertionError("the last of them shows all")


def proportion(quantity: int, rate: Nano, per: int) -> Nano:
    """``quantity`` at ``rate`` for each ``per``, to the nearest nano-dollar, halves up."""
    return (2 * quantity * rate + per) // (2 * per)
