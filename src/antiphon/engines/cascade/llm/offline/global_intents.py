"""What every agent understands besides its own intents, and the words for it."""

from __future__ import annotations

from antiphon.engines.cascade.llm.offline.english import ENGLISH
from antiphon.engines.cascade.llm.offline.phrases import Phrase, parse_phrase
from antiphon.engines.cascade.llm.offline.slots import Slot


def plain_phrases(*sources: str) -> tuple[Phrase, ...]:
    """Phrases of words alone."""
    return tuple(parse_phrase(source, _no_slot) for source in sources)


def _no_slot(name: str, kind: str) -> Slot:
    raise AssertionError(f"phrase with slot {{{name}:{kind}}} among plain ones")


GLOBAL_PHRASES = {name: plain_phrases(*said) for name, said in ENGLISH["globals"].items()}
YES, NO, LEAVE_IT = (plain_phrases(*ENGLISH[name]) for name in ("yes", "no", "leave_it"))
