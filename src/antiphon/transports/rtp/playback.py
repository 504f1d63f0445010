"""The assistant's voice, from the engine's bursts to one payload every 20 ms."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from antiphon.core.causes import MEDIA_RATE_HZ
from antiphon.transports.rtp.codec import FRAME_SAMPLES, Encoder

log = logging.getLogger(__name__)

AHEAD_FRAMES: Final = 10
"""Encoded before they are due.  More would be work in vain where the user interrupts, and
would hold up other calls while a long answer arrives at once."""
FRAMES_PER_TICK: Final = 2
HANGOVER_FRAMES: Final = 5
"""Silence that is sent after speech, so that the far side does not guess how it went on."""
KEEPALIVE_FRAMES: Final = 20
"""While there is nothing to say, one silent frame in 400 ms, as Opus' own DTX does."""
MAX_QUEUED_S: Final = 600
"""Speech beyond this is not kept; it counts as played when what is before it has left."""
RECENT_FRAMES: Final = 63
"""What has left within 1.25 s may still come back as an echo."""
DUCKED_GAIN: Final = 0.2
"""14 dB down: soft enough to speak against, loud enough to go on listening."""
REMEMBERED_FRAMES: Final = 600
"""Twelve seconds, for one who tells which packet was the last that arrived."""
_FRAME_BYTES: Final = 2 * FRAME_SAMPLES
_SILENT_FRAME: Final = bytes(_FRAME_BYTES)


class Outgoing(NamedTuple):
    payload: bytes
    begins: bool
    """The first after a pause: RTP's marker."""


class _Encoded(NamedTuple):
    payload: bytes
    pcm: bytes
    """What was given of it; less than a frame at an end."""
    sound: bytes
    """The same as it is heard."""


