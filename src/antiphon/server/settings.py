"""All settings, typed: what `antiphon.toml` and the environment may say, section by section."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from antiphon.identity.principal import Scope
from antiphon.limits.policy import Limits
from antiphon.runtime.door import Retention
from antiphon.server.cascade_settings import LlmSettings, OfflineSettings, SttSettings, TtsSettings
from antiphon.server.metering_settings import BudgetSettings, MeteringSettings
from antiphon.server.secret import Secret
from antiphon.server.trace_settings import TraceSettings

MIB = 1 << 20
LIMITS_OF = (
    "A table of `sessions_per_minute`, `sessions_at_once`, `minutes_per_day`, "
    "`responses_per_minute`, `tokens_per_minute`, `messages_per_second`, `bytes_per_second` "
    "(0: no limit): limits of "
)
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
    ] = 1
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


class UpstreamSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another server that holds the models of `[relay]`, as `[[relay.upstreams]]`."""

    url: str
    api_key: Secret | None = None
    api_key_env: str | None = None
    key_header: str | None = None
    model: str | None = None
    weight: Annotated[int, Meta(ge=0)] = 1


OPENAI_REALTIME = "wss://api.openai.com/v1/realtime"
OPENAI_KEY_VARIABLE = "OPENAI_API_KEY"


class RelaySettings(Struct, frozen=True, kw_only=True):
    """Another Realtime server that answers for some model names."""

    enabled: Annotated[
        bool | None,
        Meta(
            description="Absent: on where there is a `url` or an `api_key`, and where the "
            "environment has `OPENAI_API_KEY` and `[llm]` names no other model. False: off, "
            "whatever the environment has. True: that key is for it."
        ),
    ] = None
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
    weight: Annotated[
        int,
        Meta(
            ge=0,
            description="Its share of the sessions, beside the `upstreams`. 0: only while no other "
            "can be had.",
        ),
    ] = 1
    upstreams: Annotated[
        tuple[UpstreamSettings, ...],
        Meta(
            description="Others that hold the same models (regions, deployments), each a table "
            "`[[relay.upstreams]]` with `url`, `api_key` or `api_key_env`, `key_header`, `model`, "
            "`weight`; in the variable as JSON. One that fails is left alone for a while."
        ),
    ] = ()
    fallback: Annotated[
        tuple[str, ...],
        Meta(
            description="Engines that go on with a session while none of these can be had, the "
            "one that is wanted most first: `offline`, `text` (the same without a voice). For a "
            "single model name: a list in `[models]`."
        ),
    ] = ()
    turn_detection: Annotated[
        Literal["ours", "theirs", "duplex"],
        Meta(
            description="Who finds the user's turns: this server; the other one; the other one, "
            "which then answers of itself."
        ),
    ] = "ours"
    media: Annotated[
        Literal["proxied", "direct"],
        Meta(
            description="Where the sound of WebRTC calls goes: through this server; or straight "
            "between the client and the other one, and this server follows. WebSocket sessions "
            "are always proxied."
        ),
    ] = "proxied"
    session_max_minutes: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="How long a session there may last, where it does not say so itself."),
    ] = None

    @property
    def is_on(self) -> bool:
        return self.enabled is not False and (self.url is not None or self.api_key is not None)

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


class AuthSettings(Struct, frozen=True, kw_only=True):
    """Who comes in, beside the bearers of `api_keys`: see docs/guides/keys.md."""

    required: Annotated[
        bool,
        Meta(
            description="Let nobody in without a key, even while there is none: for a server whose "
            "keys are all made by `antiphon keys`."
        ),
    ] = False
    on_revoke: Annotated[
        Literal["close", "keep"],
        Meta(
            description="What becomes of the sessions of an API key that is revoked, and of those "
            "of client secrets that it made: closed within a second, or kept until they end."
        ),
    ] = "close"
    on_removed: Annotated[
        Literal["close", "keep"],
        Meta(
            description="The same of a key that a reload no longer finds in `api_keys`. Where they "
            "are kept, so are its client secrets, until they expire."
        ),
    ] = "keep"
    jwt_issuer: Annotated[
        str | None,
        Meta(
            description="Take JSON Web Tokens of this issuer (`iss`), as of Keycloak's "
            "`https://id.example.com/realms/shop`. Needs `jwt_audience`."
        ),
    ] = None
    jwt_audience: Annotated[
        tuple[str, ...], Meta(description="One of these must be among a token's audiences (`aud`).")
    ] = ()
    jwks_url: Annotated[
        str | None,
        Meta(
            description="Where the issuer's keys are. Absent: where its "
            "`/.well-known/openid-configuration` says."
        ),
    ] = None
    jwt_algorithms: Annotated[
        tuple[Literal["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"], ...],
        Meta(description="Algorithms that a token may be signed with; shared secrets never do."),
    ] = ("RS256", "ES256", "EdDSA")
    jwt_leeway_seconds: Annotated[
        float, Meta(ge=0, le=300, description="How far the issuer's clock may be from this one.")
    ] = 30
    user_claim: Annotated[
        str, Meta(description="Claim that names the end user; dots lead into objects.")
    ] = "sub"
    tenant_claim: Annotated[
        str | None,
        Meta(
            description="Claim that names the tenant; a token without it is refused. Absent: all "
            "tokens are of `jwt_tenant`."
        ),
    ] = None
    jwt_tenant: Annotated[
        str, Meta(description="Tenant of all tokens, where no claim names it.")
    ] = "default"
    scopes_claim: Annotated[
        str | None,
        Meta(
            description="Claim that holds the scopes, as a list or with spaces between: `scope`, "
            "`realm_access.roles`. Absent: every token has `jwt_scopes`."
        ),
    ] = None
    scope_prefix: Annotated[
        str,
        Meta(description="What is before each scope there: `antiphon:` for `antiphon:call`."),
    ] = "antiphon:"
    jwt_scopes: Annotated[
        tuple[Scope, ...], Meta(description="Scopes of tokens where no claim holds them.")
    ] = ("call",)
    limits_claim: Annotated[
        str | None, Meta(description="Claim that names a plan of `[limits.plans]`.")
    ] = None
    budget_claim: Annotated[str | None, Meta(description="Claim that names a budget.")] = None


