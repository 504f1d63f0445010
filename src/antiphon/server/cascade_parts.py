"""Which parts the cascade is made of, from the configuration.

A part is a name in a table and the function that makes it.  The function imports its adapter, so
that nothing is loaded that nobody chose, and says which extra is missing.  Nothing
is started here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from antiphon.engines.cascade.offline import (
    ESPEAK,
    GRAMMARS_ALONE,
    WITH_LANGUAGE_MODEL,
    ChosenRecognizer,
    ChosenSynthesizer,
    offline_engine,
    whisper_if_found,
)
from antiphon.engines.cascade.parts import Brain
from antiphon.engines.cascade.stt.ears import find_ears
from antiphon.engines.engine import Engine
from antiphon.server.cascade_settings import LlmSettings, RecognizerName, SynthesizerName
from antiphon.server.local_parts import (
    faster_whisper,
    kokoro_voice,
    piper_voice,
    sherpa_ears,
    sherpa_voice,
    whisper_model,
)
from antiphon.server.secret import Secret
from antiphon.server.settings import Config

if TYPE_CHECKING:
    from antiphon.engines.cascade.llm.chat_client import ChatSettings


class CascadeParts(NamedTuple):
    """What hears, what speaks, and the language model if there is one."""

    ears: ChosenRecognizer
    voice: ChosenSynthesizer
    language_model: Brain | None = None


def _revealed(key: Secret | None) -> str:
    return "" if key is None else key.reveal()


# --- What hears -----------------------------------------------------------------


def _auto(config: Config) -> ChosenRecognizer:
    found = find_ears("auto", whisper_model(config))
    return whisper_if_found(found, threads=config.offline.stt_workers)


def _whisper(config: Config) -> ChosenRecognizer:
    found = find_ears("whisper", whisper_model(config))
    return whisper_if_found(found, threads=config.offline.stt_workers)


def _pocketsphinx(_: Config) -> ChosenRecognizer:
    return GRAMMARS_ALONE


def _http_ears(config: Config) -> ChosenRecognizer:
    from antiphon.engines.cascade.stt.http_transcription import (
        HttpRecognizer,
        TranscriptionSettings,
    )

    stt = config.stt
    settings = TranscriptionSettings(
        base_url=stt.base_url or "",
        model=stt.model,
        api_key=_revealed(stt.api_key),
        prompt=stt.prompt,
        stream=stt.stream,
        connect_timeout_s=stt.connect_timeout_s,
        timeout_s=stt.timeout_s,
        retries=stt.retries,
    )
    return ChosenRecognizer(f"understands speech by '{stt.model}'", HttpRecognizer(settings))


def _realtime_ears(config: Config) -> ChosenRecognizer:
    from antiphon.engines.cascade.stt.realtime_transcription import (
        RealtimeEarsSettings,
        RealtimeRecognizer,
    )

    stt = config.stt
    settings = RealtimeEarsSettings(
        url=stt.base_url or "",
        model=stt.model,
        api_key=_revealed(stt.api_key),
        prompt=stt.prompt,
        timeout_s=stt.timeout_s,
        retries=stt.retries,
    )
    return ChosenRecognizer(f"understands speech by '{stt.model}'", RealtimeRecognizer(settings))


RECOGNIZERS: Mapping[RecognizerName, Callable[[Config], ChosenRecognizer]] = {
    "auto": _auto,
    "whisper": _whisper,
    "pocketsphinx": _pocketsphinx,
    "http": _http_ears,
    "realtime": _realtime_ears,
    "sherpa": sherpa_ears,
    "faster-whisper": faster_whisper,
}


# --- What speaks ----------------------------------------------------------------


def _espeak(_: Config) -> ChosenSynthesizer:
    return ESPEAK


def _http_voice(config: Config) -> ChosenSynthesizer:
    from antiphon.engines.cascade.tts.http_speech import HttpSynthesizer, SpeechSettings

    tts = config.tts
    settings = SpeechSettings(
        base_url=tts.base_url or "",
        model=tts.model or "",
        api_key=_revealed(tts.api_key),
        voice=tts.voice,
        voices=tts.voices,
        response_format=tts.response_format,
        rate_hz=tts.rate_hz,
        instructions=tts.instructions,
        connect_timeout_s=tts.connect_timeout_s,
        first_audio_timeout_s=tts.first_audio_timeout_s,
        idle_timeout_s=tts.idle_timeout_s,
        retries=tts.retries,
        extra_body=tts.extra_body,
    )
    return ChosenSynthesizer(f"the voice of '{tts.model}'", HttpSynthesizer(settings))


SYNTHESIZERS: Mapping[SynthesizerName, Callable[[Config], ChosenSynthesizer]] = {
    "espeak": _espeak,
    "http": _http_voice,
    "kokoro": kokoro_voice,
    "piper": piper_voice,
    "sherpa": sherpa_voice,
}


# --- What thinks ----------------------------------------------------------------


def chat_settings(llm: LlmSettings) -> ChatSettings | None:
    """Where the language model is; None: there is none."""
    from antiphon.engines.cascade.llm.chat_client import ChatSettings
    from antiphon.engines.cascade.llm.chat_messages import VOICE_HINT

    if llm.base_url is None:
        return None
    return ChatSettings(
        base_url=llm.base_url,
        model=llm.model or "",
        api=llm.api,
        api_key=_revealed(llm.api_key),
        connect_timeout_s=llm.connect_timeout_s,
        first_token_timeout_s=llm.first_token_timeout_s,
        idle_timeout_s=llm.idle_timeout_s,
        retries=llm.retries,
        voice_hint=VOICE_HINT if llm.voice_hint is None else llm.voice_hint,
        extra_body=llm.extra_body,
    )


def choose_language_model(llm: LlmSettings) -> Brain | None:
    """Raises:
    ConfigurationError: a setting cannot be right.
    """
    settings = chat_settings(llm)
    if settings is None:
        return None
    from antiphon.engines.cascade.llm.openai_chat import OpenAIChatBrain

    return OpenAIChatBrain(settings)


def _offline_brain(config: Config) -> Brain:
    from antiphon.engines.cascade.llm.offline.brain import OfflineBrain

    agent = config.offline.agent
    return OfflineBrain() if agent is None else OfflineBrain.from_file(Path(agent))


# --- All of them ----------------------------------------------------------------


def choose_parts(config: Config) -> CascadeParts:
    """Raises:
    ConfigurationError: a part that is asked for by name is not there.
    """
    return CascadeParts(
        RECOGNIZERS[config.stt.recognizer](config),
        SYNTHESIZERS[config.tts.synthesizer](config),
        choose_language_model(config.llm),
    )


def speculates(config: Config) -> bool:
    """What is thrown away costs nothing but our own time, or the operator wants it all the same."""
    wish = config.engine.speculate
    is_free = config.llm.base_url is None and config.tts.base_url is None
    return is_free if wish == "auto" else wish == "always"


def make_cascade(config: Config, chosen: CascadeParts) -> Engine:
    """The parts around the language model, or around the offline brain.

    Raises:
        ConfigurationError: the agent's script cannot be read.
    """
    ears, voice, model = chosen
    workers = config.offline.stt_workers
    if model is None:
        return offline_engine(
            _offline_brain(config),
            ears=ears,
            voice=voice,
            stt_workers=workers,
            speculates=speculates(config),
        )
    return offline_engine(
        model,
        description=WITH_LANGUAGE_MODEL.format(
            model=model.name, hearing=ears.hearing, voice=voice.voice
        ),
        ears=ears,
        voice=voice,
        stt_workers=workers,
        scripted=False,
        follows_language=True,
        speculates=speculates(config),
    )
