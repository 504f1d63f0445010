"""All settings, typed: what `antiphon.toml` and the environment may say, section by section."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from antiphon.server.access_settings import AuthSettings, LimitSettings
from antiphon.server.cascade_settings import LlmSettings, OfflineSettings, SttSettings, TtsSettings
from antiphon.server.keeping_settings import JournalSettings, MemorySettings, RedisSettings
from antiphon.server.metering_settings import BudgetSettings, MeteringSettings
from antiphon.server.relay_settings import (
    OPENAI_KEY_VARIABLE,
    OPENAI_REALTIME,
    RelaySettings,
    UpstreamSettings,
)
from antiphon.server.secret import Secret
from antiphon.server.trace_settings import TraceSettings

__all__ = [
    "OPENAI_KEY_VARIABLE",
    "OPENAI_REALTIME",
    "SECTIONS",
    "AuthSettings",
    "Config",
    "DownloadSettings",
    "EngineSettings",
    "JournalSettings",
    "LimitSettings",
    "LogLevel",
    "LogSettings",
    "MemorySettings",
    "MetricsSettings",
    "RedisSettings",
    "RelaySettings",
    "ServerSettings",
    "UpstreamSettings",
    "WebRtcOptions",
]

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
            description="Each proxy in front, as address or network (`10.0.0.0/8`): the client's "
            "address in limits and logs is what it says in `X-Forwarded-For`."
        ),
    ] = ()
    tls_cert: Annotated[
        str | None,
        Meta(
            description="Serve https and wss: path of the certificate (PEM, with its chain). "
            "Read at start and at each reload (SIGHUP)."
        ),
    ] = None
    tls_key: Annotated[str | None, Meta(description="Path of the certificate's key (PEM).")] = None
    processes: Annotated[
        int,
        Meta(
            ge=0,
            le=256,
            description="Processes that are this one server, on one port (Linux): see "
            "docs/guides/processes.md. 0: one for each core, but one where ears or a voice on this "
            "machine need the cores.",
        ),
    ] = 0
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
    speculate: Annotated[
        Literal["auto", "always", "never"],
        Meta(
            description="Begin answers of the cascade in pauses that probably end a turn, and "
            "throw them away unheard where the user goes on. `auto`: only where no language model "
            "and no voice is asked over the network, which may cost money."
        ),
    ] = "auto"


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


class LogSettings(Struct, frozen=True, kw_only=True):
    """How the log is written; how much, `[server] log_level` says."""

    format: Annotated[
        Literal["text", "json"], Meta(description="`json`: one object a line, for machines.")
    ] = "text"


class MetricsSettings(Struct, frozen=True, kw_only=True):
    """What Prometheus reads at `/metrics`."""

    enabled: Annotated[bool, Meta(description="Count, and serve it.")] = True
    token: Annotated[
        Secret | None,
        Meta(
            description="Shown as a bearer, it reads `/metrics` and opens nothing else. A key of "
            "the scope `operate` does as well."
        ),
    ] = None
    listen: Annotated[
        Annotated[str, Meta(pattern=r"^\S+:\d{1,5}$")] | None,
        Meta(
            description="A second address for `/metrics` alone, as `127.0.0.1:9464`, which asks "
            "for no key: whoever reaches it reads it."
        ),
    ] = None


class DownloadSettings(Struct, frozen=True, kw_only=True):
    """Where `antiphon models pull` keeps models. Nothing else downloads any."""

    dir: Annotated[
        str | None,
        Meta(
            description="The folder. Absent: `antiphon/models` in `$XDG_DATA_HOME`, or else in "
            "`~/.local/share`."
        ),
    ] = None
    offline: Annotated[bool, Meta(description="Nothing is downloaded, whoever asks.")] = False


class Config(Struct, frozen=True, kw_only=True):
    server: ServerSettings = ServerSettings()
    engine: EngineSettings = EngineSettings()
    models: dict[str, str] = {}
    """Model names and patterns to engines, in the order of the file."""
    fallbacks: dict[str, tuple[str, ...]] = {}
    """Of some of those, the engines that serve while the first cannot."""
    offline: OfflineSettings = OfflineSettings()
    stt: SttSettings = SttSettings()
    tts: TtsSettings = TtsSettings()
    llm: LlmSettings = LlmSettings()
    relay: RelaySettings = RelaySettings()
    webrtc: WebRtcOptions = WebRtcOptions()
    auth: AuthSettings = AuthSettings()
    limits: LimitSettings = LimitSettings()
    journal: JournalSettings = JournalSettings()
    memory: MemorySettings = MemorySettings()
    metering: MeteringSettings = MeteringSettings()
    budgets: BudgetSettings = BudgetSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    redis: RedisSettings = RedisSettings()
    traces: TraceSettings = TraceSettings()
    downloads: DownloadSettings = DownloadSettings()


SECTIONS: dict[str, type[Struct]] = {
    "server": ServerSettings,
    "engine": EngineSettings,
    "offline": OfflineSettings,
    "stt": SttSettings,
    "tts": TtsSettings,
    "llm": LlmSettings,
    "relay": RelaySettings,
    "webrtc": WebRtcOptions,
    "auth": AuthSettings,
    "limits": LimitSettings,
    "journal": JournalSettings,
    "memory": MemorySettings,
    "metering": MeteringSettings,
    "budgets": BudgetSettings,
    "log": LogSettings,
    "metrics": MetricsSettings,
    "redis": RedisSettings,
    "traces": TraceSettings,
    "downloads": DownloadSettings,
}
