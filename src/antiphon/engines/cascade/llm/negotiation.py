"""How to ask for one answer, and how to ask again after a refusal.  No I/O, no clock."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

import msgspec

from antiphon.core.effects import Generate
from antiphon.engines.cascade.http.backoff import Backoff
from antiphon.engines.cascade.http.refusals import WORTH_REPEATING, Refusal, Why
from antiphon.engines.cascade.llm.context_window import ContextWindow, newer_half
from antiphon.engines.cascade.llm.quirks import (
    STRICTEST,
    Quirk,
    Quirks,
    limit_is_too_large,
    quirks_named,
)

log = logging.getLogger(__name__)

MAX_CUTS = 3
_TEMPLATE = re.compile(r"jinja|chat.?template|raise_exception|TemplateError", re.IGNORECASE)


def may_be_about_messages(refusal: Refusal) -> bool:
    """A refusal that says nothing we know: perhaps the server wants messages written otherwise."""
    return refusal.why is Why.REFUSED or (
        refusal.why is Why.FAILED
        and bool(quirks_named(refusal.text) or _TEMPLATE.search(refusal.text))
    )


class LearnedQuirks:
    """What one server and model have refused, learned once for all conversations with them."""

    def __init__(self) -> None:
        self.quirks: Quirks = frozenset()

    def add(self, quirks: Quirks) -> None:
        for quirk in sorted(quirks - self.quirks, key=lambda quirk: quirk.name):
            log.warning("llm: the server %s; requests are written so from now on", quirk.value)
        self.quirks |= quirks


class Negotiation:
    """One request, in the writing that is tried now."""

    def __init__(
        self,
        request: Generate,
        *,
        learned: LearnedQuirks,
        window: ContextWindow,
        write: Callable[[Generate, Quirks], bytes],
        backoff: Backoff,
    ) -> None:
        """``write``: the body of a request."""
        self._request = msgspec.structs.replace(request, items=window.view(request.items))
        self._learned = learned
        self._window = window
        self._write = write
        self._backoff = backoff
        self._quirks = learned.quirks
        self._for_now: Quirks = frozenset()
        self._before_guess: Refusal | None = None
        self._cuts = 0
        self._made_anew = False
        self.body = self._written()

    def succeeded(self) -> None:
        """The server answers: what was found out is remembered.  Call it as often as you like."""
        self._learned.add(self._quirks)
        if self._cuts:
            self._cuts = 0
            if not self._request.out_of_band:
                self._window.keep(self._request.items)
            log.warning("llm: the model's context was full; the oldest items are left out")

    def ask_again(self, refusal: Refusal) -> float | None:
        """Seconds to wait before `body` is sent once more; None: give up, see `verdict`."""
        if refusal.why is Why.CLOSED and not self._made_anew:
            self._made_anew = True  # A kept connection that the server had just closed.
            return 0.0
        if refusal.why is Why.CONTEXT_FULL:
            return 0.0 if self._shorten() else None
        if self._adapt(refusal):
            return 0.0
        if refusal.why in WORTH_REPEATING:
            return self._backoff.next_s(refusal.retry_after_s)
        return None

    def verdict(self, refusal: Refusal) -> Refusal:
        """What to say in the end: where a mere guess did not help, what was said before it."""
        guessed = self._before_guess is not None and may_be_about_messages(refusal)
        return self._before_guess or refusal if guessed else refusal

    # --- Another writing -----------------------------------------------------

    def _written(self) -> bytes:
        return self._write(self._request, self._quirks | self._for_now)

    def _changes(self) -> bool:
        """Write again; whether that says anything new to the server."""
        before, self.body = self.body, self._written()
        return self.body != before

    def _shorten(self) -> bool:
        if not self._request.may_truncate or self._cuts >= MAX_CUTS:
            return False
        self._cuts += 1
        items = newer_half(self._request.items)
        self._request = msgspec.structs.replace(self._request, items=items)
        return self._changes()

    def _adapt(self, refusal: Refusal) -> bool:
        if not may_be_about_messages(refusal):
            return False
        if limit_is_too_large(refusal.text) and Quirk.NO_LIMIT not in self._for_now:
            # The value is at fault, not the field; the core counts the tokens all the same.
            self._for_now |= {Quirk.NO_LIMIT}
            if self._changes():
                return True
        for quirk in quirks_named(refusal.text):
            if quirk not in self._quirks:
                self._quirks |= {quirk}
                if self._changes():
                    return True
                self._quirks -= {quirk}  # It cannot be what the server means.
        return self._guess(refusal)

    def _guess(self, refusal: Refusal) -> bool:
        if self._before_guess is not None:
            return False
        self._before_guess = refusal
        self._quirks |= STRICTEST
        return self._changes()
