"""With the real library and a tiny network, which hears "la" where there is sound."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from antiphon.engines.cascade.parts import Recognizer, Transcript
from antiphon.engines.cascade.stt.sherpa import SherpaRecognizer
from antiphon.engines.cascade.stt.sherpa_files import SherpaFiles, find_sherpa_ears
from antiphon.errors import ConfigurationError, EngineUnavailable
from antiphon.testing.check_recognizer import RECOGNIZER_CHECKS, check_recognizer_promise
from tests.engines.cascade.tts.tiny_voices import NETWORKS

pytest.importorskip("sherpa_onnx", reason="the extra 'sherpa' is not installed")

FOLDER = NETWORKS / "sherpa_ears"
_NOISE = np.random.default_rng(1).normal(0, 3_000, 12_000)
LA = np.concatenate([np.zeros(12_000), _NOISE, np.zeros(12_000)]).astype("<i2").tobytes()
"""Half a second of sound in a second and a half."""


@pytest.mark.parametrize("promise", RECOGNIZER_CHECKS)
async def test_it_keeps_the_promises_of_a_recogniser(promise: str) -> None:
    await check_recognizer_promise(
        promise, lambda: SherpaRecognizer(FOLDER, threads=1), speech=LA, words="la"
    )


@pytest_asyncio.fixture
async def recognizer() -> AsyncIterator[SherpaRecognizer]:
    recognizer = SherpaRecognizer(FOLDER, threads=1)
    await recognizer.start()
    yield recognizer
    await recognizer.aclose()


async def heard(
    recognizer: Recognizer, pcm: bytes, *, language: str | None = None
) -> list[Transcript]:
    reports: list[Transcript] = []
    ended = asyncio.Event()

    def report(transcript: Transcript) -> None:
        reports.append(transcript)
        if transcript.final:
            ended.set()

    turn = recognizer.begin(report, grammar=None, language=language)
    for at in range(0, len(pcm), 4_800):
        turn.feed(pcm[at : at + 4_800])
    turn.finish()
    await asyncio.wait_for(ended.wait(), 60)
    return reports


async def test_words_come_while_they_are_spoken(recognizer: SherpaRecognizer) -> None:
    reports = await heard(recognizer, LA * 2)
    assert [report.text for report in reports if report.final] == ["la la"]
    shown = [report for report in reports if not report.final]
    assert shown[0].text == "la"
    assert ("la la", 5) in [(report.text, report.stable_chars) for report in shown]


async def test_turns_are_heard_side_by_side(recognizer: SherpaRecognizer) -> None:
    all_reports = await asyncio.gather(*(heard(recognizer, LA * n) for n in (1, 2, 3)))
    finals = [reports[-1].text for reports in all_reports]
    assert finals == ["la", "la la", "la la la"]


async def test_silence_is_nothing(recognizer: SherpaRecognizer) -> None:
    assert await heard(recognizer, bytes(48_000)) == [Transcript("", final=True)]


async def test_a_folder_without_network_does_not_start(tmp_path: Path) -> None:
    recognizer = SherpaRecognizer(tmp_path)
    with pytest.raises(EngineUnavailable, match=r"does not start: .*ConfigurationError"):
        await recognizer.start()
    await recognizer.aclose()


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_bytes(b"\x00")
    return folder


def test_of_two_sizes_the_smaller_one_is_used(tmp_path: Path) -> None:
    parts = ("encoder-epoch-99", "decoder-epoch-99", "joiner-epoch-99")
    touch(tmp_path, "tokens.txt", *(f"{part}.onnx" for part in parts))
    touch(tmp_path, *(f"{part}.int8.onnx" for part in parts[::2]))
    assert find_sherpa_ears(tmp_path) == SherpaFiles(
        "transducer",
        tmp_path / "tokens.txt",
        tuple(
            tmp_path / name
            for name in (f"{parts[0]}.int8.onnx", f"{parts[1]}.onnx", f"{parts[2]}.int8.onnx")
        ),
    )


def test_a_ctc_network_says_itself_what_it_is(tmp_path: Path) -> None:
    assert find_sherpa_ears(FOLDER).kind == "nemo_ctc"
    touch(tmp_path, "tokens.txt")
    (tmp_path / "ctc.onnx").write_bytes(b"...model_type...zipformer2...")
    assert find_sherpa_ears(tmp_path).kind == "zipformer2_ctc"


def test_what_is_no_network_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"wants tokens\.txt"):
        find_sherpa_ears(tmp_path)
    touch(tmp_path, "tokens.txt")
    with pytest.raises(ConfigurationError, match="wants a streaming network"):
        find_sherpa_ears(tmp_path)
    shutil.copy(NETWORKS / "piper" / "tiny.onnx", tmp_path)
    with pytest.raises(ConfigurationError, match="wants a streaming network"):
        find_sherpa_ears(tmp_path)
