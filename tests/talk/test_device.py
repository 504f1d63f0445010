"""The sound device's adapter, against a stand-in for the PortAudio library."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from antiphon.talk.device import NoDevice, SoundDevice
from tests.fakes.realtime_server import tone


class PortAudioError(Exception):
    pass


class FakePortAudio:
    """A library with one device, which may refuse rates."""

    PortAudioError = PortAudioError

    def __init__(self, *, own_hz: int = 48_000, only_own: bool = False, has: bool = True) -> None:
        self.own_hz, self.only_own, self.has = own_hz, only_own, has
        self.stream: Any = None

    def query_devices(self, kind: str) -> dict[str, float]:
        if not self.has:
            raise PortAudioError("Error querying device -1")
        return {"default_samplerate": float(self.own_hz)}

    def RawStream(self, **options: Any) -> Any:  # noqa: N802
        if self.only_own and options["samplerate"] != self.own_hz:
            raise PortAudioError("Invalid sample rate")
        calls: list[str] = []
        self.stream = SimpleNamespace(
            latency=(0.01, 0.03),
            options=options,
            calls=calls,
            start=lambda: calls.append("start"),
            abort=lambda: calls.append("abort"),
            close=lambda: calls.append("close"),
        )
        return self.stream


def install(monkeypatch: pytest.MonkeyPatch, library: Any) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", library)


def test_both_directions_run_in_one_callback(monkeypatch: pytest.MonkeyPatch) -> None:
    library = FakePortAudio()
    install(monkeypatch, library)
    device = SoundDevice()
    heard: list[bytes] = []
    device.start(lambda user: heard.append(user) or b"\5" * len(user))  # type: ignore[func-returns-value]
    out = bytearray(960)
    library.stream.options["callback"](b"\1" * 960, memoryview(out), 480, None, None)
    assert heard == [b"\1" * 960]
    assert out == b"\5" * 960
    assert library.stream.options["samplerate"] == 24_000
    assert device.output_latency_ms == 30
    device.stop()
    assert library.stream.calls == ["start", "abort", "close"]


def test_a_device_with_its_own_rate_is_resampled(monkeypatch: pytest.MonkeyPatch) -> None:
    library = FakePortAudio(only_own=True)
    install(monkeypatch, library)
    device = SoundDevice()
    heard = bytearray()

    def exchange(user: bytes) -> bytes:
        heard.extend(user)
        return user

    device.start(exchange)
    sound, played = tone(1000, rate_hz=48_000), bytearray()
    for at in range(0, len(sound), 1920):
        out = bytearray(1920)
        library.stream.options["callback"](sound[at : at + 1920], memoryview(out), 960, None, None)
        played += out
    assert len(heard) == pytest.approx(48_000, abs=200)
    assert len(played) == len(sound)
    assert library.stream.options["samplerate"] == 48_000


def test_without_a_device_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakePortAudio(has=False))
    with pytest.raises(NoDevice, match=r"no speakers were found.*--file speech\.wav"):
        SoundDevice()
    install(monkeypatch, FakePortAudio(own_hz=1, only_own=True))
    install(monkeypatch, None)  # As if it were not installed.
    with pytest.raises(NoDevice, match=r"make mic, or pip install sounddevice"):
        SoundDevice()
