"""The offline engine: a cascade that works right after install, without a network."""

from __future__ import annotations

from antiphon.engines.cascade.engine import CascadeEngine
from antiphon.engines.cascade.parts import Brain
from antiphon.engines.cascade.stt.pocketsphinx import PocketSphinxRecognizer
from antiphon.engines.cascade.tts.espeak import EspeakSynthesizer

OFFLINE_BRAIN = (
    "Offline demonstration: recognises short English phrases, has no language model, "
    "and speaks with a synthetic voice."
)
WITH_LANGUAGE_MODEL = (
    "Offline speech around the language model '{model}': recognises short English phrases "
    "well and free speech poorly."
)


def offline_engine(
    brain: Brain, *, description: str = OFFLINE_BRAIN, stt_workers: int | None = None
) -> CascadeEngine:
    """``brain`` between the speech parts that come with Antiphon.

    ``stt_workers``: processes that recognise speech; None: as many as pay.
    """
    synthesizer = EspeakSynthesizer()
    recognizer = PocketSphinxRecognizer(workers=stt_workers, pronounce=synthesizer.pronounce)
    return CascadeEngine(
        "offline", description, recognizer=recognizer, brain=brain, synthesizer=synthesizer
    )
