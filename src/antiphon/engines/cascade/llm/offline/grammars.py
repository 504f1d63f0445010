"""Phrases as a JSGF grammar for the recogniser, kept small.

The recogniser expands every rule where it is used, so size is counted expanded.  Both
limits are far above what a state of an agent needs; what does not fit any more is left
out, last first, and is then understood only by open recognition.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from antiphon.engines.cascade.llm.offline.numbers import spoken_digits, spoken_number
from antiphon.engines.cascade.llm.offline.phrases import (
    Alternatives,
    Gap,
    Literal,
    Node,
    Optional,
    Phrase,
    Sequence,
)
from antiphon.engines.cascade.llm.offline.slots import EnumSlot, Rules
from antiphon.engines.cascade.parts import Grammar

MAX_WORDS = 600
"""Different words."""
MAX_ARCS = 6000
"""Words along all ways, with rules expanded where they are used."""
_MAX_MADE = 32

_SAYABLE = re.compile(r"[a-z]+(?:'[a-z]+)*'?|(?:[a-z]\.)+")


class _NotSayable(Exception):
    """A phrase has words that no English grammar can hold, or a slot for any words."""


def grammar_of(
    phrases: Iterable[Phrase], pronunciations: Mapping[str, str] | None = None
) -> Grammar | None:
    """One public rule with all ``phrases`` that can be in a grammar, first come first.

    None where nothing can, and where some phrase takes any words at all: a grammar would
    then keep the user from saying them.
    """
    rules: Rules = {}
    bodies: dict[str, None] = {}
    words: set[str] = set()
    arcs = 0
    for phrase in phrases:
        if any(gap.slot.rules() is None for gap in phrase.gaps()):
            return None
        try:
            body, needed = _body(phrase.node)
        except _NotSayable:
            continue
        merged = rules | needed
        arcs_more, words_more = _size(body, merged)
        if body in bodies or arcs + arcs_more > MAX_ARCS or len(words | words_more) > MAX_WORDS:
            continue
        bodies[body], rules, arcs = None, merged, arcs + arcs_more
        words |= words_more
    if not bodies:
        return None
    lines = ["#JSGF V1.0;", "grammar expected;", f"public <said> = {' | '.join(bodies)};"]
    lines += [f"<{name}> = {body};" for name, body in sorted(rules.items())]
    jsgf = "\n".join(lines) + "\n"
    known = {w: p for w, p in (pronunciations or {}).items() if w in words}
    key = hashlib.sha256((jsgf + repr(sorted(known.items()))).encode()).hexdigest()[:16]
    return Grammar(key=key, jsgf=jsgf, pronunciations=known)


class Grammars:
    """The newest ones that were made: to make one takes some twenty milliseconds."""

    def __init__(self) -> None:
        self._made: list[tuple[list[Phrase], Mapping[str, str], Grammar | None]] = []

    def of(self, phrases: list[Phrase], pronunciations: Mapping[str, str]) -> Grammar | None:
        for known, spoken, grammar in self._made:
            if known == phrases and spoken == pronunciations:
                return grammar
        grammar = grammar_of(phrases, pronunciations)
        self._made = [(phrases, pronunciations, grammar), *self._made[: _MAX_MADE - 1]]
        return grammar


def sayable(text: str) -> str:
    """``text`` as lower-case words with numbers spelled out; "" where that cannot be."""
    try:
        return " ".join(_spelled(word) for word in re.findall(r"[^\s,;:!?\"()-]+", text.lower()))
    except _NotSayable:
        return ""


def _spelled(word: str) -> str:
    word = word.replace("’", "'")
    if word in ("pm", "am"):
        return f"{word[0]}.m."
    if word.isdecimal():
        long = len(word) > 4 or word.startswith("0")
        return spoken_digits(word) if long else spoken_number(int(word))
    if re.fullmatch(r"\d+\.\d+", word):
        return spoken_number(float(word))
    if not _SAYABLE.fullmatch(word) and _SAYABLE.fullmatch(word.rstrip(".")):
        word = word.rstrip(".")
    if not _SAYABLE.fullmatch(word):
        raise _NotSayable
    return word


def _body(node: Node) -> tuple[str, Rules]:
    match node:
        case Literal():
            return (_spelled(node.text) if node.text else "<NULL>"), {}
        case Gap():
            return _slot_body(node)
        case Optional():
            body, rules = _body(node.part)
            return f"[{body}]", rules
        case Sequence() | Alternatives():
            bodies, rules = [], {}
            for part in node.parts:
                body, needed = _body(part)
                bodies.append(body)
                rules |= needed
            if isinstance(node, Sequence):
                return " ".join(bodies), rules
            return f"({' | '.join(bodies)})", rules


def _slot_body(gap: Gap) -> tuple[str, Rules]:
    if isinstance(gap.slot, EnumSlot):
        ways = [sayable(way) for choice in gap.slot.choices for way in choice.says]
        ways = list(dict.fromkeys(way for way in ways if way))
        if not ways:
            raise _NotSayable
        # Enumerations of one name may differ between tools: the rule is named by content.
        digest = hashlib.sha256("|".join(ways).encode()).hexdigest()[:6]
        rule = f"{re.sub(r'[^a-z0-9_]', '_', gap.slot.name.lower())}_{digest}"
        return f"<{rule}>", {rule: " | ".join(ways)}
    found = gap.slot.rules()
    if found is None:
        raise _NotSayable
    return f"<{found[0]}>", dict(found[1])


def _size(body: str, rules: Rules) -> tuple[int, set[str]]:
    arcs, words = 0, set()
    for mark in re.findall(r"<\w+>|[a-z.']+", body):
        if mark == "<NULL>":
            continue
        if mark.startswith("<"):
            inner_arcs, inner_words = _size(rules[mark[1:-1]], rules)
            arcs += inner_arcs
            words |= inner_words
        else:
            arcs += 1
            words.add(mark)
    return arcs, words
