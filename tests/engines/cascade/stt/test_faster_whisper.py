"""With the real library, and Whisper tiny.en where the extra 'speech' brings it."""

from __future__ import annotations

import logging
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from antiphon.engines.cascade.stt.ears import find_ears
from antiphon.engines.cascade.stt.faster_whisper import (
    FasterWhisperRecognizer,
    check_faster_whisper,
)
from antiphon.errors import ConfigurationError
from antiphon.testing.check_recognizer import RECOGNIZER_CHECKS, check_recognizer_promise
from tests.engines.cascade.stt.command_clips import COMMANDS, command_turn
from tests.engines.cascade.stt.test_sherpa import heard
from tests.engines.lent import LEAVES_NOTHING, lending
from tests.recordings import FOLDER

pytest.importorskip("faster_whisper", reason="the extra 'faster-whisper' is not installed")

MODEL = find_ears().model
CLIP = next(command for command in COMMANDS if command.clip == "cmd_two_people")
pytestmark = pytest.mark.skipif(MODEL is None, reason="the extra 'speech' is not installed")


def recognizer() -> FasterWhisperRecognizer:
    assert MODEL is not None
    return FasterWhisperRecognizer(MODEL, threads=1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whisper() -> AsyncIterator[FasterWhisperRecognizer]:
    async with lending(recognizer()) as whisper:
        yield whisper


async def keeps(promise: str, make_recognizer: Callable[[], FasterWhisperRecognizer]) -> None:
    await check_recognizer_promise(
        promise, make_recognizer, speech=command_turn(FOLDER, CLIP), words=CLIP.text, patience_s=60
    )


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("promise", [name for name in RECOGNIZER_CHECKS if name != LEAVES_NOTHING])
async def test_it_keeps_the_promises_of_a_recogniser(
    promise: str, whisper: FasterWhisperRecognizer
) -> None:
    await keeps(promise, lambda: whisper)


async def test_nothing_is_left_behind() -> None:
    await keeps(LEAVES_NOTHING, recognizer)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_turn_is_told_once_and_whole(whisper: FasterWhisperRecognizer) -> None:
    [final] = await heard(whisper, command_turn(FOLDER, CLIP))
    assert final.final
    assert final.text.lower().strip(".! ") == CLIP.text


@pytest.mark.asyncio(loop_scope="module")
async def test_another_language_is_not_understood(
    whisper: FasterWhisperRecognizer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        turn = await heard(whisper, command_turn(FOLDER, CLIP), language="de")
    assert turn[-1].text == ""
    assert "faster-whisper understands English only, not 'de'" in caplog.text


def test_what_it_would_look_for_in_the_network_must_be_there(tmp_path: Path) -> None:
    assert MODEL is not None
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "vocabulary.txt"):
        shutil.copy(MODEL / name, folder)
    with pytest.raises(ConfigurationError, match=r"has no model\.bin"):
        check_faster_whisper(folder)
    (folder / "model.bin").write_bytes(b"")
    with pytest.raises(ConfigurationError, match=r"has no tokenizer\.json"):
        check_faster_whisper(folder)
    assert check_faster_whisper(MODEL) == MODEL
