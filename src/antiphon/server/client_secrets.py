"""`POST /v1/realtime/client_secrets` and its beta twins: keys for browsers and apps.

Beyond OpenAI's API, the object ``antiphon`` of a request narrows what the secret may do
(`SecretLimits`), the one of the answer has the secret's ``id``, and `DELETE
/v1/realtime/client_secrets/{id}` revokes it (docs/guides/ephemeral-secrets.md).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct

from antiphon.core.faults import Fault
from antiphon.errors import ProtocolError
from antiphon.identity.principal import Principal, fewer_events
from antiphon.protocol.codec import decode_object, from_json
from antiphon.protocol.dialects import beta, ga
from antiphon.protocol.dialects.registry import CLIENT_EVENTS
from antiphon.protocol.session import AnySession, SessionPatch
from antiphon.protocol.veil import Hidden
from antiphon.runtime.door import Retention
from antiphon.runtime.hub import SessionKind, SessionRules, new_session_id
from antiphon.server import trace_context
from antiphon.server.admission import overloaded
from antiphon.server.api_errors import ApiError
from antiphon.server.audit import NO_AUDIT, Audit
from antiphon.server.auth import Gate, named_user
from antiphon.server.grant import DEFAULT_MODEL, Grant
from antiphon.server.secret_store import (
    DEFAULT_TTL_S,
    MAX_TTL_S,
    MIN_TTL_S,
    Minted,
    SecretStore,
    SecretStoreFull,
)

log = logging.getLogger(__name__)

BETA_TTL_S = 60
MAX_ORIGINS = 50
MAX_SIDEBAND_WAIT_S = 30
RETRY_AFTER_S = 60


class ExpiresAfter(Struct, frozen=True, kw_only=True):
    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, Meta(ge=MIN_TTL_S, le=MAX_TTL_S)] = DEFAULT_TTL_S


class Fork(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A conversation that the secret's sessions go on from, and leave as it is."""

    conversation_id: Annotated[str, Meta(min_length=1, max_length=100)]
    item_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    """The last item that they know of; None: what is there when the secret is minted."""


class SecretLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client secret may be used for.  A limit that is misspelled must not go unnoticed."""

    max_sessions: Annotated[int, Meta(ge=1)] | None = None
    allowed_origins: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MAX_ORIGINS)] | (
        None
    ) = None
    client_events: Annotated[tuple[str, ...], Meta(max_length=50)] | None = None
    hides: tuple[Hidden, ...] = ()
    user: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    end_user_id: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    """The older name of ``user``."""
    conversation_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    retention: Retention | None = None
    fork: Fork | None = None
    wait_for_sideband_s: Annotated[float, Meta(ge=0, le=MAX_SIDEBAND_WAIT_S)] = 0


class _MintRequest(Struct, frozen=True, kw_only=True):
    expires_after: ExpiresAfter | None = None
    session: SessionPatch | None = None
    antiphon: SecretLimits | None = None


class _Minter(NamedTuple):
    principal: Principal
    user: str | None
    """Whom the request's header names."""
    address: str


class _Asked(NamedTuple):
    """A request that was checked."""

    grant: Grant
    ttl_s: int
    session: AnySession
    fork: Fork | None = None


