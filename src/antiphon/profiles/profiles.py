"""All users' profiles: read, changed one at a time, erased; and who is to know of a change."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from antiphon.journal.entries import JournalError
from antiphon.journal.journal import Notes
from antiphon.profiles.profile import (
    MAX_FACT_CHARS,
    Bounds,
    Profile,
    ProfileError,
    checked,
    decode,
    encode,
)

log = logging.getLogger(__name__)

MAX_TRIES: Final = 5
SUMMARY_TIMEOUT_S: Final = 8.0

Summarize = Callable[[Sequence[str], Bounds], Awaitable[Sequence[str]]]
"""Facts, and what they are to fit into, to fewer and shorter ones that say the same."""
Listener = Callable[[Profile], None]


def owner_of(tenant: str, user: str) -> str:
    """The name under which a user's profile is kept: tenants may call their users alike."""
    return msgspec.json.encode([tenant, user]).decode()


class Profiles:
    """By owners, as `owner_of` names them.

    Args:
    notes: Where they are kept.
    bounds: Of each.
    summarize: Asked where one has grown too long; None: the oldest facts are forgotten then.
    """

    def __init__(
        self,
        notes: Notes,
        *,
        bounds: Bounds | None = None,
        summarize: Summarize | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.bounds = bounds or Bounds()
        self._notes = notes
        self._summarize = summarize
        self._now_s = now_s
        self._listeners: dict[str, list[Listener]] = {}

    @property
    def now(self) -> int:
        return int(self._now_s())

    async def read(self, owner: str) -> Profile:
        """One of a user of whom nothing is known is empty.

        Raises:
            JournalError, ProfileError: it cannot be read.
        """
        note = await self._notes.read_note(owner)
        return Profile() if note is None else decode(note.data)

    async def change(self, owner: str, change: Callable[[Profile], Profile]) -> Profile:
        """Apply it to the profile as it is; durable when this returns, and within the bounds.

        Args:
            owner: Whose it is.
            change: May be called several times, where others write meanwhile.

        Raises:
            JournalError: it cannot be read or written.
            ProfileError: what ``change`` raises, or others write all the time.
        """
        for _ in range(MAX_TRIES):
            note = await self._notes.read_note(owner)
            before = Profile() if note is None else decode(note.data)
            after = change(before)
            if after == before:
                return after
            after = await self._bounded(after)
            if await self._notes.write_note(
                owner, encode(after), over=0 if note is None else note.version, now_s=self._now_s()
            ):
                self._tell(owner, after)
                return after
        raise ProfileError("conflict", "Others are changing it at this moment; try again.")

    async def erase(self, owner: str) -> bool:
        """All of it, the consent too.  Returns whether there was anything.

        Raises:
            JournalError: it could not be erased.
        """
        try:
            return await self._notes.erase_note(owner)
        finally:  # Also where a copy is left in a file: no engine is shown it any more.
            self._tell(owner, Profile())

    def follow(self, owner: str, listener: Listener) -> Callable[[], None]:
        """It is told of each change by this process.  Returns what ends that."""
        listeners = self._listeners.setdefault(owner, [])
        listeners.append(listener)

        def leave() -> None:
            listeners.remove(listener)
            if not listeners:
                self._listeners.pop(owner, None)

        return leave

    def _tell(self, owner: str, profile: Profile) -> None:
        for listener in list(self._listeners.get(owner, ())):
            listener(profile)

    async def _bounded(self, profile: Profile) -> Profile:
        if profile.fits(self.bounds):
            return profile
        if self._summarize is not None:
            try:
                async with asyncio.timeout(SUMMARY_TIMEOUT_S):
                    texts = await self._summarize(
                        [fact.text for fact in profile.facts], self.bounds
                    )
                summed_up = replace(profile, facts=()).with_facts(
                    [checked(text[:MAX_FACT_CHARS]) for text in texts if text.strip()],
                    self.now,
                    "summary",
                )
            except (TimeoutError, ProfileError, SummaryFailed) as error:
                log.warning("facts could not be summed up: %s", error or "no answer in time")
            else:
                if summed_up.facts and summed_up.fits(self.bounds):
                    return summed_up
                log.warning("facts could not be summed up: the model's answer is not short enough")
        return profile.without_oldest(self.bounds)


class SummaryFailed(Exception):
    """A model could not be asked."""


__all__ = ["JournalError", "Listener", "Profiles", "Summarize", "SummaryFailed"]
