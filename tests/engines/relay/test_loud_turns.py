"""Whatever is loud is a turn, but for a click; and no noise goes on for ever."""

from __future__ import annotations

from antiphon.core.causes import MEDIA_RATE_HZ
from antiphon.engines.relay.loud_turns import LONGEST_SAMPLES, QUIET_SAMPLES, LoudTurns

WINDOW = MEDIA_RATE_HZ * 32 // 1000
LOUD, QUIET = b"\x00\x20" * WINDOW, bytes(2 * WINDOW)


def turns_in(*windows: bytes) -> list[tuple[str, int]]:
    told: list[tuple[str, int]] = []
    turns = LoudTurns(lambda at: told.append(("found", at)), lambda at: told.append(("ended", at)))
    for number, window in enumerate(windows):
        turns.hear(window, number * WINDOW)
    return told


def test_a_word_between_silences_is_a_turn() -> None:
    [(began, begins), (over, ends)] = turns_in(*[QUIET] * 5, *[LOUD] * 10, *[QUIET] * 30)
    assert (began, over) == ("found", "ended")
    assert begins == 7 * WINDOW
    assert 0 <= ends - 15 * WINDOW - QUIET_SAMPLES < WINDOW


def test_a_click_is_none_and_a_pause_ends_none() -> None:
    assert turns_in(QUIET, LOUD, QUIET, LOUD, *[QUIET] * 30) == []
    paused = turns_in(*[LOUD] * 5, *[QUIET] * 10, *[LOUD] * 5, *[QUIET] * 30)
    assert [what for what, _ in paused] == ["found", "ended"]


def test_noise_is_cut() -> None:
    told = turns_in(*[LOUD] * (2 * LONGEST_SAMPLES // WINDOW))
    assert [what for what, _ in told][:2] == ["found", "ended"]
    assert told[1][1] - told[0][1] <= LONGEST_SAMPLES + WINDOW
