"""Plays a script: what was said or answered, in a situation, gives a reply and the next.

Pure: a situation never changes, so a reply that is not spoken after all leaves no trace.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct, structs

from antiphon.engines.cascade.llm.offline.expressions import Expression, ExpressionError, Value
from antiphon.engines.cascade.llm.offline.global_intents import NO, YES, plain_phrases
from antiphon.engines.cascade.llm.offline.matching import best_match
from antiphon.engines.cascade.llm.offline.phrases import Phrase
from antiphon.engines.cascade.llm.offline.results import Result
from antiphon.engines.cascade.llm.offline.script import (
    Action,
    GlobalIntent,
    Intent,
    Script,
    State,
    Templates,
    ToolCall,
)
from antiphon.engines.cascade.llm.offline.script_file import filled
from antiphon.engines.cascade.llm.offline.slots import Filled
from antiphon.engines.cascade.llm.offline.templates import Template

log = logging.getLogger(__name__)

_MAX_UNDO = 20
_MAX_OPTIONS = 6
_MAX_ASKED = 2
"""A question for yes or no is asked so often; then it is dropped."""
_YES, _NO = plain_phrases(*YES), plain_phrases(*NO)

# --- Where a conversation stands ---------------------------------------------


class Earlier(Struct, frozen=True):
    state: str
    variables: Mapping[str, Filled]


class Confirming(Struct, frozen=True):
    intent: Intent
    slots: Mapping[str, Filled]


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
    calling: tuple[str, ToolCall] | None = None
    """``call_id`` and what was called."""
    calling_goto: str | None = None
    said: str = ""


class Call(Struct, frozen=True):
    call_id: str
    tool: str
    arguments: dict[str, Any]


class Turn(Struct, frozen=True):
    situation: Situation
    reply: str
    call: Call | None = None


class Surroundings(Struct, frozen=True):
    """What a turn may use besides the script."""

    today: dt.date
    tools: frozenset[str]
    """Names of the client's functions that may be called."""
    new_call_id: Callable[[], str]


def begin(script: Script, below: Callable[[int], int]) -> Situation:
    """A new conversation; ``below(n)`` draws its random choices."""
    drawn = {name: choice.draw(below) for name, choice in script.random.items()}
    return Situation(state=script.start, variables={**script.variables, **drawn})


# --- Turns -------------------------------------------------------------------


