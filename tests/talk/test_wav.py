from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from antiphon.errors import ConfigurationError
from antiphon.talk.wav import Recorder, read_speech, speech_end_byte
from tests.fakes.realtime_server import tone


def write(path: Path, data: bytes, *, rate_hz: int, channels: int = 1, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate_hz, 0, "NONE", ""))
        file.writeframes(data)
    return path


def test_any_rate_becomes_24_khz(tmp_path: Path) -> None:
    speech = read_speech(write(tmp_path / "a.wav", tone(2500, rate_hz=44_100), rate_hz=44_100))
    assert speech.name == "a.wav"
    assert len(speech.pcm) == pytest.approx(2500 * 48, abs=4)
    assert np.abs(np.frombuffer(speech.pcm, "<i2")[1000:-1000] - _tone(2500)).max() < 100


def _tone(ms: int) -> np.ndarray:
    return np.frombuffer(tone(ms), "<i2")[1000:-1000]


def test_stereo_is_mixed(tmp_path: Path) -> None:
    frames = np.array([[100, 300], [-50, 50]], dtype="<i2").tobytes()
    speech = read_speech(write(tmp_path / "a.wav", frames, rate_hz=24_000, channels=2))
    assert np.frombuffer(speech.pcm, "<i2").tolist() == [200, 0]


def test_the_end_of_speech_is_found_before_the_silence() -> None:
    assert speech_end_byte(tone(300) + bytes(48 * 1000)) == 300 * 48
    assert speech_end_byte(bytes(480)) == 480
    assert speech_end_byte(b"") == 0


def test_what_cannot_be_used_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        read_speech(tmp_path / "missing.wav")
    (tmp_path / "text.wav").write_text("hello")
    with pytest.raises(ConfigurationError, match="no WAV file of PCM sound"):
        read_speech(tmp_path / "text.wav")
    with pytest.raises(ConfigurationError, match="8-bit sound; 16-bit is needed"):
        read_speech(write(tmp_path / "b.wav", bytes(10), rate_hz=8000, width=1))


def test_both_files_share_one_time_line(tmp_path: Path) -> None:
    mono, both = tmp_path / "mono.wav", tmp_path / "both.wav"
    with Recorder(mono, both) as recorder:
        recorder.write(b"\1\0" * 480, b"\2\0" * 480)
        recorder.write(b"\3\0" * 240, bytes(960))
        assert recorder.heard_ms == 20
    with wave.open(str(both)) as file:
        frames = np.frombuffer(file.readframes(960), "<i2").reshape(-1, 2)
        assert (file.getnchannels(), file.getframerate(), len(frames)) == (2, 24_000, 960)
    assert frames[0].tolist() == [1, 2]
    assert frames[480].tolist() == [3, 0]
    assert frames[-1].tolist() == [0, 0]
    with wave.open(str(mono)) as file:
        assert file.getnframes() == 960


def test_a_path_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        Recorder(tmp_path / "no" / "such.wav", None)
