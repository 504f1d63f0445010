"""Sums that people say: "six times ten", "12 + 30 divided by 5"."""

from __future__ import annotations

from fractions import Fraction

from msgspec import Struct

from antiphon.engines.cascade.llm.offline.numbers import read_number, spoken_number

_OPERATIONS = (
    (("plus",), "plus"), (("and",), "plus"), (("minus",), "minus"), (("less",), "minus"),
    (("times",), "times"), (("x",), "times"), (("multiplied", "by"), "times"),
    (("divided", "by"), "divided by"), (("divided",), "divided by"), (("over",), "divided by"),
    (("percent", "of"), "percent of"), (("to", "the", "power", "of"), "to the power of"),
)  # fmt: skip
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
    operations: list[str] = []
    while found := read_number(words, at):
        at = end = found[0]
        numbers.append(Fraction(str(found[1])))
        if words[at : at + 1] == ("squared",):
            at = end = at + 1
            operations.append("to the power of")
            numbers.append(Fraction(2))
        known = next((o for o in _OPERATIONS if words[at : at + len(o[0])] == o[0]), None)
        if known is None:
            break
        at += len(known[0])
        operations.append(known[1])
    operations = operations[: len(numbers) - 1]
    if not operations:
        return None
    spoken = spoken_number(_plain(numbers[0]))
    for operation, number in zip(operations, numbers[1:], strict=True):
        spoken += f" {operation} {spoken_number(_plain(number))}"
    try:
        value: Fraction | None = _worked_out(numbers, operations)
    except (ZeroDivisionError, OverflowError):
        value = None
    return end, Sum(spoken, value if value is not None and abs(value) < 10**15 else None)


def _plain(number: Fraction) -> int | float:
    return int(number) if number.denominator == 1 else float(number)


def _worked_out(numbers: list[Fraction], operations: list[str]) -> Fraction:
    """Powers first, then products, then sums, each from the left."""
    left, todo = list(numbers), list(operations)
    for level in (("to the power of",), ("percent of", "times", "divided by"), ("plus", "minus")):
        index = 0
        while index < len(todo):
            if todo[index] in level:
                left[index : index + 2] = [_one(left[index], todo.pop(index), left[index + 1])]
            else:
                index += 1
    return left[0]


def _one(a: Fraction, operation: str, b: Fraction) -> Fraction:
    match operation:
        case "plus":
            return a + b
        case "minus":
            return a - b
        case "times":
            return a * b
        case "divided by":
            return a / b
        case "percent of":
            return a * b / 100
    if b.denominator != 1 or abs(b) > _MAX_EXPONENT or abs(a) > 10**6:
        raise OverflowError
    return (
        Fraction(a.numerator ** int(b), a.denominator ** int(b))
        if b >= 0
        else 1 / _one(a, operation, -b)
    )
