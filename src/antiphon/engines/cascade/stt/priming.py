"""Which part of a turn's beginning tells how this voice and microphone sound.

pocketsphinx subtracts the mean cepstrum of the channel.  Live, it starts from a
constant and adapts over seconds, longer than a command lasts.  The mean of the first
second of speech is far better; but not with the room's silence in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_RATE_HZ = 16_000
_FRAME = 160
SPEECH_FRAMES = 100
"""So much is enough, from 50 ms before the speech begins."""
_LEAD_FRAMES = 5
_QUIET_FRAMES = 20
"""After so much silence, what was said was short, and has ended."""
_LOUD_DB = 15
"""Speech is so far above the quietest tenth, and no further than..."""
_RANGE_DB = 25
"""... this below the loudest."""


def priming_part(samples: NDArray[np.int16], *, ended: bool) -> slice | None:
    """The samples to take the mean of; None: wait for more.

    Args:
        samples: The turn so far, 16 kHz.
        ended: There will be no more.
    """
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME).astype(np.float32)
    if len(frames) < SPEECH_FRAMES // 4 and not ended:
        return None
    if not len(frames):
        return slice(0, 0)
    level_db = 10 * np.log10((frames**2).mean(axis=1) + 1)
    level_db = np.convolve(level_db, np.ones(3) / 3, "same")
    threshold_db = max(level_db.max() - _RANGE_DB, np.percentile(level_db, 10) + _LOUD_DB)
    loud = np.flatnonzero(level_db > threshold_db)
    begin = max(0, int(loud[0]) - _LEAD_FRAMES) if len(loud) else 0
    silence = len(frames) - 1 - int(loud[-1]) if len(loud) else 0
    if ended or len(frames) >= begin + SPEECH_FRAMES or silence >= _QUIET_FRAMES:
        return slice(begin * _FRAME, (begin + SPEECH_FRAMES) * _FRAME)
    return None
