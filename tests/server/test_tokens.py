"""Tokens as Keycloak signs them, and all that is wrong with those that it did not sign."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import jwt
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from antiphon.identity.claims import ClaimNames
from antiphon.identity.principal import Principal
from antiphon.server.api_errors import ApiError, Unauthorized
from antiphon.server.jwks import (
    DISCOVERY,
    FLOOR_S,
    FRESH_S,
    MAX_BYTES,
    STALE_S,
    IssuerKeys,
    KeysUnavailable,
    get,
)
from antiphon.server.settings import AuthSettings
from antiphon.server.tokens import MAX_TOKEN_CHARS, JwtTokens
from tests.server.place import CONFIG, places, turned_away, until

ISSUER = "https://id.example.com/realms/shop"
JWKS = f"{ISSUER}/protocol/openid-connect/certs"
AUDIENCE = "antiphon"
NOW_S = 1_795_000_000
ALGORITHMS = ("RS256", "ES256", "EdDSA")
NAMES = ClaimNames(
    tenant="organization",
    scopes="scope",
    scope_prefix="antiphon:",
    limits="https://shop.example/plan",
    budget="realm_access.budget",
)


@cache
def private_key(algorithm: str, name: str = "a") -> Any:
    """RSA takes a while; ``name`` tells two of them apart."""
    if algorithm.startswith("RS"):
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if algorithm.startswith("ES"):
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


def jwk(algorithm: str, name: str = "a", **more: str) -> dict[str, Any]:
    makers: dict[str, Callable[..., Any]] = {
        "RS256": jwt.algorithms.RSAAlgorithm.to_jwk,
        "ES256": jwt.algorithms.ECAlgorithm.to_jwk,
        "EdDSA": jwt.algorithms.OKPAlgorithm.to_jwk,
    }
    made = json.loads(makers[algorithm](private_key(algorithm, name).public_key()))
    return {**made, "kid": f"{algorithm}-{name}", "use": "sig", "alg": algorithm, **more}


def token(
    algorithm: str = "RS256", name: str = "a", headers: dict[str, Any] | None = None, **claims: Any
) -> str:
    """As Keycloak's access tokens."""
    usual = {
        "exp": NOW_S + 300,
        "iat": NOW_S,
        "auth_time": NOW_S,
        "jti": "onrtac:5f1a",
        "iss": ISSUER,
        "aud": [AUDIENCE, "account"],
        "sub": "9f86d081-884c",
        "typ": "Bearer",
        "azp": "shop-web",
        "realm_access": {"roles": ["offline_access"], "budget": "small"},
        "scope": "openid email antiphon:call antiphon:read antiphon:fly",
        "organization": "acme",
        "https://shop.example/plan": "gold",
    }
    said = {k: v for k, v in (usual | claims).items() if v is not None}
    shown = {"kid": f"{algorithm}-{name}"} if headers is None else headers
    return jwt.encode(said, private_key(algorithm, name), algorithm=algorithm, headers=shown)


