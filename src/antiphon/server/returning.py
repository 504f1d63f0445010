"""Who comes back to a session, and by which right (docs/guides/resuming.md).

A client shows its resume token as the header ``Antiphon-Resume``, or, from a browser's
WebSocket, as a subprotocol; never in the URL, which proxies write down.  With it comes the key
or secret that any session needs.
"""

from __future__ import annotations

import hmac
import logging

from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace
from multidict import CIMultiDictProxy

from antiphon.identity.principal import Principal
from antiphon.journal.entries import JournalError, Opened, TokensChanged
from antiphon.runtime.door import SessionDoor
from antiphon.runtime.hub import Hub
from antiphon.runtime.resumption import MAX_PLACES, is_among
from antiphon.server.admission import Admission, Admitted
from antiphon.server.api_errors import ApiError
from antiphon.server.auth import Gate, Visitor, offered_subprotocols
from antiphon.server.grant import Grant
from antiphon.server.secret_store import PREFIX, digest

log = logging.getLogger(__name__)

HEADER = "Antiphon-Resume"
SUBPROTOCOL_HEAD = "antiphon-resume."


class Comeback(Struct, frozen=True, kw_only=True):
    """One who may come back."""

    token: str
    conversation_id: str
    grant: Grant
    """What its connection may."""
    session: SessionDoor | None
    """Live, and waiting; None: there is the conversation alone."""


class TokenUnknown(ApiError):
    """The token leads nowhere; the client begins anew, or asks for its conversation by name."""

    def __init__(self) -> None:
        super().__init__(
            404,
            "resume_token_unknown",
            "The resume token was used before, or is too old. Connect without it; name the "
            "conversation ('conversation_id') to go on with that.",
        )


def shown_token(headers: CIMultiDictProxy[str]) -> str | None:
    if token := headers.get(HEADER, "").strip():
        return token
    for name in offered_subprotocols(headers):
        if name.startswith(SUBPROTOCOL_HEAD):
            return name.removeprefix(SUBPROTOCOL_HEAD)
    return None


def asked_cursor(request: web.Request) -> str | None:
    """The last event that the client knows of; "": it knows of none, and wants all."""
    return request.query.get("after")


def asks_for_items(request: web.Request) -> bool:
    """The client has forgotten them, as a page that was loaded anew."""
    return request.query.get("show_items") == "true"


def last_played(request: web.Request) -> int | None:
    """The RTP timestamp of the last packet of its former call that the client played.

    Raises:
        ApiError: 400, it is none.
    """
    text = request.query.get("played")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text) < 1 << 32):
        raise ApiError(
            400,
            "invalid_value",
            "'played' is the RTP timestamp of a packet: a whole number from 0 to 4294967295.",
            param="played",
        )
    return int(text)


def lingers(request: web.Request) -> bool:
    """A call's client may go without a word and come back, as a page that is loaded anew: its
    goodbye is to close the data channel.
    """
    return request.query.get("linger") == "true"


class Returning:
    """Knows who opened which session."""

    def __init__(self, hub: Hub, *, gate: Gate, admission: Admission) -> None:
        self._hub = hub
        self._gate = gate
        self._admission = admission
        self._opened_by: dict[str, Admitted] = {}
        """Overflow policy: the oldest are forgotten, with their tokens."""

    def note(self, session: SessionDoor, admitted: Admitted) -> None:
        """The session was opened."""
        self._opened_by[session.id] = admitted
        while len(self._opened_by) > MAX_PLACES:
            del self._opened_by[next(iter(self._opened_by))]

    async def comeback(self, request: web.Request, *, transport: str) -> Comeback | None:
        """None: the request is none of one who comes back to a session.

        Raises:
            TokenUnknown, Unauthorized: it may not.
            ApiError: 403, the bearer of another user's secret.
        """
        token = shown_token(request.headers)
        if token is None:
            return None
        visitor = self._gate.visitor(request)
        place = self._hub.resume_tokens.find(token)
        opener = None if place is None else self._opened_by.get(place.session_id)
        if place is None or opener is None:
            await self._admission.check_key(visitor)
            named = request.query.get("conversation_id")
            if not named:
                raise TokenUnknown
            return await self._by_the_journal(visitor, token, named)
        grant = await self._grant(visitor, opener)
        session = self._hub.get(place.session_id)
        waits = session is not None and session.keeps_a_seat
        wants_new = request.query.get("session") == "new"
        if session is not None and (wants_new or not waits or session.about.transport != transport):
            session = None
        return Comeback(
            token=token, conversation_id=place.conversation_id, grant=grant, session=session
        )

    async def _by_the_journal(self, visitor: Visitor, token: str, named: str) -> Comeback | None:
        """The token is of a server that has restarted, and the journal has its hash: it leads to
        the conversation for a new secret of the same end user.

        None: it may come by no other right than its key's; with a server key, that is enough.
        """
        keeping = self._hub.keeping
        if keeping is None or not visitor.key.reveal().startswith(PREFIX):
            return None
        grant = await self._admission.grant_of(visitor)
        try:
            entries = await keeping.journal.read(named)
        except JournalError as error:
            log.warning("%s", error)
            return None
        opened = [entry for entry in entries if isinstance(entry, Opened)]
        issued = [entry for entry in entries if isinstance(entry, TokensChanged)]
        if grant.principal.user is None or not opened or not issued:
            return None
        of = opened[-1].tenant, opened[-1].end_user_id
        if of != (grant.principal.tenant, grant.principal.user):
            return None
        if not is_among(token, issued[-1].digests):
            return None
        return Comeback(token=token, conversation_id=named, grant=grant, session=None)

    async def _grant(self, visitor: Visitor, opener: Admitted) -> Grant:
        """The principal must be the one who opened the session: whoever has a server key, or the
        end user whom the secret was minted for.
        """
        key = visitor.key.reveal()
        if not key.startswith(PREFIX):
            principal = await self._admission.check_key(visitor)
            if not principal.sees(opener.grant.principal.tenant, opener.grant.principal.user):
                raise TokenUnknown
            return replace(opener.grant, client_events=principal.client_events, hides=frozenset())
        theirs = opener.secret_digest
        if theirs is not None and hmac.compare_digest(digest(key), theirs):
            # It may have expired or be spent by now: what it opened goes on.
            return opener.grant
        grant = await self._admission.grant_of(visitor)
        if theirs is None or not _is_same_user(grant.principal, opener.grant.principal):
            raise ApiError(
                403,
                "resume_not_allowed",
                "This client secret is not for the user whose session that is. Show the secret "
                "that opened it, or mint one with the same 'end_user_id'.",
            )
        return grant


def _is_same_user(one: Principal, other: Principal) -> bool:
    return (one.tenant, one.user) == (other.tenant, other.user)
