"""One ``antiphon.toml`` and environment variables.

A flag of the command line overrules the environment, which overrules the file, which
overrules the defaults.  Everything is checked at start; an error names the file and the
line, or the variable, and says what to do.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, get_args

import msgspec
from msgspec import Struct

from antiphon.errors import ConfigurationError
from antiphon.limits.policy import Limits
from antiphon.server.config_problems import problems
from antiphon.server.secret import Secret
from antiphon.server.setting_types import type_in_words
from antiphon.server.settings import OPENAI_KEY_VARIABLE, SECTIONS, Config, UpstreamSettings
from antiphon.server.toml_file import TomlFile, read_toml

CONFIG_VARIABLE = "ANTIPHON_CONFIG"
DEFAULT_FILE = "antiphon.toml"
PREFIX = "ANTIPHON_"
_PLACE_WITHIN = " - at `$"
"""So msgspec tells which part of a value is wrong; then the kind of the whole is right."""


def variable_name(section: str, key: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + (key if section == "server" else f"{section}_{key}").upper()


@functools.cache
def _types(kind: type[Struct]) -> dict[str, Any]:
    """Of each setting of a section; msgspec takes milliseconds to find them, each time."""
    return {field.name: field.type for field in msgspec.structs.fields(kind)}


class Loaded(NamedTuple):
    config: Config
    path: Path | None
    """The file that was read, if there was one."""
    sources: dict[str, str]
    """Where each setting that is no default comes from, by its dotted name."""
    warnings: tuple[str, ...]


def load(
    path: str | os.PathLike[str] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Loaded:
    """Read and check the whole configuration.

    Args:
        path: the file; None: ``$ANTIPHON_CONFIG``, or ``./antiphon.toml`` if it exists.
        environ: the environment; None: this process's.
        overrides: settings of the command line, by dotted name (``server.port``);
            those that are None are not set.

    Raises:
        ConfigurationError: all that is wrong, one problem a line.
    """
    environ = os.environ if environ is None else environ
    reader = _Reader(_read_file(path, environ), environ, overrides or {})
    return reader.read()


def _read_file(path: str | os.PathLike[str] | None, environ: Mapping[str, str]) -> TomlFile:
    asked_for = path or environ.get(CONFIG_VARIABLE)
    return read_toml(Path(asked_for or DEFAULT_FILE), must_exist=bool(asked_for))


class _Reader:
    """Gathers every setting with its source, and every problem."""

    def __init__(
        self, file: TomlFile, environ: Mapping[str, str], overrides: Mapping[str, object]
    ) -> None:
        self._file = file
        self._environ = environ
        self._overrides = {name: v for name, v in overrides.items() if v is not None}
        self._sources: dict[str, str] = {}
        self._problems: list[str] = []
        self._notes: list[str] = []

    def read(self) -> Loaded:
        self._check_names()
        sections = {name: self._section(name, kind) for name, kind in SECTIONS.items()}
        routes = self._models()
        config = Config(
            models={name: engines[0] for name, engines in routes.items()},
            fallbacks={name: engines[1:] for name, engines in routes.items() if engines[1:]},
            **sections,  # type: ignore[arg-type]
        )
        if not self._problems:
            config = self._with_upstreams_keys(self._with_named_keys(config))
            config = self._with_relay_key(config)
            self._problems += [
                f"{self._sources.get(name, name)}: {problem}" for name, problem in problems(config)
            ]
        if self._problems:
            raise ConfigurationError("\n".join(self._problems))
        warnings = (*self._unknown_variables(), *self._notes)
        return Loaded(config, self._file.path, self._sources, warnings)

    def _check_names(self) -> None:
        known = [*SECTIONS, "models"]
        for section, table in self._file.tables.items():
            if section not in known:
                self._unknown(f"section [{section}]", section, known, self._file.place(section))
            elif not isinstance(table, dict):
                place = self._file.place(section)
                self._problems.append(f"{place}: '{section}' must be a table: [{section}].")
            elif section != "models":
                keys = SECTIONS[section].__struct_fields__
                for key in table.keys() - set(keys):
                    where = self._file.place(section, key)
                    self._unknown(f"setting '{key}' in [{section}]", key, keys, where)

    def _unknown(self, what: str, name: str, known: Any, place: str) -> None:
        close = get_close_matches(name, known, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else f" Known: {', '.join(known)}."
        self._problems.append(f"{place}: there is no {what}.{hint}")

    def _section(self, name: str, kind: type[Struct]) -> Struct:
        table = self._file.tables.get(name, {})
        values = {}
        for key, its_type in _types(kind).items():
            dotted, variable = f"{name}.{key}", variable_name(name, key)
            if dotted in self._overrides:
                raw, source, strict = self._overrides[dotted], "command line", True
            elif variable in self._environ:
                raw, source, strict = self._environ[variable], variable, False
                if _is_table(its_type) or _holds_tables(its_type):
                    raw = _table_of(raw)
                elif _is_list(its_type):
                    raw = [part.strip() for part in raw.split(",") if part.strip()]
            elif isinstance(table, dict) and key in table:
                raw, source, strict = table[key], self._file.place(name, key), True
            else:
                continue
            try:
                values[key] = msgspec.convert(raw, its_type, strict=strict, dec_hook=_decode_secret)
            except msgspec.ValidationError as error:
                told = f"{source}: {key}: {error}."
                if _PLACE_WITHIN not in told:
                    told += f" Wanted: {type_in_words(its_type)}."
                self._problems.append(told)
            else:
                self._sources[dotted] = source
        return kind(**values)

    def _models(self) -> dict[str, tuple[str, ...]]:
        table = self._file.tables.get("models", {})
        models: dict[str, tuple[str, ...]] = {}
        for name, given in table.items() if isinstance(table, dict) else ():
            place = self._file.place("models", name)
            engines = [given] if isinstance(given, str) else given
            if isinstance(engines, list) and engines and all(isinstance(e, str) for e in engines):
                models[name] = tuple(engines)
                self._sources[f"models.{name}"] = place
            else:
                self._problems.append(
                    f'{place}: write "{name}" = "engine", or ["engine", "another"]; '
                    "names with dots or stars need their quotes."
                )
        return models

    def _with_named_keys(self, config: Config) -> Config:
        for section in ("llm", "stt", "tts"):
            settings = getattr(config, section)
            name = settings.api_key_env
            if name is None or settings.api_key is not None:
                continue
            if not (value := self._environ.get(name)):
                source = self._sources[f"{section}.api_key_env"]
                self._problems.append(f"{source}: the environment variable {name} is not set.")
                continue
            settings = msgspec.structs.replace(settings, api_key=Secret(value))
            config = msgspec.structs.replace(config, **{section: settings})
        return config

    def _with_upstreams_keys(self, config: Config) -> Config:
        upstreams = tuple(map(self._with_upstreams_key, config.relay.upstreams))
        relay = msgspec.structs.replace(config.relay, upstreams=upstreams)
        return msgspec.structs.replace(config, relay=relay)

    def _with_upstreams_key(self, upstream: UpstreamSettings) -> UpstreamSettings:
        name = upstream.api_key_env
        if name is None or upstream.api_key is not None:
            return upstream
        if value := self._environ.get(name):
            return msgspec.structs.replace(upstream, api_key=Secret(value))
        source = self._sources["relay.upstreams"]
        self._problems.append(f"{source}: the environment variable {name} is not set.")
        return upstream

    def _with_relay_key(self, config: Config) -> Config:
        relay = config.relay
        if relay.enabled is False or relay.api_key is not None:
            return config
        name = relay.api_key_env
        if name is None and not self._openai_key_is_for_relay(config):
            return config
        value = self._environ.get(name or OPENAI_KEY_VARIABLE)
        if value:
            self._sources["relay.api_key"] = name or OPENAI_KEY_VARIABLE
            relay = msgspec.structs.replace(relay, api_key=Secret(value))
            return msgspec.structs.replace(config, relay=relay)
        if name is not None:
            source = self._sources["relay.api_key_env"]
            self._problems.append(f"{source}: the environment variable {name} is not set.")
        return config

    def _openai_key_is_for_relay(self, config: Config) -> bool:
        """Where nobody says for what the key is there, it turns the relay on, and that is told.
        Who names a language model means it to answer.
        """
        relay = config.relay
        if relay.url is not None:
            return False  # OpenAI's key is for nobody else.
        if relay.enabled or not self._environ.get(OPENAI_KEY_VARIABLE):
            return True
        if config.llm.base_url is not None:
            return False
        self._notes.append(
            f"{OPENAI_KEY_VARIABLE} is set, so OpenAI answers for {', '.join(relay.models)}, at "
            "its price. In [relay], enabled = false turns that off; enabled = true says that it is "
            "meant."
        )
        return True

    def _unknown_variables(self) -> Iterator[str]:
        known = {
            variable_name(s, key) for s, kind in SECTIONS.items() for key in kind.__struct_fields__
        }
        known.add(CONFIG_VARIABLE)
        for name in sorted(self._environ):
            if name.startswith(PREFIX) and name not in known:
                close = get_close_matches(name, known, n=1)
                yield f"{name} is no setting." + (f" Did you mean {close[0]}?" if close else "")


def kept_by_default(config: Config, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration with a journal, at its usual place where it names none.

    The XDG Base Directory Specification: where `$XDG_STATE_HOME` is "either not set or empty, a
    default equal to $HOME/.local/state should be used".
    """
    if config.journal.path is not None:
        return config
    environ = os.environ if environ is None else environ
    state = environ.get("XDG_STATE_HOME") or Path("~", ".local", "state").expanduser()
    path = Path(state, "antiphon", "conversations.sqlite3")
    journal = msgspec.structs.replace(config.journal, path=str(path))
    return msgspec.structs.replace(config, journal=journal)


