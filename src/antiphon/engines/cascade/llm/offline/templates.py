"""Reply templates: ``You have {attempts} attempts left, and {left:duration}.``"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from string import Formatter
from typing import Any

from antiphon.engines.cascade.llm.offline.calendar import spoken_date, spoken_duration
from antiphon.engines.cascade.llm.offline.slots import Filled


def _letters(filled: Filled) -> str:
    return ", ".join(c.upper() for c in filled.spoken if c.isalnum())


def _date(filled: Filled) -> str:
    return spoken_date(dt.date.fromisoformat(str(filled.value)))


def _duration(filled: Filled) -> str:
    return filled.spoken if isinstance(filled.value, str) else spoken_duration(filled.value)


FORMS: dict[str, Callable[[Filled], str]] = {
    "date": _date,
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
        try:
            self._parts = list(Formatter().parse(source))
        except ValueError as error:
            why = f"a lone '{{' or '}}' ({error}); write it twice to say it"
            raise TemplateError(f"'{source}': {why}") from error
        for _, name, form, conversion in self._parts:
            if name is not None and (conversion or not name.replace(".", "_").isidentifier()):
                raise TemplateError(f"'{source}': '{name}' is no name of a variable")
            if form and form not in FORMS:
                known = ", ".join(sorted(FORMS))
                raise TemplateError(f"'{source}': no form '{form}' (known: {known})")
        self.names = frozenset(name for _, name, _, _ in self._parts if name)

    def spoken(self, variables: Mapping[str, Filled]) -> str:
        """The text to say; an unknown variable is left out."""
        return self._filled(variables, lambda filled: filled.spoken)

    def argument(self, variables: Mapping[str, Filled]) -> Any:
        """A value for a tool: a lone ``{name}`` keeps its type, other text is text.

        None where a lone variable has no value: the argument is then left out.
        """
        match self._parts:
            case [("", str(name), "", _)]:
                return variables[name].value if name in variables else None
        return self._filled(variables, lambda filled: str(filled.value))

    def _filled(self, variables: Mapping[str, Filled], plain: Callable[[Filled], str]) -> str:
        said = ""
        for text, name, form, _ in self._parts:
            said += text
            if name and name in variables:
                said += FORMS.get(form or "", plain)(variables[name])
        return said
