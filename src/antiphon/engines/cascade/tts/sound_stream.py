"""Sound as speech servers send it, into samples at 24 kHz.  No I/O.

What a server says of its sound is often wrong: raw samples named MP3, a header with lengths of
0 or 0xFFFFFFFF because nobody knew them yet, a header before each chunk, another rate than was
asked for.  So the bytes are believed, where they can tell.
"""

from __future__ import annotations

import re
import struct

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from antiphon.audio.resample import Resampler
from antiphon.core.causes import MEDIA_RATE_HZ

_HEAD_BYTES = 12
MAX_HEADER_BYTES = 64 * 1024
_UNKNOWN_LENGTHS = 0x70000000
"""No utterance is that long: lengths from here on mean "not known yet"."""
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_CHUNK_IDS = (b"RIFF", b"LIST", b"id3 ", b"ID3 ", b"fact", b"cue ", b"data", b"bext", b"junk")
_COMPRESSED = {b"OggS": "Ogg", b"fLaC": "FLAC", b"ID3": "MP3", b"\x1aE\xdf\xa3": "WebM"}
_RATE = re.compile(r"rate\s*=\s*(\d+)", re.IGNORECASE)
_MP3_KBPS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_KBPS_LOW = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MP3_HZ = (44_100, 48_000, 32_000)


class NoSound(Exception):
    """What came is no sound that can be played; says what it is."""


class SampleFormat(Struct, frozen=True):
    rate_hz: int
    channels: int = 1
    bits: int = 16
    is_float: bool = False

    @property
    def frame_bytes(self) -> int:
        return self.channels * self.bits // 8


class SoundStream:
    """Takes bytes as they come and gives 16-bit mono samples at 24 kHz.

    Args:
        rate_hz: The rate of raw samples, where the server does not name it.
        content_type: The header of the answer.
    """

    def __init__(self, *, rate_hz: int = MEDIA_RATE_HZ, content_type: str = "") -> None:
        named = _RATE.search(content_type)
        self._raw = SampleFormat(int(named[1]) if named else rate_hz)
        self._content_type = content_type
        self._rest = b""
        self._format: SampleFormat | None = None
        """None: the head of it has not come whole."""
        self._resampler = Resampler(MEDIA_RATE_HZ, MEDIA_RATE_HZ)
        self._left = 0
        """Bytes until the end of this data, as its header says."""
        self._is_over = False
        """What comes now is no sound, until more of it has a head."""

    def feed(self, data: bytes) -> bytes:
        """The sound that is now known.

        Raises:
            NoSound: it is something else, or compressed.
        """
        self._rest += data
        return self._all(ended=False)

    def end(self) -> bytes:
        """What is left.

        Raises:
            NoSound: it was something else.
        """
        made = self._all(ended=True) if self._rest else b""
        return made + self._resampler.flush()

    def _all(self, *, ended: bool) -> bytes:
        made = []
        while self._format is not None or (self._rest and self._begin(ended=ended)):
            made.append(self._take())
            if self._format is not None:
                break  # All that is here.
        return b"".join(made)

    # --- The head -------------------------------------------------------------

    def _begin(self, *, ended: bool) -> bool:
        """Find out what it is, once enough has come."""
        head = self._rest
        if head[:4] == b"RIFF" or (len(head) < 4 and b"RIFF".startswith(head) and not ended):
            return self._begin_wav(ended=ended)
        if len(head) < _HEAD_BYTES and not ended:
            return False
        for magic, name in _COMPRESSED.items():
            if head.startswith(magic):
                raise NoSound(f"{name}; choose a server that can send pcm or wav")
        mp3 = _mp3_frame_bytes(head)
        if mp3 and len(head) < mp3 + 4 and not ended:
            return False
        if mp3 and (_mp3_frame_bytes(head[mp3:]) or "mpeg" in self._content_type):
            raise NoSound("MP3; choose a server that can send pcm or wav")
        if any(kind in self._content_type for kind in ("json", "html", "text/")):
            raise NoSound("text")
        self._play(self._raw, left=_UNKNOWN_LENGTHS)
        return True

    def _begin_wav(self, *, ended: bool) -> bool:
        head = self._rest
        at = 12
        found: SampleFormat | None = None
        while len(head) >= at + 8:
            name, size = head[at : at + 4], struct.unpack_from("<I", head, at + 4)[0]
            if name == b"data":
                if found is None:
                    raise NoSound("WAV without a format")
                self._rest = head[at + 8 :]
                self._play(found, left=size if 0 < size < _UNKNOWN_LENGTHS else _UNKNOWN_LENGTHS)
                return True
            if name == b"fmt " and len(head) >= at + 8 + min(size, 26):
                found = _wav_format(head[at + 8 : at + 8 + size])
            at += 8 + size + size % 2
            if at > MAX_HEADER_BYTES:
                raise NoSound("WAV without any sound")
        if ended:
            raise NoSound("half a WAV header")
        return False

    def _play(self, found: SampleFormat, *, left: int) -> None:
        if found != self._format:
            try:
                self._resampler = Resampler(found.rate_hz, MEDIA_RATE_HZ)
            except ValueError:
                raise NoSound(f"sound of {found.rate_hz} Hz") from None
        self._format, self._left = found, left

    # --- The sound ------------------------------------------------------------

    def _take(self) -> bytes:
        """What has come whole.  Without a format afterwards, the head of more sound follows."""
        assert self._format is not None
        data, left = self._rest, self._left
        if self._is_over or (len(data) >= left + 4 and data[left : left + 4] in _CHUNK_IDS):
            # The data ends where its header says.
            end = 0 if self._is_over else left
            pcm = self._samples(data[:end])
            self._is_over = True
            self._next_head(data[end:])
            return pcm
        if len(data) >= left + 4:
            self._left = left = _UNKNOWN_LENGTHS  # Its length was wrong.
        # What may be the next chunk's name is kept until it is whole.
        usable = min(len(data), left)
        whole = usable - usable % self._format.frame_bytes
        self._rest = data[whole:]
        self._left -= whole
        return self._samples(data[:whole])

    def _next_head(self, data: bytes) -> None:
        """What follows the sound is no sound, or the head of more."""
        at = data.find(b"RIFF")
        self._rest = data[at:] if at >= 0 else data[-3:]
        if at >= 0:
            self._format, self._is_over = None, False

    def _samples(self, data: bytes) -> bytes:
        assert self._format is not None
        found = self._format
        whole = len(data) - len(data) % found.frame_bytes
        if found.channels == 1 and found.bits == 16:
            return self._resampler.process(data[:whole])
        return self._resampler.process(_mono(data[:whole], found))


