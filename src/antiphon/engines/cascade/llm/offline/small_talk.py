"""What can be answered without a language model, a script or the client's functions."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct

from antiphon.engines.cascade.llm.offline.arithmetic import read_sum
from antiphon.engines.cascade.llm.offline.calendar import spoken_date, spoken_time
from antiphon.engines.cascade.llm.offline.global_intents import NO, YES, plain_phrases
from antiphon.engines.cascade.llm.offline.matching import best_match
from antiphon.engines.cascade.llm.offline.numbers import spoken_number, spoken_year
from antiphon.engines.cascade.llm.offline.phrases import Phrase, parse_phrase
from antiphon.engines.cascade.llm.offline.slots import Filled, NumberSlot, TextSlot

ABOUT = "I am an offline demonstration brain, without a language model."
ABILITIES = (
    "I can tell the time and the date, do sums, count, tell a short story,"
    " and repeat what I understood."
)
_STORY = (
    "Once there was a lighthouse keeper who talked to the ships at night."
    " The ships never answered, but they always turned in time, so she went on talking."
    " She told them about the weather, about the gulls on her roof, and about the soup she had"
    " burned again."
    " One night the lamp went out. She ran down the stairs for oil, up again, and down once more"
    " for the matches."
    " And while she ran, she kept on talking, louder and louder, out of the open window."
    " In the morning a small boat lay in the harbour."
    " The fisherman said that he had seen no light at all."
    " But somebody out there had been complaining about soup, he said, and so he had known where"
    " the rocks were."
    " From that day on she talked a little louder. And that is the end of the story."
)
_MAX_COUNT = 200


class Answer(Struct, frozen=True):
    topic: str
    text: str
    exact: bool = True
    """The whole of what was said was understood."""


def _count_phrase() -> Phrase:
    slots = {"low": NumberSlot(0, _MAX_COUNT), "high": NumberSlot(1, _MAX_COUNT)}
    return parse_phrase("count [from {low}] [up] to {high}", lambda name, _: slots[name])


def _sum_phrase() -> Phrase:
    return parse_phrase(
        "[what is | what's | how much is] {a} (plus | minus | times | divided by) {b}",
        lambda _name, _kind: NumberSlot(0, 999),
    )


_INTRODUCTION = parse_phrase(
    "[hello | hi | hey] my name is {name}", lambda _name, _kind: TextSlot()
)
_TOPICS: dict[str, tuple[Phrase, ...]] = {
    "greeting": plain_phrases(
        "(hello | hi | hey | good morning | good afternoon | good evening) [there]"
    ),
    "about": plain_phrases("(who | what) are you", "introduce yourself", "what is your name"),
    "help": plain_phrases("help [me]", "what can (you do | i say | i ask)", "what do you know"),
    "time": plain_phrases(
        "(what | what's the) time [is it]", "what is the time", "[tell me] the time"
    ),
    "date": plain_phrases(
        "(what | which) day is it [today]",
        "what is the date [today]",
        "what's the date [today]",
        "what is today's date",
    ),
    "thanks": plain_phrases("(thanks | thank you) [very much | a lot]"),
    "goodbye": plain_phrases("(goodbye | bye | see you [later]) [bye]", "that is all"),
    "repeat": plain_phrases(
        "[please] (repeat that | repeat)",
        "say (that | it) again",
        "pardon",
        "what did you say",
    ),
    "how are you": plain_phrases("how are you [doing | today]", "how is it going"),
    "story": plain_phrases("tell [me] a story", "[a] story [please]", "talk for a while"),
    "count": (_count_phrase(),),
    "stop": plain_phrases("(stop | be quiet | enough)"),
    "yes": plain_phrases(*YES),
    "no": plain_phrases(*NO),
}


def small_talk(text: str, now: dt.datetime, *, last_reply: str) -> Answer | None:
    """The answer to ``text``, if it is something that can be answered here."""
    found_sum = read_sum(text)
    if found_sum:
        return Answer("sum", found_sum.answer())
    listed = [(topic, phrase) for topic, phrases in _TOPICS.items() for phrase in phrases]
    listed.append(("introduction", _INTRODUCTION))
    found = best_match(text, listed, today=now.date())
    if found is None:
        return None
    if found.key in ("yes", "no", "stop") and not found.exact:
        return None
    return Answer(found.key, _answer(found.key, found.slots, now, last_reply), found.exact)


_FIXED = {
    "about": f"{ABOUT} {ABILITIES}",
    "help": f"{ABOUT} {ABILITIES} For example, ask me: what is six times ten?",
    "thanks": "You are welcome.",
    "goodbye": "Goodbye!",
    "how are you": "All my parts are running, thank you. How can I help you?",
    "story": _STORY,
    "stop": "All right.",
    "yes": "Good. What would you like to do?",
    "no": "All right then.",
}


def _answer(topic: str, slots: dict[str, Filled], now: dt.datetime, last_reply: str) -> str:
    match topic:
        case "greeting":
            return greeting()
        case "time":
            return f"It is {spoken_time(now.time())}."
        case "date":
            return f"Today is {spoken_date(now.date())}, {spoken_year(now.year)}."
        case "repeat":
            return last_reply or "I have not said anything yet."
        case "introduction":
            return f"Nice to meet you, {slots['name'].spoken.title()}. {ABOUT}"
        case "count":
            return _counted(slots)
    return _FIXED[topic]


def greeting() -> str:
    return f"Hello! {ABOUT} {ABILITIES} What would you like?"


def _counted(slots: dict[str, Filled]) -> str:
    low = int(slots["low"].value) if "low" in slots else 1
    high = int(slots["high"].value)
    numbers = range(low, high + 1) if low <= high else range(low, high - 1, -1)
    text = ", ".join(spoken_number(number) for number in numbers)
    return f"{text.capitalize()}."


def small_talk_phrases() -> list[Phrase]:
    """What the recogniser may expect; names of people are not in it."""
    return [phrase for phrases in _TOPICS.values() for phrase in phrases] + [_SUM]


_SUM = _sum_phrase()
