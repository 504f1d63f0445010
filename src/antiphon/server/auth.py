"""Who may come in: API keys, and which web pages.

A key is shown as ``Authorization: Bearer``, as ``api-key`` (Azure's clients), or, by
browsers, which can set no headers on a WebSocket, as a subprotocol.

Without keys the server listens on loopback only, but a browser would still carry any
web page's WebSocket there.  So pages of other origins are refused then, and so are
requests under a foreign ``Host``: a page could have pointed its own name at 127.0.0.1
(DNS rebinding), which makes it "same origin".
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from msgspec import Struct
from multidict import CIMultiDictProxy

from antiphon.errors import ConfigurationError
from antiphon.identity.keys import MAX_USER_CHARS
from antiphon.identity.principal import Principal, Scope
from antiphon.limits.addresses import one_client
from antiphon.limits.gcra import Buckets, Rate
from antiphon.server.api_errors import (
    ApiError,
    Unauthorized,
    scope_missing,
    slow_down,
)
from antiphon.server.audit import NO_AUDIT, Audit
from antiphon.server.bearers import Bearers, cannot_be_guessed
from antiphon.server.config_problems import is_loopback
from antiphon.server.logs import shown
from antiphon.server.secret import Secret
from antiphon.server.secret_store import PREFIX as SECRET_PREFIX

log = logging.getLogger(__name__)

SUBPROTOCOL = "realtime"
KEY_SUBPROTOCOL = "openai-insecure-api-key."
MAX_ADDRESS_CHARS = 64
USER_HEADER = "OpenAI-Safety-Identifier"


def offered_subprotocols(headers: CIMultiDictProxy[str]) -> list[str]:
    offers = headers.getall("Sec-WebSocket-Protocol", [])
    return [name.strip() for offer in offers for name in offer.split(",")]


def presented_key(headers: CIMultiDictProxy[str]) -> str | None:
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    if key := headers.get("api-key", "").strip():
        return key
    for name in offered_subprotocols(headers):
        if name.startswith(KEY_SUBPROTOCOL):
            return name.removeprefix(KEY_SUBPROTOCOL)
    return None


def named_user(request: web.Request) -> str | None:
    """The end user whom the application names in a header.

    Raises:
        ApiError: 400, the name is too long.
    """
    name = request.headers.get(USER_HEADER, "").strip()
    if len(name) > MAX_USER_CHARS:
        message = f"'{USER_HEADER}' is longer than {MAX_USER_CHARS} characters."
        raise ApiError(400, "invalid_value", message, param=USER_HEADER)
    return name or None


class Visitor(Struct, frozen=True, kw_only=True):
    """What is known of one who asks for a session."""

    key: Secret = Secret("")
    """The server key or client secret that was shown."""
    origin: str | None = None
    """Of the page that asks, by the `Origin` header."""
    address: str = ""
    user: str | None = None
    """Whom one with a server key says that the session is for."""


GUESSES: Final = Rate(per_s=20 / 60, burst=20)
"""Wrong keys that an address may show."""
NOTED_REFUSALS: Final = Rate(per_s=1, burst=100)
"""More are counted alone, or whoever guesses would push all else out of the audit log."""
MAX_KNOWN: Final = 10_000


class _Guesses:
    """Wrong keys, by address.

    Many people may share an address, and one of them have an old key in a loop.  So whoever shows
    a good one that nobody could guess is let through, and so is who showed theirs there before.
    Keys of the settings may be short: while there are guesses, a new bearer of one must wait.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._buckets = Buckets()
        self._known: OrderedDict[tuple[str, int], None] = OrderedDict()
        """Overflow policy: the one that was seen first is forgotten."""

    def failed(self, address: str) -> None:
        self._buckets.take(one_client(address), GUESSES, self._now_s())

    def succeeded(self, address: str, key: str) -> None:
        if not key:
            return
        # Python's hash is seeded at random, and what it lets through is only checked the sooner.
        self._known[address, hash(key)] = None
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def wait_s(self, address: str, key: str) -> float:
        if not key or (address, hash(key)) in self._known:
            return 0
        return self._buckets.wait_s(one_client(address), GUESSES, self._now_s())


