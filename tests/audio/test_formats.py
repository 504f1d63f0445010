from __future__ import annotations

import pytest

from antiphon.audio.formats import Decoder, Encoder, Format


def test_an_odd_byte_waits_for_its_other_half() -> None:
    decoder = Decoder("pcm")
    assert decoder.decode(b"\x01\x02\x03") == b"\x01\x02"
    assert decoder.decode(b"\x04") == b"\x03\x04"


@pytest.mark.parametrize("audio_format", ["pcmu", "pcma"])
def test_phone_formats_take_8000_bytes_a_second(audio_format: Format) -> None:
    encoder = Encoder(audio_format)
    sent = b"".join(encoder.encode(bytes(960)) for _ in range(50)) + encoder.flush()
    assert len(sent) == 8000


@pytest.mark.parametrize("audio_format", ["pcm", "pcmu", "pcma"])
def test_what_was_encoded_is_as_long_when_it_is_decoded(audio_format: Format) -> None:
    encoder, decoder = Encoder(audio_format), Decoder(audio_format)
    wire = encoder.encode(bytes(48_000)) + encoder.flush()
    assert len(decoder.decode(wire) + decoder.flush()) == 48_000
