"""What ears on another server are told of a turn beforehand."""

from __future__ import annotations

import re

from antiphon.engines.cascade.parts import Grammar
from antiphon.engines.cascade.stt import jsgf

VOCABULARY_CHARS = 400
"""Of what is expected; much more, and speech models begin to repeat it."""


def prompt_of(words: str, grammar: Grammar | None) -> str:
    """The operator's ``words``, and those that are expected now."""
    expected = " ".join(jsgf.words(grammar.jsgf)) if grammar else ""
    return " ".join(filter(None, (words, expected[:VOCABULARY_CHARS])))


def language_code(language: str | None) -> str | None:
    """The code of ISO 639 in a tag such as "pt-BR"; None where there is none."""
    base = (language or "").lower().replace("_", "-").split("-")[0]
    return base if re.fullmatch(r"[a-z]{2,3}", base) else None
