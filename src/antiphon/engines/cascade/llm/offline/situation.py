"""Where a conversation with a script stands, and what one turn of it may use and gives."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from antiphon.engines.cascade.llm.offline.script import Intent, Script, ToolCall
from antiphon.engines.cascade.llm.offline.slots import Filled
from antiphon.protocol.session import FunctionTool

_MAX_DRAWN = 5040
"""Divisible by the length of all short lists."""


class Earlier(Struct, frozen=True):
    state: str
    variables: Mapping[str, Filled]


class Confirming(Struct, frozen=True):
    intent: Intent
    slots: Mapping[str, Filled]
    guessed: str = ""
    """The example that was nearest, where other words were said."""


class Asking(Struct, frozen=True):
    """A function is wanted, and an argument of it was asked for."""

    tool: str
    values: dict[str, Any]
    name: str
    tries: int = 0


class Situation(Struct, frozen=True, kw_only=True):
    state: str
    variables: Mapping[str, Filled]
    greeted: bool = False
    misses: int = 0
    """Misunderstandings in a row."""
    counts: Mapping[str, int] = {}
    """How often each reply list was used."""
    past: tuple[Earlier, ...] = ()
    confirming: Confirming | None = None
    asking: Asking | None = None
    calling: tuple[str, ToolCall] | None = None
    """``call_id`` and what was called."""
    calling_goto: str | None = None
    said: str = ""
    drawn: int = 0
    """Where an open agent begins in its lists of replies."""


class Call(Struct, frozen=True):
    call_id: str
    tool: str
    arguments: dict[str, Any]


class Turn(Struct, frozen=True):
    situation: Situation
    reply: str
    call: Call | None = None


Similarity = Callable[[str, tuple[str, ...]], Sequence[float]]
"""How near a text is in meaning to each of others: 1 is the same, 0 has nothing to do with it."""


class Surroundings(Struct, frozen=True):
    """What a turn may use besides the script."""

    now: dt.datetime
    tools: Mapping[str, FunctionTool]
    """The client's functions that may be called, by name."""
    new_call_id: Callable[[], str]
    server_tools: frozenset[str] = frozenset()
    """Functions of the server's own that may be called: a script names them, nobody guesses."""
    instructions: str = ""
    last_reply: str = ""
    """As far as it was heard."""
    last_heard: str = ""
    """What the user said before this turn."""
    similarity: Similarity | None = None
    heard_language: str = ""
    """What the user was heard to speak, as "de"; "": nobody has said."""


def begin(script: Script, below: Callable[[int], int]) -> Situation:
    """A new conversation; ``below(n)`` draws its random choices."""
    drawn = {name: choice.draw(below) for name, choice in script.random.items()}
    first = below(_MAX_DRAWN) if script.open else 0
    return Situation(state=script.start, variables={**script.variables, **drawn}, drawn=first)
