"""A script that talks about whatever comes up: the client's functions, and words it guesses at."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from msgspec import structs

from antiphon.engines.cascade.llm.offline.dialogue import Dialogue
from antiphon.engines.cascade.llm.offline.global_intents import LEAVE_IT
from antiphon.engines.cascade.llm.offline.matching import REFUSALS, Matched, best_match
from antiphon.engines.cascade.llm.offline.phrases import Phrase, parse_phrase
from antiphon.engines.cascade.llm.offline.script import GlobalIntent, Intent
from antiphon.engines.cascade.llm.offline.situation import Asking, Call, Confirming, Situation, Turn
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
from antiphon.engines.cascade.llm.offline.words import said, words_of
from antiphon.protocol.session import FunctionTool

_MAX_TRIES = 2
_SURE, _PERHAPS = 0.62, 0.45
"""From this nearness on an intent is followed, or asked about."""
_LETTERS = 0.86
"""Share of the letters that two sentences have in common, where one may be the other misheard."""
_AHEAD = 0.05
"""By so much it must be nearer than any other, to be followed unasked."""


class OpenDialogue(Dialogue):
    def prompt(self, now: Situation) -> Turn:
        turn = super().prompt(now)
        if not now.greeted or now.confirming:
            return turn
        return structs.replace(turn, reply=f"I am still here. {turn.reply}")

    def decided(self, now: Situation, text: str) -> Turn | None:
        if now.asking is None:
            return super().decided(now, text)
        tool = self.around.tools.get(now.asking.tool)
        if tool is None or now.asking.name not in _properties(tool):
            return None
        return self._answered(now, now.asking, tool, text)

    def understood(self, now: Situation, text: str) -> Turn | None:
        now = structs.replace(now, asking=None)
        return self._meant(now, text) or self._guessed(now, text)

    def _meant(self, now: Situation, text: str) -> Turn | None:
        """Answer what asks for a function, or is one of the phrases."""
        found = self.match(now, text)
        if not (found and found.exact and not _yields(found)):
            wanted = wanted_tool(text, tuple(self.around.tools.values()))
            if wanted:
                values, missing = filled_arguments(
                    parameters_of(wanted.tool),
                    text,
                    self.around.now.date(),
                    known=wanted.words,
                )
                return self._call_or_ask(now, wanted.tool, values, missing)
        return self.take(now, found) if found else None

    def expected(self, now: Situation) -> list[Phrase]:
        """All phrases that can be said now but for those that take any words at all."""
        if now.asking:
            tool = self.around.tools.get(now.asking.tool)
            phrase = _answer_phrase(tool, now.asking.name) if tool else None
            return [phrase, *LEAVE_IT] if phrase else []
        known = [p for p in super().expected(now) if all(g.slot.rules() for g in p.gaps())]
        return [*tool_phrases(tuple(self.around.tools.values())), *known]

    # --- Other words ---

    def _guessed(self, now: Situation, text: str) -> Turn | None:
        """What is nearest in letters, as where a word was misheard, or else in meaning."""
        words = words_of(text)
        offered = [(phrase.example(), intent) for intent, phrase in self.offered(now)]
        heard = {word.canon for word in words}
        if not offered or len(words) < 2 or REFUSALS & heard or self._waits_for_slot(now):
            return None
        if any(word.isdecimal() and word != "1" for word in heard):
            return None  # Who says a number means that number, and these examples have no slot.
        misheard = get_close_matches(said(words), [e for e, _ in offered], n=1, cutoff=_LETTERS)
        if misheard:
            intent = dict(offered)[misheard[0]]
            return self.ask_whether(now, Confirming(intent, {}, guessed=misheard[0]))
        if self.around.similarity is None:
            return None
        nearness = self.around.similarity(text, tuple(example for example, _ in offered))
        ranked = sorted(zip(nearness, offered, strict=True), key=lambda pair: -pair[0])
        best, (example, intent) = ranked[0]
        if best < _PERHAPS or intent.whole:
            return None
        second = next((near for near, (_, other) in ranked if other is not intent), 0.0)
        if best < _SURE or best - second < _AHEAD or intent.confirm:
            return self.ask_whether(now, Confirming(intent, {}, guessed=example))
        return self.take(now, Matched(intent, {}, exact=False))

    def _waits_for_slot(self, now: Situation) -> bool:
        """Whether all that the state itself expects has slots: then it is asked for again."""
        phrases = [p for intent in self._state(now).intents for p in intent.phrases]
        return bool(phrases) and all(phrase.slots for phrase in phrases)

    # --- Functions ---

    def _call_or_ask(
        self, now: Situation, tool: FunctionTool, values: dict[str, Any], missing: list[str]
    ) -> Turn:
        now = structs.replace(now, misses=0, confirming=None, greeted=True, asking=None)
        if not missing:
            return Turn(now, "", Call(self.around.new_call_id(), tool.name, values))
        asking = Asking(tool.name, values, missing[0])
        return Turn(structs.replace(now, asking=asking), _question(tool, missing[0]))

    def _answered(self, now: Situation, asking: Asking, tool: FunctionTool, text: str) -> Turn:
        """What follows from the answer to a question for an argument."""
        left = structs.replace(now, asking=None)
        today, parameters = self.around.now.date(), parameters_of(tool)
        cancelled = best_match(text, [(True, phrase) for phrase in LEAVE_IT], today=today)
        if cancelled and cancelled.exact:
            return Turn(left, "All right, I leave it.")
        found = self.match(left, text)
        if found and found.exact and isinstance(found.key, GlobalIntent):
            turn = self.take(left, found)
            return structs.replace(turn, situation=structs.replace(turn.situation, asking=asking))
        value = answered_argument(asking.name, parameters, text, today)
        if value is NOTHING and asking.tries + 1 >= _MAX_TRIES:
            another = self._meant(left, text)  # What was asked for comes before a guess.
            return another or Turn(left, f"Then I leave {spoken_name(tool.name)} for now.")
        if value is NOTHING:
            again = structs.replace(asking, tries=asking.tries + 1)
            lead = "I could not use that." if text else "I did not catch that."
            question = f"{lead} {_question(tool, asking.name)} Or say cancel."
            return Turn(structs.replace(now, asking=again), question)
        values = {**asking.values, asking.name: value}
        required = [name for name in parameters.get("required", ()) if name in _properties(tool)]
        return self._call_or_ask(now, tool, values, [n for n in required if n not in values])


def _yields(found: Matched[Intent | GlobalIntent]) -> bool:
    return isinstance(found.key, Intent) and found.key.yields


def _properties(tool: FunctionTool) -> dict[str, Any]:
    parameters = parameters_of(tool)
    return properties_of(parameters, parameters)


def _question(tool: FunctionTool, name: str) -> str:
    parameters = parameters_of(tool)
    schema = _properties(tool)[name]
    values = [spoken_name(str(value)) for value in enum_of(schema, parameters)][:6]
    question = f"For {spoken_name(tool.name)} I need the {spoken_name(name)}."
    if values:
        return f"{question} You can say: {', '.join(values)}."
    described = schema.get("description") if isinstance(schema, dict) else None
    if isinstance(described, str) and 0 < len(described) <= 80:
        question += f" That is: {described.strip().rstrip('.')}."
    return f"{question} What shall it be?"


def _answer_phrase(tool: FunctionTool, name: str) -> Phrase | None:
    slot = slot_for(name, _properties(tool).get(name), parameters_of(tool))
    if slot is None:
        return None
    return parse_phrase("[the] {value} [please]", lambda _name, _kind: slot)
