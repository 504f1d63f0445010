"""The words of a JSGF grammar.

Java Speech Grammar Format, version 1.0 (https://www.w3.org/TR/jsgf/).
"""

from __future__ import annotations

import re

_NO_WORDS = re.compile(
    r"/\*.*?\*/|//[^\n]*"  # comments
    r"|^\s*\#JSGF[^;\n]*;?"  # "Grammar files begin with a self-identifying header"
    r"|\b(?:grammar|import)\s+[^;]*;"
    r"|<[^>]*>\s*=?"  # rule names, defined or referred to
    r"|\{(?:\\.|[^\\}])*\}"  # tags
    r"|/\s*[\d.]+(?:e[+-]?\d+)?\s*/"  # weights
    r"|\bpublic\b(?=\s*<)",
    re.DOTALL | re.MULTILINE,
)
_WORD = re.compile(r'"((?:\\.|[^"\\])*)"|([^\s;=|*+<>()\[\]{}"]+)')


def words(jsgf: str) -> list[str]:
    """All words that can be said, each once, in their order."""
    found = (quoted or plain for quoted, plain in _WORD.findall(_NO_WORDS.sub(" ", jsgf)))
    return list(dict.fromkeys(found))
