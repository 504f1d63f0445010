"""Plays a script: what was said or answered, in a situation, gives a reply and the next.

Pure: a situation never changes, so a reply that is not spoken after all leaves no trace.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from msgspec import structs

from antiphon.engines.cascade.llm.offline.calendar import spoken_date, spoken_time
from antiphon.engines.cascade.llm.offline.expressions import Expression, ExpressionError, Value
from antiphon.engines.cascade.llm.offline.global_intents import NO, YES
from antiphon.engines.cascade.llm.offline.instructions import free_form
from antiphon.engines.cascade.llm.offline.matching import Matched, best_match
from antiphon.engines.cascade.llm.offline.numbers import spoken_year
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
    filled,
)
from antiphon.engines.cascade.llm.offline.situation import (
    Call,
    Confirming,
    Earlier,
    Situation,
    Surroundings,
    Turn,
)
from antiphon.engines.cascade.llm.offline.slots import Filled
from antiphon.engines.cascade.llm.offline.templates import Template
from antiphon.engines.cascade.llm.offline.tool_arguments import spoken_name
from antiphon.engines.cascade.llm.offline.words import canon, listed
from antiphon.engines.cascade.tts.scripts import language_of

log = logging.getLogger(__name__)

_MAX_UNDO = 20
_MAX_HEARD = 12
"""Of a longer sentence only so many words are said back."""
_MAX_OPTIONS = 6
_MAX_ASKED = 2
"""A question for yes or no is asked so often; then it is dropped."""

# --- Turns -------------------------------------------------------------------


class Dialogue:
    """One script, ready to be played in given surroundings."""

    def __init__(self, script: Script, around: Surroundings) -> None:
        self.script = script
        self.around = around

    def greeting(self, now: Situation) -> Turn:
        """The greeting alone, wherever the conversation stands."""
        greeting, now = self._next(self.script.greeting, "/greeting", now, {})
        return self._said(Turn(now, _joined(greeting, self._prompt_of(now))))

    def greet(self, now: Situation) -> Turn:
        greeting = self._spoken(self.script.greeting[:1], now, {})
        turn = self._enter(structs.replace(now, greeted=True), self.script.start)
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
        turn = self.decided(now, text) or self.understood(now, text) or self._miss(now, text)
        return self._said(turn)

    def decided(self, now: Situation, text: str) -> Turn | None:
        """Answer what the user said to a question of ours; None: it is no answer to one."""
        return self._confirmed(now, now.confirming, text) if now.confirming else None

    def understood(self, now: Situation, text: str) -> Turn | None:
        """Answer what the user said, where it is one of the phrases."""
        found = self.match(now, text)
        return self.take(now, found) if found else None

    def match(self, now: Situation, text: str) -> Matched[Intent | GlobalIntent] | None:
        return best_match(
            text,
            self._choices(now),
            today=self.around.now.date(),
            accepts=lambda intent, slots, exact: self._applies(intent, now, slots, exact=exact),
        )

    def take(self, now: Situation, found: Matched[Intent | GlobalIntent]) -> Turn:
        calm = structs.replace(now, misses=0, confirming=None, greeted=True)
        if isinstance(found.key, GlobalIntent):
            return self._global(calm, found.key, now.confirming)
        if found.key.confirm:
            return self.ask_whether(calm, Confirming(found.key, found.slots))
        return self.follow(calm, found.key, found.slots)

    def ask_whether(self, now: Situation, asking: Confirming) -> Turn:
        now = structs.replace(now, misses=0, confirming=asking, greeted=True)
        return Turn(now, self._confirmation(now, asking))

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
        first = [*YES, *NO] if now.confirming else []
        return first + [
            phrase
            for intent, phrase in self._choices(now)
            if isinstance(intent, GlobalIntent) or (not intent.rare and self._possible(intent, now))
        ]

    # --- What was meant ---

    def offered(self, now: Situation) -> list[tuple[Intent, Phrase]]:
        """The intents that may be meant now, each with its phrases that have no slots."""
        return [
            (intent, phrase)
            for intent in (*self._state(now).intents, *self.script.intents)
            if self._applies(intent, now, {})
            for phrase in intent.phrases
            if not any(phrase.gaps())
        ]

    def _choices(self, now: Situation) -> list[tuple[Intent | GlobalIntent, Phrase]]:
        intents: tuple[Intent | GlobalIntent, ...] = (
            *self._state(now).intents,
            *self.script.intents,
            *self.script.globals,
        )
        return [(intent, phrase) for intent in intents for phrase in intent.phrases]

    def _state(self, now: Situation) -> State:
        return self.script.states[now.state]

    def _applies(
        self,
        intent: Intent | GlobalIntent,
        now: Situation,
        slots: Mapping[str, Filled],
        *,
        exact: bool = True,
    ) -> bool:
        if isinstance(intent, GlobalIntent):
            return True
        if intent.whole and not exact:
            return False
        if intent.when is None:
            return True
        return intent.when.holds(_values({**self._known, **now.variables, **slots}))

    def _possible(self, intent: Intent, now: Situation) -> bool:
        """Whether a guard could hold; one over slots not yet filled might."""
        if intent.when is None:
            return True
        slots = {gap.name for phrase in intent.phrases for gap in phrase.gaps()}
        return bool(intent.when.names & slots) or self._applies(intent, now, {})

    def _confirmed(self, now: Situation, asking: Confirming, text: str) -> Turn | None:
        listed = [(True, phrase) for phrase in YES] + [(False, phrase) for phrase in NO]
        found = best_match(text, listed, today=self.around.now.date())
        if found is None:
            return None
        calm = structs.replace(now, misses=0, confirming=None)
        if found.key:
            return self.follow(calm, asking.intent, asking.slots)
        return Turn(calm, _joined("All right, not that.", self._prompt_of(calm)))

    def _confirmation(self, now: Situation, asking: Confirming) -> str:
        if isinstance(asking.intent.confirm, Template):
            return self._spoken((asking.intent.confirm,), now, asking.slots)
        if asking.guessed:
            return f"Did you mean: {asking.guessed}?"
        heard = ", ".join(slot.spoken for slot in asking.slots.values())
        return f"I understood: {heard or asking.intent.phrases[0].example()}. Is that right?"

    # --- What follows ---

    def follow(self, now: Situation, intent: Intent, slots: Mapping[str, Filled]) -> Turn:
        before = Earlier(now.state, now.variables)
        now = structs.replace(now, variables={**now.variables, **slots})
        turn = self._act(now, intent, f"{now.state}/{intent.name}", intent.goto)
        after = turn.situation
        if (after.state, after.variables) == (before.state, before.variables) and not turn.call:
            return turn
        past = (*after.past, before)[-_MAX_UNDO:]
        return structs.replace(turn, situation=structs.replace(after, past=past))

    def _act(self, now: Situation, action: Action, key: str, goto: str | None = None) -> Turn:
        now = self._set(now, action.sets)
        reply, now = self._next(action.replies, key, now, {})
        if action.call is None:
            turn = self._goto(now, goto)
            return structs.replace(turn, reply=_joined(reply, turn.reply))
        if action.call.tool not in {*self.around.tools, *self.around.server_tools}:
            return self._no_tool(now, action.call, reply)
        call = Call(
            self.around.new_call_id(),
            action.call.tool,
            _arguments(action.call.arguments, now.variables) or {},
        )
        calling = (call.call_id, action.call)
        return Turn(structs.replace(now, calling=calling, calling_goto=goto), reply, call)

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
                    value
                    if isinstance(value, Filled)
                    else filled(value.value(_values({**self._known, **variables})))
                )
            except ExpressionError as error:
                log.warning("agent '%s': set %s: %s", self.script.name, name, error)
        return structs.replace(now, variables=variables)

    def _goto(self, now: Situation, target: str | None) -> Turn:
        return Turn(now, "") if target is None else self._enter(now, target)

    def _enter(self, now: Situation, target: str) -> Turn:
        now = structs.replace(now, state=target)
        return self._act(now, self._state(now).on_enter, f"{target}/on_enter")

    # --- Globals and misunderstandings ---

    def _global(self, now: Situation, intent: GlobalIntent, asking: Confirming | None) -> Turn:
        options = self._options(now)
        own, now = self._next(intent.replies, f"/{intent.name}", now, {"options": options})
        still = structs.replace(now, confirming=asking)  # A question stays open over these four.
        match intent.name:
            case "help":
                more = "You can also say repeat, undo or cancel."
                return Turn(still, own or f"You can say: {options.spoken}. {more}")
            case "repeat":
                heard = self.around.last_reply if self.script.open else ""
                return Turn(still, own or heard or now.said or "I have not said anything yet.")
            case "hint":
                hint, still = self._next(self._state(now).hints, f"{now.state}/hints", still, {})
                none = f"I have no hint here. You can say: {options.spoken}."
                return Turn(still, own or hint or none)
            case "about":
                return Turn(still, own or self._spoken((self.script.about,), now, {}))
            case "undo":
                lead = "All right, not that." if asking else "There is nothing to undo."
                if now.past and not asking:
                    *past, last = now.past
                    now = structs.replace(
                        now, state=last.state, variables=last.variables, past=tuple(past)
                    )
                    now, lead = structs.replace(now, calling=None), "All right, one step back."
                return Turn(now, _joined(own or lead, self._prompt_of(now)))
            case "cancel":
                kept = {name: now.variables[name] for name in self.script.random}
                variables = {**self.script.variables, **kept}
                now = Situation(state=now.state, variables=variables, greeted=True, drawn=now.drawn)
                turn = self._enter(now, self.script.start)
                reply = _joined(own or "All right, from the beginning.", turn.reply)
                return structs.replace(turn, reply=reply)

    def _miss(self, now: Situation, text: str) -> Turn:
        if not now.greeted and not self.script.open:
            return self.greet(now)
        misses = now.misses + 1
        if now.confirming and now.confirming.guessed:  # A guess of ours is no question of theirs.
            now = structs.replace(now, confirming=None)
        if now.confirming and misses >= _MAX_ASKED:
            now = structs.replace(now, misses=0, confirming=None)
            return Turn(now, f"I heard neither yes nor no, so I leave that. {self._prompt_of(now)}")
        now = structs.replace(now, misses=misses)
        own = self._own_miss(now, text)
        if own:
            return own
        if now.confirming:
            again = self._confirmation(now, now.confirming)
            return Turn(now, f"Please say yes or no. {again}")
        lead = "I did not catch that." if not text else "Sorry, I did not understand that."
        options = self._options(now).spoken
        if misses == 1 or self.script.open:
            return Turn(now, f"{lead} {self._prompt_of(now)}")
        if misses == 2:
            heard = f"I heard: {text}, but that does not help me here." if text else lead
            return Turn(now, f"{heard} You can say: {options}.")
        return Turn(
            now,
            f"I still cannot follow. I understand only this here: {options}."
            " You can also say help, repeat, undo or cancel.",
        )

    def _own_miss(self, now: Situation, text: str) -> Turn | None:
        """What the script has to say to a misunderstanding; None: nothing of its own."""
        foreign = self._foreign(text)
        if foreign:
            return Turn(now, foreign)
        templates = self._state(now).misunderstood or self.script.misunderstood
        if not templates or (self.script.open and (now.confirming or not text)):
            return None
        extra = {"heard": filled(_heard(text))}
        if any("options" in template.names for template in templates):
            extra["options"] = self._options(now)
        if not self.script.open:
            return Turn(
                now, self._spoken((templates[min(now.misses, len(templates)) - 1],), now, extra)
            )
        # The first one explains, once; the others take turns.
        count = now.counts.get("/misunderstood", 0)
        now = structs.replace(now, counts={**now.counts, "/misunderstood": count + 1})
        others = templates[1:] or templates
        chosen = others[(now.drawn + count) % len(others)] if count else templates[0]
        reply = self._spoken((chosen,), now, extra)
        if count == 0 and free_form(self.around.instructions):
            reply = _joined(reply, self._spoken(self.script.cannot_follow, now, extra))
        return Turn(now, reply)

    def _foreign(self, text: str) -> str:
        """What is said to a language that the agent does not speak; "" where it is none."""
        script, words = language_of(text, None), canon(text)
        heard = self.around.heard_language.lower().split("-")[0]
        best, most = "", len(words) // 2
        if text:  # Few words are enough where the ears have found the language too.
            best = next((own.reply for own in self.script.languages if own.code == heard), "")
        for language in self.script.languages:
            if language.code == script:
                return language.reply
            known = sum(word in language.words for word in words)
            if known > most or (known == most > 0 and not best):
                best, most = language.reply, known
        return best

    def _options(self, now: Situation) -> Filled:
        said: list[str] = []
        for intent in (*self._state(now).intents, *self.script.intents):
            if intent.phrases and self._possible(intent, now):
                gaps = list(intent.phrases[0].gaps())
                example = intent.phrases[0].example()
                if len(gaps) == 1 and example == gaps[0].slot.examples()[0]:
                    said += gaps[0].slot.examples()
                else:
                    said.append(example)
        shown = list(dict.fromkeys(said))[:_MAX_OPTIONS]
        return filled(listed(shown, ", or ") or "start over")

    def _prompt_of(self, now: Situation) -> str:
        """What the state says when it is entered, without entering it again."""
        replies = self._state(now).on_enter.replies
        if replies:
            return self._spoken(replies[-1:], now, {})
        return f"You can say: {self._options(now).spoken}."

    # --- Words ---

    @cached_property
    def _known(self) -> dict[str, Filled]:
        """What every script knows without declaring it."""
        now = self.around.now
        names = [spoken_name(name) for name in self.around.tools][:_MAX_OPTIONS]
        return {
            "now": filled(now.timestamp() / 60),
            "time": filled(spoken_time(now.time())),
            "date": filled(spoken_date(now.date())),
            "year": filled(spoken_year(now.year)),
            "functions": filled(listed(names)),
            "heard": filled(_heard(self.around.last_heard)),
        }

    def _next(
        self, templates: Templates, key: str, now: Situation, extra: Mapping[str, Filled]
    ) -> tuple[str, Situation]:
        if not templates:
            return "", now
        count = now.counts.get(key, 0)
        now = structs.replace(now, counts={**now.counts, key: count + 1})
        if self.script.open:
            index = (now.drawn + count) % len(templates)
        else:
            index = min(count, len(templates) - 1)
        return self._spoken((templates[index],), now, extra), now

    def _spoken(
        self, templates: Sequence[Template], now: Situation, extra: Mapping[str, Filled]
    ) -> str:
        known = {**self._known, **now.variables, **extra}
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


def _heard(text: str) -> str:
    words = text.strip().rstrip(".!?").split()
    return (
        " ".join(words) if len(words) <= _MAX_HEARD else f"{' '.join(words[:_MAX_HEARD])} and so on"
    )


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)
