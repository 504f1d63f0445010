"""Lengths, weights and the like in other units: "ten miles in kilometers"."""

from __future__ import annotations

from msgspec import Struct

from antiphon.engines.cascade.llm.offline.english import ENGLISH
from antiphon.engines.cascade.llm.offline.numbers import Number, read_number, spoken_number
from antiphon.engines.cascade.llm.offline.words import ways_of


class Unit(Struct, frozen=True, kw_only=True):
    """``factor``: how many of the first unit of its kind it is."""

    kind: str
    name: str
    plural: str
    factor: float
    zero: float = 0
    """Where on the scale of the first unit it has its zero."""
    also: list[str] = []

    def spoken(self, value: Number) -> str:
        return f"{spoken_number(value)} {self.name if value == 1 else self.plural}"


_by_name: dict[str, Unit] = {}
for _kind, _entries in ENGLISH["units"].items():
    for _name, _entry in _entries.items():
        _unit = Unit(kind=_kind, **({"name": _name, "plural": f"{_name}s"} | _entry))
        for _way in (_name, _unit.plural, *_unit.also, *(f"{other}s" for other in _unit.also)):
            _by_name[_way] = _unit
_UNITS = ways_of(_by_name)
_BETWEEN = ("in", "to", "into", "are", "is", "as", "make")
_FILLING = ("are", "is", "in", "make", "there", "do", "does")


def read_conversion(words: tuple[str, ...], start: int) -> tuple[int, Number, str] | None:
    """As "ten miles in kilometers" and "kilometers are in ten miles".

    Where it ends, the result, and both as a sentence.
    """
    amount, target = _amount(words, start), _UNITS.longest(words, start)
    if amount:
        between = words[amount[0] : amount[0] + 1]
        known = bool(between) and between[0] in _BETWEEN
        target = _UNITS.longest(words, amount[0] + 1) if known else None
    elif target:
        at = target[0]
        while words[at : at + 1] and words[at] in _FILLING:
            at += 1
        amount = _amount(words, at)
    if amount is None or target is None or amount[2].kind != target[1].kind:
        return None
    _, value, unit = amount
    # Decimal fractions such as 0.01 are not exact; nobody says twelve digits.
    exact = float(f"{(value * unit.factor + unit.zero - target[1].zero) / target[1].factor:.12g}")
    result: Number = int(exact) if exact.is_integer() else round(exact, 2)
    sentence = f"{unit.spoken(value)} is{'' if result == exact else ' about'} "
    sentence += f"{target[1].spoken(result)}."
    return max(amount[0], target[0]), result, sentence[0].upper() + sentence[1:]


def _amount(words: tuple[str, ...], at: int) -> tuple[int, Number, Unit] | None:
    number = read_number(words, at)
    if number is None and words[at : at + 1] in (("a",), ("an",), ("the",)):
        number = (at + 1, 1)
    unit = _UNITS.longest(words, number[0]) if number else None
    return (unit[0], number[1], unit[1]) if number and unit else None
