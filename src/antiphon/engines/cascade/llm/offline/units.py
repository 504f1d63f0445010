"""Lengths, weights and the like in other units: "ten miles in kilometres"."""

from __future__ import annotations

from msgspec import Struct

from antiphon.engines.cascade.llm.offline.numbers import Number, read_number, spoken_number

_LINES = """
length: 0.001 millimeter millimetre mm; 0.01 centimeter centimetre cm; 1 meter metre m;
    1000 kilometer kilometre km; 0.0254 inch inche; 0.3048 foot feet; 0.9144 yard; 1609.344 mile
weight: 0.001 gram g; 1 kilogram kilo kg; 1000 tonne ton; 0.45359237 pound lb;
    0.028349523125 ounce oz; 6.35029318 stone
volume: 0.001 milliliter millilitre ml; 1 liter litre l; 3.785411784 gallon;
    0.473176473 pint; 0.2365882365 cup
time: 1 second; 60 minute; 3600 hour; 86400 day; 604800 week
speed: 1 kph; 1.609344 mph
temperature: 1 celsius centigrade; 0.5555555555555556 fahrenheit
"""
_PLURALS = {"inch": "inches", "foot": "feet", "stone": "stone", "celsius": "degrees celsius",
            "fahrenheit": "degrees fahrenheit", "kph": "kilometers per hour",
            "mph": "miles per hour"}  # fmt: skip
_LEADS = (("degree",), ("degrees",))
_BETWEEN = ("in", "to", "into", "are", "is", "as", "make")
_FILLING = ("are", "is", "in", "make", "there", "do", "does")


class Unit(Struct, frozen=True):
    name: str
    kind: str
    factor: float
    """How many of the first unit of its kind it is."""

    def spoken(self, value: Number) -> str:
        name = _PLURALS.get(self.name, f"{self.name}s")
        return f"{spoken_number(value)} {self.name if value == 1 and ' ' not in name else name}"


def _units() -> dict[str, Unit]:
    found: dict[str, Unit] = {}
    for line in _LINES.strip().replace("\n    ", " ").split("\n"):
        kind, _, units = line.partition(":")
        for entry in units.split(";"):
            factor, *names = entry.split()
            unit = Unit(names[0], kind, float(factor))
            for name in names:
                found |= {name: unit, f"{name}s": unit}
    return found


UNITS = _units()


class Conversion(Struct, frozen=True):
    spoken: str
    value: Number


def read_conversion(words: tuple[str, ...], start: int) -> tuple[int, Conversion] | None:
    """As "ten miles in kilometers" and "kilometers are in ten miles", and where it ends."""
    first = _amount(words, start)
    if first:
        end, value, unit = first
        target = _unit(words, end + 1) if words[end : end + 1] and words[end] in _BETWEEN else None
    else:
        target = _unit(words, start)
        at = target[0] if target else start
        while words[at : at + 1] and words[at] in _FILLING:
            at += 1
        second = _amount(words, at) if target else None
        if second is None:
            return None
        end, value, unit = second
    if target is None or unit.kind != target[1].kind:
        return None
    result = _converted(value, unit, target[1])
    about = "is" if result == round(result, 2) else "is about"
    result = round(result, 2)
    result = int(result) if float(result).is_integer() else result
    spoken = f"{unit.spoken(value)} {about} {target[1].spoken(result)}."
    return max(end, target[0]), Conversion(spoken[0].upper() + spoken[1:], result)


def _amount(words: tuple[str, ...], at: int) -> tuple[int, Number, Unit] | None:
    number = read_number(words, at)
    if number is None and words[at : at + 1] in (("a",), ("an",), ("the",)):
        number = (at + 1, 1)
    unit = _unit(words, number[0]) if number else None
    return (unit[0], number[1], unit[1]) if number and unit else None


def _unit(words: tuple[str, ...], at: int) -> tuple[int, Unit] | None:
    at += words[at : at + 1] in _LEADS
    unit = UNITS.get(words[at]) if at < len(words) else None
    if unit is None:
        return None
    end = at + 1
    if words[end : end + 2] == ("per", "hour") and unit.name in ("mile", "kilometer"):
        return end + 2, UNITS["mph" if unit.name == "mile" else "kph"]
    return end, unit


def _converted(value: Number, unit: Unit, target: Unit) -> float:
    if unit.kind != "temperature":
        # Decimal fractions such as 0.01 are not exact; nobody says twelve digits.
        return float(f"{value * unit.factor / target.factor:.12g}")
    celsius = value if unit.name == "celsius" else (value - 32) * unit.factor
    return float(f"{celsius if target.name == 'celsius' else celsius / target.factor + 32:.12g}")
