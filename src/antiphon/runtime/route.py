"""Which engine serves a session, where several may: the first that is well."""

from __future__ import annotations

from collections.abc import Sequence

from antiphon.engines.engine import Engine
from antiphon.engines.health import Healths


class Route:
    """Args:
    engines: That may serve, the one that is wanted most first.
    healths: Of all engines of the process.
    """

    def __init__(self, engines: Sequence[Engine], healths: Healths) -> None:
        assert engines, "some engine serves every model"
        self._engines = tuple(engines)
        self._healths = healths

    @staticmethod
    def to(engine: Engine) -> Route:
        """To that one alone."""
        return Route([engine], Healths(lambda: 0.0))

    def first(self) -> Engine:
        """For a session that begins."""
        return next(filter(self._is_well, self._engines), self._engines[0])

    def failed(self, engine: Engine) -> None:
        """It cannot serve now; it is left alone for a while."""
        self._healths.failed(engine.name)

    def instead_of(self, engine: Engine) -> Engine | None:
        """None: no other one is well."""
        others = (other for other in self._engines if other is not engine)
        return next(filter(self._is_well, others), None)

    def before(self, engine: Engine) -> Engine | None:
        """One that is wanted more than that one, and is well again."""
        more = self._engines[: self._engines.index(engine)] if engine in self._engines else ()
        return next(filter(self._is_well, more), None)

    def served(self, engine: Engine) -> None:
        """It gave a whole answer."""
        self._healths.succeeded(engine.name)

    def _is_well(self, engine: Engine) -> bool:
        return self._healths.is_well(engine.name)
