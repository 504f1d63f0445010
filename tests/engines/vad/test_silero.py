from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from antiphon.audio.noise import Kind, NoiseReducer
from antiphon.audio.pcm import samples
from antiphon.core.causes import MEDIA_RATE_HZ
from antiphon.engines.engine import VoiceDetector
from antiphon.engines.vad.batch import Batch
from antiphon.engines.vad.silero import BACKLOG_WINDOWS, LONGEST_WAIT_S, THIN_BATCH, SileroDetector
from antiphon.engines.vad.silero_network import SileroNetwork
from antiphon.engines.vad.spectra import Spectra
from antiphon.engines.vad.windows import WINDOW_SAMPLES
from tests.recordings import at_24khz, by_telephone

WINDOW_BYTES = 2 * WINDOW_SAMPLES
Reports = list[tuple[int, float]]


class VirtualLoop:
    """Timers that run when told to; looking at the clock may take time."""

    def __init__(self, look_costs_s: float = 0.0) -> None:
        self.now_s = 0.0
        self.timers: list[tuple[float, int, Callable[[], object]]] = []
        self.errors: list[BaseException] = []
        self._look_costs_s = look_costs_s
        self._order = itertools.count()

    def time(self) -> float:
        self.now_s += self._look_costs_s
        return self.now_s

    def call_later(self, delay: float, callback: Callable[[], object], /) -> None:
        heapq.heappush(self.timers, (self.now_s + delay, next(self._order), callback))

    def call_exception_handler(self, context: dict[str, Any], /) -> None:
        self.errors.append(context["exception"])

    def run_next(self) -> None:
        due_s, _, callback = heapq.heappop(self.timers)
        self.now_s = max(self.now_s, due_s)
        callback()

    def run(self) -> None:
        while self.timers:
            self.run_next()


def _into(reports: Reports) -> Callable[[int, float], None]:
    return lambda at_sample, probability: reports.append((at_sample, probability))


