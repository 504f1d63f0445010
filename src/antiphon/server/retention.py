"""What is kept of a session: the server's rule, and what its client asks for."""

from __future__ import annotations

from typing import get_args

import msgspec
from aiohttp import web

from antiphon.runtime.door import Retention
from antiphon.runtime.hub import Hub
from antiphon.server.admission import Admitted
from antiphon.server.api_errors import ApiError
from antiphon.server.grant import Grant

LEAST_FIRST: tuple[Retention, ...] = get_args(Retention)


def granted(hub: Hub, request: web.Request, admitted: Admitted) -> Grant:
    """The grant with what `?retention=` asks for.

    A server key may ask for anything; who has a client secret, for less than it allows.

    Raises:
        ApiError: 400, it asks for something unknown; 403, for more than it may; 501, for sound
            where none can be recorded.
    """
    grant, asked = admitted.grant, _asked(request)
    if admitted.secret_digest is not None:
        rule = "none" if hub.keeping is None else hub.keeping.retention
        allowed = rule if grant.retention is None else grant.retention
        if asked is not None and LEAST_FIRST.index(asked) > LEAST_FIRST.index(allowed):
            raise ApiError(
                403,
                "retention_not_allowed",
                f"This client secret allows '{allowed}'. Mint one with 'antiphon': "
                f"{{'retention': '{asked}'}}, or connect with a server key.",
                param="retention",
            )
        asked = grant.retention if asked is None else asked
    elif asked is None:
        asked = grant.principal.retention
    if asked not in (None, "none"):
        check(hub, asked)
    return msgspec.structs.replace(grant, retention=asked)


def check(hub: Hub, wanted: Retention) -> None:
    """Raises `ApiError` (501) where that cannot be kept here."""
    keeping = hub.keeping
    if keeping is None:
        raise ApiError(
            501,
            "journal_off",
            "This server keeps no conversations. (Its operator can set [journal] retention.)",
            param="retention",
        )
    if wanted == "items+audio" and keeping.encoding is None:
        raise ApiError(
            501,
            "recording_not_installed",
            "This server records no sound: install the extra 'webrtc', which has the codec.",
            param="retention",
        )


def _asked(request: web.Request) -> Retention | None:
    for retention in LEAST_FIRST:
        # A plus sign in a query means a space.
        if request.query.get("retention", "").replace(" ", "+") == retention:
            return retention
    if "retention" not in request.query:
        return None
    choices = ", ".join(f"'{retention}'" for retention in LEAST_FIRST)
    message = f"Invalid value for 'retention': it is one of {choices}."
    raise ApiError(400, "invalid_value", message, param="retention")
