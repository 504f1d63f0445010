from __future__ import annotations

import subprocess
import sys
from typing import Any, get_args

import pytest

from antiphon.engines.cascade.llm.apis import APIS
from antiphon.engines.cascade.llm.chat_client import ChatSettings
from antiphon.engines.cascade.llm.chat_messages import VOICE_HINT
from antiphon.engines.cascade.offline import ESPEAK, GRAMMARS_ALONE
from antiphon.engines.cascade.stt.http_transcription import HttpRecognizer, TranscriptionSettings
from antiphon.engines.cascade.stt.realtime_transcription import (
    RealtimeEarsSettings,
    RealtimeRecognizer,
)
from antiphon.engines.cascade.tts.http_speech import HttpSynthesizer, SpeechSettings
from antiphon.errors import ConfigurationError
from antiphon.server.cascade_parts import (
    RECOGNIZERS,
    SYNTHESIZERS,
    chat_settings,
    choose_parts,
    make_cascade,
)
from antiphon.server.cascade_settings import (
    ApiName,
    LlmSettings,
    RecognizerName,
    SttSettings,
    SynthesizerName,
    TtsSettings,
)
from antiphon.server.local_parts import needs
from antiphon.server.secret import Secret
from antiphon.server.settings import Config, EngineSettings

MODEL: dict[str, Any] = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}


def settings(**llm: Any) -> ChatSettings:
    found = chat_settings(LlmSettings(**MODEL, **llm))
    assert found is not None
    return found


# --- Choosing -------------------------------------------------------------------


def test_each_name_of_a_part_has_its_adapter() -> None:
    assert set(RECOGNIZERS) == set(get_args(RecognizerName))
    assert set(SYNTHESIZERS) == set(get_args(SynthesizerName))
    assert set(APIS) == set(get_args(ApiName))


@pytest.mark.parametrize(
    ("settings", "begins_early"),
    [
        ({}, True),
        ({"llm": LlmSettings(**MODEL)}, False),
        ({"tts": TtsSettings(synthesizer="http", **MODEL)}, False),
        ({"llm": LlmSettings(**MODEL), "engine": EngineSettings(speculate="always")}, True),
        ({"engine": EngineSettings(speculate="never")}, False),
    ],
)
def test_answers_are_begun_early_where_that_costs_nothing_or_is_wanted(
    settings: dict[str, Any], begins_early: bool
) -> None:
    config = Config(stt=SttSettings(recognizer="pocketsphinx"), **settings)
    engine = make_cascade(config, choose_parts(config))
    assert engine.abilities.speculates == begins_early


def test_a_part_is_chosen_by_one_setting() -> None:
    chosen = choose_parts(Config(stt=SttSettings(recognizer="pocketsphinx")))
    assert (chosen.ears, chosen.voice, chosen.language_model) == (GRAMMARS_ALONE, ESPEAK, None)


def test_a_missing_extra_is_named_with_the_way_to_install_it() -> None:
    with pytest.raises(ConfigurationError) as refused:
        needs("The voice 'kokoro'", "no_such_package", extra="kokoro")
    assert str(refused.value) == (
        "The voice 'kokoro' needs the extra 'kokoro', which is not installed: "
        "pip install 'antiphon[kokoro]' (or uv sync --extra kokoro)."
    )
    needs("A test", "pytest", extra="dev")


def test_an_adapter_is_imported_only_where_it_is_chosen() -> None:
    code = (
        "import sys; from antiphon.server.cascade_parts import choose_parts;"
        "from antiphon.server.settings import Config; choose_parts(Config());"
        "print([m for m in sys.modules if 'openai_chat' in m])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


# --- The language model ---------------------------------------------------------


def test_what_the_operator_sets_reaches_the_language_model() -> None:
    given: dict[str, Any] = {
        "api": "responses",
        "connect_timeout_s": 9.0,
        "first_token_timeout_s": 120.0,
        "idle_timeout_s": 60.0,
        "retries": 0,
        "voice_hint": "",
        "extra_body": {"top_k": 20},
    }
    assert settings(**given, api_key=Secret("k")) == ChatSettings(**MODEL, **given, api_key="k")


def test_the_defaults_of_the_file_are_those_of_the_model() -> None:
    assert settings() == ChatSettings(**MODEL)
    assert settings().voice_hint == VOICE_HINT


def test_without_an_address_there_is_no_language_model() -> None:
    assert chat_settings(LlmSettings()) is None


# --- Speech over HTTP -----------------------------------------------------------


def test_what_the_operator_sets_reaches_the_ears() -> None:
    given: dict[str, Any] = {
        "base_url": "http://127.0.0.1:9/v1",
        "model": "m",
        "prompt": "Antiphon",
        "stream": False,
        "connect_timeout_s": 9.0,
        "timeout_s": 8.0,
        "retries": 0,
    }
    settings = SttSettings(recognizer="http", api_key=Secret("k"), **given)
    chosen = choose_parts(Config(stt=settings)).ears
    assert isinstance(chosen.recognizer, HttpRecognizer)
    assert chosen.recognizer.settings == TranscriptionSettings(**given, api_key="k")
    least = SttSettings(recognizer="http", base_url="http://a/v1", model="m")
    plain = choose_parts(Config(stt=least)).ears.recognizer
    assert isinstance(plain, HttpRecognizer)
    assert plain.settings == TranscriptionSettings(base_url="http://a/v1", model="m")


def test_what_the_operator_sets_reaches_the_voice() -> None:
    given: dict[str, Any] = {
        "base_url": "http://127.0.0.1:9/v1",
        "model": "m",
        "voice": "af_heart",
        "voices": {"marin": "af_sky"},
        "response_format": "wav",
        "rate_hz": 22_050,
        "instructions": "Be kind.",
        "connect_timeout_s": 9.0,
        "first_audio_timeout_s": 8.0,
        "idle_timeout_s": 7.0,
        "retries": 0,
        "extra_body": {"lang_code": "a"},
    }
    settings = TtsSettings(synthesizer="http", api_key=Secret("k"), **given)
    chosen = choose_parts(Config(tts=settings)).voice
    assert isinstance(chosen.synthesizer, HttpSynthesizer)
    assert chosen.synthesizer.settings == SpeechSettings(**given, api_key="k")
    least = TtsSettings(synthesizer="http", base_url="http://a/v1", model="m")
    plain = choose_parts(Config(tts=least)).voice.synthesizer
    assert isinstance(plain, HttpSynthesizer)
    assert plain.settings == SpeechSettings(base_url="http://a/v1", model="m")


def test_what_the_operator_sets_reaches_the_ears_of_a_realtime_server() -> None:
    given: dict[str, Any] = {"model": "m", "prompt": "Antiphon", "timeout_s": 8.0, "retries": 0}
    url = "wss://a/v1/realtime?intent=transcription"
    settings = SttSettings(recognizer="realtime", base_url=url, api_key=Secret("k"), **given)
    ears = choose_parts(Config(stt=settings)).ears.recognizer
    assert isinstance(ears, RealtimeRecognizer)
    assert ears.settings == RealtimeEarsSettings(url=url, api_key="k", **given)
