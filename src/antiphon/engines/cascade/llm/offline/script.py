"""A scripted agent: states, what may be said in each, and what follows from it.

Only the nouns, most of them as they stand in a file; `script_file` reads them from TOML,
`dialogue` plays them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct, field

from antiphon.engines.cascade.llm.offline.expressions import Expression
from antiphon.engines.cascade.llm.offline.numbers import spoken_digits, spoken_number
from antiphon.engines.cascade.llm.offline.phrases import Phrase
from antiphon.engines.cascade.llm.offline.slots import Filled
from antiphon.engines.cascade.llm.offline.templates import Template

GlobalName = Literal["help", "repeat", "hint", "undo", "cancel", "about"]
Scalar = str | int | float | bool


class Templates(tuple[Template, ...]):
    """In a file one text or a list of texts."""


class Phrases(tuple[Phrase, ...]):
    """In a file a list of examples."""


class Sets(tuple[tuple[str, Expression | Filled], ...]):
    """Variables and their new values; in a file a table."""


class Arguments(dict[str, Any]):
    """Values for a function, with `Template` where the file has text."""


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a file, its fields named as they are there."""


class ToolCall(_Table, frozen=True, kw_only=True):
    """A function of the client's to call, and what to say to its result."""

    tool: str
    arguments: Arguments = field(default_factory=Arguments)
    sets: Sets = field(name="set", default=Sets())
    """Set once the call has succeeded."""
    result: Templates = Templates()
    error: Templates = Templates()
    missing: Templates = Templates()
    """Said where the client offers no such tool."""
    goto: str | None = None
    error_goto: str | None = None


class Action(_Table, frozen=True, kw_only=True):
    sets: Sets = field(name="set", default=Sets())
    replies: Templates = field(name="reply", default=Templates())
    """The next one each time; the last one stays."""
    call: ToolCall | None = None


class Intent(Action, frozen=True, kw_only=True):
    name: str = ""
    phrases: Phrases = field(name="examples")
    when: Expression | None = None
    confirm: Any = False
    """Whether it is asked for, or the `Template` of the question."""
    whole: bool = False
    """Only where nothing else was said."""
    yields: bool = False
    """A function of the client's that the same words ask for goes first."""
    rare: bool = False
    """Understood where it is said, but nothing that the recogniser should expect."""
    goto: str | None = None


class GlobalIntent(_Table, frozen=True, kw_only=True):
    """One that every agent has; ``replies`` empty means the built-in ones."""

    name: GlobalName
    phrases: Phrases = field(name="examples", default=Phrases())
    replies: Templates = field(name="reply", default=Templates())


class State(_Table, frozen=True, kw_only=True):
    on_enter: Action = Action()
    intents: tuple[Intent, ...] = ()
    hints: Templates = Templates()
    misunderstood: Templates = Templates()
    final: bool = False


class Language(Struct, frozen=True):
    """One that the agent does not speak, and what it says to it, in that language."""

    code: str
    words: frozenset[str]
    reply: str


class RandomChoice(_Table, frozen=True, kw_only=True):
    """Drawn once, as a conversation begins."""

    digits: int | None = None
    choice: list[Scalar] | None = None
    low: int | None = field(default=None, name="from")
    high: int | None = field(default=None, name="to")

    def is_one(self) -> bool:
        """Whether there is something to draw from."""
        if self.low is not None and self.high is not None:
            return self.low <= self.high
        return bool(self.choice) or 1 <= (self.digits or 0) <= 20

    def draw(self, below: Callable[[int], int]) -> Filled:
        """One of them; ``below(n)`` is a whole number from 0 to n - 1."""
        if self.digits:
            code = "".join(str(below(10)) for _ in range(self.digits))
            return Filled(code, spoken_digits(code))
        if self.choice:
            return filled(self.choice[below(len(self.choice))])
        assert self.low is not None
        assert self.high is not None
        return filled(self.low + below(self.high - self.low + 1))


class Agent(_Table, frozen=True, kw_only=True):
    name: str
    greeting: Templates
    start: str
    about: Template = Template("I am {agent}, a scripted agent without a language model.")
    misunderstood: Templates = Templates()
    open: bool = False
    """It talks about whatever comes up and calls the client's functions of its own accord."""
    cannot_follow: Templates = Templates()
    """Said once, where the session has instructions for a language model."""


class Script(Agent, frozen=True, kw_only=True):
    states: Mapping[str, State]
    intents: tuple[Intent, ...] = ()
    """Understood in every state, after the state's own."""
    globals: tuple[GlobalIntent, ...] = ()
    variables: Mapping[str, Filled] = {}
    random: Mapping[str, RandomChoice] = {}
    languages: tuple[Language, ...] = ()
    pronunciations: Mapping[str, str] = {}
    tool_enums: frozenset[tuple[str, str]] = frozenset()
    """Functions of the client with a parameter from which an enumeration is taken."""
    text: str = ""
    """Which it was read from."""
    warnings: tuple[str, ...] = ()

    def every_intent(self) -> Iterator[Intent]:
        for state in self.states.values():
            yield from state.intents
        yield from self.intents


def filled(value: Scalar) -> Filled:
    """A value of the script's own, as it is to be spoken."""
    if isinstance(value, bool):
        return Filled(value, "yes" if value else "no")
    return Filled(value, value if isinstance(value, str) else spoken_number(value))
