"""Noise suppression. (Not yet: audio passes unchanged.)"""

from __future__ import annotations


class NoiseReducer:
    def __init__(self, kind: str, strength: float) -> None:
        self.kind, self.strength = kind, strength

    def process(self, pcm: bytes) -> bytes:
        return pcm
