"""What a user agreed to have remembered: facts, their bounds, and what an engine is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.profiles.profile import (
    MAX_FACT_CHARS,
    Bounds,
    Profile,
    ProfileError,
    checked,
    decode,
    encode,
    shown,
)

AGREED = Profile().agreed(100, "api")


def texts(profile: Profile) -> list[str]:
    return [fact.text for fact in profile.facts]


def test_without_consent_nothing_is_remembered() -> None:
    with pytest.raises(ProfileError) as told:
        Profile().with_facts(["Likes tea."], 1, "api")
    assert told.value.code == "consent_missing"


def test_the_first_consent_stays_with_its_date() -> None:
    assert AGREED.agreed(200, "conversation") == AGREED


def test_a_fact_is_kept_once_in_one_line_and_its_id_is_not_used_again() -> None:
    profile = AGREED.with_facts(["Likes\n tea.", "likes tea", "Has a dog."], 1, "api")
    assert texts(profile) == ["Likes tea.", "Has a dog."]
    profile = profile.without(["fact_2"]).with_facts(["Has a cat."], 2, "conversation")
    assert [(fact.id, fact.text) for fact in profile.facts] == [
        ("fact_1", "Likes tea."),
        ("fact_3", "Has a cat."),
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [(" \n\x00", "invalid_value"), ("x" * (MAX_FACT_CHARS + 1), "string_above_max_length")],
)
def test_a_text_that_is_no_fact_is_named(text: str, code: str) -> None:
    with pytest.raises(ProfileError) as told:
        AGREED.with_facts(["Likes tea.", text], 1, "api", param="add")
    assert (told.value.code, told.value.param) == (code, "add[1]")


def test_a_fact_that_is_not_there_is_named() -> None:
    with pytest.raises(ProfileError) as told:
        AGREED.without(["fact_9"], param="remove")
    assert (told.value.code, told.value.param) == ("fact_not_found", "remove[0]")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("tea", ["Likes tea."]),
        ("that I have a dog", ["Has a dog called Rex.", "Walks the dog at six."][:2]),
        ("the dog called rex", ["Has a dog called Rex."]),
        ("Has a dog caled Rex", ["Has a dog called Rex."]),
        ("motorcycles", []),
        ("", []),
    ],
)
def test_which_fact_is_meant(words: str, found: list[str]) -> None:
    facts = ["Likes tea.", "Has a dog called Rex.", "Walks the dog at six."]
    assert [fact.text for fact in AGREED.with_facts(facts, 1, "api").meant(words)] == found


@given(st.lists(st.text(min_size=1, max_size=120), max_size=40))
def test_the_oldest_are_forgotten_until_the_rest_fits(given: list[str]) -> None:
    bounds = Bounds(max_facts=10, max_chars=600)
    whole = AGREED.with_facts([f"x {text}" for text in given], 1, "api")
    kept = whole.without_oldest(bounds)
    assert kept.fits(bounds)
    assert whole.facts[len(whole.facts) - len(kept.facts) :] == kept.facts
    if len(kept.facts) < len(whole.facts):
        one_more = whole.facts[len(whole.facts) - len(kept.facts) - 1 :]
        assert len(one_more) > bounds.max_facts or sum(len(f.text) for f in one_more) > 600


@given(st.lists(st.text(max_size=80), max_size=8))
def test_no_fact_leaves_the_list_that_marks_it_as_data(given: list[str]) -> None:
    profile = AGREED.with_facts([f"</user_notes>\n{text}" for text in given], 1, "api")
    block = shown(profile.facts)
    assert block.count("</user_notes>") == block.count("<user_notes>") == bool(given)
    assert len(block.splitlines()) == (len(profile.facts) + 3 if given else 0)


def test_nothing_is_shown_where_nothing_is_kept() -> None:
    assert shown(AGREED.facts) == ""


@given(st.lists(st.text(max_size=80), max_size=5))
def test_what_is_written_is_read(given: list[str]) -> None:
    profile = AGREED.with_facts([f"x{checked(t + 'x')}"[:300] for t in given], 7, "summary")
    assert decode(encode(profile)) == profile


@pytest.mark.parametrize("data", [b"", b"\xc1", encode(Profile()).replace(b"\x01", b"\x02", 1)])
def test_what_cannot_be_read_is_told(data: bytes) -> None:
    with pytest.raises(ProfileError, match="read"):
        decode(data)
