from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.transports.rtp.codec import FRAME_SAMPLES, G711Decoder, G711Encoder
from antiphon.transports.rtp.opus import OpusDecoder, OpusEncoder, payload_samples
from tests.transports.webrtc.client import best_match

FRAME_BYTES = 2 * FRAME_SAMPLES


def frames(pcm: bytes) -> list[bytes]:
    return [pcm[i : i + FRAME_BYTES] for i in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)]


def correlation(reference: bytes, heard: bytes) -> float:
    return best_match(np.frombuffer(reference, "<i2")[:-960], np.frombuffer(heard, "<i2"))[0]


def test_opus_speech_survives(speech: bytes) -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    payloads = [encoder.encode(frame) for frame in frames(speech)]
    assert {payload_samples(payload) for payload in payloads} == {960}
    heard = b"".join(decoder.decode(payload) for payload in payloads)
    assert len(heard) == len(frames(speech)) * FRAME_BYTES
    assert correlation(speech, heard) > 0.98
    kbps = sum(map(len, payloads)) * 8 / (len(payloads) * 20)
    assert kbps < 75


def test_opus_conceals_and_stays_in_step(speech: bytes) -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    heard = b""
    lost = 0
    for i, payload in enumerate(map(encoder.encode, frames(speech))):
        if i % 10 == 5:
            lost += 1
        elif lost:
            heard += decoder.recover(payload, 960) + decoder.decode(payload)
            lost = 0
        else:
            heard += decoder.decode(payload)
    assert len(heard) == len(frames(speech)) * FRAME_BYTES
    assert correlation(speech, heard) > 0.85
    assert len(decoder.conceal(1920)) == 2 * 960
    assert decoder.silence(960) == bytes(FRAME_BYTES)


def test_opus_silence_is_silent_whatever_was_said_before(speech: bytes) -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    assert len(encoder.silence) <= 3
    for frame in frames(speech)[:40]:
        decoder.decode(encoder.encode(frame))
    decoder.decode(encoder.silence)
    assert not any(decoder.decode(encoder.silence))


def test_a_reset_encoder_begins_afresh(speech: bytes) -> None:
    encoder = OpusEncoder()
    first = [encoder.encode(frame) for frame in frames(speech)[:5]]
    encoder.reset()
    assert [encoder.encode(frame) for frame in frames(speech)[:5]] == first


@given(st.binary(max_size=100))
def test_opus_takes_any_payload(payload: bytes) -> None:
    decoder = OpusDecoder()
    samples = decoder.samples(payload)
    assert 0 <= samples <= 5760
    if samples:
        assert len(decoder.decode(payload)) in (samples, 0)


@pytest.mark.parametrize(
    ("toc", "samples"),
    [
        ("00", 480),  # SILK NB 10 ms
        ("18", 2880),  # SILK NB 60 ms
        ("78", 960),  # hybrid FB 20 ms
        ("e0", 120),  # CELT FB 2.5 ms
        ("f8", 960),  # CELT FB 20 ms
        ("f9", 1920),  # twice
        ("fb03", 2880),  # three times
        ("fb3f", 0),  # 63 times 20 ms
        ("fb", 0),
        ("", 0),
    ],
)
def test_the_duration_of_an_opus_payload(toc: str, samples: int) -> None:
    assert payload_samples(bytes.fromhex(toc)) == samples


@pytest.mark.parametrize("name", ["PCMU", "PCMA"])
def test_g711_speech_survives(speech: bytes, name: Literal["PCMU", "PCMA"]) -> None:
    encoder, decoder = G711Encoder(name), G711Decoder(name)
    payloads = [encoder.encode(frame) for frame in frames(speech)]
    assert {len(payload) for payload in payloads} == {160}
    heard = b"".join(decoder.decode(payload) for payload in payloads)
    assert correlation(speech, heard) > 0.95
    assert len(encoder.silence) == 160
    assert decoder.samples(bytes(160)) == 160
    assert decoder.samples(bytes(2000)) == 0
    lengths = {len(decoder.conceal(160)), len(decoder.silence(160)), len(decoder.recover(b"", 160))}
    assert lengths == {FRAME_BYTES}
