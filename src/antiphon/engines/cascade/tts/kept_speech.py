"""Speech that was made before: what is said often is made once.

In memory alone: what is spoken may hold what somebody said, and nothing here is written down.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from antiphon.engines.cascade.parts import Speech

MAX_BYTES = 32 * 2**20
"""Eleven minutes of speech; beyond, what was not asked for the longest is forgotten."""


class Spoken(NamedTuple):
    """What decides how something sounds."""

    text: str
    voice: str
    speed: float


class KeptSpeech:
    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._speech: OrderedDict[Spoken, Speech] = OrderedDict()

    def find(self, spoken: Spoken) -> Speech | None:
        speech = self._speech.get(spoken)
        if speech is not None:
            self._speech.move_to_end(spoken)
        return speech

    def keep(self, spoken: Spoken, speech: Speech) -> None:
        if spoken in self._speech or len(speech.pcm) > self._max_bytes:
            return
        self._speech[spoken] = speech
        self._bytes += len(speech.pcm)
        while self._bytes > self._max_bytes:
            _, oldest = self._speech.popitem(last=False)
            self._bytes -= len(oldest.pcm)
