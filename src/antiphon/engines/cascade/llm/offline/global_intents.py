"""What every agent understands besides its own intents, and the words for it."""

from __future__ import annotations

from antiphon.engines.cascade.llm.offline.phrases import Phrase, parse_phrase
from antiphon.engines.cascade.llm.offline.slots import Slot

GLOBAL_EXAMPLES: dict[str, tuple[str, ...]] = {
    "help": (
        "help [me]",
        "what can i (say | do)",
        "what are my options",
    ),
    "repeat": (
        "[please] repeat [that]",
        "say (that | it) again",
        "(what | pardon)",
        "what did you say",
        "[say that] once more",
    ),
    "hint": ("[give me] (a | another) hint", "hint"),
    "undo": ("undo [that]", "[go] back", "that was wrong"),
    "cancel": ("cancel [that]", "(start over | start again | restart)", "never mind"),
    "about": ("who are you", "what are you", "what is this"),
}

YES = (
    "(yes | yeah | yep | yup | sure | correct | right | okay | exactly)",
    "yes (please | it is | that is right | that's right)",
    "(that is | that's) (right | correct)",
    "do it",
)
NO = (
    "(no | nope | nah | wrong)",
    "no (thanks | thank you | it is not | it's not | that is wrong | that's wrong)",
    "(that is | that's) (wrong | not right | incorrect)",
)


def plain_phrases(*sources: str) -> tuple[Phrase, ...]:
    """Phrases of words alone."""
    return tuple(parse_phrase(source, _no_slot) for source in sources)


def _no_slot(name: str, kind: str) -> Slot:
    raise AssertionError(f"phrase with slot {{{name}:{kind}}} among plain ones")
