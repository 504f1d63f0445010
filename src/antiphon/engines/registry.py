"""Which engine serves a model name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from antiphon.engines.engine import Engine
from antiphon.errors import ConfigurationError


def is_pattern(name: str) -> bool:
    return any(c in name for c in "*?[")


class EngineRegistry:
    """Model names to engines: exact names, then patterns in their order, then the default.

    The name of an engine is itself an exact name, unless it is given another meaning.
    """

    def __init__(
        self,
        engines: Iterable[Engine],
        *,
        default: str,
        models: Mapping[str, str] | None = None,
        fallbacks: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Check that every name leads to an engine.

        Args:
            engines: all that can serve.
            default: the name of the engine for model names that nothing else matches.
            models: model name or pattern (as of `fnmatch`, case matters) to engine name.
            fallbacks: some of those to the names of engines that serve while the first cannot.

        Raises:
            ConfigurationError: an engine that is named does not exist.
        """
        self._engines: dict[str, Engine] = {}
        for engine in engines:
            if engine.name in self._engines:
                raise ConfigurationError(f"There are two engines named '{engine.name}'.")
            self._engines[engine.name] = engine
        self._default = self._named(default, "[engine] default")
        self._exact = dict(self._engines)
        self._patterns: list[tuple[str, Engine]] = []
        for model, name in (models or {}).items():
            engine = self._named(name, f'[models] "{model}"')
            if is_pattern(model):
                self._patterns.append((model, engine))
            else:
                self._exact[model] = engine

        self._fallbacks = {
            model: tuple(self._named(name, f'[models] "{model}"') for name in names)
            for model, names in (fallbacks or {}).items()
        }

    def _named(self, name: str, where: str) -> Engine:
        engine = self._engines.get(name)
        if engine is not None:
            return engine
        close = get_close_matches(name, self._engines, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        known = ", ".join(sorted(self._engines)) or "none"
        raise ConfigurationError(f"{where}: there is no engine '{name}'.{hint} Engines: {known}.")

    @property
    def default(self) -> Engine:
        return self._default

    @property
    def engines(self) -> tuple[Engine, ...]:
        return tuple(self._engines.values())

    @property
    def models(self) -> dict[str, Engine]:
        """All names that are spelled out, for `GET /v1/models`."""
        return dict(self._exact)

    @property
    def patterns(self) -> tuple[tuple[str, Engine], ...]:
        return tuple(self._patterns)

    def knows(self, model: str) -> bool:
        """Whether the name is spelled out, or matches a pattern; else the default answers."""
        return model in self._exact or any(fnmatchcase(model, p) for p, _ in self._patterns)

    def find(self, model: str) -> Engine:
        """The engine for a model name; every name has one."""
        engine = self._exact.get(model)
        if engine is not None:
            return engine
        for pattern, candidate in self._patterns:
            if fnmatchcase(model, pattern):
                return candidate
        return self._default

    def fallbacks(self, model: str) -> tuple[Engine, ...]:
        """Those that serve a model name while its engine cannot, the one wanted most first."""
        if model in self._exact:
            return self._fallbacks.get(model, ())
        for pattern, _ in self._patterns:
            if fnmatchcase(model, pattern):
                return self._fallbacks.get(pattern, ())
        return ()