class PacedPlayback:
    """A `Playback`.  Someone with a clock calls `next_frame` once for each 20 ms.

    Args:
        on_drained: called once each time all that was given has left, 20 ms after the last
            frame was fetched: when its sound is over.
    """

    def __init__(self, encoder: Encoder, on_drained: Callable[[], None]) -> None:
        self._encoder = encoder
        self._on_drained = on_drained
        self._pcm = bytearray()
        self._ready: deque[_Encoded] = deque()
        self._beyond = 0
        """Samples that were not kept, behind those that were."""
        self._undrained = False
        self._gain = self._wanted_gain = 1.0
        self._is_held = False
        self._quiet_frames = KEEPALIVE_FRAMES
        self._paused = True
        self._left: deque[bytes] = deque(maxlen=RECENT_FRAMES)
        self._left_quiet = RECENT_FRAMES
        """How many frames of silence have left in a row."""
        self.played_samples = 0
        self._sent: deque[tuple[int, int]] = deque(maxlen=REMEMBERED_FRAMES)
        """Packets' timestamps, and `played_samples` once they had left."""

    @property
    def queued_samples(self) -> int:
        ready = sum(len(frame.pcm) for frame in self._ready)
        return (ready + len(self._pcm)) // 2 + self._beyond

    def recently_played(self) -> bytes:
        return b"".join(self._left)

    def sent(self, rtp_timestamp: int) -> None:
        """What `next_frame` gave last went out by that timestamp."""
        self._sent.append((rtp_timestamp, self.played_samples))

    def played_by(self, rtp_timestamp: int) -> int:
        for timestamp, played_samples in reversed(self._sent):
            if timestamp & 0xFFFFFFFF == rtp_timestamp:
                return played_samples
        return self._sent[0][1] if len(self._sent) == REMEMBERED_FRAMES else 0

    def play(self, pcm: bytes) -> None:
        if not pcm:
            return
        room = 2 * MAX_QUEUED_S * MEDIA_RATE_HZ - len(self._pcm)
        if self._beyond or len(pcm) > room:
            room = 0 if self._beyond else room
            log.warning("playback is full: %d ms of speech are not kept", (len(pcm) - room) // 48)
            self._beyond += (len(pcm) - room) // 2
        self._pcm += pcm[:room] if len(pcm) > room else pcm
        self._undrained = True
        self._encode_ahead(AHEAD_FRAMES)

    def duck(self, on: bool, *, holds: bool = False) -> None:
        wanted = 0.0 if holds else DUCKED_GAIN if on else 1.0
        if wanted == self._wanted_gain:
            return
        self._wanted_gain = wanted
        self._is_held = False
        if self._ready:  # Encoded as loud as before: once more.
            self._pcm[:0] = b"".join(frame.pcm for frame in self._ready)
            self._ready.clear()
            self._encoder.reset()
        # Of what is held one frame still leaves, in which the voice fades.
        self._encode_ahead(1 if holds else AHEAD_FRAMES)
        self._is_held = holds

    def clear(self) -> None:
        if not self._undrained:
            return
        if self._ready:
            # The far side will not hear what the encoder now builds upon.
            self._encoder.reset()
        self._ready.clear()
        self._pcm.clear()
        self._beyond = 0
        self._undrained = False
        self._quiet_frames = 0

    def next_frame(self) -> Outgoing | None:
        """What to send now, if anything; never waits and, in the middle of speech, hardly works."""
        if not self._ready and not self._is_held:
            self._finish_frame()
        if self._ready:
            payload, pcm, sound = self._ready.popleft()
            self.played_samples += len(pcm) // 2
            self._quiet_frames = 0
            self._left_quiet = 0
            self._left.append(sound)
            return self._outgoing(payload)
        is_waiting = self._is_held and (self._pcm or self._beyond)
        if self._undrained and not is_waiting:
            self._undrained = False
            self.played_samples += self._beyond
            self._beyond = 0
            self._on_drained()
        return self._quiet_frame()

    def encode_ahead(self) -> None:
        """Work for when this tick's frames have left."""
        if self._pcm:
            self._encode_ahead(FRAMES_PER_TICK)

    def _quiet_frame(self) -> Outgoing | None:
        self._quiet_frames += 1
        if self._left_quiet < RECENT_FRAMES:
            self._left_quiet += 1
            self._left.append(_SILENT_FRAME)
        elif self._left:
            self._left.clear()
        if (
            not self._encoder.pauses
            or self._quiet_frames <= HANGOVER_FRAMES
            or self._quiet_frames % KEEPALIVE_FRAMES == 1
        ):
            return self._outgoing(self._encoder.silence)
        self._paused = True
        return None

    def _outgoing(self, payload: bytes) -> Outgoing:
        begins, self._paused = self._paused, False
        return Outgoing(payload, begins)

    def _encode_ahead(self, most: int) -> None:
        if self._is_held:
            return
        pcm, ready = self._pcm, self._ready
        count = min(most, AHEAD_FRAMES - len(ready), len(pcm) // _FRAME_BYTES)
        for _ in range(count):
            ready.append(self._encoded(bytes(pcm[:_FRAME_BYTES])))
            del pcm[:_FRAME_BYTES]

    def _finish_frame(self) -> None:
        """Nothing is ready: take what there is, filled up with silence."""
        if not self._pcm:
            return
        rest = bytes(self._pcm[:_FRAME_BYTES])
        del self._pcm[:_FRAME_BYTES]
        self._ready.append(self._encoded(rest))

    def _encoded(self, pcm: bytes) -> _Encoded:
        sound = self._as_loud_as_wanted(pcm.ljust(_FRAME_BYTES, b"\0"))
        return _Encoded(self._encoder.encode(sound), pcm, sound)

    def _as_loud_as_wanted(self, frame: bytes) -> bytes:
        before, self._gain = self._gain, self._wanted_gain
        if before == self._gain == 1.0:
            return frame
        # A step would click.
        gain = np.linspace(before, self._gain, FRAME_SAMPLES, dtype=np.float32)
        return (np.frombuffer(frame, "<i2") * gain).astype("<i2").tobytes()
