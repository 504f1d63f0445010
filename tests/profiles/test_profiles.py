"""All profiles: changed one at a time, kept within their bounds, and followed by sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from antiphon.journal.memory import MemoryJournal
from antiphon.profiles.profile import Bounds, Profile, ProfileError
from antiphon.profiles.profiles import MAX_TRIES, Profiles, Summarize, SummaryFailed
from antiphon.testing import in_virtual_time

BOUNDS = Bounds(max_facts=3, max_chars=300)


def profiles(journal: MemoryJournal, summarize: Summarize | None = None) -> Profiles:
    return Profiles(journal, bounds=BOUNDS, summarize=summarize, now_s=lambda: 5.0)


async def add(kept: Profiles, *facts: str, user: str = "ada") -> list[str]:
    profile = await kept.change(user, lambda now: now.agreed(1, "api").with_facts(facts, 1, "api"))
    return [fact.text for fact in profile.facts]


@in_virtual_time
async def test_each_user_has_one() -> None:
    kept = profiles(MemoryJournal())
    await add(kept, "Likes tea.")
    await add(kept, "Has a dog.", user="bob")
    assert [f.text for f in (await kept.read("ada")).facts] == ["Likes tea."]
    assert await kept.erase("ada")
    assert not await kept.erase("ada")
    assert await kept.read("ada") == Profile()


@in_virtual_time
async def test_of_two_servers_that_change_one_at_once_both_are_heard() -> None:
    class Slow(MemoryJournal):
        async def write_note(self, user: str, data: bytes, *, over: int, now_s: float) -> bool:
            await asyncio.sleep(0.01)
            return await super().write_note(user, data, over=over, now_s=now_s)

    journal = Slow()
    await asyncio.gather(add(profiles(journal), "Likes tea."), add(profiles(journal), "Has a dog."))
    facts = (await profiles(journal).read("ada")).facts
    assert {fact.text for fact in facts} == {"Likes tea.", "Has a dog."}


@in_virtual_time
async def test_one_who_never_gets_through_is_told() -> None:
    class Busy(MemoryJournal):
        tries = 0

        async def write_note(self, user: str, data: bytes, *, over: int, now_s: float) -> bool:
            del user, data, over, now_s
            self.tries += 1
            return False

    journal = Busy()
    with pytest.raises(ProfileError, match="try again"):
        await add(profiles(journal), "Likes tea.")
    assert journal.tries == MAX_TRIES


@in_virtual_time
async def test_without_a_model_the_oldest_is_forgotten() -> None:
    kept = profiles(MemoryJournal())
    assert await add(kept, "1", "2", "3", "4") == ["2", "3", "4"]


@in_virtual_time
async def test_a_model_sums_up_what_has_grown_too_long() -> None:
    async def summarize(facts: Sequence[str], bounds: Bounds) -> Sequence[str]:
        assert bounds == BOUNDS
        return [" and ".join(facts), ""]

    kept = profiles(MemoryJournal(), summarize)
    assert await add(kept, "1", "2", "3", "4") == ["1 and 2 and 3 and 4"]
    profile = await kept.read("ada")
    assert profile.facts[0].by == "summary"
    assert profile.consent is not None


async def _fails(facts: Sequence[str], bounds: Bounds) -> Sequence[str]:
    raise SummaryFailed("no model")


async def _sleeps(facts: Sequence[str], bounds: Bounds) -> Sequence[str]:
    await asyncio.sleep(3600)
    return []


async def _rambles(facts: Sequence[str], bounds: Bounds) -> Sequence[str]:
    return ["x" * 200, "y" * 200]


async def _says_nothing(facts: Sequence[str], bounds: Bounds) -> Sequence[str]:
    return []


@pytest.mark.parametrize("summarize", [_fails, _sleeps, _rambles, _says_nothing])
def test_where_the_model_does_not_do_it_the_oldest_is_forgotten(summarize: Summarize) -> None:
    @in_virtual_time
    async def story() -> None:
        assert await add(profiles(MemoryJournal(), summarize), *"1234") == ["2", "3", "4"]

    story()


@in_virtual_time
async def test_who_follows_a_user_is_told_of_changes_until_they_leave() -> None:
    kept = profiles(MemoryJournal())
    told: list[int] = []
    leave = kept.follow("ada", lambda profile: told.append(len(profile.facts)))
    await add(kept, "1", "2")
    await add(kept, "1", user="bob")
    await kept.erase("ada")
    leave()
    await add(kept, "3")
    assert told == [2, 0]
