"""A conversation of its own that begins as another one went, up to some item."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from antiphon.core.records import (
    Change,
    ContextCut,
    ItemChanged,
    ServerCallChanged,
    SessionChanged,
)
from antiphon.errors import AntiphonError
from antiphon.journal.entries import Changed, Closed, LogEntry, Opened
from antiphon.journal.recall import Recalled


class ItemNotFound(AntiphonError):
    """The conversation has no such item to be forked at."""


def forked(
    entries: Sequence[LogEntry], *, conversation_id: str, item_id: str | None, now_s: float
) -> list[LogEntry]:
    """The log of the fork.  What was under way is incomplete there, and nothing was used yet.

    Args:
        entries: The log of the conversation that is forked; there is one.
        conversation_id: The fork's.
        item_id: The last item that it has; None: it has all.
        now_s: Unix time.

    Raises:
        ItemNotFound
    """
    recalled = Recalled(entries)
    past = recalled.past
    items = list(past.items)
    if item_id is not None:
        places = [place for place, item in enumerate(items, 1) if item.id == item_id]
        if not places:
            raise ItemNotFound(f"The conversation has no item '{item_id[:100]}'.")
        items = items[: places[0]]
    opened = replace(recalled.sessions[-1], at_s=now_s)
    changes: list[Change] = []
    if recalled.session is not None:
        drawn_for = past.drawn_for or past.conversation_id
        changes.append(SessionChanged(recalled.session, conversation_id, drawn_for))
    previous: str | None = None
    for item in items:
        changes.append(ItemChanged(item, previous))
        previous = item.id
    # Those behind the last item were made for what the fork may not have.
    behind = {None, *(item.id for item in items if item_id is None or item.id != item_id)}
    changes += [ServerCallChanged(call) for call in past.server_calls if call.after in behind]
    if past.cut is not None and past.cut.first_id in {item.id for item in items}:
        changes.append(ContextCut(past.cut))
    return [
        opened,
        *(_changed(opened, change, past.ids_used) for change in changes),
        Closed(at_s=now_s, session_id=opened.session_id),
    ]


def _changed(opened: Opened, change: Change, ids_used: int) -> Changed:
    return Changed(at_s=opened.at_s, session_id=opened.session_id, change=change, ids_used=ids_used)