class ClientSecrets:
    """The HTTP handlers; mount `routes`.

    Args:
        store: where the secrets are.
        gate: whose server keys mint and revoke; client secrets do neither.
        rules: of the sessions that the secrets open.
        fork: a conversation's id, and an item's, to the id of a fork.
        check_sees: raises where a conversation is not there for a principal.
        audit: told of each that is minted or revoked.
        strict: refuse unknown settings, as OpenAI does.
    """

    def __init__(
        self,
        store: SecretStore,
        *,
        gate: Gate,
        rules: SessionRules,
        fork: Callable[[str, str | None], Awaitable[str]],
        check_sees: Callable[[Principal, str], Awaitable[None]],
        audit: Audit = NO_AUDIT,
        strict: bool = False,
    ) -> None:
        self._store = store
        self._gate = gate
        self._rules = rules
        self._fork = fork
        self._check_sees = check_sees
        self._audit = audit
        self._strict = strict

    def routes(self, prefix: str = "/v1") -> list[web.RouteDef]:
        return [
            web.post(f"{prefix}/realtime/client_secrets", self.create),
            web.delete(f"{prefix}/realtime/client_secrets/{{id}}", self.revoke),
            web.post(f"{prefix}/realtime/sessions", self.create_beta),
            web.post(f"{prefix}/realtime/transcription_sessions", self.create_beta_transcription),
        ]

    # --- Handlers ------------------------------------------------------------

    async def create(self, request: web.Request) -> web.Response:
        return await self._answer(request, self._ask, _tell)

    async def create_beta(self, request: web.Request) -> web.Response:
        return await self._answer(request, self._ask_beta, _tell_beta)

    async def create_beta_transcription(self, request: web.Request) -> web.Response:
        return await self._answer(request, self._ask_beta_transcription, _tell_beta)

    async def revoke(self, request: web.Request) -> web.Response:
        principal = await self._gate.require(request, "mint")
        secret_id = request.match_info["id"]
        if not await self._store.revoke(secret_id, by=principal):
            message = "There is no client secret with this id that could be revoked."
            raise ApiError(404, "client_secret_not_found", message)
        log.info("client secret %s: revoked", secret_id)
        address = self._gate.address_of(request)
        self._audit.note("client_secret.revoked", principal, address, secret_id=secret_id)
        return _json({"id": secret_id, "object": "realtime.client_secret", "deleted": True})

    async def _answer(
        self,
        request: web.Request,
        ask: Callable[[dict[str, Any], _Minter], _Asked],
        tell: Callable[[Minted, _Asked], dict[str, Any]],
    ) -> web.Response:
        minter = await self._minter(request)
        data = await request.read()
        try:
            # openai-python sends no body at all where nothing is asked for.
            body = decode_object(data) if data.strip() else {}
        except ProtocolError:
            message = "We could not parse the JSON body of your request: send one JSON object."
            raise ApiError(400, None, message) from None
        try:
            asked = ask(body, minter)
            grant = asked.grant
            if grant.conversation_id is not None:
                await self._check_sees(minter.principal, grant.conversation_id)
            if asked.fork is not None:
                await self._check_sees(minter.principal, asked.fork.conversation_id)
                fork_id = await self._fork(asked.fork.conversation_id, asked.fork.item_id)
                grant = msgspec.structs.replace(grant, conversation_id=fork_id)
            minted = await self._store.mint(grant, asked.ttl_s)
        except (ProtocolError, Fault) as error:
            raise ApiError(400, error.code, error.message, param=error.param) from None
        except SecretStoreFull as error:
            raise overloaded(str(error), retry_after_s=RETRY_AFTER_S) from None
        log.info("client secret %s: minted for %d s", minted.id, asked.ttl_s)
        self._audit.note(
            "client_secret.minted",
            minter.principal,
            minter.address,
            secret_id=minted.id,
            user=grant.end_user_id,
        )
        return _json(tell(minted, asked), headers={"Cache-Control": "no-store"})

    async def _minter(self, request: web.Request) -> _Minter:
        principal = await self._gate.require(request, "mint")
        return _Minter(principal, named_user(request), self._gate.address_of(request))

    # --- What is asked for ---------------------------------------------------

    def _ask(self, body: dict[str, Any], minter: _Minter) -> _Asked:
        if isinstance(body.get("session"), dict) and not self._strict:
            settings, _ = ga.DIALECT.settings.read(body["session"])
            body = body | {"session": settings}
        request: _MintRequest = from_json(body, _MintRequest, strict=self._strict)
        patch = request.session or SessionPatch(type="realtime")
        if patch.type is UNSET:
            raise ProtocolError(
                "missing_required_parameter",
                "Missing required parameter: 'session.type'.",
                param="session.type",
            )
        expires_after = request.expires_after or ExpiresAfter()
        grant = self._grant(patch, request.antiphon, minter)
        fork = None if request.antiphon is None else request.antiphon.fork
        if fork is not None and grant.conversation_id is not None:
            raise ProtocolError(
                "invalid_value",
                "Name a conversation to go on with, or one to be forked, not both.",
                param="antiphon.fork",
            )
        return _Asked(grant, expires_after.seconds, self._effective(grant), fork)

    def _ask_beta(self, body: dict[str, Any], minter: _Minter) -> _Asked:
        return self._ask_flat(body, minter, "realtime")

    def _ask_beta_transcription(self, body: dict[str, Any], minter: _Minter) -> _Asked:
        return self._ask_flat(body, minter, "transcription")

    def _ask_flat(
        self,
        body: dict[str, Any],
        minter: _Minter,
        kind: SessionKind,
    ) -> _Asked:
        flat = {k: v for k, v in body.items() if k not in ("client_secret", "antiphon")}
        try:
            settings, extras = beta.DIALECT.settings.read(flat)
            ga = {
                "session": settings | {"type": kind},
                "expires_after": _flat_life(body.get("client_secret")),
                "antiphon": body.get("antiphon"),
            }
            asked = self._ask(ga, minter)
        except (ProtocolError, Fault) as error:
            raise _at_top_level(error, flat) from None
        grant = msgspec.structs.replace(
            asked.grant, dialect=beta.DIALECT.name, dialect_extras=extras
        )
        return asked._replace(grant=grant)

    def _grant(self, patch: SessionPatch, limits: SecretLimits | None, minter: _Minter) -> Grant:
        limits = limits or SecretLimits()
        events = origins = None
        if limits.client_events is not None:
            events = frozenset(_event_type(i, n) for i, n in enumerate(limits.client_events))
        if limits.allowed_origins is not None:
            origins = frozenset(_origin(i, o) for i, o in enumerate(limits.allowed_origins))
        principal = minter.principal.secret_for(_user(limits, minter))
        return Grant(
            kind="transcription" if patch.type == "transcription" else "realtime",
            model=patch.model or DEFAULT_MODEL,
            patch=patch,
            max_sessions=limits.max_sessions,
            allowed_origins=origins,
            client_events=fewer_events(principal.client_events, events),
            hides=frozenset(limits.hides),
            principal=principal,
            conversation_id=limits.conversation_id,
            retention=limits.retention or principal.retention,
            traceparent=trace_context.current(),
            wait_for_sideband_s=limits.wait_for_sideband_s,
        )

    def _effective(self, grant: Grant) -> AnySession:
        """The session that the secret would open.  No session has started, so it has no end."""
        return self._rules.first_settings(
            grant.kind,
            session_id=new_session_id(),
            model=grant.model,
            expires_at=0,
            patch=grant.patch,
        )


