"""Example phrases with slots: one small language for matching words and for grammars.

    [i want to] book (a room | a meeting room) for {people:number}

``[…]`` may be left out, ``(… | …)`` is one of several, ``{name:type}`` is a slot.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NoReturn

from msgspec import Struct

from antiphon.engines.cascade.llm.offline.slots import Filled, Slot
from antiphon.engines.cascade.llm.offline.words import Word, canon, words_of

# --- The tree ----------------------------------------------------------------


class Literal(Struct, frozen=True):
    text: str
    """As written: one word, perhaps an abbreviation."""
    canons: tuple[str, ...]


class Gap(Struct, frozen=True):
    name: str
    slot: Slot


class Sequence(Struct, frozen=True):
    parts: tuple[Node, ...]


class Alternatives(Struct, frozen=True):
    parts: tuple[Node, ...]


class Optional(Struct, frozen=True):
    part: Node


Node = Literal | Gap | Sequence | Alternatives | Optional
Slots = Mapping[str, Filled]


class PhraseError(ValueError):
    """A phrase cannot be read; the message says why."""


class Phrase(Struct, frozen=True):
    source: str
    node: Node
    vocabulary: frozenset[str]
    """The canonical words of the phrase, its enumerations included."""
    starts: frozenset[str] | None
    """The words that it may begin with; None: any."""
    slots: tuple[Gap, ...]

    @classmethod
    def of(cls, source: str, node: Node) -> Phrase:
        vocabulary = frozenset(word for part in _walk(node) for word in _words(part))
        return cls(source, node, vocabulary, _starts(node)[0], tuple(_gaps(node)))

    def match(
        self, words: tuple[Word, ...], start: int, today: dt.date
    ) -> Iterator[tuple[int, dict[str, Filled]]]:
        """Each way in which the phrase stands at ``start``, with its end and its slots."""
        if self.starts is not None and words[start].canon not in self.starts:
            return
        for end, filled in _match(self.node, words, start, today):
            yield end, dict(filled)

    def gaps(self) -> Iterator[Gap]:
        return iter(self.slots)

    def example(self) -> str:
        """The shortest plain way to say it."""
        return " ".join(_example(self.node))


# --- Reading a phrase --------------------------------------------------------

_MAX_CHARS = 400
_MARK = re.compile(r"\{[^{}]*\}|[][()|]|[^][()|{}\s]+|[{}]")
SlotNamed = Callable[[str, str], Slot]
"""``(name, type)`` of a slot, as written; raises `PhraseError` for what it does not know."""


def parse_phrase(source: str, slot_named: SlotNamed) -> Phrase:
    """Read ``source``.

    Raises:
        PhraseError: brackets do not match, a slot is unknown, or it has no words.
    """
    if len(source) > _MAX_CHARS:
        raise PhraseError(f"a phrase of more than {_MAX_CHARS} characters")
    marks = _MARK.findall(source)
    node, at = _parse_alternatives(marks, 0, slot_named, source)
    if at < len(marks):
        _fail(f"'{marks[at]}' closes nothing", source)
    if _shortest(node) == 0:
        _fail("it may be no words at all", source)
    names = [gap.name for gap in _gaps(node)]
    doubled = next((n for n in names if names.count(n) > 1 and not _exclusive(node, n)), None)
    if doubled:
        _fail(f"slot '{doubled}' stands twice", source)
    return Phrase.of(source, node)


def _fail(why: str, source: str) -> NoReturn:
    raise PhraseError(f"phrase '{source}': {why}")


def _parse_alternatives(
    marks: list[str], at: int, slot_named: SlotNamed, source: str
) -> tuple[Node, int]:
    ways: list[Node] = []
    while True:
        parts: list[Node] = []
        while at < len(marks) and marks[at] not in ("|", ")", "]"):
            part, at = _parse_one(marks, at, slot_named, source)
            parts.append(part)
        if not parts:
            _fail("there is an empty alternative", source)
        ways.append(parts[0] if len(parts) == 1 else Sequence(tuple(parts)))
        if at < len(marks) and marks[at] == "|":
            at += 1
            continue
        return (ways[0] if len(ways) == 1 else Alternatives(tuple(ways))), at


def _parse_one(marks: list[str], at: int, slot_named: SlotNamed, source: str) -> tuple[Node, int]:
    mark = marks[at]
    if mark in ("(", "["):
        node, at = _parse_alternatives(marks, at + 1, slot_named, source)
        closing = ")" if mark == "(" else "]"
        if marks[at : at + 1] != [closing]:
            _fail(f"'{mark}' is not closed", source)
        return (node if mark == "(" else Optional(node)), at + 1
    if mark in ("{", "}"):
        _fail(f"'{mark}' stands alone", source)
    if mark.startswith("{"):
        name, _, kind = mark[1:-1].partition(":")
        name, kind = name.strip(), kind.strip()
        if not name.isidentifier():
            _fail(f"'{mark}' needs a name of letters, digits and underscores", source)
        return Gap(name, slot_named(name, kind)), at + 1
    canons = canon(mark)
    if not canons:
        return Literal("", ()), at + 1
    return Literal(mark.lower(), canons), at + 1


def _exclusive(node: Node, name: str) -> bool:
    """Whether slot ``name`` stands at most once on each way through ``node``."""
    return _count(node, lambda leaf: int(isinstance(leaf, Gap) and leaf.name == name), max) <= 1


# --- Walking -----------------------------------------------------------------


def _walk(node: Node) -> Iterator[Node]:
    yield node
    match node:
        case Sequence() | Alternatives():
            for part in node.parts:
                yield from _walk(part)
        case Optional():
            yield from _walk(node.part)


def _gaps(node: Node) -> Iterator[Gap]:
    return (found for found in _walk(node) if isinstance(found, Gap))


def _words(node: Node) -> Iterator[str]:
    if isinstance(node, Literal):
        yield from node.canons
    elif isinstance(node, Gap):
        rules = node.slot.rules()
        for body in rules[1].values() if rules else ():
            yield from (word.canon for word in words_of(re.sub(r"<\w+>", " ", body)))


def _starts(node: Node) -> tuple[frozenset[str] | None, bool]:
    """The words it may begin with, None for any, and whether it may be nothing."""
    match node:
        case Literal():
            return frozenset(node.canons[:1]), not node.canons
        case Gap():
            return None, False
        case Optional():
            return _starts(node.part)[0], True
    found: frozenset[str] = frozenset()
    nothing = isinstance(node, Sequence)
    for part in node.parts:
        first, empty = _starts(part)
        if first is None:
            return None, False
        found |= first
        if isinstance(node, Sequence) and not empty:
            return found, False
        nothing = nothing or empty
    return found, nothing


def _count(
    node: Node, of: Callable[[Literal | Gap], int], choose: Callable[[Iterable[int]], int]
) -> int:
    """The sum over what stands on one way through ``node``: that which is chosen."""
    match node:
        case Literal() | Gap():
            return of(node)
        case Optional():
            return choose([0, _count(node.part, of, choose)])
        case Sequence():
            return sum(_count(part, of, choose) for part in node.parts)
        case Alternatives():
            return choose(_count(part, of, choose) for part in node.parts)


def _shortest(node: Node) -> int:
    return _count(node, lambda leaf: len(leaf.canons) if isinstance(leaf, Literal) else 1, min)


def _example(node: Node) -> Iterator[str]:
    match node:
        case Literal():
            if node.text:
                yield node.text
        case Gap():
            yield node.slot.examples()[0]
        case Sequence():
            for part in node.parts:
                yield from _example(part)
        case Alternatives():
            yield from _example(node.parts[0])


_Way = tuple[int, tuple[tuple[str, Filled], ...]]
_MAX_WAYS = 100
"""Of reading one phrase at one place: optional words multiply."""


def _match(node: Node, words: tuple[Word, ...], at: int, today: dt.date) -> list[_Way]:
    """All ways to read ``node`` from ``at``, the first one preferred."""
    match node:
        case Literal():
            end = at + len(node.canons)
            said = tuple(word.canon for word in words[at:end])
            return [(end, ())] if said == node.canons else []
        case Gap():
            read: list[_Way] = []
            for end, filled in node.slot.read(words, at, today):
                read.append((end, ((node.name, filled),)))
            return read[:_MAX_WAYS]
        case Optional():
            return [*_match(node.part, words, at, today), (at, ())]
        case Alternatives():
            found = [way for part in node.parts for way in _match(part, words, at, today)]
            return list(dict.fromkeys(found))[:_MAX_WAYS]
        case Sequence():
            ways: list[_Way] = [(at, ())]
            for part in node.parts:
                longer = [
                    (end, slots + more)
                    for middle, slots in ways
                    for end, more in _match(part, words, middle, today)
                ]
                ways = list(dict.fromkeys(longer))[:_MAX_WAYS]
            return ways