class Dialogue:
    """One script, ready to be played in given surroundings."""

    def __init__(self, script: Script, around: Surroundings) -> None:
        self._script = script
        self._around = around

    def greet(self, now: Situation) -> Turn:
        greeting = self._spoken(self._script.greeting[:1], now, {})
        turn = self._enter(structs.replace(now, greeted=True), self._script.start)
        return self._said(structs.replace(turn, reply=_joined(greeting, turn.reply)))

    def prompt(self, now: Situation) -> Turn:
        """Nothing new was said, and an answer is wanted all the same."""
        if not now.greeted:
            return self.greet(now)
        if now.confirming:
            return self._said(Turn(now, self._confirmation(now, now.confirming)))
        return self._said(Turn(now, self._prompt_of(now)))

    def hear(self, now: Situation, text: str) -> Turn:
        """Answer what the user said; "" where nothing was understood."""
        if now.confirming:
            decided = self._confirmed(now, now.confirming, text)
            if decided:
                return self._said(decided)
        found = best_match(
            text,
            self._choices(now),
            today=self._around.today,
            accepts=lambda intent, slots: self._applies(intent, now, slots),
        )
        if found is None:
            return self._said(self._miss(now, text))
        calm = structs.replace(now, misses=0, confirming=None, greeted=True)
        if isinstance(found.key, GlobalIntent):
            return self._said(self._global(calm, found.key, now.confirming))
        if found.key.confirm:
            asking = Confirming(found.key, found.slots)
            calm = structs.replace(calm, confirming=asking)
            return self._said(Turn(calm, self._confirmation(calm, asking)))
        return self._said(self._follow(calm, found.key, found.slots))

    def answered(self, now: Situation, call_id: str, result: Result) -> Turn:
        """A function of the client's has answered."""
        if now.calling is None or now.calling[0] != call_id:
            return self._said(Turn(now, result.text))
        call, goto = now.calling[1], now.calling_goto
        now = structs.replace(now, calling=None, calling_goto=None)
        extra = {"result": Filled(result.text, result.text)} | {
            f"result.{name}": filled(value) for name, value in result.fields.items()
        }
        if not result.failed:
            now = self._set(now, call.sets)
        templates = call.error if result.failed else call.result
        key = f"{call.tool}/{'error' if result.failed else 'result'}"
        reply, now = self._next(templates, key, now, extra)
        goto = (call.error_goto if result.failed else call.goto) or (
            None if result.failed else goto
        )
        turn = self._goto(now, goto)
        return self._said(structs.replace(turn, reply=_joined(reply or result.text, turn.reply)))

    def expected(self, now: Situation) -> list[Phrase]:
        """All phrases that can be said now, the likeliest first."""
        first = [*_YES, *_NO] if now.confirming else []
        return first + [
            phrase
            for intent, phrase in self._choices(now)
            if isinstance(intent, GlobalIntent) or self._possible(intent, now)
        ]

    # --- What was meant ---

    def _choices(self, now: Situation) -> list[tuple[Intent | GlobalIntent, Phrase]]:
        intents: tuple[Intent | GlobalIntent, ...] = (
            *self._state(now).intents,
            *self._script.intents,
            *self._script.globals,
        )
        return [(intent, phrase) for intent in intents for phrase in intent.phrases]

    def _state(self, now: Situation) -> State:
        return self._script.states[now.state]

    def _applies(
        self, intent: Intent | GlobalIntent, now: Situation, slots: Mapping[str, Filled]
    ) -> bool:
        if isinstance(intent, GlobalIntent) or intent.when is None:
            return True
        return intent.when.holds(_values({**now.variables, **slots}))

    def _possible(self, intent: Intent, now: Situation) -> bool:
        """Whether a guard could hold; one over slots not yet filled might."""
        slots = {gap.name for phrase in intent.phrases for gap in phrase.gaps()}
        return (
            intent.when is None or bool(intent.when.names & slots) or self._applies(intent, now, {})
        )

    def _confirmed(self, now: Situation, asking: Confirming, text: str) -> Turn | None:
        listed = [(True, phrase) for phrase in _YES] + [(False, phrase) for phrase in _NO]
        found = best_match(text, listed, today=self._around.today)
        if found is None:
            return None
        calm = structs.replace(now, misses=0, confirming=None)
        if found.key:
            return self._follow(calm, asking.intent, asking.slots)
        return Turn(calm, _joined("All right, not that.", self._prompt_of(calm)))

    def _confirmation(self, now: Situation, asking: Confirming) -> str:
        if isinstance(asking.intent.confirm, Template):
            return asking.intent.confirm.spoken({**now.variables, **asking.slots})
        heard = ", ".join(slot.spoken for slot in asking.slots.values())
        return f"I understood: {heard or asking.intent.phrases[0].example()}. Is that right?"

    # --- What follows ---

    def _follow(self, now: Situation, intent: Intent, slots: Mapping[str, Filled]) -> Turn:
        before = Earlier(now.state, now.variables)
        now = structs.replace(now, variables={**now.variables, **slots})
        turn = self._act(now, intent.action, f"{now.state}/{intent.name}")
        after = turn.situation
        if (after.state, after.variables) == (before.state, before.variables) and not turn.call:
            return turn
        past = (*after.past, before)[-_MAX_UNDO:]
        return structs.replace(turn, situation=structs.replace(after, past=past))

    def _act(self, now: Situation, action: Action, key: str) -> Turn:
        now = self._set(now, action.sets)
        reply, now = self._next(action.replies, key, now, {})
        if action.call is None:
            turn = self._goto(now, action.goto)
            return structs.replace(turn, reply=_joined(reply, turn.reply))
        if action.call.tool not in self._around.tools:
            return self._no_tool(now, action.call, reply)
        call = Call(
            self._around.new_call_id(),
            action.call.tool,
            _arguments(action.call.arguments, now.variables) or {},
        )
        calling = (call.call_id, action.call)
        return Turn(structs.replace(now, calling=calling, calling_goto=action.goto), reply, call)

    def _no_tool(self, now: Situation, call: ToolCall, reply: str) -> Turn:
        missing, now = self._next(call.missing, f"{call.tool}/missing", now, {})
        why = missing or (
            f"I cannot do that here: the function {call.tool.replace('_', ' ')}"
            " is not offered to me."
        )
        turn = self._goto(now, call.error_goto)
        return structs.replace(turn, reply=_joined(reply, why, turn.reply))

    def _set(self, now: Situation, sets: tuple[tuple[str, Expression | Filled], ...]) -> Situation:
        variables = dict(now.variables)
        for name, value in sets:
            try:
                variables[name] = (
                    value if isinstance(value, Filled) else filled(value.value(_values(variables)))
                )
            except ExpressionError as error:
                log.warning("agent '%s': set %s: %s", self._script.name, name, error)
        return structs.replace(now, variables=variables)

    def _goto(self, now: Situation, target: str | None) -> Turn:
        return Turn(now, "") if target is None else self._enter(now, target)

    def _enter(self, now: Situation, target: str) -> Turn:
        now = structs.replace(now, state=target)
        return self._act(now, self._state(now).on_enter, f"{target}/on_enter")

    # --- Globals and misunderstandings ---

    def _global(self, now: Situation, intent: GlobalIntent, asking: Confirming | None) -> Turn:
        own, now = self._next(
            intent.replies, f"/{intent.name}", now, {"options": self._options(now)}
        )
        match intent.name:
            case "help":
                helped = f"You can say: {self._options(now).spoken}."
                helped += " You can also say repeat, undo or cancel."
                return Turn(self._still(now, asking), own or helped)
            case "repeat":
                return Turn(self._still(now, asking), own or now.said or self._prompt_of(now))
            case "hint":
                hint, now = self._next(self._state(now).hints, f"{now.state}/hints", now, {})
                fallback = f"I have no hint here. You can say: {self._options(now).spoken}."
                return Turn(self._still(now, asking), own or hint or fallback)
            case "about":
                return Turn(
                    self._still(now, asking), own or self._spoken((self._script.about,), now, {})
                )
            case "undo" if asking is not None:
                return Turn(now, _joined(own or "All right, not that.", self._prompt_of(now)))
            case "undo" if not now.past:
                return Turn(now, _joined(own or "There is nothing to undo.", self._prompt_of(now)))
            case "undo":
                last = now.past[-1]
                now = structs.replace(
                    now,
                    state=last.state,
                    variables=last.variables,
                    past=now.past[:-1],
                    calling=None,
                )
                return Turn(now, _joined(own or "All right, one step back.", self._prompt_of(now)))
            case "cancel":
                kept = {name: now.variables[name] for name in self._script.random}
                variables = {**self._script.variables, **kept}
                now = Situation(state=now.state, variables=variables, greeted=True)
                turn = self._enter(now, self._script.start)
                reply = _joined(own or "All right, from the beginning.", turn.reply)
                return structs.replace(turn, reply=reply)

    def _still(self, now: Situation, asking: Confirming | None) -> Situation:
        """A question stays open over a call for help."""
        return structs.replace(now, confirming=asking)

    def _miss(self, now: Situation, text: str) -> Turn:
        if not now.greeted:
            return self.greet(now)
        misses = now.misses + 1
        if now.confirming and misses >= _MAX_ASKED:
            now = structs.replace(now, misses=0, confirming=None)
            return Turn(now, f"I heard neither yes nor no, so I leave that. {self._prompt_of(now)}")
        now = structs.replace(now, misses=misses)
        options = self._options(now)
        extra = {"options": options, "heard": Filled(text, text)}
        templates = self._state(now).misunderstood or self._script.misunderstood
        if templates:
            chosen = templates[min(misses, len(templates)) - 1]
            return Turn(now, self._spoken((chosen,), now, extra))
        if now.confirming:
            again = self._confirmation(now, now.confirming)
            return Turn(now, f"Please say yes or no. {again}")
        lead = "I did not catch that." if not text else "Sorry, I did not understand that."
        if misses == 1:
            return Turn(now, f"{lead} {self._prompt_of(now)}")
        if misses == 2:
            heard = f"I heard: {text}, but that does not help me here." if text else lead
            return Turn(now, f"{heard} You can say: {options.spoken}.")
        return Turn(
            now,
            f"I still cannot follow. I understand only this here: {options.spoken}."
            " You can also say help, repeat, undo or cancel.",
        )

    def _options(self, now: Situation) -> Filled:
        said: list[str] = []
        for intent in (*self._state(now).intents, *self._script.intents):
            if intent.phrases and self._possible(intent, now):
                gaps = list(intent.phrases[0].gaps())
                example = intent.phrases[0].example()
                if len(gaps) == 1 and example == gaps[0].slot.examples()[0]:
                    said += gaps[0].slot.examples()
                else:
                    said.append(example)
        shown = list(dict.fromkeys(said))[:_MAX_OPTIONS]
        text = (
            ", or ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)
        )
        return Filled(text or "start over", text or "start over")

    def _prompt_of(self, now: Situation) -> str:
        """What the state says when it is entered, without entering it again."""
        replies = self._state(now).on_enter.replies
        if replies:
            return self._spoken(replies[-1:], now, {})
        return f"You can say: {self._options(now).spoken}."

    # --- Words ---

    def _next(
        self, templates: Templates, key: str, now: Situation, extra: Mapping[str, Filled]
    ) -> tuple[str, Situation]:
        if not templates:
            return "", now
        count = now.counts.get(key, 0)
        now = structs.replace(now, counts={**now.counts, key: count + 1})
        return self._spoken((templates[min(count, len(templates) - 1)],), now, extra), now

    def _spoken(self, templates: Templates, now: Situation, extra: Mapping[str, Filled]) -> str:
        known = {**now.variables, **extra}
        return " ".join(template.spoken(known) for template in templates)

    def _said(self, turn: Turn) -> Turn:
        situation = turn.situation
        if turn.reply:
            situation = structs.replace(situation, said=turn.reply, greeted=True)
        return structs.replace(turn, situation=situation)


def _values(variables: Mapping[str, Filled]) -> dict[str, Value]:
    return {name: filled.value for name, filled in variables.items()}


def _arguments(written: Any, variables: Mapping[str, Filled]) -> Any:
    match written:
        case Template():
            return written.argument(variables)
        case Mapping():
            found = {name: _arguments(value, variables) for name, value in written.items()}
            return {name: value for name, value in found.items() if value is not None}
        case list():
            return [_arguments(value, variables) for value in written]
        case _:
            return written


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)