LIGHT_VOICES = frozenset({"espeak", "http"})
"""What speaks without a core of its own."""


def process_count(config: Config, cores: int) -> int:
    """How many processes the server is; for so many cores, where the operator leaves it to us."""
    asked, webrtc = config.server.processes, config.webrtc
    if asked:
        return asked
    hears_here = config.stt.recognizer not in ("http", "realtime")
    speaks_here = config.tts.synthesizer not in LIGHT_VOICES
    if hears_here or speaks_here:
        return 1
    ports = webrtc.port_max - webrtc.port_min + 1 if webrtc.port_min else cores
    return max(1, min(cores, ports))  # Each needs one for media.


def _is_list(kind: Any) -> bool:
    return "tuple[" in str(kind)


def _holds_tables(kind: Any) -> bool:
    return "UpstreamSettings" in str(kind) or "PriceSettings" in str(kind)


def _is_table(kind: Any) -> bool:
    return "dict[" in str(kind) or get_args(kind)[:1] == (Limits,)


def _table_of(variable: str) -> Any:
    """A table in a variable is JSON; what is none is refused with the other wrong values."""
    try:
        return msgspec.json.decode(variable)
    except msgspec.DecodeError:
        return variable


def _decode_secret(kind: type, value: object) -> Secret:
    if kind is not Secret or not isinstance(value, str):
        raise TypeError("expected a string")
    if not value:
        raise ValueError("must not be empty")
    return Secret(value)
