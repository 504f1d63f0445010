from __future__ import annotations

from typing import Any

from antiphon.engines.cascade.llm.chat_client import ChatSettings
from antiphon.engines.cascade.llm.chat_messages import VOICE_HINT
from antiphon.server.settings import Config, LlmSettings, Secret
from antiphon.server.wiring import chat_settings

MODEL: dict[str, Any] = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}


def settings(**llm: Any) -> ChatSettings:
    found = chat_settings(Config(llm=LlmSettings(**MODEL, **llm)))
    assert found is not None
    return found


def test_what_the_operator_sets_reaches_the_language_model() -> None:
    given: dict[str, Any] = {
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
    assert chat_settings(Config()) is None
