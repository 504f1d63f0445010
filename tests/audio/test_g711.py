"""`tests/data/g711.npz` holds what the C code in Python's `audioop` (up to 3.12) makes of
every code and every sample."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from antiphon.audio import g711
from antiphon.audio.pcm import samples

EVERY_SAMPLE = np.arange(65536, dtype=np.uint16).tobytes()
EVERY_CODE = bytes(range(256))
ENCODE = {"ulaw": g711.encode_ulaw, "alaw": g711.encode_alaw}
DECODE = {"ulaw": g711.decode_ulaw, "alaw": g711.decode_alaw}


@pytest.fixture(scope="module")
def reference() -> Any:
    with np.load(Path(__file__).parent.parent / "data" / "g711.npz") as archive:
        return dict(archive)


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_each_code_is_bit_exact(law: str, reference: Any) -> None:
    assert ENCODE[law](EVERY_SAMPLE) == reference[f"{law}_codes"].tobytes()
    assert DECODE[law](EVERY_CODE) == reference[f"{law}_linear"].astype("<i2").tobytes()


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_it_agrees_with_audioop_where_python_still_has_it(law: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop: Any = pytest.importorskip("audioop")
    assert ENCODE[law](EVERY_SAMPLE) == getattr(audioop, f"lin2{law}")(EVERY_SAMPLE, 2)
    assert DECODE[law](EVERY_CODE) == getattr(audioop, f"{law}2lin")(EVERY_CODE, 2)


def test_values_that_the_recommendation_names() -> None:
    # ITU-T G.711, tables 1a and 2a: the outermost values, 4032 of 4096 and 8031 of 8159.
    assert samples(g711.decode_alaw(bytes([0xAA, 0x2A]))).tolist() == [4032 * 8, -4032 * 8]
    assert samples(g711.decode_ulaw(bytes([0x80, 0x00]))).tolist() == [8031 * 4, -8031 * 4]
    # Silence, as telephones send it.
    assert g711.encode_alaw(b"\0\0") == b"\xd5"
    assert g711.encode_ulaw(b"\0\0") == b"\xff"


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_what_was_decoded_encodes_to_the_same_value(law: str) -> None:
    linear = DECODE[law](EVERY_CODE)
    assert DECODE[law](ENCODE[law](linear)) == linear
