"""Reply templates: ``You have {attempts} attempts left, and {left:duration}.``"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from antiphon.engines.cascade.llm.offline.calendar import spoken_duration
from antiphon.engines.cascade.llm.offline.slots import Filled

_MARK = re.compile(r"\{\{|\}\}|\{([A-Za-z_]\w*(?:\.\w+)*)(?::(\w+))?\}|[{}]")


def _letters(filled: Filled) -> str:
    return ", ".join(c.upper() for c in filled.spoken if c.isalnum())


def _duration(filled: Filled) -> str:
    return filled.spoken if isinstance(filled.value, str) else spoken_duration(filled.value)


FORMS: dict[str, Callable[[Filled], str]] = {
    "letters": _letters,
    "duration": _duration,
    "name": lambda filled: filled.spoken.title(),
}
"""Other ways to say a variable: ``{word:letters}``."""


class TemplateError(ValueError):
    """A template cannot be read; the message says why."""


class Template:
    """Text with variables in braces; ``{{`` and ``}}`` are braces themselves."""

    def __init__(self, source: str) -> None:
        self.source = source
        for mark in _MARK.finditer(source):
            if mark.group() in ("{", "}"):
                raise TemplateError(
                    f"'{source}': a lone '{mark.group()}'; write it twice to say it"
                )
            if mark.group(2) and mark.group(2) not in FORMS:
                raise TemplateError(
                    f"'{source}': no form '{mark.group(2)}' (known: {', '.join(sorted(FORMS))})"
                )
        self.names = frozenset(m.group(1) for m in _MARK.finditer(source) if m.group(1))

    def spoken(self, variables: Mapping[str, Filled]) -> str:
        """The text to say; an unknown variable is left out."""
        return self._filled(variables, lambda filled: filled.spoken)

    def argument(self, variables: Mapping[str, Filled]) -> Any:
        """A value for a tool: a lone ``{name}`` keeps its type, other text is text.

        None where a lone variable has no value: the argument is then left out.
        """
        lone = re.fullmatch(r"\{([A-Za-z_]\w*)\}", self.source)
        if lone:
            filled = variables.get(lone.group(1))
            return filled.value if filled else None
        return self._filled(variables, lambda filled: str(filled.value))

    def _filled(self, variables: Mapping[str, Filled], plain: Callable[[Filled], str]) -> str:
        def one(mark: re.Match[str]) -> str:
            name, form = mark.groups()
            if not name:
                return mark.group()[0]
            return FORMS.get(form, plain)(variables[name]) if name in variables else ""

        return _MARK.sub(one, self.source)
