"""The public keys of a token's issuer: fetched, kept, and fetched again when they change."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout

from antiphon.errors import AntiphonError

log = logging.getLogger(__name__)

FRESH_S: Final = 15 * 60
FLOOR_S: Final = 10
"""Between two fetches: a token with an invented key id costs its issuer no more than that."""
STALE_S: Final = 24 * 60 * 60
"""How long keys are good while their issuer cannot be reached."""
TIMEOUT_S: Final = 5
MAX_BYTES: Final = 256 * 1024
MAX_KEYS: Final = 100
DISCOVERY: Final = "/.well-known/openid-configuration"


class KeysUnavailable(AntiphonError):
    """The issuer's keys cannot be had now."""


class _Document(msgspec.Struct):
    keys: list[dict[str, Any]]


class _Discovery(msgspec.Struct):
    issuer: str
    jwks_uri: str


async def get(url: str) -> bytes:
    """Raises:
    KeysUnavailable
    """
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=TIMEOUT_S)) as http,
            http.get(url, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise KeysUnavailable(f"{url}: HTTP {response.status}")
            data = await response.content.read(MAX_BYTES + 1)
            while len(data) <= MAX_BYTES and (more := await response.content.read(MAX_BYTES)):
                data += more
    except (ClientError, OSError, TimeoutError) as error:
        raise KeysUnavailable(f"{url}: {str(error) or type(error).__name__}") from None
    if len(data) > MAX_BYTES:
        raise KeysUnavailable(f"{url}: longer than {MAX_BYTES} bytes")
    return data


class IssuerKeys:
    """Args:
    issuer: Of the tokens; where it is asked for its keys' address.
    url: Of its keys; None: as its discovery document says.
    fetch: Gets a document; raises `KeysUnavailable`.
    now_s: Must not go back.
    """

    def __init__(
        self,
        issuer: str,
        url: str | None = None,
        *,
        fetch: Callable[[str], Awaitable[bytes]] = get,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._url = url
        self._fetch = fetch
        self._now_s = now_s
        self._keys: dict[str | None, dict[str, Any]] = {}
        self._fetched_s: float | None = None
        self._tried_s: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None) -> dict[str, Any] | None:
        """The key of this id, as a JWK; of an issuer with a single key, that one where no id is
        named.

        Raises:
            KeysUnavailable: they are not here, or too old, and cannot be had.
        """
        if key_id not in self._keys or self._age_s > FRESH_S:
            await self._refresh()
        if self._age_s > STALE_S:
            raise KeysUnavailable("the issuer's keys cannot be had")
        return self._keys.get(key_id)

    @property
    def _age_s(self) -> float:
        return float("inf") if self._fetched_s is None else self._now_s() - self._fetched_s

    async def _refresh(self) -> None:
        """One fetch for all who want one, and not too soon after the last."""
        if self._fetching is None:
            if self._tried_s is not None and self._now_s() - self._tried_s < FLOOR_S:
                return
            self._tried_s = self._now_s()
            self._fetching = asyncio.create_task(self._fetch_all(), name="jwks")
        # Shielded: whoever goes away takes nothing from the others that wait.
        await asyncio.shield(self._fetching)

    async def _fetch_all(self) -> None:
        try:
            url = self._url or await self._discovered()
            self._keys = _read(await self._fetch(url))
            self._fetched_s = self._now_s()
        except KeysUnavailable as error:
            log.warning("the keys of %s could not be fetched: %s", self._issuer, error)
        finally:
            self._fetching = None

    async def _discovered(self) -> str:
        url = self._issuer.rstrip("/") + DISCOVERY
        try:
            found = msgspec.json.decode(await self._fetch(url), type=_Discovery)
        except msgspec.MsgspecError:
            raise KeysUnavailable(f"{url}: no discovery document") from None
        if found.issuer != self._issuer:
            raise KeysUnavailable(f"{url}: it is another issuer's")
        return found.jwks_uri


def _read(data: bytes) -> dict[str | None, dict[str, Any]]:
    try:
        listed = msgspec.json.decode(data, type=_Document).keys[:MAX_KEYS]
    except msgspec.MsgspecError:
        raise KeysUnavailable("what was fetched is no set of keys") from None
    signing = [key for key in listed if key.get("use", "sig") == "sig"]
    keys: dict[str | None, dict[str, Any]] = {}
    for key in signing:
        key_id = key.get("kid")
        if key_id is None or isinstance(key_id, str):
            keys[key_id] = key
    if len(signing) == 1:
        keys.setdefault(None, signing[0])
    return keys