def _user(limits: SecretLimits, minter: _Minter) -> str | None:
    """Whom a secret is for.  Who is bound to a user mints for that one alone."""
    if None not in (limits.user, limits.end_user_id) and limits.user != limits.end_user_id:
        message = "'end_user_id' is the older name of 'user'; they name two different users."
        raise ProtocolError("invalid_value", message, param="antiphon.user")
    named, own = limits.user or limits.end_user_id, minter.principal.user
    if own is not None and named not in (None, own):
        message = "This key is bound to another user, and mints client secrets for that one alone."
        raise ProtocolError("invalid_value", message, param="antiphon.user")
    return own or named or minter.user


def _event_type(index: int, name: str) -> str:
    if name not in CLIENT_EVENTS:
        listed = ", ".join(f"'{known}'" for known in sorted(CLIENT_EVENTS))
        raise ProtocolError(
            "invalid_value",
            f"Invalid value: '{name[:100]}'. Supported values are: {listed}.",
            param=f"antiphon.client_events[{index}]",
        )
    return CLIENT_EVENTS[name]


def _origin(index: int, origin: str) -> str:
    """As browsers write it in the `Origin` header (RFC 6454, 6.2)."""
    try:
        parts = urlsplit(origin.lower())
        is_origin = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_origin = is_origin and origin.lower() == f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        is_origin = False
    if not is_origin:
        raise ProtocolError(
            "invalid_value",
            f"Invalid origin: '{origin[:100]}'. Write it as 'https://app.example.com', "
            "with the port if it has one, and without a path.",
            param=f"antiphon.allowed_origins[{index}]",
        )
    return origin.lower()


def _flat_life(client_secret: Any) -> Any:
    """What beta asks of the secret itself, in GA's words."""
    if client_secret is None:
        client_secret = {}
    if not isinstance(client_secret, dict):
        raise ProtocolError(
            "invalid_type",
            "Invalid type for 'client_secret': expected an object.",
            param="client_secret",
        )
    # The API's reference and its SDK disagree about the name.
    life = client_secret.get("expires_after", client_secret.get("expires_at"))
    return (
        {"seconds": BETA_TTL_S} | (life or {}) if life is None or isinstance(life, dict) else life
    )


def _at_top_level(error: ProtocolError | Fault, flat: dict[str, Any]) -> ProtocolError:
    """A beta request is the session itself: its fields have no `session.` before them."""
    told = beta.DIALECT.settings.blame(
        ProtocolError(error.code, error.message, param=error.param), flat
    )
    if told.param is None:
        return told
    if told.param.startswith("expires_after"):
        param = f"client_secret.{told.param}"
    else:
        param = told.param.removeprefix("session.")
    return ProtocolError(
        told.code, told.message.replace(f"'{told.param}'", f"'{param}'"), param=param
    )


# --- Answers -----------------------------------------------------------------


def _tell(minted: Minted, asked: _Asked) -> dict[str, Any]:
    return {
        "value": minted.value,
        "expires_at": minted.expires_at,
        "session": asked.session,
        "antiphon": {"id": minted.id},
    }


def _tell_beta(minted: Minted, asked: _Asked) -> dict[str, Any]:
    flat = beta.DIALECT.settings.tell(asked.session, asked.grant.dialect_extras)
    secret = {"value": minted.value, "expires_at": minted.expires_at}
    return flat | {"client_secret": secret, "antiphon": {"id": minted.id}}


def _json(body: Any, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body), content_type="application/json", headers=headers
    )
