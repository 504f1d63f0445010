"""A scripted agent: states, what may be said in each, and what follows from it.

Only the nouns; `script_file` reads them from TOML, `dialogue` plays them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from antiphon.engines.cascade.llm.offline.expressions import Expression
from antiphon.engines.cascade.llm.offline.phrases import Phrase
from antiphon.engines.cascade.llm.offline.slots import Choice, EnumSlot, Filled, Slot
from antiphon.engines.cascade.llm.offline.templates import Template

Templates = tuple[Template, ...]
GlobalName = Literal["help", "repeat", "hint", "undo", "cancel", "about"]


class ToolEnum(Struct, frozen=True):
    """An enumeration taken from a tool of the client, as far as it has one."""

    name: str
    tool: str
    parameter: str


class ToolCall(Struct, frozen=True, kw_only=True):
    """A function of the client's to call, and what to say to its result."""

    tool: str
    arguments: Mapping[str, Any]
    """Values, with `Template` where the script has text."""
    sets: tuple[tuple[str, Expression | Filled], ...] = ()
    """Set once the call has succeeded."""
    result: Templates = ()
    error: Templates = ()
    missing: Templates = ()
    """Said where the client offers no such tool."""
    goto: str | None = None
    error_goto: str | None = None


class Action(Struct, frozen=True, kw_only=True):
    sets: tuple[tuple[str, Expression | Filled], ...] = ()
    replies: Templates = ()
    """The next one each time; the last one stays."""
    call: ToolCall | None = None
    goto: str | None = None


class Intent(Struct, frozen=True, kw_only=True):
    name: str
    phrases: tuple[Phrase, ...]
    when: Expression | None = None
    confirm: Template | bool = False
    whole: bool = False
    """Only where nothing else was said."""
    yields: bool = False
    """A function of the client's that the same words ask for goes first."""
    rare: bool = False
    """Understood where it is said, but nothing that the recogniser should expect."""
    action: Action


class GlobalIntent(Struct, frozen=True, kw_only=True):
    """One that every agent has; ``replies`` empty means the built-in ones."""

    name: GlobalName
    phrases: tuple[Phrase, ...]
    replies: Templates = ()


class State(Struct, frozen=True, kw_only=True):
    name: str
    on_enter: Action = Action()
    intents: tuple[Intent, ...] = ()
    hints: Templates = ()
    misunderstood: Templates = ()
    final: bool = False


class Language(Struct, frozen=True):
    """One that the agent does not speak, and what it says to it, in that language."""

    code: str
    words: frozenset[str]
    reply: str


class RandomChoice(Struct, frozen=True):
    """Drawn once, as a conversation begins."""

    draw: Callable[[Callable[[int], int]], Filled]
    """Given ``below(n)``: a whole number from 0 to n - 1."""


class Script(Struct, frozen=True, kw_only=True):
    name: str
    greeting: Templates
    about: Template
    start: str
    states: Mapping[str, State]
    intents: tuple[Intent, ...] = ()
    """Understood in every state, after the state's own."""
    globals: tuple[GlobalIntent, ...] = ()
    variables: Mapping[str, Filled] = {}
    random: Mapping[str, RandomChoice] = {}
    misunderstood: Templates = ()
    open: bool = False
    """It talks about whatever comes up and calls the client's functions of its own accord."""
    cannot_follow: Templates = ()
    """Said once, where the session has instructions for a language model."""
    languages: tuple[Language, ...] = ()
    pronunciations: Mapping[str, str] = {}
    tool_enums: tuple[ToolEnum, ...] = ()
    warnings: tuple[str, ...] = ()

    def every_intent(self) -> Iterator[Intent]:
        for state in self.states.values():
            yield from state.intents
        yield from self.intents

    def with_tool_enums(self, values: Callable[[str, str], tuple[str, ...]]) -> Script:
        """The script with enumerations as the client's tools have them now.

        ``values(tool, parameter)`` gives them, or () where the tool has none: then the
        script's own list stays.
        """
        if not self.tool_enums:
            return self
        found = {enum.name: values(enum.tool, enum.parameter) for enum in self.tool_enums}

        def slot(old: Slot) -> Slot:
            if isinstance(old, EnumSlot) and found.get(old.name):
                names = found[old.name]
                said = {choice.value: choice.says for choice in old.choices}
                choices = (Choice(n, said.get(n, (n.replace("_", " "),))) for n in names)
                return EnumSlot(old.name, tuple(choices))
            return old

        def intent(old: Intent) -> Intent:
            phrases = tuple(phrase.with_slots(slot) for phrase in old.phrases)
            return msgspec.structs.replace(old, phrases=phrases)

        states = {
            name: msgspec.structs.replace(state, intents=tuple(map(intent, state.intents)))
            for name, state in self.states.items()
        }
        return msgspec.structs.replace(
            self, states=states, intents=tuple(map(intent, self.intents)), tool_enums=()
        )
