"""Who may come in: API keys, and which web pages.

A key is shown as ``Authorization: Bearer``, as ``api-key`` (Azure's clients), or, by
browsers, which can set no headers on a WebSocket, as a subprotocol.

Without keys the server listens on loopback only, but a browser would still carry any
web page's WebSocket there.  So pages of other origins are refused then, and so are
requests under a foreign ``Host``: a page could have pointed its own name at 127.0.0.1
(DNS rebinding), which makes it "same origin".
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Iterable
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from aiohttp import web
from msgspec import Struct
from multidict import CIMultiDictProxy

from antiphon.errors import ConfigurationError
from antiphon.server.api_errors import SERVER_KEYS_ONLY, ApiError, Unauthorized
from antiphon.server.config_problems import is_loopback
from antiphon.server.secret import Secret
from antiphon.server.secret_store import PREFIX as SECRET_PREFIX

log = logging.getLogger(__name__)

SUBPROTOCOL = "realtime"
KEY_SUBPROTOCOL = "openai-insecure-api-key."
MAX_ADDRESS_CHARS = 64


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


class Visitor(Struct, frozen=True, kw_only=True):
    """What is known of one who asks for a session."""

    key: Secret = Secret("")
    """The server key or client secret that was shown."""
    origin: str | None = None
    """Of the page that asks, by the `Origin` header."""
    address: str = ""


class KeyRing:
    """The server's keys, kept as hashes and compared in constant time."""

    def __init__(self, keys: Iterable[Secret]) -> None:
        self._digests = tuple(sha256(key.reveal().encode()).digest() for key in keys)

    def __len__(self) -> int:
        return len(self._digests)

    def holds(self, key: str) -> bool:
        digest = sha256(key.encode(errors="surrogateescape")).digest()
        found = False
        for known in self._digests:
            found |= hmac.compare_digest(known, digest)
        return found


class Gate:
    """Decides about a request by its headers alone."""

    def __init__(
        self,
        keys: Iterable[Secret] = (),
        allowed_origins: Iterable[str] = (),
        *,
        trusted_proxies: Iterable[str] = (),
    ) -> None:
        """``trusted_proxies``: whose `X-Forwarded-For` is believed; addresses, or networks.

        Raises:
            ConfigurationError: one is neither.
        """
        self.refused_keys = 0
        """Requests that showed no key that would do."""
        self._proxies = [_network(name) for name in trusted_proxies]
        self._keys = KeyRing(keys)
        self._allowed_origins = frozenset(allowed_origins)
        self._allowed_hosts = {urlsplit(origin).hostname for origin in self._allowed_origins}

    @property
    def is_open(self) -> bool:
        """There are no keys: whoever reaches the server may use it."""
        return not len(self._keys)

    def visitor(self, request: web.Request) -> Visitor:
        return Visitor(
            key=Secret(presented_key(request.headers) or ""),
            origin=request.headers.get("Origin"),
            address=self.address_of(request),
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
        address = self.address_of(request).encode("ascii", "backslashreplace").decode()
        log.warning("refused: %s, from %s (%d so far)", reason, address, self.refused_keys)

    def admits(self, request: web.Request) -> bool:
        """Whether the request shows a server key (or needs none)."""
        return self.is_enough(presented_key(request.headers))

    def is_enough(self, key: str | None) -> bool:
        """Whether ``key`` is a server key, or none is needed."""
        return self.is_open or (key is not None and self._keys.holds(key))

    def require_server_key(self, request: web.Request) -> None:
        """Raises `Unauthorized` where the request shows none: client secrets will not do."""
        if not self.admits(request):
            raise Unauthorized(SERVER_KEYS_ONLY)

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
