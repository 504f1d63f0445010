"""What some connections are not to see: a dialect that leaves it out.

A page that someone else may read, and a backend that runs its tools, share a session; the
page need not learn which tools there are, what they are called with and what they say.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal, TypeGuard

from msgspec.structs import replace

from antiphon.protocol import server
from antiphon.protocol.dialects.dialect import Dialect
from antiphon.protocol.items import FunctionCall, FunctionCallOutput, Item, Message
from antiphon.protocol.server import ServerEvent
from antiphon.protocol.session import AnySession, Session

Hidden = Literal["tools", "instructions"]

_OF_ITEMS: Final = (
    server.ConversationItemAdded,
    server.ConversationItemDone,
    server.ConversationItemRetrieved,
)


def veiled(dialect: Dialect, hidden: Collection[Hidden]) -> Dialect:
    """``dialect``, to someone from whom ``hidden`` is kept.

    Of tools it keeps their declarations, calls and outputs, events and items alike; of
    instructions the text, that of system messages too.
    """

    def encode(event: ServerEvent) -> tuple[bytes, ...]:
        shown = _shown(event, hidden)
        return () if shown is None else dialect.encode(shown)

    return Dialect(dialect.decode, encode) if hidden else dialect


def _shown(event: ServerEvent, hidden: Collection[Hidden]) -> ServerEvent | None:
    if "instructions" in hidden and isinstance(event, _OF_ITEMS) and _instructs(event.item):
        event = replace(event, item=replace(event.item, content=()))
    match event:
        case server.SessionCreated() | server.SessionUpdated():
            return replace(event, session=_session(event.session, hidden))
        case _ if "tools" not in hidden:
            return event
        case (
            server.ResponseFunctionCallArgumentsDelta() | server.ResponseFunctionCallArgumentsDone()
        ):
            return None
        case (
            server.ConversationItemAdded()
            | server.ConversationItemDone()
            | server.ConversationItemRetrieved()
            | server.ResponseOutputItemAdded()
            | server.ResponseOutputItemDone()
        ):
            return None if _is_of_tools(event.item) else event
        case server.ResponseCreated() | server.ResponseDone():
            output = tuple(item for item in event.response.output if not _is_of_tools(item))
            return replace(event, response=replace(event.response, output=output))
        case _:
            return event


def _instructs(item: Item) -> TypeGuard[Message]:
    return isinstance(item, Message) and item.role == "system"


def _is_of_tools(item: Item) -> bool:
    return isinstance(item, FunctionCall | FunctionCallOutput)


def _session(session: AnySession, hidden: Collection[Hidden]) -> AnySession:
    if not isinstance(session, Session):
        return session
    if "tools" in hidden:
        session = replace(session, tools=(), tool_choice="auto")
    if "instructions" in hidden:
        session = replace(session, instructions="")
    return session
