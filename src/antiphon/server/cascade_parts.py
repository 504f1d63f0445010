"""Which parts the cascade is made of, from the configuration.

A part is a name in a table and the function that makes it.  The function imports its adapter, so
that nothing is loaded that nobody chose, and says which extra is missing.  Nothing
is started here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from msgspec import Struct

from antiphon.engines.cascade.engine import Manner
from antiphon.engines.cascade.offline import (
    ESPEAK,
    GRAMMARS_ALONE,
    WITH_LANGUAGE_MODEL,
    ChosenRecognizer,
    ChosenSynthesizer,
    offline_engine,
    whisper_if_found,
)
from antiphon.engines.cascade.parts import Brain, EndOfTurnHint
from antiphon.engines.cascade.stt.ears import find_ears
from antiphon.engines.engine import Engine
from antiphon.server.cascade_settings import (
    LlmSettings,
    RecognizerName,
    SttSettings,
    SynthesizerName,
    TtsSettings,
)
from antiphon.server.local_parts import (
    end_of_turn_hint,
    faster_whisper,
    kokoro_voice,
    piper_voice,
    sherpa_ears,
    sherpa_voice,
    whisper_model,
)
from antiphon.server.settings import Config

if TYPE_CHECKING:
    from antiphon.engines.cascade.llm.chat_client import ChatSettings


class CascadeParts(NamedTuple):
    """What hears, what speaks, and the language model if there is one."""

    ears: ChosenRecognizer
    voice: ChosenSynthesizer
    language_model: Brain | None = None
    hint: EndOfTurnHint | None = None
    """Of whether a turn is over, besides its words."""


Part = TypeVar("Part", bound=Struct)


def _settings(
    kind: type[Part], section: SttSettings | TtsSettings | LlmSettings, **others: object
) -> Part:
    """What a part needs to know: the fields of ``section`` that it has too, the key in the clear,
    and ``others``.
    """
    shared = set(kind.__struct_fields__) & set(section.__struct_fields__)
    key = "" if section.api_key is None else section.api_key.reveal()
    same = {name: getattr(section, name) for name in shared}
    return kind(**{**same, "api_key": key, **others})


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
    settings = _settings(TranscriptionSettings, stt, base_url=stt.base_url or "")
    return ChosenRecognizer(f"understands speech by '{stt.model}'", HttpRecognizer(settings))


def _realtime_ears(config: Config) -> ChosenRecognizer:
    from antiphon.engines.cascade.stt.realtime_transcription import (
        RealtimeEarsSettings,
        RealtimeRecognizer,
    )

    stt = config.stt
    settings = _settings(RealtimeEarsSettings, stt, url=stt.base_url or "")
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
    settings = _settings(SpeechSettings, tts, base_url=tts.base_url or "", model=tts.model or "")
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
    hint = VOICE_HINT if llm.voice_hint is None else llm.voice_hint
    return _settings(ChatSettings, llm, model=llm.model or "", voice_hint=hint)


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
        end_of_turn_hint(config),
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
    ears, voice, model, hint = chosen
    workers = config.offline.stt_workers
    if model is None:
        return offline_engine(
            _offline_brain(config),
            ears=ears,
            voice=voice,
            hint=hint,
            stt_workers=workers,
            manner=Manner(speculates=speculates(config)),
        )
    return offline_engine(
        model,
        description=WITH_LANGUAGE_MODEL.format(
            model=model.name, hearing=ears.hearing, voice=voice.voice
        ),
        ears=ears,
        voice=voice,
        hint=hint,
        stt_workers=workers,
        scripted=False,
        manner=Manner(
            follows_language=True,
            holding_after_s=config.llm.holding_phrase_after_s,
            speculates=speculates(config),
        ),
    )