class Issuer:
    """What stands behind the address of its keys."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys)
        self.asked: list[str] = []
        self.is_away = False
        self.now_s = 1000.0
        self.answering = asyncio.Event()
        self.answering.set()

    async def get(self, url: str) -> bytes:
        self.asked.append(url)
        await self.answering.wait()
        if self.is_away:
            raise KeysUnavailable("away")
        if url == ISSUER + DISCOVERY:
            return json.dumps({"issuer": ISSUER, "jwks_uri": JWKS, "more": []}).encode()
        assert url == JWKS
        return json.dumps({"keys": self.keys}).encode()

    def tokens(self, *, url: str | None = JWKS, names: ClaimNames = NAMES) -> JwtTokens:
        return JwtTokens(
            issuer=ISSUER,
            audience=(AUDIENCE,),
            algorithms=ALGORITHMS,
            keys=IssuerKeys(ISSUER, url, fetch=self.get, now_s=lambda: self.now_s),
            names=names,
            leeway_s=30,
            unix_s=lambda: NOW_S,
        )


def all_keys() -> list[dict[str, Any]]:
    return [jwk(algorithm) for algorithm in ALGORITHMS]


async def why_not(shown: str, issuer: Issuer | None = None, **how: Any) -> str:
    with pytest.raises(Unauthorized) as refused:
        await (issuer or Issuer(*all_keys())).tokens(**how).principal(shown)
    return str(refused.value).partition("because ")[2]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_good_token_says_whose_it_is(algorithm: str) -> None:
    assert await Issuer(*all_keys()).tokens().principal(token(algorithm)) == Principal(
        tenant="acme",
        user="9f86d081-884c",
        scopes=frozenset(("call", "read")),
        limits="gold",
        budget="small",
    )


async def test_the_issuer_says_where_its_keys_are() -> None:
    issuer = Issuer(*all_keys())
    await issuer.tokens(url=None).principal(token())
    assert issuer.asked == [ISSUER + DISCOVERY, JWKS]


CLAIMS: list[tuple[dict[str, Any], str | None]] = [
    ({"exp": NOW_S - 29}, None),
    ({"exp": NOW_S - 30}, "it has expired"),
    ({"exp": None}, "it lacks the claim 'exp'"),
    ({"exp": "soon"}, "its claim 'exp' is no time"),
    ({"nbf": NOW_S + 30}, None),
    ({"nbf": NOW_S + 31}, "its time has not come"),
    ({"iat": NOW_S + 29}, None),
    ({"iat": NOW_S + 3600}, "it was issued in the future: look at the clocks"),
    ({"aud": AUDIENCE}, None),
    ({"aud": "another"}, "it is for another audience"),
    ({"aud": None}, "it lacks the claim 'aud'"),
    ({"aud": AUDIENCE + "-admin"}, "it is for another audience"),
    ({"iss": ISSUER + "2"}, "it is of another issuer"),
    ({"iss": ISSUER + "/"}, "it is of another issuer"),
    ({"iss": None}, "it lacks the claim 'iss'"),
    ({"sub": None}, "its claim 'sub' names no user"),
    ({"sub": "x" * 513}, "its claim 'sub' is no text of at most 512 characters"),
    ({"organization": None}, "its claim 'organization' names no tenant"),
    ({"organization": "../x"}, "its claim 'organization' names no tenant"),
    ({"organization": ["acme"]}, "its claim 'organization' is no text of at most 100 characters"),
]


@pytest.mark.parametrize(("claims", "why"), CLAIMS, ids=repr)
async def test_what_a_token_must_say(claims: dict[str, Any], why: str | None) -> None:
    shown = token("EdDSA", **claims)
    if why is None:
        await Issuer(*all_keys()).tokens().principal(shown)
    else:
        assert await why_not(shown) == why + "."


@pytest.mark.parametrize("scope", [None, "openid", ["call"], 7, {"antiphon:call": True}])
async def test_without_scopes_a_token_opens_nothing(scope: object) -> None:
    principal = await Issuer(*all_keys()).tokens().principal(token("EdDSA", scope=scope))
    assert principal.scopes == frozenset()


def forged(header: dict[str, Any], of: str, signature: bytes = b"") -> str:
    """Another header before the claims of a good token."""
    encoded = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    sealed = base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
    return f"{encoded}.{of.split('.')[1]}.{sealed}"


async def test_no_algorithm_but_those_that_are_wanted() -> None:
    wanted = "it is not signed with one of RS256, ES256, EdDSA."
    good = token()
    for algorithm in ("none", "None", "HS256", "RS384", "", None, 7, ["RS256"]):
        assert await why_not(forged({"alg": algorithm, "kid": "RS256-a"}, good)) == wanted


async def test_the_public_key_is_no_shared_secret() -> None:
    """The classic: HS256 with the RSA public key as secret; it is public."""
    pem = (
        private_key("RS256")
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    import hashlib
    import hmac

    head = forged({"alg": "HS256", "kid": "RS256-a", "typ": "JWT"}, token()).rpartition(".")[0]
    signature = hmac.new(pem, head.encode(), hashlib.sha256).digest()
    shown = f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    assert "not signed with one of" in await why_not(shown)


async def test_the_key_says_what_it_is_for() -> None:
    other = "its issuer's key is for another algorithm."
    assert await why_not(token("ES256", headers={"kid": "RS256-a"})) == other
    assert await why_not(token(), Issuer(jwk("RS256", alg="RS512"))) == other
    encrypts = Issuer(jwk("RS256", use="enc"))
    assert await why_not(token(), encrypts) == "its issuer has no key of that id."


async def test_keys_in_the_token_are_not_looked_at() -> None:
    own = jwk("RS256", "thief")
    headers = {"jwk": own, "jku": "https://thief.example/keys", "kid": "RS256-a"}
    issuer = Issuer(*all_keys())
    assert await why_not(token(name="thief", headers=headers), issuer) == (
        "its signature is not its issuer's."
    )
    assert issuer.asked == [JWKS]


async def test_a_key_that_is_too_short_is_not_trusted() -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    weak = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(short.public_key())) | {"kid": "weak"}
    claims = {"exp": NOW_S + 9, "iss": ISSUER, "aud": AUDIENCE, "sub": "u"}
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        shown = jwt.encode(claims, short, "RS256", headers={"kid": "weak"})
    assert await why_not(shown, Issuer(weak)) == "its issuer's key is too short."


@pytest.mark.parametrize(
    "shown",
    [
        "eyJ..",
        "eyJhbGciOiJSUzI1NiJ9.e30.",
        "eyJ" + "a" * 100 + "." + "b" * 100 + ".c",
        "eyJhbGciOiJSUzI1NiIsImtpZCI6IlJTMjU2LWEifQ." + "A" * 4000 + ".AAAA",
        "eyJ[[[[.x.y",
        "eyJ\udcff.x.y",
    ],
)
async def test_what_is_no_token_is_refused_and_nothing_breaks(shown: str) -> None:
    assert await why_not(shown)


async def test_a_huge_token_is_not_even_read() -> None:
    issuer = Issuer(*all_keys())
    shown = token("EdDSA", padding="x" * MAX_TOKEN_CHARS)
    assert "longer than" in await why_not(shown, issuer)
    assert issuer.asked == []


# --- Keys that change --------------------------------------------------------


async def test_rotated_keys_are_found_and_old_ones_forgotten() -> None:
    issuer = Issuer(jwk("ES256", "old"))
    tokens = issuer.tokens()
    await tokens.principal(token("ES256", "old"))
    issuer.keys = [jwk("ES256", "new")]
    issuer.now_s += FLOOR_S
    await tokens.principal(token("ES256", "new"))
    with pytest.raises(Unauthorized, match="no key of that id"):
        await tokens.principal(token("ES256", "old"))
    assert len(issuer.asked) == 2


async def test_invented_key_ids_cost_the_issuer_one_fetch_in_a_while() -> None:
    issuer = Issuer(*all_keys())
    tokens = issuer.tokens()
    for at in range(50):
        with pytest.raises(Unauthorized, match="no key of that id"):
            await tokens.principal(token("EdDSA", headers={"kid": f"invented-{at}"}))
    assert len(issuer.asked) == 1
    await tokens.principal(token("EdDSA"))
    issuer.now_s += FLOOR_S
    with pytest.raises(Unauthorized):
        await tokens.principal(token("EdDSA", headers={"kid": "invented"}))
    assert len(issuer.asked) == 2


async def test_many_at_once_share_one_fetch_whoever_of_them_goes_away() -> None:
    issuer = Issuer(*all_keys())
    tokens = issuer.tokens()
    issuer.answering.clear()
    shown = token("EdDSA")
    asking = [asyncio.create_task(tokens.principal(shown)) for _ in range(20)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking[0].cancel()
    issuer.answering.set()
    told = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(told[0], asyncio.CancelledError)
    assert all(isinstance(each, Principal) for each in told[1:])
    assert len(issuer.asked) == 1


async def test_while_the_issuer_is_away_its_keys_are_good_for_a_day() -> None:
    issuer = Issuer(*all_keys())
    tokens, shown = issuer.tokens(), token("EdDSA")
    await tokens.principal(shown)
    issuer.is_away = True
    issuer.now_s += FRESH_S + 1
    await tokens.principal(shown)
    assert len(issuer.asked) == 2
    issuer.now_s += STALE_S
    with pytest.raises(ApiError) as failed:
        await tokens.principal(shown)
    assert (failed.value.status, failed.value.headers) == (503, {"Retry-After": "10"})
    issuer.is_away = False
    issuer.now_s += FLOOR_S
    await tokens.principal(shown)


async def test_an_issuer_with_one_key_need_not_name_it() -> None:
    alone = {name: value for name, value in jwk("ES256").items() if name != "kid"}
    await Issuer(alone).tokens().principal(token("ES256", headers={}))
    issuer = Issuer(*all_keys())
    assert await why_not(token("ES256", headers={}), issuer) == "its issuer has no key of that id."


async def test_another_issuers_discovery_is_not_believed() -> None:
    issuer = Issuer(*all_keys())

    async def other(url: str) -> bytes:
        found = json.loads(await issuer.get(url))
        return json.dumps(found | {"issuer": "https://thief.example"}).encode()

    keys = IssuerKeys(ISSUER, fetch=other)
    with pytest.raises(KeysUnavailable):
        await keys.find("RS256-a")


# --- A whole server ----------------------------------------------------------


@asynccontextmanager
async def provider() -> AsyncIterator[tuple[str, web.Application]]:
    """An issuer on a port of this machine."""
    app = web.Application()

    async def configuration(request: web.Request) -> web.Response:
        at = f"{request.scheme}://{request.host}"
        return web.json_response({"issuer": at, "jwks_uri": f"{at}/certs"})

    async def certs(_: web.Request) -> web.Response:
        return web.json_response({"keys": [jwk("ES256")]})

    async def moved(_: web.Request) -> web.Response:
        raise web.HTTPFound("/certs")

    async def endless(_: web.Request) -> web.Response:
        return web.Response(body=b" " * (MAX_BYTES + 1))

    app.router.add_get(DISCOVERY, configuration)
    app.router.add_get("/certs", certs)
    app.router.add_get("/moved", moved)
    app.router.add_get("/endless", endless)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}", app


async def test_a_token_opens_sessions_and_what_its_scopes_say() -> None:
    async with provider() as (issuer, _):
        auth = AuthSettings(
            jwt_issuer=issuer, jwt_audience=(AUDIENCE,), tenant_claim="organization"
        )
        async with places(config=msgspec.structs.replace(CONFIG, auth=auth)) as place:
            now: dict[str, Any] = {"exp": time.time() + 60, "iat": time.time(), "iss": issuer}
            good = token("ES256", **now)
            ws = await place.join(key=good)
            await until(ws, "session.created")
            (session,) = place.hub.sessions
            principal = session.about.principal
            assert (principal.tenant, principal.user) == ("acme", "9f86d081-884c")
            told = await place.ask("POST", "/v1/realtime/client_secrets", key=good)
            assert (told.status, told.code) == (403, "insufficient_scope")
            late = token("ES256", **now | {"exp": time.time() - 60})
            assert "because it has expired" in await turned_away(await place.join(key=late))
            told = await place.ask("GET", "/v1/models", key=late)
            assert (told.status, told.code) == (401, "invalid_api_key")
            await ws.close()


async def test_what_is_fetched_is_bounded_and_nobody_is_sent_elsewhere() -> None:
    async with provider() as (url, _):
        assert b"ES256" in await get(f"{url}/certs")
        for path, why in [("moved", "302"), ("endless", "longer"), ("nowhere", "404")]:
            with pytest.raises(KeysUnavailable, match=why):
                await get(f"{url}/{path}")
    with pytest.raises(KeysUnavailable):
        await get(f"{url}/certs")
