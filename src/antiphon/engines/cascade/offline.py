"""The offline engine: a cascade that works right after install, without a network.

Other ears and another voice may be chosen.  What comes with Antiphon then stays behind them: for
what a script expects, and for the day on which the chosen part does not start or fails.
"""

from __future__ import annotations

from msgspec import Struct

from antiphon.engines.cascade.end_of_turn.judged import JudgedRecognizer
from antiphon.engines.cascade.engine import PLAIN, CascadeEngine, Manner
from antiphon.engines.cascade.parts import Brain, EndOfTurnHint, Recognizer, Synthesizer
from antiphon.engines.cascade.stt.ears import POCKETSPHINX, Ears
from antiphon.engines.cascade.stt.fallback import FallbackRecognizer
from antiphon.engines.cascade.stt.paired import PairedRecognizer
from antiphon.engines.cascade.stt.pocketsphinx import PocketSphinxRecognizer, Pronounce
from antiphon.engines.cascade.stt.whisper import WhisperRecognizer
from antiphon.engines.cascade.tts.espeak import EspeakSynthesizer
from antiphon.engines.cascade.tts.fallback import FallbackSynthesizer

OFFLINE_BRAIN = "Offline demonstration: {hearing}; no language model; {voice}."
WITH_LANGUAGE_MODEL = "Speech around the language model '{model}': {hearing}; {voice}."


class ChosenRecognizer(Struct, frozen=True):
    """What hears, as the settings choose it."""

    hearing: str
    """For people: what is understood, and by what."""
    recognizer: Recognizer | None = None
    """Not started; None: pocketsphinx alone."""
    warning: str | None = None
    """Why it is not what one would wish for."""


class ChosenSynthesizer(Struct, frozen=True):
    """What speaks, as the settings choose it."""

    voice: str
    """For people: whose voice it is."""
    synthesizer: Synthesizer | None = None
    """Not started; None: espeak-ng."""
    languages: tuple[str, ...] = ()
    """Those that it speaks, without regions; espeak-ng speaks the others.  Empty: any."""


GRAMMARS_ALONE = ChosenRecognizer(POCKETSPHINX.hearing)
ESPEAK = ChosenSynthesizer("a synthetic voice (espeak-ng)")


def whisper_if_found(ears: Ears, *, threads: int | None = None) -> ChosenRecognizer:
    """Whisper, where ``ears`` have a model; decodes ``threads`` turns at the same time."""
    if ears.model is None:
        return ChosenRecognizer(ears.hearing, warning=ears.warning)
    whisper = WhisperRecognizer(ears.model, languages=ears.languages, threads=threads)
    return ChosenRecognizer(ears.hearing, whisper, ears.warning)


def grammar_ears(pronounce: Pronounce) -> PocketSphinxRecognizer:
    """What hears the sentences that are expected, beside one that understands anything."""
    return PocketSphinxRecognizer(
        workers=1, turns_per_worker=2, wait_s=0.5, pronounce=pronounce, grammars_only=True
    )


def offline_engine(
    brain: Brain,
    *,
    description: str | None = None,
    ears: ChosenRecognizer = GRAMMARS_ALONE,
    voice: ChosenSynthesizer = ESPEAK,
    hint: EndOfTurnHint | None = None,
    stt_workers: int | None = None,
    scripted: bool = True,
    manner: Manner = PLAIN,
) -> CascadeEngine:
    """``brain`` between the speech parts that were chosen.

    Args:
        brain: What answers.
        description: For people; None: `OFFLINE_BRAIN`.
        ears: What recognises speech.
        voice: What speaks.
        hint: What hears whether a turn is over; None: its words alone tell.
        stt_workers: Turns that pocketsphinx recognises at the same time; None: as many as pay.
        scripted: ``brain`` knows what may be said next, sometimes.
        manner: How it answers.
    """
    espeak = EspeakSynthesizer()
    synthesizer: Synthesizer = espeak
    if voice.synthesizer is not None:
        synthesizer = FallbackSynthesizer(voice.synthesizer, espeak, languages=voice.languages)
    pocketsphinx = PocketSphinxRecognizer(workers=stt_workers, pronounce=espeak.pronounce)
    recognizer: Recognizer = pocketsphinx
    if ears.recognizer is not None:
        best = ears.recognizer
        if scripted:
            best = PairedRecognizer(best, grammar_ears(espeak.pronounce))
        recognizer = FallbackRecognizer(best, pocketsphinx)
    if hint is not None:
        recognizer = JudgedRecognizer(recognizer, hint)
    return CascadeEngine(
        "offline",
        description or OFFLINE_BRAIN.format(hearing=ears.hearing, voice=voice.voice),
        recognizer=recognizer,
        brain=brain,
        synthesizer=synthesizer,
        manner=manner,
    )
