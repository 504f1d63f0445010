"""Sums that people say: "six times ten", "12 + 30 divided by 5"."""

from __future__ import annotations

import ast
import operator
from fractions import Fraction

from msgspec import Struct
from simpleeval import SimpleEval

from antiphon.engines.cascade.llm.offline.english import ENGLISH
from antiphon.engines.cascade.llm.offline.numbers import read_number, spoken_number
from antiphon.engines.cascade.llm.offline.words import Ways, ways_of

_OPERATIONS: Ways[tuple[str, str]] = ways_of(ENGLISH["operations"])
"""How they are said back, and the sign."""
_SQUARED = ("to the power of", "**")
_MAX_EXPONENT = 64


class Sum(Struct, frozen=True):
    spoken: str
    """The sum in words."""
    value: Fraction | None
    """None: divided by nothing, or too large to say."""

    def answer(self) -> str:
        if self.value is None:
            return f"{self.spoken.capitalize()} has no answer that I could tell."
        if self.value.denominator == 1:
            return f"{self.spoken.capitalize()} is {spoken_number(int(self.value))}."
        rounded = round(float(self.value), 4)
        exactly = "is" if Fraction(str(rounded)) == self.value else "is about"
        return f"{self.spoken.capitalize()} {exactly} {spoken_number(rounded)}."


def read_sum(words: tuple[str, ...], start: int) -> tuple[int, Sum] | None:
    """The longest sum at ``start``, of two numbers or more, and where it ends."""
    at, end = start, start
    numbers: list[Fraction] = []
    operations: list[tuple[str, str]] = []
    while found := read_number(words, at):
        at = end = found[0]
        numbers.append(Fraction(str(found[1])))
        if words[at : at + 1] == ("squared",):
            at = end = at + 1
            operations.append(_SQUARED)
            numbers.append(Fraction(2))
        known = _OPERATIONS.longest(words, at)
        if known is None:
            break
        at = known[0]
        operations.append(known[1])
    operations = operations[: len(numbers) - 1]
    if not operations:
        return None
    spoken = spoken_number(_plain(numbers[0]))
    for (operation, _), number in zip(operations, numbers[1:], strict=True):
        spoken += f" {operation} {spoken_number(_plain(number))}"
    try:
        value: Fraction | None = _worked_out(numbers, [sign for _, sign in operations])
    except (ZeroDivisionError, OverflowError):
        value = None
    return end, Sum(spoken, value if value is not None and abs(value) < 10**15 else None)


def _plain(number: Fraction) -> int | float:
    return int(number) if number.denominator == 1 else float(number)


def _worked_out(numbers: list[Fraction], signs: list[str]) -> Fraction:
    """Powers first, then products, then sums."""
    names = {f"n{index}": number for index, number in enumerate(numbers)}
    written = "n0"
    for index, sign in enumerate(signs, 1):
        written += f" {sign} n{index}"
    judge = SimpleEval(operators=_ARITHMETIC, names=names, functions={})
    return Fraction(judge.eval(written))


def _power(a: Fraction, b: Fraction) -> Fraction:
    if b.denominator != 1 or abs(b) > _MAX_EXPONENT or abs(a) > 10**6:
        raise OverflowError
    return Fraction(a ** int(b))


_ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: _power,
}
