"""Microphone and speakers through PortAudio (the optional library `sounddevice`)."""

from __future__ import annotations

from typing import Any

from antiphon.audio.resample import Resampler
from antiphon.errors import AntiphonError
from antiphon.talk.line import Exchange
from antiphon.talk.playback import RATE_HZ

_INSTEAD = "or speak from a file: --file speech.wav, or type: --no-mic"


class NoDevice(AntiphonError):
    """There is no microphone or no speakers; the message says what to do."""


class SoundDevice:
    """The system's default microphone and speakers, full duplex, on the device's clock.

    Raises:
        NoDevice: The library, its PortAudio or a device is missing.
    """

    def __init__(self) -> None:
        try:
            import sounddevice
        except ImportError as error:
            raise NoDevice(
                "no microphone: the Python package sounddevice is missing; install it with "
                f"make mic, or pip install sounddevice; {_INSTEAD}"
            ) from error
        except OSError as error:
            raise NoDevice(
                "no microphone: the PortAudio library is missing; install it "
                f"(Debian, Ubuntu: sudo apt install libportaudio2); {_INSTEAD}"
            ) from error
        self._library: Any = sounddevice
        self._exchange: Exchange = lambda user: bytes(len(user))
        self._rate_hz, self._stream = self._open()
        self._inward = Resampler(self._rate_hz, RATE_HZ)
        self._outward = Resampler(RATE_HZ, self._rate_hz)
        self._left_over = b""
        self.output_latency_ms = 1000 * float(self._stream.latency[1])

    def start(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._stream.start()

    def stop(self) -> None:
        self._stream.abort()
        self._stream.close()

    def _open(self) -> tuple[int, Any]:
        """At 24 kHz if the device can; else at its own rate, resampled here."""
        library = self._library
        try:
            own_hz = int(library.query_devices(kind="output")["default_samplerate"])
        except (library.PortAudioError, ValueError) as error:
            raise NoDevice(f"no speakers were found; connect some, {_INSTEAD}") from error
        problem: Exception | None = None
        for rate_hz in (RATE_HZ, own_hz):
            try:
                return rate_hz, library.RawStream(
                    samplerate=rate_hz,
                    blocksize=rate_hz // 50,
                    channels=1,
                    dtype="int16",
                    latency="low",
                    callback=self._callback,
                )
            except (library.PortAudioError, ValueError) as error:
                problem = error
        raise NoDevice(f"no microphone that can be opened ({problem}), {_INSTEAD}")

    def _callback(self, indata: Any, outdata: Any, _frames: int, _time: Any, _status: Any) -> None:
        heard = bytes(indata)
        if self._rate_hz == RATE_HZ:
            outdata[:] = self._exchange(heard)
            return
        self._left_over += self._outward.process(self._exchange(self._inward.process(heard)))
        # The filters hold a few samples back: the first callbacks come out a little short.
        outdata[:] = self._left_over[: len(outdata)].rjust(len(outdata), b"\0")
        self._left_over = self._left_over[len(outdata) :]