def _score(pcm: bytes, *, chunk_bytes: int | None = None) -> Reports:
    detector, reports = SileroDetector(loop=VirtualLoop()), Reports()
    stream = detector.open(_into(reports))
    for i in range(0, len(pcm), chunk_bytes or len(pcm)):
        stream.feed(pcm[i : i + (chunk_bytes or len(pcm))], i // 2)
        detector.score_now()
    return reports


# --- What it hears ------------------------------------------------------------


def test_speech_is_found_where_it_is() -> None:
    reports = _score(at_24khz("brooklyn_padded"))
    voiced_ms = [at_sample / 24 for at_sample, probability in reports if probability > 0.5]
    # About two seconds of room, one question, two seconds of room.
    assert 1_900 < voiced_ms[0] < 2_300
    assert 3_500 < voiced_ms[-1] < 4_100
    assert len(voiced_ms) > 0.8 * (voiced_ms[-1] - voiced_ms[0]) / 32


@pytest.mark.parametrize("name", ["harvard_s1_1", "harvard_s2_4"])
def test_a_sentence_is_noticed_soon(name: str) -> None:
    pcm = bytes(48_000) + at_24khz(name)
    reports = _score(pcm)
    first_ms = next(at_sample / 24 for at_sample, p in reports if p > 0.5)
    assert 1_000 < first_ms < 1_150
    spoken = [p for at_sample, p in reports if at_sample > 24_000]
    assert sum(p > 0.5 for p in spoken) > 0.7 * len(spoken)


@pytest.mark.parametrize("name", ["noise_2", "burst_dog", "cough"])
def test_what_is_no_voice_is_not_taken_for_one(name: str) -> None:
    assert max(p for _, p in _score(at_24khz(name))) < 0.5


@pytest.mark.parametrize("kind", ["near_field", "far_field"])
def test_noise_reduction_leaves_a_voice_a_voice(kind: Kind) -> None:
    speech = samples(bytes(96_000) + at_24khz("harvard_s1_1")).astype(float)
    level = 0.3 * speech[48_000:].std()  # about 10 dB under the speech
    noisy = speech + np.random.default_rng(4).normal(0, level, speech.size)
    pcm = np.rint(np.clip(noisy, -32768, 32767)).astype("<i2").tobytes()
    before = np.array([p for _, p in _score(pcm)])
    after = np.array([p for _, p in _score(NoiseReducer(kind).process(pcm))])
    assert (after > 0.5).sum() > 0.95 * (before > 0.5).sum()
    assert after[16:60].max() < 0.5  # before it


def test_the_cutting_of_the_microphone_changes_nothing() -> None:
    pcm = at_24khz("harvard_s2_4")
    at_once = _score(pcm)
    for chunk_bytes in (960, 1_234, 4_800):
        cut = _score(pcm, chunk_bytes=chunk_bytes)
        assert [at_sample for at_sample, _ in cut] == [at_sample for at_sample, _ in at_once]
        assert [p for _, p in cut] == pytest.approx([p for _, p in at_once], abs=1e-5)


@pytest.mark.parametrize("count", [5, THIN_BATCH + 8])  # more than fit at first
def test_many_streams_hear_what_each_would_hear_alone(count: int) -> None:
    detector = SileroDetector(loop=(loop := VirtualLoop()))
    recordings = [at_24khz(name) for name in ("harvard_s1_1", "harvard_s2_4", "cough")]
    heard: list[Reports] = [[] for _ in range(count)]
    streams = [detector.open(_into(reports)) for reports in heard]
    for at in range(0, 24_000, 480):
        for i, stream in enumerate(streams):
            pcm = recordings[i % 3]
            stream.feed(pcm[2 * at : 2 * at + 960], 1_000 * i + at)
        if at % 1_440 == 0:
            loop.run()
    loop.run()
    each_alone = [_score(pcm[:48_000]) for pcm in recordings]
    for i, reports in enumerate(heard):
        alone = each_alone[i % 3]
        assert [at - 1_000 * i for at, _ in reports] == [at for at, _ in alone]
        assert [p for _, p in reports] == pytest.approx([p for _, p in alone], abs=1e-4)


@pytest.mark.parametrize("chunk_bytes", [WINDOW_BYTES, 4 * WINDOW_BYTES])
@pytest.mark.parametrize("sound", [at_24khz, by_telephone])
def test_digital_silence_is_heard_like_any_other(
    sound: Callable[[str], bytes], chunk_bytes: int
) -> None:
    """Beside others, and windows of one stream together: it is scored by a short cut."""
    pauses = bytearray(sound("harvard_s2_4"))
    for first, last in ((3, 6), (10, 11), (20, 40)):
        pauses[first * WINDOW_BYTES : last * WINDOW_BYTES] = bytes((last - first) * WINDOW_BYTES)
    # Of a hundred silent samples one is the softest that there is, so nothing is left out.
    soft = np.array(samples(bytes(pauses)))
    soft[::100] += soft[::100] == 0
    detector = SileroDetector(loop=VirtualLoop())
    heard: list[Reports] = [[] for _ in range(3)]
    streams = [detector.open(_into(reports)) for reports in heard]
    for at in range(0, len(pauses), chunk_bytes):
        for stream, pcm in zip(streams, (pauses, soft.tobytes(), bytes(len(pauses))), strict=True):
            stream.feed(bytes(pcm[at : at + chunk_bytes]), at // 2)
        detector.score_now()
    assert [p for _, p in heard[0]] == pytest.approx([p for _, p in heard[1]], abs=0.02)
    assert [p for _, p in heard[0]] == pytest.approx(
        [p for _, p in _score(bytes(pauses), chunk_bytes=chunk_bytes)], abs=1e-4
    )


# --- By telephone ---------------------------------------------------------------


def test_by_telephone_more_of_a_voice_is_found_and_none_in_noise() -> None:
    more = 0
    for name in ("cmd_mountain_view", "cmd_book_a_room", "harvard_birch"):
        pcm = bytes(48_000) + by_telephone(name)
        wide = _wide_alone(pcm)
        found = [p for _, p in _score(pcm)]
        assert all(p >= q - 1e-5 for p, q in zip(found, wide, strict=True))
        more += sum(p > 0.5 for p in found) - sum(p > 0.5 for p in wide)
    assert more >= 5
    for name in ("noise_2", "burst_dog", "cough"):
        assert max(p for _, p in _score(by_telephone(name))) < 0.5


def test_a_microphone_is_scored_as_if_there_were_no_telephones() -> None:
    pcm = at_24khz("harvard_s1_1")
    assert [p for _, p in _score(pcm)] == pytest.approx(_wide_alone(pcm), abs=1e-5)


def test_telephones_and_microphones_do_not_touch_each_other() -> None:
    detector = SileroDetector(loop=VirtualLoop())
    recordings = [at_24khz("harvard_s1_1"), by_telephone("harvard_s2_4"), by_telephone("cough")]
    heard: list[Reports] = [[] for _ in recordings]
    streams = [detector.open(_into(reports)) for reports in heard]
    for at in range(0, 48_000, 960):
        for stream, pcm in zip(streams, recordings, strict=True):
            stream.feed(pcm[2 * at : 2 * at + 1_920], at)
        detector.score_now()
    for reports, pcm in zip(heard, recordings, strict=True):
        alone = _score(pcm[:96_000], chunk_bytes=1_920)
        assert [p for _, p in reports] == pytest.approx([p for _, p in alone], abs=1e-4)


def test_whoever_speaks_after_a_telephone_is_no_telephone() -> None:
    detector = SileroDetector(loop=VirtualLoop())
    first = detector.open(_into([]))
    first.feed(by_telephone("harvard_s1_1"), 0)
    detector.score_now()
    first.close()
    pcm, reports = at_24khz("harvard_s2_4"), Reports()
    detector.open(_into(reports)).feed(pcm, 0)
    detector.score_now()
    assert [p for _, p in reports] == pytest.approx([p for _, p in _score(pcm)], abs=1e-5)


def _wide_alone(pcm: bytes) -> list[float]:
    """What the network for 16 kHz says."""
    network, spectra = SileroNetwork(1), Spectra(1, rate_hz=MEDIA_RATE_HZ)
    batch = Batch(np.array([0]))
    windows = samples(pcm[: len(pcm) // WINDOW_BYTES * WINDOW_BYTES]).reshape(-1, 1, WINDOW_SAMPLES)
    return [float(network.step(batch, spectra.of(batch, window))[0]) for window in windows]


# --- When it is scored --------------------------------------------------------


def test_nothing_is_scheduled_while_there_is_nothing_to_score() -> None:
    detector = SileroDetector(loop=(loop := VirtualLoop()))
    stream = detector.open(_into(reports := Reports()))
    assert not loop.timers
    stream.feed(bytes(WINDOW_BYTES - 2), 0)
    assert not loop.timers
    stream.feed(bytes(2), WINDOW_SAMPLES - 1)
    assert len(loop.timers) == 1
    loop.run_next()
    assert not loop.timers
    assert [at for at, _ in reports] == [WINDOW_SAMPLES]


def test_one_timer_serves_all_and_nobody_waits_long() -> None:
    detector = SileroDetector(loop=(loop := VirtualLoop()))
    scored_s: list[float] = []
    streams = [detector.open(lambda *_: scored_s.append(loop.now_s)) for _ in range(200)]
    for stream in streams:
        stream.feed(bytes(WINDOW_BYTES), 0)
    assert len(loop.timers) == 1
    loop.run()
    assert len(scored_s) == 200
    assert max(scored_s) <= LONGEST_WAIT_S


def test_a_lone_microphone_hardly_waits() -> None:
    detector = SileroDetector(loop=(loop := VirtualLoop()))
    detector.open(_into([])).feed(bytes(WINDOW_BYTES), 0)
    loop.run()
    assert loop.now_s < 0.001


def test_a_backlog_is_scored_in_order_and_in_slices() -> None:
    loop = VirtualLoop(look_costs_s=0.001)
    detector = SileroDetector(loop=loop)
    stream = detector.open(_into(reports := Reports()))
    neighbour = detector.open(_into(neighbours := Reports()))
    stream.feed(bytes(50 * WINDOW_BYTES), 0)
    loop.run_next()
    assert 0 < len(reports) < 10  # The loop gets its turn...
    neighbour.feed(bytes(WINDOW_BYTES), 0)
    loop.run_next()
    assert len(neighbours) == 1  # ...and so do others,
    assert len(reports) < 20
    loop.run()
    assert [at for at, _ in reports] == [(i + 1) * WINDOW_SAMPLES for i in range(50)]
    assert detector.dropped_windows == 0


def test_an_overlong_backlog_loses_its_oldest_windows_and_says_so() -> None:
    detector = SileroDetector(loop=VirtualLoop())
    stream = detector.open(_into(reports := Reports()))
    stream.feed(bytes(100 * WINDOW_BYTES), 0)
    stream.feed(bytes(BACKLOG_WINDOWS * WINDOW_BYTES), 100 * WINDOW_SAMPLES)
    assert detector.dropped_windows == 100
    stream.feed(bytes(WINDOW_BYTES), (100 + BACKLOG_WINDOWS) * WINDOW_SAMPLES)
    assert detector.dropped_windows == 101
    detector.score_now()
    assert len(reports) == BACKLOG_WINDOWS
    assert reports[0][0] == 102 * WINDOW_SAMPLES


async def test_it_works_on_a_real_loop() -> None:
    detector: VoiceDetector = SileroDetector()
    reported = asyncio.Event()
    stream = detector.open(lambda *_: reported.set())
    stream.feed(bytes(WINDOW_BYTES), 0)
    assert not reported.is_set()
    await asyncio.wait_for(reported.wait(), 5)


# --- Forgetting ---------------------------------------------------------------


def test_nothing_from_before_a_reset_is_reported() -> None:
    detector = SileroDetector(loop=(loop := VirtualLoop()))
    stream = detector.open(_into(reports := Reports()))
    stream.feed(bytes(3 * WINDOW_BYTES + 500), 0)
    stream.reset()
    loop.run()
    assert reports == []
    stream.feed(bytes(WINDOW_BYTES), 10_000)
    loop.run()
    assert [at for at, _ in reports] == [10_000 + WINDOW_SAMPLES]


def test_after_a_reset_and_in_a_used_slot_scores_are_as_for_a_new_stream() -> None:
    pcm = at_24khz("harvard_s1_1")[: 20 * WINDOW_BYTES]
    expected = [p for _, p in _score(pcm)]
    detector = SileroDetector(loop=VirtualLoop())
    stream = detector.open(_into(reports := Reports()))
    for start in (0, 50_000):
        reports.clear()
        stream.feed(pcm, start)
        detector.score_now()
        assert [p for _, p in reports] == pytest.approx(expected, abs=1e-6)
        stream.reset()
    for _ in range(40):  # more often than there are slots
        stream.close()
        stream = detector.open(_into(reports))
        assert detector.open_streams == 1
    reports.clear()
    stream.feed(pcm, 0)
    detector.score_now()
    assert [p for _, p in reports] == pytest.approx(expected, abs=1e-6)


def test_a_report_may_close_and_reset_any_stream() -> None:
    detector = SileroDetector(loop=(loop := VirtualLoop()))
    others: Reports = []

    def close_all(*_: object) -> None:
        for stream in streams:
            stream.close()

    streams = [detector.open(close_all), detector.open(_into(others))]
    for stream in streams:
        stream.feed(bytes(2 * WINDOW_BYTES), 0)
    loop.run()
    assert others == []
    assert detector.open_streams == 0
    for stream in streams:  # Late audio, and closing twice, are no offence.
        stream.feed(bytes(WINDOW_BYTES), 2 * WINDOW_SAMPLES)
        stream.reset()
        stream.close()
    assert detector.open_streams == 0
    assert not loop.timers


def test_one_bad_report_is_the_loops_to_tell_and_harms_nobody_else() -> None:
    detector = SileroDetector(loop=(loop := VirtualLoop()))

    def fail(*_: object) -> None:
        raise LookupError("a bug")

    bad, good = detector.open(fail), detector.open(_into(reports := Reports()))
    for stream in (bad, good):
        stream.feed(bytes(2 * WINDOW_BYTES), 0)
    loop.run()
    assert [at for at, _ in reports] == [WINDOW_SAMPLES, 2 * WINDOW_SAMPLES]
    assert [type(error) for error in loop.errors] == [LookupError, LookupError]


def test_silence_scores_low_whatever_its_level() -> None:
    dither = np.random.default_rng(3).integers(-3, 4, 24_000).astype("<i2").tobytes()
    assert max(p for _, p in _score(bytes(48_000))) < 0.2
    assert max(p for _, p in _score(dither)) < 0.3
