from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from antiphon.talk import convert
from antiphon.talk.convert import Decoder, Encoder, Resampler


def sine(hz: float, rate_hz: int, ms: int = 500) -> NDArray[np.int16]:
    at = np.arange(rate_hz * ms // 1000) / rate_hz
    return (10_000 * np.sin(2 * np.pi * hz * at)).astype("<i2")


def pcm(*samples: int) -> bytes:
    return np.array(samples, dtype="<i2").tobytes()


@pytest.mark.parametrize("from_hz", [8000, 11_025, 16_000, 44_100, 48_000])
def test_a_tone_keeps_pitch_level_and_length(from_hz: int) -> None:
    resampler = Resampler(from_hz, 24_000)
    data = resampler.process(sine(1000, from_hz).tobytes()) + resampler.flush()
    out = np.frombuffer(data, dtype="<i2")
    assert len(out) == pytest.approx(12_000, abs=2)
    inner, wanted = out[2000:10_000].astype(float), sine(1000, 24_000)[2000:10_000]
    assert np.abs(inner - wanted).max() < 100


def test_what_the_lower_rate_cannot_carry_is_removed() -> None:
    resampler = Resampler(48_000, 8000)
    data = resampler.process(sine(5000, 48_000).tobytes()) + resampler.flush()
    # 5 kHz would fold back to 3 kHz.
    assert np.abs(np.frombuffer(data, dtype="<i2")[200:-200]).max() < 100


@given(st.lists(st.integers(0, 900), max_size=8), st.sampled_from([8000, 44_100, 48_000]))
def test_cutting_the_stream_changes_nothing(cuts: list[int], from_hz: int) -> None:
    samples = sine(700, from_hz, ms=60)
    whole, pieces = Resampler(from_hz, 24_000), Resampler(from_hz, 24_000)
    expected = whole.process(samples.tobytes()) + whole.flush()
    got = b""
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(samples)], strict=True):
        got += pieces.process(samples[start:end].tobytes())
    assert got + pieces.flush() == expected


def test_ulaw_agrees_with_the_standard_at_its_corners() -> None:
    assert convert.decode_ulaw(b"\x00\x80\xff\x7f") == pcm(-32124, 32124, 0, 0)
    assert convert.encode_ulaw(pcm(0, -32768, 32767)) == b"\xff\x00\x80"


def test_alaw_agrees_with_the_standard_at_its_corners() -> None:
    assert convert.decode_alaw(b"\xd5\x55\xaa\x2a") == pcm(8, -8, 32256, -32256)
    assert convert.encode_alaw(pcm(0, -1, 32767, -32768)) == b"\xd5\x55\xaa*"


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_every_code_survives_a_round_trip(law: str) -> None:
    decode, encode = getattr(convert, f"decode_{law}"), getattr(convert, f"encode_{law}")
    codes = bytes(range(256))
    again = encode(decode(codes))
    assert decode(again) == decode(codes)


def test_an_odd_byte_waits_for_its_other_half() -> None:
    decoder = Decoder("pcm")
    assert decoder.decode(b"\x01\x02\x03") == b"\x01\x02"
    assert decoder.decode(b"\x04") == b"\x03\x04"


def test_phone_formats_take_8000_bytes_a_second() -> None:
    encoder = Encoder("pcmu")
    sent = sum(len(encoder.encode(bytes(960))) for _ in range(50))
    assert sent == pytest.approx(8000, abs=20)