class Gate:
    """Decides about a request by its headers alone."""

    def __init__(
        self,
        keys: Iterable[Secret] = (),
        allowed_origins: Iterable[str] = (),
        *,
        trusted_proxies: Iterable[str] = (),
        bearers: Bearers | None = None,
        audit: Audit = NO_AUDIT,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
            keys: Those of the settings.
            allowed_origins: Of web pages.
            trusted_proxies: Whose `X-Forwarded-For` is believed; addresses, or networks.
            bearers: Who has which key; then ``keys`` are not looked at.
            audit: Told of each that showed no key that would do.
            now_s: Must not go back.

        Raises:
            ConfigurationError: one is neither.
        """
        self.refused_keys = 0
        """Requests that showed no key that would do."""
        self.slowed_down = 0
        """Requests that came too soon after many of those."""
        self.bearers = Bearers(keys) if bearers is None else bearers
        self._guesses = _Guesses(now_s)
        self.on_guess: Callable[[str], None] = lambda _: None
        """Told from where a wrong key was shown."""
        self._audit = audit
        self._refusals = Buckets()
        self._now_s = now_s
        self._proxies = [_network(name) for name in trusted_proxies]
        self._allowed_origins = frozenset(allowed_origins)
        self._allowed_hosts = {urlsplit(origin).hostname for origin in self._allowed_origins}

    @property
    def is_open(self) -> bool:
        """There are no keys: whoever reaches the server may use it."""
        return self.bearers.is_open

    def visitor(self, request: web.Request) -> Visitor:
        return Visitor(
            key=Secret(presented_key(request.headers) or ""),
            origin=request.headers.get("Origin"),
            address=self.address_of(request),
            user=named_user(request),
        )

    def address_of(self, request: web.Request) -> str:
        """The client's, as the nearest proxy that is not ours was told it."""
        address = request.remote or ""
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
        for said in reversed(forwarded):
            if not said.strip() or not self._is_proxy(address):
                break
            address = said.strip()
        return address[:MAX_ADDRESS_CHARS]

    def _is_proxy(self, address: str) -> bool:
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        return any(ip in network for network in self._proxies)

    def note_refused(self, request: web.Request) -> None:
        """A key was refused: tell the operator whose, and why; never the key."""
        self.refused_keys += 1
        key = presented_key(request.headers)
        reason = "no key was shown"
        if key is not None:
            is_secret = key.startswith(SECRET_PREFIX)
            reason = "a client secret that does not do here" if is_secret else "an unknown key"
            self.note_guess(self.address_of(request))
        address = self.address_of(request).encode("ascii", "backslashreplace").decode()
        log.warning("refused: %s, from %s (%d so far)", reason, address, self.refused_keys)
        if not self._refusals.take("all", NOTED_REFUSALS, self._now_s()):
            self._audit.note("key.refused", None, address, reason=reason, request=shown(request))

    def note_guess(self, address: str) -> None:
        """A wrong key was shown from there."""
        self._guesses.failed(address)
        self.on_guess(address)

    def guessed_elsewhere(self, address: str, count: int) -> None:
        """So many were shown from there to another process of the same server."""
        for _ in range(min(count, round(GUESSES.burst))):
            self._guesses.failed(address)

    def check_pace(self, visitor: Visitor) -> None:
        """Raises `ApiError` (429) for one who showed many wrong keys, for a while."""
        wait_s = self._guesses.wait_s(visitor.address, visitor.key.reveal())
        if wait_s:
            self.slowed_down += 1
            raise slow_down("Too many wrong keys from your address", wait_s)

    async def principal(self, visitor: Visitor, *scopes: Scope) -> Principal:
        """Who shows a server key or a token that has one of ``scopes``.

        Raises:
            Unauthorized: it is none: client secrets will not do.
            ApiError: 403, it has none of them; 429, too many were wrong.
        """
        key = visitor.key.reveal()
        if not cannot_be_guessed(key):
            self.check_pace(visitor)
        try:
            principal = await self.bearers.principal(key)
        except Unauthorized:
            self.check_pace(visitor)
            raise
        self._guesses.succeeded(visitor.address, key)
        if not principal.may(*scopes):
            raise scope_missing(*scopes)
        return principal

    async def require(self, request: web.Request, *scopes: Scope) -> Principal:
        """As `principal`, of a request."""
        return await self.principal(self.visitor(request), *scopes)

    def check_page(self, request: web.Request) -> None:
        """Raises `ApiError` (403) for a web page that may not connect."""
        origin = request.headers.get("Origin")
        if origin is not None and not self._allows(origin):
            raise ApiError(
                403,
                "origin_not_allowed",
                f"Pages of {origin[:200]} may not connect. To let them, add the origin to "
                "allowed_origins in [server], or to ANTIPHON_ALLOWED_ORIGINS.",
            )
        if self.is_open and not self._is_own_name(request.host):
            raise ApiError(
                403,
                "host_not_allowed",
                f"Without API keys this server answers to local names only, not to "
                f"{request.host[:200]}. Set ANTIPHON_API_KEYS, or add the page's origin to "
                "ANTIPHON_ALLOWED_ORIGINS.",
            )

    def cors_origin(self, origin: str) -> str | None:
        """What `Access-Control-Allow-Origin` shall say, if anything."""
        if not self._allows(origin):
            return None
        anyone = "*" in self._allowed_origins or not (self.is_open or self._allowed_origins)
        return "*" if anyone else origin

    def _allows(self, origin: str) -> bool:
        if "*" in self._allowed_origins or origin.lower() in self._allowed_origins:
            return True
        if self.is_open:
            return _is_local(_hostname(origin))
        # A page of another origin has no cookie of ours, so the key alone decides.
        return not self._allowed_origins

    def _is_own_name(self, host: str) -> bool:
        name = _hostname(f"//{host}")
        return _is_local(name) or "*" in self._allowed_origins or name in self._allowed_hosts


def _network(name: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(name, strict=False)
    except ValueError:
        raise ConfigurationError(
            f"[server] trusted_proxies: '{name}' is no address and no network, as 10.0.0.0/8."
        ) from None


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _is_local(hostname: str | None) -> bool:
    return hostname is not None and (is_loopback(hostname) or hostname.endswith(".localhost"))
