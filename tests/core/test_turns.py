from __future__ import annotations

from collections.abc import Sequence

import pytest

from antiphon.core.items import ms_to_samples, samples_to_ms
from antiphon.core.turns import (
    SEMANTIC_MAX_SILENCE_MS,
    WINDOW_SAMPLES,
    TurnDetector,
    TurnStarted,
    TurnStopped,
)
from antiphon.protocol.session import SemanticVad, ServerVad, TurnDetection

W = 32
"""Milliseconds of a window."""


def listen(
    detector: TurnDetector, scores: Sequence[float], *, at: int = 0
) -> list[tuple[str, int, int]]:
    """What is found, when (in windows from ``at``), and where it is said to be in ms."""
    found = []
    for i, score in enumerate(scores, start=at + 1):
        event = detector.score(i * WINDOW_SAMPLES, score)
        if event is not None:
            found.append((type(event).__name__, i, samples_to_ms(event.at_sample)))
    return found


def turns(detection: TurnDetection, scores: Sequence[float]) -> list[tuple[str, int, int]]:
    return listen(TurnDetector(detection), scores)


QUIET, VOICE = [0.0], [0.9]


def test_two_windows_of_voice_begin_a_turn_with_its_padding() -> None:
    assert turns(ServerVad(), QUIET * 20 + VOICE * 2) == [("TurnStarted", 22, 20 * W - 300)]


def test_a_click_is_no_word() -> None:
    assert turns(ServerVad(), (VOICE + QUIET) * 20) == []


def test_a_turn_never_begins_before_the_first_sample() -> None:
    assert turns(ServerVad(), VOICE * 2) == [("TurnStarted", 2, 0)]


@pytest.mark.parametrize("padding_ms", [0, 100, 640])
def test_prefix_padding_reaches_back(padding_ms: int) -> None:
    [started] = turns(ServerVad(prefix_padding_ms=padding_ms), QUIET * 30 + VOICE * 2)
    assert started[2] == 30 * W - padding_ms


@pytest.mark.parametrize(("silence_ms", "windows"), [(0, 1), (32, 1), (33, 2), (200, 7), (500, 16)])
def test_silence_ends_a_turn_once_it_has_lasted(silence_ms: int, windows: int) -> None:
    found = turns(ServerVad(silence_duration_ms=silence_ms), VOICE * 4 + QUIET * 40)
    assert found[1] == ("TurnStopped", 4 + windows, 4 * W + silence_ms)
    assert len(found) == 2


def test_the_threshold_itself_is_voice() -> None:
    assert turns(ServerVad(threshold=0.8), [0.79] * 9) == []
    assert len(turns(ServerVad(threshold=0.8), [0.8] * 9)) == 1


def test_a_threshold_of_zero_hears_voice_everywhere_and_of_one_hardly_anywhere() -> None:
    assert [t[0] for t in turns(ServerVad(threshold=0.0), QUIET * 50)] == ["TurnStarted"]
    assert turns(ServerVad(threshold=1.0), [0.99] * 50) == []
    assert len(turns(ServerVad(threshold=1.0), [1.0] * 50)) == 1


def test_a_voice_that_fades_a_little_goes_on() -> None:
    fading = VOICE * 2 + [0.36] * 60
    assert [t[0] for t in turns(ServerVad(), fading)] == ["TurnStarted"]
    assert [t[0] for t in turns(ServerVad(), VOICE * 2 + [0.34] * 60)] == [
        "TurnStarted",
        "TurnStopped",
    ]


def test_a_faint_sound_does_not_end_a_pause() -> None:
    scores = VOICE * 2 + QUIET * 8 + [0.4] + QUIET * 8
    assert turns(ServerVad(), scores)[1] == ("TurnStopped", 18, 2 * W + 500)


def test_a_word_after_a_pause_goes_on_with_the_turn() -> None:
    scores = VOICE * 2 + QUIET * 15 + VOICE + QUIET * 20
    assert turns(ServerVad(), scores)[1] == ("TurnStopped", 18 + 16, 18 * W + 500)


def test_turns_follow_one_another() -> None:
    found = turns(ServerVad(), (VOICE * 3 + QUIET * 20) * 3)
    assert [t[0] for t in found] == ["TurnStarted", "TurnStopped"] * 3


def test_a_reset_forgets_the_turn_the_onset_and_the_pause() -> None:
    for before in ([], VOICE, VOICE * 3, VOICE * 3 + QUIET * 3):
        detector = TurnDetector(ServerVad())
        listen(detector, before)
        detector.reset()
        assert not detector.in_turn
        assert listen(detector, VOICE, at=50) == [], "one window begins nothing"
        [(name, at, from_ms)] = listen(detector, VOICE, at=51)
        assert (name, at, from_ms) == ("TurnStarted", 52, 50 * W - 300)


def test_settings_that_change_in_a_turn_count_at_once() -> None:
    detector = TurnDetector(ServerVad(silence_duration_ms=5_000))
    listen(detector, VOICE * 3 + QUIET * 10)
    detector.detection = ServerVad(silence_duration_ms=200)
    assert listen(detector, QUIET, at=13) == [("TurnStopped", 14, 3 * W + 200)]


def _semantic(completeness: float | None, eagerness: str = "auto") -> int:
    """How long the silence is that ends a turn."""
    detector = TurnDetector(SemanticVad(eagerness=eagerness))  # type: ignore[arg-type]
    listen(detector, VOICE * 2)
    if completeness is not None:
        detector.completeness = completeness
    [(_, _, end_ms)] = listen(detector, QUIET * 300, at=2)
    return end_ms - 2 * W


@pytest.mark.parametrize("eagerness", ["low", "auto", "medium", "high"])
def test_words_that_ask_for_more_wait_longest(eagerness: str) -> None:
    assert _semantic(0.0, eagerness) == SEMANTIC_MAX_SILENCE_MS[eagerness]


@pytest.mark.parametrize("eagerness", ["low", "auto", "medium", "high"])
def test_whole_words_wait_shortest(eagerness: str) -> None:
    assert _semantic(1.0, eagerness) == 320


def test_unjudged_words_wait_a_while_and_surer_ones_less() -> None:
    assert _semantic(None) == _semantic(0.5) == 1_000
    waits = [_semantic(c) for c in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert waits == sorted(waits, reverse=True)
    assert _semantic(None, "high") < _semantic(None, "medium") < _semantic(None, "low")


def test_a_late_judgement_ends_a_long_pause_at_the_next_window() -> None:
    detector = TurnDetector(SemanticVad())
    listen(detector, VOICE * 2 + QUIET * 20)
    detector.completeness = 1.0
    assert listen(detector, QUIET, at=22) == [("TurnStopped", 23, 2 * W + 320)]


def test_the_next_turn_is_unjudged() -> None:
    detector = TurnDetector(SemanticVad())
    listen(detector, VOICE * 2)
    detector.completeness = 0.0
    listen(detector, QUIET * 126 + VOICE * 2, at=2)
    assert detector.completeness == 0.5


def test_a_turn_that_starts_reaches_no_further_back_than_it_says() -> None:
    for padding_ms in (0, 300, 1_000):
        detector = TurnDetector(ServerVad(prefix_padding_ms=padding_ms))
        for i in range(60):
            event = detector.score(i * WINDOW_SAMPLES, 0.9 if i > 50 else 0.0)
            if isinstance(event, TurnStarted):
                assert event.at_sample >= i * WINDOW_SAMPLES - detector.reach_samples
                break


def test_times_are_media_times() -> None:
    assert TurnStopped(ms_to_samples(1_000)).at_sample == 24_000
