"""The offline engine: a cascade that works right after install, without a network."""

from __future__ import annotations

from antiphon.engines.cascade.engine import CascadeEngine
from antiphon.engines.cascade.parts import Brain, Recognizer
from antiphon.engines.cascade.stt.ears import POCKETSPHINX, Ears
from antiphon.engines.cascade.stt.fallback import FallbackRecognizer
from antiphon.engines.cascade.stt.paired import PairedRecognizer
from antiphon.engines.cascade.stt.pocketsphinx import PocketSphinxRecognizer, Pronounce
from antiphon.engines.cascade.stt.whisper import WhisperRecognizer
from antiphon.engines.cascade.tts.espeak import EspeakSynthesizer

OFFLINE_BRAIN = "Offline demonstration: {hearing}; no language model; a synthetic voice."
WITH_LANGUAGE_MODEL = "Offline speech around the language model '{model}': {hearing}."


def grammar_ears(pronounce: Pronounce) -> PocketSphinxRecognizer:
    """What hears the sentences that are expected, beside Whisper."""
    return PocketSphinxRecognizer(
        workers=1, turns_per_worker=3, wait_s=0.5, pronounce=pronounce, grammars_only=True
    )


def offline_engine(
    brain: Brain,
    *,
    description: str | None = None,
    ears: Ears = POCKETSPHINX,
    stt_workers: int | None = None,
    scripted: bool = True,
) -> CascadeEngine:
    """``brain`` between the speech parts that come with Antiphon.

    Args:
        brain: What answers.
        description: For people; None: `OFFLINE_BRAIN`.
        ears: What recognises speech.
        stt_workers: Turns that are recognised at the same time; None: as many as pay.
        scripted: ``brain`` knows what may be said next, sometimes.
    """
    synthesizer = EspeakSynthesizer()
    pocketsphinx = PocketSphinxRecognizer(workers=stt_workers, pronounce=synthesizer.pronounce)
    recognizer: Recognizer = pocketsphinx
    if ears.model is not None:
        whisper: Recognizer = WhisperRecognizer(
            ears.model, languages=ears.languages, threads=stt_workers
        )
        if scripted:
            whisper = PairedRecognizer(whisper, grammar_ears(synthesizer.pronounce))
        recognizer = FallbackRecognizer(whisper, pocketsphinx)
    return CascadeEngine(
        "offline",
        description or OFFLINE_BRAIN.format(hearing=ears.hearing),
        recognizer=recognizer,
        brain=brain,
        synthesizer=synthesizer,
    )
