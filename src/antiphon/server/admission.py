"""Who may begin a session: a key or a secret, and room for one more.

The same for WebSockets and for calls: what the bearer may have, whether there is room, and one
session counted on the secret, or given back.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from msgspec import Struct

from antiphon.server.api_errors import ApiError, Unauthorized
from antiphon.server.auth import Visitor
from antiphon.server.grant import Grant
from antiphon.server.secret_store import PREFIX, SecretRefused, SecretStore, digest
from antiphon.server.session_rate import SessionRate

RETRY_AFTER_S = 5


class LoadLimits(Struct, frozen=True, kw_only=True):
    """How many sessions there may be."""

    max_sessions: int
    new_per_minute: int = 0
    """From one address; 0: no limit."""


class Admitted(Struct, frozen=True, kw_only=True):
    grant: Grant
    secret_digest: bytes | None = None
    """Of the client secret that the session is opened with; None: with a server key."""


class Admission:
    """Attributes:
    draining: set it, and new sessions are refused while live ones go on.
    """

    def __init__(
        self,
        *,
        is_server_key: Callable[[str], bool],
        secrets: SecretStore,
        load: LoadLimits,
        live_sessions: Callable[[], int],
        unable: Callable[[], str | None] = lambda: None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.draining = False
        self._is_server_key = is_server_key
        self._secrets = secrets
        self._max_sessions = load.max_sessions
        self._rate = SessionRate(load.new_per_minute)
        self._live_sessions = live_sessions
        self._unable = unable
        self._now_s = now_s
        self._opening = 0

    @asynccontextmanager
    async def admit(self, visitor: Visitor, asked_for: Grant) -> AsyncIterator[Admitted]:
        """Open the session in the body: what raises there has opened none, and cost nothing.

        Args:
            visitor: Who asks.
            asked_for: What one with a server key gets; a secret's own grant overrules it.

        Raises:
            Unauthorized: neither a key nor a secret that opens a session.
            ApiError: a page that may not use the secret; or no room, and when to try again.
        """
        key = visitor.key.reveal()
        is_secret = key.startswith(PREFIX)
        # First, so that a secret that opens nothing says so, however full it is here.
        await self.check_key(visitor)
        with self._place(visitor.address):
            if is_secret:
                async with self._redeemed(key, visitor.origin) as admitted:
                    yield admitted
            else:
                yield Admitted(grant=asked_for)

    async def check_key(self, visitor: Visitor) -> None:
        """Raises:
        Unauthorized, ApiError: as `admit` raises them for who asks, whatever is asked for.
        """
        key = visitor.key.reveal()
        if key.startswith(PREFIX):
            await self.grant_of(visitor)
        elif not self._is_server_key(key):
            raise Unauthorized

    async def grant_of(self, visitor: Visitor) -> Grant:
        """What the visitor's client secret allows.

        Raises:
            Unauthorized, ApiError: as `admit`.
        """
        with _refusals_told():
            return await self._secrets.check(visitor.key.reveal(), origin=visitor.origin)

    @contextmanager
    def _place(self, address: str) -> Iterator[None]:
        """Room for a session that is to come.  Nothing waits between the look and the taking.

        One that is open before its body ends counts twice until then: rather one too few.
        """
        self._check_load(address)
        self._opening += 1
        try:
            yield
        finally:
            self._opening -= 1

    @asynccontextmanager
    async def _redeemed(self, secret: str, origin: str | None) -> AsyncIterator[Admitted]:
        redeeming = asyncio.ensure_future(self._secrets.redeem(secret, origin=origin))
        try:
            with _refusals_told():
                grant = await asyncio.shield(redeeming)
            yield Admitted(grant=grant, secret_digest=digest(secret))
        except BaseException:
            # Shielded: a client that goes away (which cancels) shall not leave it half done.
            await asyncio.shield(self._give_back(redeeming, secret))
            raise

    async def _give_back(self, redeeming: asyncio.Future[Grant], secret: str) -> None:
        await asyncio.wait((redeeming,))
        if redeeming.exception() is None:
            await self._secrets.give_back(secret)

    def _check_load(self, address: str) -> None:
        if self.draining:
            raise overloaded("The server is going away; try again.")
        if (problem := self._unable()) is not None:
            raise overloaded(problem)
        if self._live_sessions() + self._opening >= self._max_sessions:
            raise overloaded(
                f"All {self._max_sessions} sessions of this server are in use; try again. "
                "(Its operator can raise max_sessions.)"
            )
        wait_s = self._rate.take(address, self._now_s())
        if wait_s:
            raise ApiError(
                429,
                "rate_limit_exceeded",
                f"Too many new sessions from your address; try again in {math.ceil(wait_s)} s.",
                type="rate_limit_error",
                headers={"Retry-After": str(math.ceil(wait_s))},
            )


def overloaded(message: str, *, retry_after_s: int = RETRY_AFTER_S) -> ApiError:
    headers = {"Retry-After": str(retry_after_s)}
    return ApiError(503, "server_overloaded", message, type="server_error", headers=headers)


@contextmanager
def _refusals_told() -> Iterator[None]:
    try:
        yield
    except SecretRefused as refused:
        if refused.reason == "origin":
            raise ApiError(403, "origin_not_allowed", str(refused)) from None
        raise Unauthorized(str(refused)) from None
