"""Takes up a scripted conversation that another session began, by hearing it once more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import UNSET, structs

from antiphon.engines.cascade.llm.context import is_input, text_of
from antiphon.engines.cascade.llm.offline.dialogue import Dialogue
from antiphon.engines.cascade.llm.offline.expressions import Expression
from antiphon.engines.cascade.llm.offline.results import read_result
from antiphon.engines.cascade.llm.offline.script import Script
from antiphon.engines.cascade.llm.offline.situation import Situation, Turn
from antiphon.protocol.items import FunctionCall, FunctionCallOutput, Item, Message

_WHOLE = (UNSET, "completed")
MAX_HEARD_AGAIN: Final = 50
"""Of a longer history only so many inputs, the newest: hearing one takes about a millisecond, in
which nobody else is served.
"""
MAX_HEARD_AGAIN_OPEN: Final = 20
"""The same of an open agent, which has more to compare: three milliseconds each."""


def take(
    dialogue: Dialogue,
    now: Situation,
    results: Sequence[FunctionCallOutput],
    texts: Sequence[str],
) -> list[Turn]:
    """The turns that answer what came since the last answer; at least one."""
    turns: list[Turn] = []
    for output in results:
        situation = turns[-1].situation if turns else now
        turns.append(dialogue.answered(situation, output.call_id, read_result(output.output)))
    if turns:
        return turns
    turn = dialogue.hear(now, texts[-1]) if texts else dialogue.prompt(now)
    if turn.situation.misses > now.misses and len(texts) > 1:
        # A pause may have cut one sentence into two turns.
        whole = dialogue.hear(now, " ".join(texts))
        return [whole] if whole.situation.misses == 0 else [turn]
    return [turn]


def after_inputs(items: Sequence[Item], count: int) -> Sequence[Item]:
    """What follows the first ``count`` of the client's items."""
    inputs = [i for i, item in enumerate(items) if is_input(item)]
    return items[inputs[count - 1] + 1 :] if count else items


def answered_before(items: Sequence[Item]) -> int:
    """How many of the client's items stand before the newest answer."""
    for at in range(len(items) - 1, -1, -1):
        item = items[at]
        if isinstance(item, FunctionCall) or (
            isinstance(item, Message) and item.role == "assistant" and item.status in _WHOLE
        ):
            return sum(map(is_input, items[:at]))
    return 0


def resumed(dialogue: Dialogue, start: Situation, items: Sequence[Item]) -> tuple[Situation, int]:
    """Where a conversation stands, and how many of the client's items it has answered."""
    at_most = MAX_HEARD_AGAIN_OPEN if dialogue.script.open else MAX_HEARD_AGAIN
    unheard = max(0, sum(map(is_input, items)) - at_most)
    items = after_inputs(items, unheard)
    now, heard, answered = start, unheard, unheard
    results: list[FunctionCallOutput] = []
    texts: list[str] = []
    was_cut = False
    for item in items:
        match item:
            case FunctionCallOutput():
                results.append(item)
                heard += 1
            case Message(role="user"):
                if was_cut:  # Who speaks to an answer that was cut has heard what it began with.
                    now = take(dialogue, now, results, texts)[-1].situation
                    answered, was_cut = heard, False
                    texts = []
                texts.append(text_of(item).strip())
                results.clear()
                heard += 1
            case Message(role="assistant") | FunctionCall() if item.status in _WHOLE:
                if heard > answered or not now.greeted:
                    now = take(dialogue, now, results, texts)[-1].situation
                    answered = heard
                    results, texts, was_cut = [], [], False
                if isinstance(item, FunctionCall) and isinstance(item.call_id, str) and now.calling:
                    now = structs.replace(now, calling=(item.call_id, now.calling[1]))
            case Message(role="assistant") if heard > answered and text_of(item):
                was_cut = True
    return now, answered


def without_clock(script: Script, now: Situation) -> Situation:
    """What was reckoned from the time of day is as it was at first: it was heard again too late."""
    first = {name: script.variables[name] for name in _clocked(script) & script.variables.keys()}
    return structs.replace(now, variables={**now.variables, **first}, past=())


def _clocked(script: Script) -> frozenset[str]:
    """Variables that follow from the time of day, or from others that do."""
    intents = [*script.intents, *(i for state in script.states.values() for i in state.intents)]
    actions = [*intents, *(s.on_enter for s in script.states.values())]
    found, before = {"now", "time", "date", "year"}, 0
    while len(found) > before:
        before = len(found)
        for action in actions:
            for name, value in (*action.sets, *(action.call.sets if action.call else ())):
                if isinstance(value, Expression) and value.names & found:
                    found.add(name)
    return frozenset(found)
