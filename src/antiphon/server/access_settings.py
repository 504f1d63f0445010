"""Who comes in, and what one client may cost: settings."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from antiphon.identity.principal import Scope
from antiphon.limits.policy import Limits

MIB = 1 << 20
LIMITS_OF = (
    "A table of `sessions_per_minute`, `sessions_at_once`, `minutes_per_day`, "
    "`responses_per_minute`, `tokens_per_minute`, `messages_per_second`, `bytes_per_second` "
    "(0: no limit): limits of "
)


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