class LimitSettings(Struct, frozen=True, kw_only=True):
    """What one client may cost; the whole is in docs/guides/limits.md."""

    new_sessions_per_minute: Annotated[
        int,
        Meta(
            ge=0,
            description="Per client address; above, it is told 429. 0: no limit. (As "
            "`sessions_per_minute` of `address`.)",
        ),
    ] = 0
    max_lateness_ms: Annotated[
        float,
        Meta(
            ge=0,
            description="Live sessions' sound shall not be later than this (p99). New ones are "
            "told 503 from half of it on, and come in the more slowly the nearer that is. 0: all "
            "are let in.",
        ),
    ] = 20
    address: Annotated[Limits, Meta(description=LIMITS_OF + "each client address.")] = Limits()
    user: Annotated[Limits, Meta(description=LIMITS_OF + "each end user without a plan.")] = (
        Limits()
    )
    key: Annotated[Limits, Meta(description=LIMITS_OF + "each API key without a plan.")] = Limits()
    tenant: Annotated[
        Limits, Meta(description=LIMITS_OF + "each tenant that is not among `tenants`.")
    ] = Limits()
    tenants: Annotated[
        dict[str, Limits],
        Meta(description="Limits of single tenants, as tables `[limits.tenants.NAME]`."),
    ] = {}
    plans: Annotated[
        dict[str, Limits],
        Meta(
            description="Limits that keys and tokens name, as tables `[limits.plans.NAME]`, in "
            "place of those of `key` or `user`."
        ),
    ] = {}
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
        Retention,
        Meta(
            description="Keep items, without audio; also a recording of each session; or nothing. "
            "A session can ask for another (`?retention=`)."
        ),
    ] = "items"
    path: Annotated[
        str | None,
        Meta(
            description="The SQLite file. Absent: `antiphon/conversations.sqlite3` in "
            "`$XDG_STATE_HOME`, or else in `~/.local/state`."
        ),
    ] = None
    url: Annotated[
        Secret | None,
        Meta(
            description="A PostgreSQL database instead of the file: "
            "`postgresql://user:password@host/database`. Needs the extra `postgres`."
        ),
    ] = None
    redact: Annotated[
        str | None,
        Meta(
            description="A function of yours, as `my_app.privacy:redact`: each text is kept as it "
            "returns it. It must be quick."
        ),
    ] = None
    tapes: Annotated[
        bool,
        Meta(
            description='Of sessions with `retention = "items+audio"` keep a tape too: all that '
            "happened, for `antiphon replay conv_…`. Sound is in it as it was sent: up to 6 MB a "
            "minute."
        ),
    ] = False
    retention_days: Annotated[
        float,
        Meta(ge=1, description="A conversation is erased this long after it changed last."),
    ] = 30
    tenant_retention_days: Annotated[
        dict[str, Annotated[float, Meta(ge=1)]],
        Meta(description="The same for the conversations of some tenants: `{acme = 7}`."),
    ] = {}
    on_trouble: Annotated[
        Literal["hold", "go_on", "refuse"],
        Meta(
            description="While the file cannot be written: hold acknowledgements for "
            "`hold_seconds`, then go on; go on at once; or hold, and refuse new sessions with 503."
        ),
    ] = "hold"
    linger_s: Annotated[
        float,
        Meta(
            ge=0,
            description="How long a session whose client was lost waits for it to come back. "
            "0: it ends at once; its conversation can still be resumed.",
        ),
    ] = 30
    hold_seconds: Annotated[
        float, Meta(ge=0, description="How long an acknowledgement waits to be on disk.")
    ] = 2


class MemorySettings(Struct, frozen=True, kw_only=True):
    """What is remembered of end users from one conversation to the next, where they agreed."""

    enabled: Annotated[
        bool,
        Meta(
            description="Users can have facts remembered. They lie where conversations are kept, "
            "so `[journal] retention` must not be `none`."
        ),
    ] = False
    max_facts: Annotated[
        int, Meta(ge=1, le=200, description="So many are remembered of one user.")
    ] = 30
    max_chars: Annotated[
        int,
        Meta(
            ge=300,
            le=20_000,
            description="So long they are together: an engine reads all of them each time it "
            "answers.",
        ),
    ] = 2_000
    when_full: Annotated[
        Literal["summarize", "drop_oldest"],
        Meta(
            description="What happens to more: the language model of `[llm]` sums up, or the "
            "oldest are forgotten. Without a model, and where that fails, the latter."
        ),
    ] = "summarize"


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


class RedisSettings(Struct, frozen=True, kw_only=True):
    """What several servers share in Redis or Valkey."""

    url: Annotated[
        Secret | None,
        Meta(
            description="As `redis://user:password@host:6379/0`, or `rediss://` with TLS: client "
            "secrets are kept there, good at every server that has the same, and a restart forgets "
            "none; limits and budgets hold over all those servers. Needs the extra `redis`."
        ),
    ] = None
    address: Annotated[
        str | None,
        Meta(
            description="How clients reach this server, as `https://voice-1.example.com`: told to "
            "those who ask another server for a session of this one."
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
