"""Another Realtime server that answers: settings."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from antiphon.server.secret import Secret


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