def _mono(data: bytes, found: SampleFormat) -> bytes:
    samples: NDArray[np.float64]
    if found.is_float:
        samples = np.nan_to_num(np.frombuffer(data, f"<f{found.bits // 8}").astype(np.float64))
        samples *= 32767
    elif found.bits == 24:
        bytes_ = np.frombuffer(data, np.uint8).reshape(-1, 3)
        wide = np.zeros((len(bytes_), 4), np.uint8)
        wide[:, 1:] = bytes_
        samples = wide.view("<i4").reshape(-1).astype(np.float64) / (1 << 16)
    elif found.bits == 8:
        samples = (np.frombuffer(data, np.uint8).astype(np.float64) - 128) * 256
    else:
        samples = np.frombuffer(data, f"<i{found.bits // 8}").astype(np.float64)
        samples /= 1 << (found.bits - 16)
    mixed = samples.reshape(-1, found.channels).mean(axis=1)
    mono: bytes = np.clip(np.rint(mixed), -32768, 32767).astype("<i2").tobytes()
    return mono


def _wav_format(chunk: bytes) -> SampleFormat:
    """The format in a ``fmt `` chunk.

    Raises:
        NoSound: it is none that can be played.
    """
    if len(chunk) < 16:
        raise NoSound("WAV without a format")
    tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        tag = struct.unpack_from("<H", chunk, 24)[0]
    playable = (tag == _PCM and bits in (8, 16, 24, 32)) or (tag == _FLOAT and bits in (32, 64))
    if not playable or not 1 <= channels <= 8 or not rate_hz:
        raise NoSound(f"WAV of kind {tag} with {bits} bits and {channels} channels")
    return SampleFormat(rate_hz, channels, bits, tag == _FLOAT)


def _mp3_frame_bytes(head: bytes) -> int:
    """The length of the MP3 frame that begins here; 0: none does."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:  # Sync, layer III.
        return 0
    version, kbps_index, hz_index = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or kbps_index in (0, 15) or hz_index == 3:
        return 0
    rate_hz = _MP3_HZ[hz_index] >> (0, 0, 1, 0)[version] if version else _MP3_HZ[hz_index] >> 2
    kbps = (_MP3_KBPS if version == 3 else _MP3_KBPS_LOW)[kbps_index]
    return (144 if version == 3 else 72) * kbps * 1000 // rate_hz + (head[2] >> 1 & 1)
