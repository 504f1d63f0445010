from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from antiphon.audio.echo import PLAYED_S, Echo
from tests.recordings import at_24khz

WINDOW = 768
"""32 ms, as voices are detected."""
Signal = NDArray[np.float64]


def recording(name: str) -> Signal:
    return np.frombuffer(at_24khz(name), "<i2").astype(float)


def room(size: int) -> Signal:
    return np.random.default_rng(1).normal(0, 6, size)


def late(signal: Signal, delay_ms: int) -> Signal:
    return np.concatenate((np.zeros(24 * delay_ms), signal))[: len(signal)]


def verdicts(heard: Signal, played: Signal) -> Iterator[tuple[int, bool]]:
    """(end of the window, whether it is an echo), for all that is loud enough to be asked for."""
    echo = Echo()
    for end in range(WINDOW, len(heard) + 1, WINDOW):
        window = heard[end - WINDOW : end]
        echo.hear(window.astype("<i2").tobytes())
        recent = played[max(0, end - round(PLAYED_S * 24_000)) : end]
        if np.sqrt((window**2).mean()) > 20:
            yield end, echo.is_of(recent.astype("<i2").tobytes())


@pytest.mark.parametrize("level_db", [-30, -26, -20, -14, -10])
@pytest.mark.parametrize("delay_ms", [0, 20, 170, 600, 900])
def test_an_echo_is_known_at_any_level_and_delay(level_db: int, delay_ms: int) -> None:
    played = np.tile(recording("harvard_s1_1"), 2)
    heard = 10 ** (level_db / 20) * late(played, delay_ms) + room(len(played))
    found = [is_echo for _, is_echo in verdicts(heard, played)]
    assert len(found) > 10
    assert sum(found) >= len(found) - 2


@pytest.mark.parametrize("voice", ["laptop_yes", "cmd_two_people", "harvard_s2_4", "cmd_today"])
def test_a_person_is_not_taken_for_an_echo(voice: str) -> None:
    played = np.tile(recording("harvard_s1_1"), 2)
    person = recording(voice)
    heard = room(len(played))
    heard[: len(person)] += person[: len(heard)]
    found = [is_echo for _, is_echo in verdicts(heard, played)]
    assert sum(found) <= len(found) // 10


@pytest.mark.parametrize("voice", ["laptop_yes", "cmd_two_people", "harvard_s2_4", "cmd_today"])
def test_who_speaks_over_an_echo_is_heard(voice: str) -> None:
    played = np.tile(recording("harvard_s1_1"), 3)
    person = recording(voice)
    begins = 2 * 24_000
    heard = 0.1 * late(played, 170) + room(len(played))
    heard[begins : begins + len(person)] += person[: len(heard) - begins]
    silent = next(i for i, x in enumerate(np.abs(person)) if x > 1_500)
    found = list(verdicts(heard, played))
    assert sum(is_echo for end, is_echo in found if end < begins) > 20
    spoken = [
        is_echo
        for end, is_echo in found
        if begins + silent + 2 * WINDOW < end < begins + silent + 8_000
    ]
    assert len(spoken) >= 5
    assert spoken.count(False) >= 3, "enough in a row to begin a turn"


def test_where_nothing_was_played_nothing_is_an_echo() -> None:
    person = recording("laptop_yes")
    assert not any(is_echo for _, is_echo in verdicts(person, np.zeros(len(person))))
    echo = Echo()
    echo.hear(bytes(960))
    assert not echo.is_of(b"")
