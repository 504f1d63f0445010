"""A recogniser that may not start, and the one that then takes its place."""

from __future__ import annotations

import logging

from antiphon.engines.cascade.parts import Grammar, Recognition, Recognizer, Report
from antiphon.errors import EngineUnavailable

_log = logging.getLogger(__name__)


class FallbackRecognizer:
    """A `Recognizer`: ``best`` if it starts, else ``plain``."""

    def __init__(self, best: Recognizer, plain: Recognizer) -> None:
        self._plain = plain
        self._used = best

    async def start(self) -> None:
        try:
            await self._used.start()
        except EngineUnavailable as error:
            _log.warning("%s; speech is recognised without it, less well", error)
            await self._used.aclose()
            self._used = self._plain
            await self._used.start()

    async def aclose(self) -> None:
        await self._used.aclose()

    def begin(
        self,
        report: Report,
        *,
        grammar: Grammar | None,
        language: str | None,
        live: bool = False,
    ) -> Recognition:
        return self._used.begin(report, grammar=grammar, language=language, live=live)
