from __future__ import annotations

import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.audio.resample import Resampler
from antiphon.engines.cascade.tts.sound_stream import NoSound, SoundStream

TONE = (10_000 * np.sin(np.arange(2_400) * 0.05)).astype("<i2").tobytes()
UNKNOWN = 0xFFFFFFFF


def wav(
    data: bytes = TONE,
    *,
    rate_hz: int = 24_000,
    channels: int = 1,
    bits: int = 16,
    tag: int = 1,
    size: int | None = None,
    extra: bytes = b"",
) -> bytes:
    frame = channels * bits // 8
    fmt = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * frame, frame, bits) + extra
    length = len(data) if size is None else size
    return (
        b"RIFF" + struct.pack("<I", min(length + 36, UNKNOWN)) + b"WAVE"
        + b"fmt " + struct.pack("<I", len(fmt)) + fmt
        + b"data" + struct.pack("<I", length) + data
    )  # fmt: skip


def played(data: bytes, *, step: int = 0, **known: object) -> bytes:
    stream = SoundStream(**known)  # type: ignore[arg-type]
    step = step or len(data)
    pieces = [stream.feed(data[at : at + step]) for at in range(0, len(data), step)]
    return b"".join([*pieces, stream.end()])


def resampled(pcm: bytes, rate_hz: int) -> bytes:
    resampler = Resampler(rate_hz, 24_000)
    return resampler.process(pcm) + resampler.flush()


HEADERS = {
    "honest": wav(),
    "length 0xFFFFFFFF, as OpenAI's": wav(size=UNKNOWN),
    "length 0, as libsndfile's before it closes": wav(size=0),
    "length of two gigabytes": wav(size=2_000_000_000),
    "length too short": wav(size=400),
    "length too long": wav(size=9_999),
    "a list after the sound": wav() + b"LIST" + struct.pack("<I", 4) + b"INFO",
    "a list before the sound": wav().replace(
        b"data", b"LIST" + struct.pack("<I", 4) + b"INFO" + b"data"
    ),
    "extensible": wav(tag=0xFFFE, extra=struct.pack("<HHIH", 22, 16, 4, 1) + bytes(14)),
    "a header before each chunk": wav(TONE[:1_000]) + wav(TONE[1_000:]),
}


@pytest.mark.parametrize("step", [0, 1, 7, 1_000])
@pytest.mark.parametrize("kind", HEADERS)
def test_wav_is_played_whatever_its_header_says_of_its_length(kind: str, step: int) -> None:
    assert played(HEADERS[kind], step=step) == TONE


def test_another_rate_is_resampled() -> None:
    assert played(wav(rate_hz=22_050), step=99) == resampled(TONE, 22_050)
    assert played(TONE, rate_hz=16_000, step=99) == resampled(TONE, 16_000)
    assert played(TONE, content_type="audio/L16; rate=8000") == resampled(TONE, 8_000)


@pytest.mark.parametrize(
    ("dtype", "bits", "tag", "scale"),
    [("<f4", 32, 3, 1 / 32767), ("<f8", 64, 3, 1 / 32767), ("<i4", 32, 1, 65_536)],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_other_samples_and_channels_become_sixteen_bits_and_one(
    dtype: str, bits: int, tag: int, scale: float, channels: int
) -> None:
    samples = np.frombuffer(TONE, "<i2").astype(np.float64) * scale
    data = np.repeat(samples, channels).astype(dtype).tobytes()
    assert played(wav(data, bits=bits, tag=tag, channels=channels), step=11) == TONE


def test_24_and_8_bits() -> None:
    wide = b"".join(b"\x00" + TONE[at : at + 2] for at in range(0, len(TONE), 2))
    assert played(wav(wide, bits=24), step=5) == TONE
    narrow = bytes(((sample >> 8) + 128) for sample in np.frombuffer(TONE, "<i2"))
    heard = np.frombuffer(played(wav(narrow, bits=8)), "<i2")
    assert np.abs(heard - np.frombuffer(TONE, "<i2")).max() < 256


@pytest.mark.parametrize("content_type", ["audio/pcm", "audio/mpeg", "application/octet-stream"])
@pytest.mark.parametrize("step", [0, 1, 333])
def test_raw_samples_are_played_whatever_they_are_called(content_type: str, step: int) -> None:
    assert played(TONE, content_type=content_type, step=step) == TONE


def test_raw_samples_that_begin_like_mp3_are_played() -> None:
    pcm = b"\xff\xfb\x90\x64" + TONE
    assert played(pcm, content_type="audio/pcm") == pcm


MP3_FRAME = b"\xff\xfb\x90\x64" + bytes(413)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"ID3\x04" + bytes(100), "MP3"),
        (MP3_FRAME * 3, "MP3"),
        (b"OggS" + bytes(100), "Ogg"),
        (b"fLaC" + bytes(100), "FLAC"),
        (wav(tag=7, bits=8), "WAV of kind 7"),
        (wav(rate_hz=23_999), "sound of 23999 Hz"),
        (wav()[:30], "half a WAV header"),
        (wav().replace(b"fmt ", b"xxxx"), "WAV without a format"),
    ],
)
@pytest.mark.parametrize("step", [0, 1])
def test_what_cannot_be_played_is_named(data: bytes, what: str, step: int) -> None:
    with pytest.raises(NoSound, match=what):
        played(data, step=step)


def test_text_is_no_sound() -> None:
    with pytest.raises(NoSound, match="text"):
        played(b'{"error": "no such voice"}', content_type="application/json")


def test_nothing_is_nothing() -> None:
    assert played(b"", step=1) == b""


def test_it_reads_what_pythons_wave_writes() -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((2, 2, 24_000, 0, "NONE", ""))
        writer.writeframes(np.repeat(np.frombuffer(TONE, "<i2"), 2).astype("<i2").tobytes())
    assert played(file.getvalue(), step=13) == TONE


@given(data=st.binary(max_size=200), head=st.sampled_from([b"", b"RIFF", wav()[:50], MP3_FRAME]))
def test_any_bytes_are_sound_or_named(data: bytes, head: bytes) -> None:
    try:
        assert len(played(head + data, step=17)) % 2 == 0
    except NoSound as what:
        assert str(what)
