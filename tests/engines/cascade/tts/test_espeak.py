from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from antiphon.engines.cascade.parts import SpokenWord
from antiphon.engines.cascade.tts.espeak import EspeakSynthesizer

pytestmark = pytest.mark.asyncio(loop_scope="module")

RATE_HZ = 24_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def voice() -> AsyncIterator[EspeakSynthesizer]:
    synthesizer = EspeakSynthesizer(workers=1)
    await synthesizer.start()
    yield synthesizer
    await synthesizer.aclose()


async def _speak(
    synthesizer: EspeakSynthesizer,
    text: str,
    *,
    voice: str = "alloy",
    speed: float = 1.0,
    language: str | None = None,
) -> tuple[np.ndarray, list[SpokenWord]]:
    pieces = [
        piece
        async for piece in synthesizer.speak(text, voice=voice, speed=speed, language=language)
    ]
    pcm = b"".join(piece.pcm for piece in pieces)
    return np.frombuffer(pcm, "<i2"), [word for piece in pieces for word in piece.words]


async def test_pieces_are_short_at_first_then_longer(voice: EspeakSynthesizer) -> None:
    pieces = [p async for p in voice.speak("Hello there, my friend.", voice="ash", speed=1)]
    lengths_ms = [len(p.pcm) / 2 / 24 for p in pieces]
    assert max(lengths_ms[:2]) < 70
    assert 150 < lengths_ms[2] < 200


async def test_a_word_comes_with_the_piece_that_it_ends_in(voice: EspeakSynthesizer) -> None:
    begin = 0
    async for piece in voice.speak("One, two, three. And four!", voice="ash", speed=1):
        end = begin + len(piece.pcm) // 2
        assert all(begin <= word.end_sample <= end for word in piece.words)
        begin = end


async def test_marks_are_where_the_words_end(voice: EspeakSynthesizer) -> None:
    text = "Hello, my friend. Well: good day."
    samples, words = await _speak(voice, text)
    assert [text[: word.text_end] for word in words] == [
        "Hello,",
        "Hello, my",
        "Hello, my friend.",
        "Hello, my friend. Well:",
        "Hello, my friend. Well: good",
        text,
    ]
    loud = np.abs(samples).mean()
    for word in (words[0], words[2], words[3]):  # A pause follows these.
        after = samples[word.end_sample + 480 : word.end_sample + 2400]
        before = samples[word.end_sample - 2400 : word.end_sample]
        assert np.abs(after).mean() < 0.1 * loud
        assert np.abs(before).mean() > 0.3 * loud


@pytest.mark.parametrize(
    ("text", "language", "parts"),
    [
        ("I have 1,234 apples & 50% off!", "en", 7),
        ("“Quoted” — naïve café", "en", 3),
        ("<speak>a &amp; b</speak> [[x]] <b/>", "en", 5),
        ("你好，世界", "zh", 2),
        ("Straße und Käse", "de", 3),
        ("😀 hi", "en", 2),
        ("bad \ud800 surrogate, NUL \0 and \x1b escape", "en", 5),
    ],
)
async def test_any_text_can_be_spoken(
    voice: EspeakSynthesizer, text: str, language: str, parts: int
) -> None:
    samples, words = await _speak(voice, text, language=language)
    assert len(samples) > RATE_HZ / 2
    assert len(words) >= parts
    assert words[-1] == SpokenWord(len(text), len(samples))


@pytest.mark.parametrize("text", ["", "  \n ", "...", "— !?", "\0", "“”"])
async def test_nothing_to_say_is_no_speech(voice: EspeakSynthesizer, text: str) -> None:
    assert [p async for p in voice.speak(text, voice="alloy", speed=1)] == []


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.text(max_size=80)
    | st.lists(
        st.sampled_from(["hello", "3.50", "...", "\n", "U.S.", "a-b", "—", "né"]), max_size=12
    ).map(" ".join)
)
@example("a" * 700)
@example("one. " + "." * 500 + " two, " + "three " * 100)
async def test_marks_are_monotonic_and_cover_the_whole(voice: EspeakSynthesizer, text: str) -> None:
    samples, words = await _speak(voice, text)
    assert bool(words) == bool(len(samples))
    for a, b in itertools.pairwise(words):
        assert a.text_end < b.text_end
        assert 0 <= a.end_sample <= b.end_sample
    if words:
        assert words[-1] == SpokenWord(len(text), len(samples))


async def test_closing_the_iterator_frees_the_worker(voice: EspeakSynthesizer) -> None:
    only_place = EspeakSynthesizer(workers=1, jobs_per_worker=1)
    await only_place.start()
    for _ in range(3):
        speech = only_place.speak("word " * 60, voice="alloy", speed=0.25)
        assert (await anext(speech)).pcm
        await speech.aclose()
    samples, _ = await _speak(only_place, "free")
    assert len(samples) / RATE_HZ < 1.5, "nothing of what was cancelled"
    await only_place.aclose()


