"""What of the conversation a response sees: the newest items that fit.

Items that do not fit stay in the conversation; they are only left out of the prompt
(docs/reference/protocol.md, "Context truncation").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from antiphon.core.items import CallEntry, Entry, OutputEntry
from antiphon.core.usage import Tokens, add_up, entry_tokens
from antiphon.protocol.session import RetentionRatio, Truncation


class ContextTooLong(Exception):
    """Truncation is disabled and the context does not fit."""


class Cut(Struct, frozen=True):
    first_id: str
    """The oldest item that a response saw."""
    truncation: Truncation
    """The rule that cut there."""


class Window:
    """Remembers where a conversation's context was cut.

    The next response then sees the same beginning, which a language model's server has in
    its cache; it moves only when what came since no longer fits.
    """

    def __init__(self, last_cut: Cut | None = None) -> None:
        self.last_cut = last_cut

    def view(self, entries: Sequence[Entry], truncation: Truncation) -> Sequence[Entry]:
        """``entries`` from the last cut on, where that was made by the same rule."""
        if self.last_cut is not None and truncation == self.last_cut.truncation:
            for at, entry in enumerate(entries):
                if entry.id == self.last_cut.first_id:
                    return entries[at:]
        return entries

    def cut(self, first: Entry, truncation: Truncation) -> None:
        self.last_cut = Cut(first.id, truncation)


def fit_context(
    entries: Sequence[Entry],
    *,
    limit_tokens: int,
    instruction_tokens: int,
    truncation: Truncation,
    count: Callable[[Entry], Tokens] = entry_tokens,
    window: Window | None = None,
    counted: Tokens | None = None,
) -> tuple[Sequence[Entry], Tokens]:
    """The newest entries within the limit, a function's call and output kept together.

    Returns them and what they count.  ``window``: where the last cut of this history was.
    ``counted``: what all of them count, where that is known and no output is without its call:
    then none need be walked through as long as they fit.

    Raises:
        ContextTooLong: where nothing may be left out.
    """
    limit = _room_for_items(limit_tokens, instruction_tokens, truncation)
    if counted is None:
        entries = _without_orphans(entries)
        counted = add_up(count(entry) for entry in entries)
    if counted.total <= limit:
        return entries, counted
    if truncation == "disabled":
        raise ContextTooLong
    window = window or Window()
    entries = _without_orphans(window.view(entries, truncation))
    counts = [count(entry) for entry in entries]
    whole = add_up(counts)
    total = whole.total
    if total <= limit:
        return entries, whole
    goal = limit
    if isinstance(truncation, RetentionRatio):
        # Dropping more at once breaks the prompt cache less often.
        goal = int(limit * truncation.retention_ratio)
    start = 0
    # The last item is what is being answered: it stays, however long it is.
    last = _first_of_last(entries)
    while total > goal and start < last:
        total -= counts[start].total
        start += 1
    if start:
        window.cut(entries[start], truncation)
    kept = _without_orphans(entries[start:])
    return kept, add_up(count(entry) for entry in kept)


def _room_for_items(limit_tokens: int, instruction_tokens: int, truncation: Truncation) -> int:
    limit = limit_tokens - instruction_tokens
    if isinstance(truncation, RetentionRatio) and truncation.token_limits is not None:
        post = truncation.token_limits.post_instructions
        limit = limit if post is None else min(limit, post)
    return limit


def _first_of_last(entries: Sequence[Entry]) -> int:
    """Where the last item is; for a function's output, where its call is."""
    last = len(entries) - 1
    if entries and isinstance(output := entries[last], OutputEntry):
        return max(
            i
            for i, entry in enumerate(entries)
            if isinstance(entry, CallEntry) and entry.call_id == output.call_id
        )
    return last


def _without_orphans(entries: Sequence[Entry]) -> list[Entry]:
    """A function's output means nothing without its call."""
    if not any(isinstance(entry, OutputEntry) for entry in entries):
        return list(entries)
    calls = {entry.call_id for entry in entries if isinstance(entry, CallEntry)}
    return [e for e in entries if not isinstance(e, OutputEntry) or e.call_id in calls]
