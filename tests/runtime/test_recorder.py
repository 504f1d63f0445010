"""What a recording has of a call that was lost and came back."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from antiphon.audio.two_sides import RATE_HZ
from antiphon.core.causes import Attached, Cause, Detached, Heard, Tick
from antiphon.core.effects import Effect, PlayAudio
from antiphon.runtime.recorder import Recorder

MS = RATE_HZ // 1000


class Raw:
    """No coding at all."""

    def encode(self, stereo: bytes) -> bytes:
        return stereo

    def finish(self) -> bytes:
        return b""


def recorded(*story: tuple[int, Cause, list[Effect]]) -> np.ndarray:
    """When the agent is heard, in ms, of a session that ends after ten seconds."""
    written = bytearray()

    async def main() -> None:
        recorder = Recorder(Raw(), written.extend)
        for at_ms, cause, effects in story:
            recorder.saw(at_ms, cause, effects)
        recorder.saw(10_000, Tick(0), [])
        recorder.close()
        await recorder.finished.wait()

    asyncio.run(main())
    agent = np.frombuffer(bytes(written), "<i2").reshape(-1, 2)[::MS, 1]
    return np.flatnonzero(agent)


@pytest.mark.parametrize("is_told", [True, False])
def test_the_agent_waits_in_it_as_it_waited_for_the_one_who_was_away(*, is_told: bool) -> None:
    speech = np.full(2_000 * MS, 9_000, "<i2").tobytes()
    heard_ms = recorded(
        (0, Attached("first"), []),
        (1_000, Tick(0), [PlayAudio(speech)]),
        (2_000, Detached("first" if is_told else "sideband"), []),
        (5_000, Attached("second"), []),
    )
    away = 3_000 if is_told else 0
    assert len(heard_ms) == 2_000
    assert heard_ms[0] == 1_000
    assert heard_ms[-1] == 2_999 + away


def test_where_nothing_sounds_there_is_no_recording() -> None:
    silence = bytes(20 * MS * 2)
    written: list[bytes] = []

    async def main() -> None:
        recorder = Recorder(Raw(), written.append)
        recorder.saw(0, Attached("owner"), [])
        for at_ms in range(0, 10_000, 20):
            recorder.saw(at_ms, Heard(silence), [])
        recorder.close()
        await recorder.finished.wait()

    asyncio.run(main())
    assert written == []


def test_the_silence_before_the_first_sound_is_part_of_it() -> None:
    speech = np.full(100 * MS, 9_000, "<i2").tobytes()
    heard_ms = recorded((0, Attached("owner"), []), (8_000, Tick(0), [PlayAudio(speech)]))
    assert (heard_ms[0], len(heard_ms)) == (8_000, 100)
