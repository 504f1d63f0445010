"""Reply templates: ``You have {attempts} attempts left.``"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from antiphon.engines.cascade.llm.offline.slots import Filled

_MARK = re.compile(r"\{\{|\}\}|\{([A-Za-z_]\w*(?:\.\w+)*)\}|[{}]")


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
        self.names = frozenset(m.group(1) for m in _MARK.finditer(source) if m.group(1))

    def spoken(self, variables: Mapping[str, Filled]) -> str:
        """The text to say; an unknown variable is left out."""
        return self._filled({name: filled.spoken for name, filled in variables.items()})

    def argument(self, variables: Mapping[str, Filled]) -> Any:
        """A value for a tool: a lone ``{name}`` keeps its type, other text is text.

        None where a lone variable has no value: the argument is then left out.
        """
        lone = re.fullmatch(r"\{([A-Za-z_]\w*)\}", self.source)
        if lone:
            filled = variables.get(lone.group(1))
            return filled.value if filled else None
        return self._filled({name: str(filled.value) for name, filled in variables.items()})

    def _filled(self, texts: Mapping[str, str]) -> str:
        def one(mark: re.Match[str]) -> str:
            name = mark.group(1)
            return texts.get(name, "") if name else mark.group()[0]

        return _MARK.sub(one, self.source)
