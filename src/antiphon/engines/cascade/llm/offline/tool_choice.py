"""Which of the client's functions the user's words ask for, without a language model.

Words are compared with each function's name, description, parameters and their
enumerated values; what many functions share tells little and counts little.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from antiphon.engines.cascade.llm.offline.english import ENGLISH
from antiphon.engines.cascade.llm.offline.global_intents import plain_phrases
from antiphon.engines.cascade.llm.offline.grammars import sayable
from antiphon.engines.cascade.llm.offline.phrases import Phrase, PhraseError, parse_phrase
from antiphon.engines.cascade.llm.offline.schema_cleaning import clean
from antiphon.engines.cascade.llm.offline.slots import Choice, EnumSlot, NumberSlot, Slot
from antiphon.engines.cascade.llm.offline.tool_arguments import enum_of, properties_of, spoken_name
from antiphon.engines.cascade.llm.offline.words import canon, corrected, stem, words_of
from antiphon.protocol.session import FunctionTool, Tool

_NAME, _ENUM, _PARAMETER, _DESCRIPTION = 3.0, 2.0, 1.0, 1.0
ENOUGH = 3.0
"""A word of the name that no other function has, or two of the description and more."""

_VERBS, _ORDERS, _EMPTY, _TRANSFER_WORDS = (
    frozenset(ENGLISH["functions"][name].split())
    for name in ("verbs", "orders", "empty", "transfer")
)
_TRANSFER = "transfer_to_"
_MAX_TOOL_PHRASES = 40


class Wanted(Struct, frozen=True):
    tool: FunctionTool
    score: float
    words: frozenset[str]
    """What named the function, and can be no argument."""


def functions(tools: tuple[Tool, ...]) -> tuple[FunctionTool, ...]:
    """The functions that the client itself carries out; tool servers are none."""
    return tuple(tool for tool in tools if isinstance(tool, FunctionTool))


def parameters_of(tool: FunctionTool) -> dict[str, Any]:
    """The schema of its arguments, as far as it is well formed."""
    return _cleaned(msgspec.json.encode(tool.parameters or {}))


@lru_cache(maxsize=256)
def _cleaned(parameters: bytes) -> dict[str, Any]:
    found = clean(msgspec.json.decode(parameters))
    return found if isinstance(found, dict) and found else {"type": "object", "properties": {}}


def wanted_tool(text: str, tools: tuple[FunctionTool, ...]) -> Wanted | None:
    """The function that ``text`` asks for; None where it is not clear that it does."""
    ranked = rank(text, tools)
    return ranked[0] if ranked and ranked[0].score >= ENOUGH else None


def rank(text: str, tools: tuple[FunctionTool, ...]) -> list[Wanted]:
    """All functions, the likeliest first; as given where nothing tells them apart."""
    features = [_features(tool) for tool in tools]
    vocabulary = {word for found in features for word in found}
    heard = [word.canon for word in corrected(words_of(text), vocabulary)]
    if any(word in ("not", "don't", "never") for word in heard):
        return [Wanted(tool, 0.0, frozenset()) for tool in tools]
    ranked = []
    for tool, found in zip(tools, features, strict=True):
        if tool.name.startswith(_TRANSFER):
            ranked.append(_transfer(tool, heard))
            continue
        hits = {root: found[root] for root in map(stem, heard) if root in found}
        shared = {root: sum(root in other for other in features) for root in hits}
        for word in _opening(heard):  # "search for …", "play …": an order names its verb first.
            if word in _ORDERS and word in spoken_name(tool.name).split():
                hits[stem(word)] = _NAME
        score = sum(weight / shared[root] ** 0.5 for root, weight in hits.items())
        ranked.append(Wanted(tool, score, frozenset(hits)))
    return sorted(ranked, key=lambda wanted: -wanted.score)


def _opening(heard: list[str]) -> list[str]:
    """The first word that is no politeness."""
    polite = ("please", "can", "could", "would", "will", "you", "i", "want", "to", "let's", "now")
    return [word for word in heard if word not in polite][:1]


def _transfer(tool: FunctionTool, heard: list[str]) -> Wanted:
    """A handoff to another agent: "let me talk to billing", "billing department"."""
    target = set(spoken_name(tool.name.removeprefix(_TRANSFER)).split()) - {"agent", "assistant"}
    hits = {word for word in heard if word in target or stem(word) in {stem(t) for t in target}}
    asked = any(word in _TRANSFER_WORDS for word in heard)
    covered = len(hits) / max(1, len(target))
    short = len(heard) <= len(hits) + 2
    score = 6.0 * covered if hits and (asked or short) and covered >= 0.5 else 0.0
    return Wanted(tool, score, frozenset(hits))


def _features(tool: FunctionTool) -> dict[str, float]:
    """Stems of the words that speak for a function, with their weight."""
    found: dict[str, float] = {}

    def take(text: str, weight: float) -> None:
        for word in canon(text):
            if word in _EMPTY or len(word) < 2 or word.isdecimal():
                continue
            weighed = weight / 3 if word in _VERBS else weight
            found[stem(word)] = max(found.get(stem(word), 0.0), weighed)

    parameters = parameters_of(tool)
    take((tool.description or "")[:400], _DESCRIPTION)
    for name, schema in properties_of(parameters, parameters).items():
        take(spoken_name(name), _PARAMETER)
        if isinstance(schema, dict) and isinstance(schema.get("description"), str):
            take(schema["description"][:200], _PARAMETER / 2)
        for value in enum_of(schema, parameters):
            take(spoken_name(str(value)), _ENUM)
    for word in spoken_name(tool.name).split():
        if word == "time" or word not in _EMPTY:
            weight = _NAME / 3 if word in _VERBS else _NAME
            found[stem(word)] = max(found.get(stem(word), 0.0), weight)
    return found


# --- For the recogniser ------------------------------------------------------


def tool_phrases(tools: tuple[FunctionTool, ...]) -> list[Phrase]:
    """Ways to ask for each function that can be listed: free text can not."""
    return [phrase for tool in tools for phrase in _phrases(tool)][:_MAX_TOOL_PHRASES]


def _phrases(tool: FunctionTool) -> Iterator[Phrase]:
    if tool.name.startswith(_TRANSFER):
        words = spoken_name(tool.name.removeprefix(_TRANSFER)).split()
        name = sayable(" ".join(w for w in words if w not in ("agent", "assistant")))
        if name:
            yield from plain_phrases(
                "[transfer me to | connect me to | let me talk to | i want to talk to]"
                f" [the] {name}"
                " [agent | department | team]"
            )
        return
    name = sayable(spoken_name(tool.name))
    verb, _, rest = name.partition(" ")
    if not name:
        return
    lead = (
        "" if verb not in _VERBS or not rest else f"[{verb} | what's | what is | tell me | show me]"
    )
    body = f"{lead} [the | a | my] {rest if lead else name}{' [like]' if lead else ''}"
    slots = list(_slots(tool))
    gaps = "".join(f" [[in | for | to | at | with | on] {{{name}}}]" for name, _ in slots)
    by_name: dict[str, Slot] = dict(slots)
    try:
        yield parse_phrase(body + gaps, lambda name, _kind: by_name[name])
    except PhraseError:
        return


def _slots(tool: FunctionTool) -> Iterator[tuple[str, Slot]]:
    parameters = parameters_of(tool)
    for name, schema in list(properties_of(parameters, parameters).items())[:4]:
        slot = slot_for(name, schema, parameters)
        if slot and name.isidentifier():
            yield name, slot


def slot_for(name: str, schema: Any, root: Any) -> Slot | None:
    """How the recogniser may expect a property's value; None: any words."""
    values = [spoken_name(str(value)) for value in enum_of(schema, root) if value is not None]
    ways = [(value, sayable(value)) for value in values]
    if ways:
        return EnumSlot(name, tuple(Choice(value, (way,)) for value, way in ways if way))
    kinds = schema.get("type", ()) if isinstance(schema, dict) else ()
    return NumberSlot(0, 999) if kinds in ("integer", "number") else None
