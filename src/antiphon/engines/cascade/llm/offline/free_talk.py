"""Conversation without a script: small talk, the client's functions, and plain honesty."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from msgspec import Struct, structs

from antiphon.engines.cascade.llm.offline.global_intents import plain_phrases
from antiphon.engines.cascade.llm.offline.instructions import free_form
from antiphon.engines.cascade.llm.offline.matching import best_match
from antiphon.engines.cascade.llm.offline.phrases import Phrase, PhraseError, parse_phrase
from antiphon.engines.cascade.llm.offline.schema_check import Schema
from antiphon.engines.cascade.llm.offline.small_talk import (
    ABILITIES,
    ABOUT,
    Answer,
    small_talk,
    small_talk_phrases,
)
from antiphon.engines.cascade.llm.offline.tool_arguments import (
    NOTHING,
    answered_argument,
    enum_of,
    filled_arguments,
    properties_of,
    spoken_name,
)
from antiphon.engines.cascade.llm.offline.tool_choice import (
    parameters_of,
    slot_for,
    tool_phrases,
    wanted_tool,
)
from antiphon.protocol.session import FunctionTool

_CANCEL = plain_phrases("cancel [that]", "never mind", "(stop | forget it)", "no thank you")
_MAX_TRIES = 2


class Asking(Struct, frozen=True):
    """A function is wanted, and an argument of it was asked for."""

    tool: str
    values: dict[str, Any]
    name: str
    tries: int = 0


class FreeTalk(Struct, frozen=True):
    """Where a conversation without a script stands."""

    asking: Asking | None = None
    told: bool = False
    """It was said that there is no language model to follow the instructions."""


class FreeTurn(Struct, frozen=True):
    state: FreeTalk
    reply: str = ""
    tool: str | None = None
    arguments: dict[str, Any] = {}


class Listener(Struct, frozen=True):
    """What an answer may use."""

    now: dt.datetime
    tools: tuple[FunctionTool, ...]
    instructions: str
    last_reply: str


def hear(state: FreeTalk, text: str, around: Listener) -> FreeTurn:
    """Answer what the user said; "" where nothing was understood."""
    if not text:
        return FreeTurn(state, _nothing_understood(state, around))
    if state.asking:
        turn = _take_answer(state, state.asking, text, around)
        if turn:
            return turn
        state = structs.replace(state, asking=None)
    talk = small_talk(text, around.now, last_reply=around.last_reply)
    if talk and talk.topic == "sum":
        return FreeTurn(state, talk.text)
    wanted = wanted_tool(text, around.tools)
    if wanted and not (talk and talk.exact and talk.topic not in _TOOLS_DO_BETTER):
        parameters = parameters_of(wanted.tool)
        values, missing = filled_arguments(parameters, text, around.now.date(), known=wanted.words)
        return _call_or_ask(state, wanted.tool, values, missing)
    if talk:
        return FreeTurn(state, _with_tools(talk, around.tools))
    return _not_understood(state, text, around)


_TOOLS_DO_BETTER = ("time", "date", "story", "count", "help")


def _with_tools(talk: Answer, tools: tuple[FunctionTool, ...]) -> str:
    if talk.topic not in ("help", "about") or not tools:
        return talk.text
    return f"{talk.text} {_tools_spoken(tools)}"


def _tools_spoken(tools: tuple[FunctionTool, ...]) -> str:
    names = [spoken_name(tool.name) for tool in tools[:5]]
    listed = " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
    return f"I can also use the functions that were given to me: {listed}."


# --- Functions ---------------------------------------------------------------


def _call_or_ask(
    state: FreeTalk, tool: FunctionTool, values: dict[str, Any], missing: list[str]
) -> FreeTurn:
    if not missing:
        return FreeTurn(structs.replace(state, asking=None), tool=tool.name, arguments=values)
    asking = Asking(tool.name, values, missing[0])
    return FreeTurn(structs.replace(state, asking=asking), _question(tool, missing[0]))


def _question(tool: FunctionTool, name: str) -> str:
    parameters = parameters_of(tool)
    schema = properties_of(parameters, parameters)[name]
    values = [spoken_name(str(value)) for value in enum_of(schema, parameters)][:6]
    question = f"For {spoken_name(tool.name)} I need the {spoken_name(name)}."
    if values:
        return f"{question} You can say: {', '.join(values)}."
    described = schema.get("description") if isinstance(schema, dict) else None
    if isinstance(described, str) and 0 < len(described) <= 80:
        question += f" That is: {described.strip().rstrip('.')}."
    return f"{question} What shall it be?"


def _take_answer(state: FreeTalk, asking: Asking, text: str, around: Listener) -> FreeTurn | None:
    """The answer to a question; None where the user speaks of something else."""
    tool = next((tool for tool in around.tools if tool.name == asking.tool), None)
    if tool is None:
        return None
    today, parameters = around.now.date(), parameters_of(tool)
    if asking.name not in properties_of(parameters, parameters):
        return None
    cancelled = best_match(text, [(True, phrase) for phrase in _CANCEL], today=today)
    if cancelled and cancelled.exact:
        return FreeTurn(structs.replace(state, asking=None), "All right, I leave it.")
    value = answered_argument(asking.name, parameters, text, today)
    if value is NOTHING:
        if asking.tries + 1 >= _MAX_TRIES:
            return None
        again = structs.replace(asking, tries=asking.tries + 1)
        return FreeTurn(
            structs.replace(state, asking=again),
            f"I could not use that. {_question(tool, asking.name)} Or say cancel.",
        )
    values = {**asking.values, asking.name: value}
    required = properties_of(parameters, parameters).keys() & set(parameters.get("required", ()))
    missing = [name for name in parameters.get("required", ()) if name in required - values.keys()]
    return _call_or_ask(state, tool, values, missing)


# --- Honesty -----------------------------------------------------------------


def _nothing_understood(state: FreeTalk, around: Listener) -> str:
    if state.asking:
        tool = next((t for t in around.tools if t.name == state.asking.tool), None)
        if tool:
            return f"I did not catch that. {_question(tool, state.asking.name)}"
    if around.tools:
        return f"I did not catch that. {ABILITIES} {_tools_spoken(around.tools)}"
    return f"I did not catch that. {ABILITIES}"


def _not_understood(state: FreeTalk, text: str, around: Listener) -> FreeTurn:
    heard = f"I heard: {text.strip().rstrip('.!?')}."
    if state.told:
        return FreeTurn(state, f"{heard} I cannot do more with that. Say help to hear what I can.")
    why = "Without a language model I cannot answer that."
    if free_form(around.instructions):
        why = (
            "I have no language model, so I cannot follow the instructions that I was given,"
            " nor answer that."
        )
    return FreeTurn(
        structs.replace(state, told=True), f"{heard} {why} Say help to hear what I can do."
    )


def describe_image(state: FreeTalk) -> FreeTurn:
    return FreeTurn(state, f"I was sent an image, but I cannot see. {ABOUT}")


# --- For the recogniser ------------------------------------------------------


def expected(state: FreeTalk, tools: tuple[FunctionTool, ...]) -> list[Phrase]:
    """What can be understood now; an empty list where anything may be said."""
    if state.asking:
        tool = next((tool for tool in tools if tool.name == state.asking.tool), None)
        phrase = _answer_phrase(tool, state.asking.name) if tool else None
        return [phrase, *_CANCEL] if phrase else []
    return [*tool_phrases(tools), *small_talk_phrases()]


def _answer_phrase(tool: FunctionTool, name: str) -> Phrase | None:
    parameters = parameters_of(tool)
    schema: Schema = properties_of(parameters, parameters).get(name)
    slot = slot_for(name, schema, parameters)
    if slot is None:
        return None
    named: Callable[[str, str], Any] = lambda _name, _kind: slot  # noqa: E731
    try:
        return parse_phrase("[the] {value} [please]", named)
    except PhraseError:
        return None
