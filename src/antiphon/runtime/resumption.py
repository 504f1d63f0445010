"""The right to come back to a session: a token, used once, replaced each time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable
from typing import Literal

from msgspec import Struct

from antiphon.core.causes import Ms
from antiphon.protocol.session import Resume

PREFIX = "rt_"
TOKEN_BYTES = 24
MAX_PLACES = 10_000
"""Sessions whose tokens are remembered.  Overflow policy: the oldest are forgotten."""


class Place(Struct, frozen=True, kw_only=True):
    """What a token leads back to: the session, or its conversation once that has ended."""

    session_id: str
    conversation_id: str


class ResumeTokens:
    """The tokens of a process, as hashes.

    Of a session the newest token counts, and the one that was used last until the connection that
    it brought has shown that it is alive: a network that fails again at once shall cost nobody
    the way back.
    """

    def __init__(
        self,
        *,
        max_places: int = MAX_PLACES,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._max_places = max_places
        self._random_bytes = random_bytes
        self._valid: dict[str, list[bytes]] = {}
        """By session, the newest last."""
        self._places: dict[bytes, Place] = {}

    def issue(self, place: Place, *, used: str | None = None) -> str:
        """A new token; of the others only ``used``, if one was, still counts."""
        token = PREFIX + self._random_bytes(TOKEN_BYTES).hex()
        kept = [] if used is None else [_digest(used)]
        self._replace(place, [*kept, _digest(token)])
        while len(self._valid) > self._max_places:
            self._forget(next(iter(self._valid)))
        return token

    def confirm(self, place: Place) -> None:
        """Who was given the newest token has it: no older one counts."""
        if valid := self._valid.get(place.session_id):
            self._replace(place, valid[-1:])

    def valid_digests(self, session_id: str) -> tuple[bytes, ...]:
        return tuple(self._valid.get(session_id, ()))

    def find(self, token: str) -> Place | None:
        # The dictionary compares hashes, whose bytes nobody can choose.
        return self._places.get(_digest(token))

    def _replace(self, place: Place, valid: list[bytes]) -> None:
        self._forget(place.session_id)
        self._valid[place.session_id] = valid
        for digest in valid:
            self._places[digest] = place

    def _forget(self, session_id: str) -> None:
        for digest in self._valid.pop(session_id, ()):
            del self._places[digest]


class Resumption:
    """What one session tells its owner about coming back.

    Args:
        tokens: None: one comes back to its conversation alone.
        is_kept: One may come back to the conversation once the session is over.
        goes_on: The conversation is older than the session.
        on_change: Is given the digests of the tokens that count from now on.
    """

    def __init__(
        self,
        place: Place,
        tokens: ResumeTokens | None,
        *,
        linger_ms: Ms = 0,
        is_kept: bool = False,
        goes_on: bool = False,
        on_change: Callable[[tuple[bytes, ...]], None] = lambda _: None,
    ) -> None:
        self._place = place
        self._tokens = tokens
        self._linger_ms = linger_ms
        self._is_kept = is_kept
        self._goes_on = goes_on
        self._on_change = on_change
        self._is_confirmed = True

    @property
    def keeps_seats(self) -> bool:
        return self._tokens is not None

    def told(self, *, owns: bool, used: str | None, is_back: bool, gap: bool) -> Resume | None:
        """What a connection that comes is told; ``used`` is the token that brought it.

        None: where nobody can come back, stock clients are told nothing that they do not know.
        """
        if self._tokens is None and not self._is_kept and not gap:
            return None
        token = None
        if owns and self._tokens is not None:
            token = self._tokens.issue(self._place, used=used)
            self._is_confirmed = used is None
            self._on_change(self._tokens.valid_digests(self._place.session_id))
        older: Literal["conversation"] | None = "conversation" if self._goes_on else None
        return Resume(
            conversation_id=self._place.conversation_id,
            token=token,
            linger_s=None if token is None else self._linger_ms / 1000,
            continues="session" if is_back else older,
            gap=gap,
        )

    def heard_from(self) -> None:
        """The owner's connection is alive."""
        if not self._is_confirmed and self._tokens is not None:
            self._is_confirmed = True
            self._tokens.confirm(self._place)
            self._on_change(self._tokens.valid_digests(self._place.session_id))


def is_among(token: str, digests: Iterable[bytes]) -> bool:
    found = _digest(token)
    return any(hmac.compare_digest(found, one) for one in digests)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()
