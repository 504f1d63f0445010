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
        # A bytearray drops its front without moving the rest, and appending to it is
        # cheaper than any call into numpy: this runs for each packet of each session.
        self._rest = bytearray()

    @property
    def pending_bytes(self) -> int:
        """What waits for the rest of its frame; odd while a sample is split."""
        return len(self._rest)

    def cut(self, data: bytes) -> list[bytes]:
        """The frames that ``data`` completes, in order."""
        rest = self._rest
        rest += data
        size = self._frame_bytes
        if len(rest) < size:
            return []
        whole = len(rest) - len(rest) % size
        frames = [bytes(rest[i : i + size]) for i in range(0, whole, size)]
        del rest[:whole]
        return frames

    def clear(self) -> None:
        self._rest.clear()

    def drain(self) -> bytes:
        """The begun frame, filled up with silence; empty if none is begun."""
        if not self._rest:
            return b""
        frame = bytes(self._rest).ljust(self._frame_bytes, b"\0")
        self._rest.clear()
        return frame
