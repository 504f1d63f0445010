"""Re-cutting a byte stream.  A 16-bit sample is never split."""

from __future__ import annotations

from antiphon.audio.pcm import BYTES_PER_SAMPLE


class WholeSamples:
    """Lets only whole 16-bit samples through.

    A sender may cut its stream anywhere; an odd byte waits for its other half.
    """

    def __init__(self) -> None:
        self._spare = b""

    def take(self, data: bytes) -> bytes:
        if self._spare:
            data = self._spare + data
            self._spare = b""
        if len(data) % BYTES_PER_SAMPLE:
            self._spare = data[-1:]
            return data[:-1]
        return data

    def clear(self) -> None:
        self._spare = b""


class Frames:
    """Cuts a byte stream of any chunk sizes into frames of ``frame_samples``."""

    def __init__(self, frame_samples: int) -> None:
        if frame_samples < 1:
            raise ValueError(f"frame_samples is {frame_samples}; a frame has at least 1 sample")
        self._frame_bytes = frame_samples * BYTES_PER_SAMPLE
        # Bytes, each copied once: this runs for each packet of each session, and there a
        # bytearray, or any call into numpy, costs more.
        self._rest = b""

    @property
    def pending_bytes(self) -> int:
        """What waits for the rest of its frame; odd while a sample is split."""
        return len(self._rest)

    def cut(self, data: bytes) -> list[bytes]:
        """The frames that ``data`` completes, in order."""
        if self._rest:
            data = self._rest + data
        size = self._frame_bytes
        whole = len(data) - len(data) % size
        self._rest = data[whole:]
        return [data[i : i + size] for i in range(0, whole, size)]

    def clear(self) -> None:
        self._rest = b""

    def drain(self) -> bytes:
        """The begun frame, filled up with silence; empty if none is begun."""
        if not self._rest:
            return b""
        frame = self._rest.ljust(self._frame_bytes, b"\0")
        self.clear()
        return frame
