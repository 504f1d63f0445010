"""Lengths, weights and the like in other units: "ten miles in kilometers"."""

from __future__ import annotations

from msgspec import Struct

from antiphon.engines.cascade.llm.offline.numbers import Number, read_number, spoken_number


class Unit(Struct, frozen=True):
    """``factor``: how many of the first unit of its kind it is."""

    kind: str
    name: str
    plural: str
    factor: float
    zero: float = 0
    """Where on the scale of the first unit it has its zero."""

    def spoken(self, value: Number) -> str:
        return f"{spoken_number(value)} {self.name if value == 1 else self.plural}"


_TABLE = """
length 0.001 millimeter millimetre mm | 0.01 centimeter centimetre cm | 1 meter metre m
length 1000 kilometer kilometre km | 0.0254 inch/inches | 0.3048 foot/feet | 0.9144 yard
length 1609.344 mile
weight 0.001 gram g | 1 kilogram kilo kg | 1000 tonne ton | 0.45359237 pound lb
weight 0.028349523125 ounce oz | 6.35029318 stone/stone
volume 0.001 milliliter millilitre ml | 1 liter litre l | 3.785411784 gallon
volume 0.473176473 pint | 0.2365882365 cup
time 1 second | 60 minute | 3600 hour | 86400 day | 604800 week
"""
_DEGREES = (
    Unit("temperature", "degree celsius", "degrees celsius", 1),
    Unit("temperature", "degree fahrenheit", "degrees fahrenheit", 5 / 9, -160 / 9),
)
_SPEEDS = (
    Unit("speed", "kilometer per hour", "kilometers per hour", 1),
    Unit("speed", "mile per hour", "miles per hour", 1.609344),
)
_UNITS = {
    "celsius": _DEGREES[0], "centigrade": _DEGREES[0], "fahrenheit": _DEGREES[1],
    "kph": _SPEEDS[0], "mph": _SPEEDS[1],
}  # fmt: skip
for _line in _TABLE.split("\n"):
    _kind, _, _entries = _line.partition(" ")
    for _entry in _entries.split(" | ") if _entries else ():
        _factor, _names, *_others = _entry.split()
        _name, _, _plural = _names.partition("/")
        _unit = Unit(_kind, _name, _plural or f"{_name}s", float(_factor))
        for _way in (_name, _unit.plural, *_others, *(f"{other}s" for other in _others)):
            _UNITS[_way] = _unit
_BETWEEN = ("in", "to", "into", "are", "is", "as", "make")
_FILLING = ("are", "is", "in", "make", "there", "do", "does")


def read_conversion(words: tuple[str, ...], start: int) -> tuple[int, Number, str] | None:
    """As "ten miles in kilometers" and "kilometers are in ten miles".

    Where it ends, the result, and both as a sentence.
    """
    amount, target = _amount(words, start), _read_unit(words, start)
    if amount:
        between = words[amount[0] : amount[0] + 1]
        target = _read_unit(words, amount[0] + 1) if between and between[0] in _BETWEEN else None
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
    unit = _read_unit(words, number[0]) if number else None
    return (unit[0], number[1], unit[1]) if number and unit else None


def _read_unit(words: tuple[str, ...], at: int) -> tuple[int, Unit] | None:
    at += words[at : at + 1] in (("degree",), ("degrees",))
    unit = _UNITS.get(words[at]) if at < len(words) else None
    if unit and words[at + 1 : at + 3] == ("per", "hour"):
        fast = next((speed for speed in _SPEEDS if speed.name.startswith(unit.name)), unit)
        return at + 3, fast
    return (at + 1, unit) if unit else None