@pytest.mark.parametrize("trouble", [signal.SIGSTOP, signal.SIGKILL])
async def test_where_a_worker_hangs_or_dies_the_other_one_speaks(trouble: signal.Signals) -> None:
    synthesizer = EspeakSynthesizer(patience_s=2)
    await synthesizer.start()
    first, _ = synthesizer.pids
    os.kill(first, signal.SIGSTOP)
    speaking = asyncio.ensure_future(_speak(synthesizer, "Here I am."))
    await asyncio.sleep(0)
    os.kill(first, trouble)
    samples, _ = await asyncio.wait_for(speaking, 60)
    assert len(samples) / RATE_HZ > 0.3
    assert first not in synthesizer.pids
    await synthesizer.aclose()


async def test_many_can_speak_at_once(voice: EspeakSynthesizer) -> None:
    texts = [f"this is number {n}" for n in range(12)]
    spoken = await asyncio.gather(*(_speak(voice, text) for text in texts))
    for text, (samples, words) in zip(texts, spoken, strict=True):
        assert words[-1] == SpokenWord(len(text), len(samples))


async def test_speed_changes_the_duration(voice: EspeakSynthesizer) -> None:
    text = "The quick brown fox jumps over the lazy dog and runs away."
    seconds = {
        speed: len((await _speak(voice, text, speed=speed))[0]) / RATE_HZ
        for speed in (0.25, 0.5, 0.8, 1.0, 1.5)
    }
    for speed, lasted in seconds.items():
        assert lasted == pytest.approx(seconds[1.0] / speed, rel=0.15), speed


async def test_a_language_it_lacks_is_read_as_english(voice: EspeakSynthesizer) -> None:
    text = "what is this"
    english, _ = await _speak(voice, text)
    lacking, _ = await _speak(voice, text, language="xx")
    french, _ = await _speak(voice, text, language="fr-CA")
    # No two syntheses are the same to the bit.
    assert abs(len(lacking) - len(english)) < 240
    assert abs(len(french) - len(english)) > 240


def _f0_hz(samples: np.ndarray) -> float:
    """The median over voiced frames of the autocorrelation's best lag."""
    found = []
    for at in range(0, len(samples) - 1920, 480):
        frame = samples[at : at + 1920].astype(float)
        frame -= frame.mean()
        if np.abs(frame).mean() < 500:
            continue
        spectrum = np.abs(np.fft.rfft(frame, 4096)) ** 2
        correlation = np.fft.irfft(spectrum)
        lags = slice(RATE_HZ // 400, RATE_HZ // 60)
        lag = lags.start + int(np.argmax(correlation[lags]))
        if correlation[lag] > 0.4 * correlation[0]:
            found.append(RATE_HZ / lag)
    return float(np.median(found))


def _timbre_db(samples: np.ndarray) -> np.ndarray:
    """The mean level in 16 bands, without the overall level."""
    spectrum = np.abs(np.fft.rfft(samples[: len(samples) // 1024 * 1024].reshape(-1, 1024))) ** 2
    edges = np.geomspace(4, 400, 17).astype(int)
    power = spectrum.mean(axis=0)
    bands = np.array([power[a:b].mean() for a, b in itertools.pairwise(edges)])
    level = 10 * np.log10(bands + 1)
    return np.asarray(level - level.mean())


async def test_the_ten_voices_can_be_told_apart(voice: EspeakSynthesizer) -> None:
    text = "My name is hard to say, but anyone may learn it in a minute."
    heard = {}
    for name in voice.voices:
        samples, _ = await _speak(voice, text, voice=name)
        assert np.abs(samples.astype(int)).max() < 32_767, "no clipping"
        heard[name] = (_f0_hz(samples), _timbre_db(samples))
    assert len(heard) == 10
    for (a, (f0_a, timbre_a)), (b, (f0_b, timbre_b)) in itertools.combinations(heard.items(), 2):
        semitones = abs(12 * np.log2(f0_a / f0_b))
        timbre_db = float(np.sqrt(np.mean((timbre_a - timbre_b) ** 2)))
        assert semitones > 1.5 or timbre_db > 3, (a, b, semitones, timbre_db)


async def test_words_are_pronounced_by_rule(voice: EspeakSynthesizer) -> None:
    found = await voice.pronounce(["marcelo", "cappuccino", "日本", "a;b"])
    assert found == {"marcelo": "M AA R S IY L OW", "cappuccino": "K AE P UW CH IY N OW"}
