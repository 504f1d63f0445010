"""Who may begin a session: a key or a secret, and room for one more.

The same for WebSockets and for calls: what the bearer may have, whether there is room, and one
session counted on the secret, or given back.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from msgspec import Struct
from msgspec.structs import replace

from antiphon.identity.principal import ANYONE, Principal, fewer_events
from antiphon.server.api_errors import ApiError, Unauthorized
from antiphon.server.auth import Visitor
from antiphon.server.grant import Grant
from antiphon.server.intake import Intake
from antiphon.server.quotas import Quotas, ServerFull
from antiphon.server.secret_store import PREFIX, SecretRefused, SecretStore, digest

RETRY_AFTER_S = 5


class LoadLimits(Struct, frozen=True, kw_only=True):
    """What the whole server takes on."""

    max_sessions: int
    max_lateness_ms: float = 0
    """Of its sound, p99; 0: however late it is."""


class Admitted(Struct, frozen=True, kw_only=True):
    grant: Grant
    bearer: Principal = ANYONE
    """Of the key or token itself, whomever the session is for; it says what may be seen."""
    secret_digest: bytes | None = None
    """Of the client secret that the session is opened with; None: with a server key."""


class Admission:
    """Attributes:
    draining: set it, and new sessions are refused while live ones go on.
    """

    def __init__(
        self,
        *,
        identify: Callable[[Visitor], Awaitable[Principal]],
        check_pace: Callable[[Visitor], None] = lambda _: None,
        secrets: SecretStore,
        load: LoadLimits,
        live_sessions: Callable[[], int],
        quotas: Quotas,
        unable: Callable[[], str | None] = lambda: None,
        is_revoked: Callable[[Principal], bool] = lambda _: False,
        intake: Intake | None = None,
    ) -> None:
        """Args:
        identify: Who shows a key that opens sessions; raises as `Gate.principal`.
        check_pace: Raises for one who showed many wrong keys.
        secrets: The other way in.
        load: What the server takes on.
        live_sessions: How many there are.
        quotas: What each may have.
        unable: Why no session should begin now; None: nothing is in the way.
        intake: How many come in while the server is busy; None: all do.
        is_revoked: Whether the key that minted a secret is: then that is worth nothing.
        """
        self.draining = False
        self._identify = identify
        self._check_pace = check_pace
        self._secrets = secrets
        self._load = load
        self._live_sessions = live_sessions
        self._quotas = quotas
        self._unable = unable
        self._is_revoked = is_revoked
        self._intake = intake
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
        # First, so that a secret that opens nothing says so, however full it is here.
        bearer = principal = await self.check_key(visitor)
        key, asked = visitor.key.reveal(), asked_for
        is_secret = key.startswith(PREFIX)
        if not is_secret:
            asked = _of(principal, visitor, asked_for)
            principal = asked.principal
        async with self._place(principal, visitor.address):
            if is_secret:
                async with self._redeemed(key, visitor.origin) as admitted:
                    yield admitted
            else:
                yield Admitted(grant=asked, bearer=bearer)

    async def check_key(self, visitor: Visitor) -> Principal:
        """Raises:
        Unauthorized, ApiError: as `admit` raises them for who asks, whatever is asked for.
        """
        if visitor.key.reveal().startswith(PREFIX):
            return (await self.grant_of(visitor)).principal
        return await self._identify(visitor)

    async def grant_of(self, visitor: Visitor) -> Grant:
        """What the visitor's client secret allows.

        Raises:
            Unauthorized, ApiError: as `admit`.
        """
        try:
            with _refusals_told():
                grant = await self._secrets.check(visitor.key.reveal(), origin=visitor.origin)
        except Unauthorized:
            self._check_pace(visitor)
            raise
        if self._is_revoked(grant.principal):
            raise Unauthorized("The API key that made this client secret was revoked.")
        return grant

    @asynccontextmanager
    async def _place(self, principal: Principal, address: str) -> AsyncIterator[None]:
        """Room for a session that is to come.  Nothing waits between the look and the taking,
        which is a single step where other processes take of the same.

        One that is open before its body ends counts twice until then: rather one too few.
        """
        self._check_load()
        if self._intake is not None:
            self._intake.came()
        try:
            who = await self._quotas.begin(principal, address)
        except BaseException as refused:
            if self._intake is not None:
                self._intake.turned_away()
            if isinstance(refused, ServerFull):
                raise self._full() from None
            raise
        self._opening += 1
        try:
            yield
        finally:
            self._opening -= 1
            self._quotas.opened_or_not(who)

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

    @property
    def takes_sessions(self) -> bool:
        """Whether one more would be let in now, as far as the server's load goes."""
        try:
            self._check_load()
        except ApiError:
            return False
        return True

    def _full(self) -> ApiError:
        return overloaded(
            f"All {self._load.max_sessions} sessions of this server are in use; try again. "
            "(Its operator can raise max_sessions.)"
        )

    def _check_load(self) -> None:
        if self.draining:
            raise overloaded("The server is going away; try again.")
        if (problem := self._unable()) is not None:
            raise overloaded(problem)
        live = self._live_sessions() + self._opening
        if live >= self._load.max_sessions:
            raise self._full()
        if self._intake is not None and (wait_s := self._intake.wait_s(live)):
            message = "This server has as much to do as it can do in time; try again."
            raise overloaded(message, retry_after_s=math.ceil(wait_s))


def _of(principal: Principal, visitor: Visitor, asked_for: Grant) -> Grant:
    """What one with a key or a token gets."""
    if principal.user is None and visitor.user is not None:
        principal = replace(principal, user=visitor.user)
    return replace(
        asked_for,
        principal=principal,
        client_events=fewer_events(principal.client_events, asked_for.client_events),
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
