"""JSON Web Tokens (RFC 7519) of one issuer, as OpenID Connect's providers sign them.

A token is looked at when somebody comes in; a session that it opened goes on when it expires.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

import jwt
from jwt.types import Options

from antiphon.identity.claims import ClaimNames, ClaimsUnusable, principal_of
from antiphon.identity.principal import Principal
from antiphon.server.api_errors import ApiError, Unauthorized
from antiphon.server.jwks import IssuerKeys, KeysUnavailable
from antiphon.server.settings import AuthSettings

log = logging.getLogger(__name__)

MAX_TOKEN_CHARS: Final = 8192
RETRY_AFTER_S: Final = 10
KEY_TYPES: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
"""By the first letters of an algorithm's name: the type of key it takes (RFC 7518, 6.1)."""
MIN_RSA_BITS: Final = 2048


class JwtTokens:
    """Args:
    issuer, audience: What a token must name; one of several audiences will do.
    algorithms: What it may be signed with; none of a shared secret is known here.
    keys: Those of the issuer.
    names: Where its claims say whose it is.
    leeway_s: How far the issuer's clock may be from ours.
    unix_s: Wall time.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: tuple[str, ...],
        algorithms: tuple[str, ...],
        keys: IssuerKeys,
        names: ClaimNames,
        leeway_s: float,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._algorithms = algorithms
        self._keys = keys
        self._names = names
        self._leeway_s = leeway_s
        self._unix_s = unix_s

    @classmethod
    def of(cls, auth: AuthSettings) -> JwtTokens:
        """As the settings say; there is an issuer."""
        assert auth.jwt_issuer is not None, "tokens are wanted"
        return cls(
            issuer=auth.jwt_issuer,
            audience=auth.jwt_audience,
            algorithms=auth.jwt_algorithms,
            keys=IssuerKeys(auth.jwt_issuer, auth.jwks_url),
            names=names_of(auth),
            leeway_s=auth.jwt_leeway_seconds,
        )

    async def principal(self, token: str) -> Principal:
        """Raises:
        Unauthorized: the token is not good, and why.
        ApiError: 503, the issuer's keys cannot be had.
        """
        if len(token) > MAX_TOKEN_CHARS:
            raise _refused(f"it is longer than {MAX_TOKEN_CHARS} characters")
        algorithm, key_id = self._header(token)
        try:
            jwk = await self._keys.find(key_id)
        except KeysUnavailable as error:
            log.warning("a token cannot be checked: %s", error)
            raise ApiError(
                503,
                "token_issuer_unavailable",
                "The keys of the token's issuer cannot be had now; try again.",
                type="server_error",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            ) from None
        if jwk is None:
            raise _refused("its issuer has no key of that id")
        claims = self._verified(token, algorithm, jwk)
        self._check_times(claims)
        try:
            return principal_of(claims, self._names)
        except ClaimsUnusable as error:
            raise _refused(str(error)) from None

    def _header(self, token: str) -> tuple[str, str | None]:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            raise _refused("it is none") from None
        algorithm, key_id = header.get("alg"), header.get("kid")
        if algorithm not in self._algorithms:
            raise _refused(f"it is not signed with one of {', '.join(self._algorithms)}")
        return str(algorithm), key_id if isinstance(key_id, str) else None

    def _verified(self, token: str, algorithm: str, jwk: dict[str, Any]) -> dict[str, Any]:
        """The key says what it is for; the token does not get to choose."""
        if jwk.get("kty") != KEY_TYPES[algorithm[:2]] or jwk.get("alg", algorithm) != algorithm:
            raise _refused("its issuer's key is for another algorithm")
        options: Options = {
            "require": ["exp", "iss", "aud"],
            "verify_signature": True,
            # By our own clock, below.
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
        }
        try:
            key = jwt.PyJWK(jwk, algorithm)
            if getattr(key.key, "key_size", MIN_RSA_BITS) < MIN_RSA_BITS and jwk["kty"] == "RSA":
                raise _refused("its issuer's key is too short")
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                options=options,
            )
        except jwt.InvalidAudienceError:
            raise _refused("it is for another audience") from None
        except jwt.InvalidIssuerError:
            raise _refused("it is of another issuer") from None
        except jwt.MissingRequiredClaimError as error:
            raise _refused(f"it lacks the claim '{error.claim}'") from None
        except jwt.InvalidSignatureError:
            raise _refused("its signature is not its issuer's") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise _refused("it is not well-formed") from None
        return claims

    def _check_times(self, claims: dict[str, Any]) -> None:
        now_s = self._unix_s()
        if now_s >= _time(claims, "exp") + self._leeway_s:
            raise _refused("it has expired")
        if "nbf" in claims and now_s < _time(claims, "nbf") - self._leeway_s:
            raise _refused("its time has not come")
        if "iat" in claims and now_s < _time(claims, "iat") - self._leeway_s:
            raise _refused("it was issued in the future: look at the clocks")


def names_of(auth: AuthSettings) -> ClaimNames:
    return ClaimNames(
        user=auth.user_claim,
        tenant=auth.tenant_claim,
        scopes=auth.scopes_claim,
        scope_prefix=auth.scope_prefix,
        limits=auth.limits_claim,
        budget=auth.budget_claim,
        default_tenant=auth.jwt_tenant,
        default_scopes=frozenset(auth.jwt_scopes),
    )


def _time(claims: dict[str, Any], name: str) -> float:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(f"its claim '{name}' is no time")
    return float(value)


def _refused(why: str) -> Unauthorized:
    return Unauthorized(f"Incorrect API key provided: the token is not accepted, because {why}.")
