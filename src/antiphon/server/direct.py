"""Calls that another server answers: what they cannot be, and how its refusals are told."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from msgspec import UNSET

from antiphon.core.faults import Fault
from antiphon.core.records import Past
from antiphon.direct.calls import CallWish, DirectCalls
from antiphon.direct.session import DirectSession
from antiphon.direct.signalling import Answered, CallRefused, NotReached
from antiphon.engines.relay.session import BUSY_CODE, REFUSED_CODE
from antiphon.protocol.session import McpTool
from antiphon.runtime.hub import Hub
from antiphon.server.admission import RETRY_AFTER_S
from antiphon.server.api_errors import ApiError
from antiphon.server.grant import Grant

log = logging.getLogger(__name__)

NOT_HERE = "not_in_direct_calls"
OR_ELSE = 'Connect by WebSocket; or its operator can set [relay] media to "proxied".'


async def answer(
    calls: DirectCalls, hub: Hub, offer: str, grant: Grant, past: Past | None, *, is_beta: bool
) -> Answered:
    """Raises:
    ApiError: 501, it asks for what a direct call cannot be; or as the other server refuses it.
    """
    check(grant, past, is_beta=is_beta)
    retention = grant.retention
    if retention is None and hub.keeping is not None and hub.keeping.retention == "items+audio":
        log.info("a direct call is kept without its sound, which does not pass here")
        retention = "items"
    wish = CallWish(
        model=grant.model,
        patch=grant.patch,
        principal=grant.principal,
        retention=retention,
    )
    with _refusals_told():
        return await calls.answer(offer, wish)


async def hang_up(session: DirectSession) -> None:
    """Raises:
    ApiError: the call goes on.
    """
    with _refusals_told():
        await session.hang_up()


def check(grant: Grant, past: Past | None, *, is_beta: bool) -> None:
    """Raises:
    ApiError: 501, with what asks for it and what to do.
    """
    for what, param in _too_much(grant, past, is_beta=is_beta):
        message = (
            f"Calls of model '{grant.model[:100]}' go straight to another server, so none can be "
            f"one that {what}. {OR_ELSE}"
        )
        raise ApiError(501, NOT_HERE, message, param=param)


def _too_much(grant: Grant, past: Past | None, *, is_beta: bool) -> Iterator[tuple[str, str]]:
    """What is asked for and cannot be, and where that stands."""
    if is_beta:
        yield "is spoken in beta (the other server speaks GA alone)", "dialect"
    if grant.kind == "transcription":
        yield "only transcribes", "session.type"
    if past is not None:
        yield "goes on with an earlier conversation", "conversation_id"
    if grant.retention == "items+audio":
        yield "is recorded (its sound does not pass here)", "retention"
    if grant.hides:
        yield "hides anything from its page (the other server tells it)", "hides"
    if grant.client_events is not None:
        yield "limits what its page may send (it sends it to the other server)", "client_events"
    if grant.wait_for_sideband_s:
        yield "waits for a sideband", "wait_for_sideband_s"
    tools = () if grant.patch.tools is UNSET else grant.patch.tools or ()
    if any(isinstance(tool, McpTool) for tool in tools):
        yield "has MCP tools (their secrets are not kept here)", "session.tools"


def not_here(what: str) -> ApiError:
    """The call is one of another server, and ``what`` is wanted of it."""
    message = f"The media of this call go straight to another server: {what}."
    return ApiError(501, NOT_HERE, message)


@contextlib.contextmanager
def _refusals_told() -> Iterator[None]:
    try:
        yield
    except Fault as fault:
        raise ApiError(400, fault.code, fault.message, param=fault.param) from None
    except CallRefused as refused:
        log.warning("a direct call was refused: %s", refused)
        raise _told(refused) from None
    except NotReached as error:
        log.warning("no direct call: %s", error)
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        raise ApiError(503, BUSY_CODE, str(error), type="server_error", headers=headers) from None


def _told(refused: CallRefused) -> ApiError:
    status = refused.status
    if status in (401, 403):  # Of our key, not of the client's.
        message = (
            "The upstream server does not accept this server's key; this server's operator must "
            "give it a valid one for the upstream."
        )
        return ApiError(502, REFUSED_CODE, message, type="server_error")
    if status is None or not 400 <= status < 600:
        message = f"The upstream server gave no usable answer: {refused}"
        return ApiError(502, REFUSED_CODE, message, type="server_error")
    after = refused.retry_after_s
    return ApiError(
        status,
        refused.code or REFUSED_CODE,
        f"The upstream server refused the call: {refused}",
        param=refused.param,
        type="invalid_request_error" if status < 500 and status != 429 else "server_error",
        headers=None if after is None else {"Retry-After": str(after)},
    )
