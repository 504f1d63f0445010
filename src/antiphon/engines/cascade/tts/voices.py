"""The API's voices as espeak-ng voices, and languages as espeak-ng names them."""

from __future__ import annotations

from msgspec import Struct

from antiphon.protocol.voices import answering_voice

WPM_MIN = 80
"""espeakRATE_MINIMUM (speak_lib.h): slower is not spoken any slower."""


class EspeakVoice(Struct, frozen=True):
    variant: str
    """A file in espeak-ng-data/voices/!v."""
    wpm: int
    pitch: int
    """0 to 100; 50 is the variant's own."""
    pitch_range: int
    english: str = "en-us"
    volume: int = 100
    """Less for variants that would clip."""


VOICES = {
    "alloy": EspeakVoice("m5", 160, 60, 50),
    "ash": EspeakVoice("edward", 160, 45, 50, volume=75),
    "ballad": EspeakVoice("benjamin", 155, 55, 50, "en-gb-x-rp"),
    "coral": EspeakVoice("f2", 160, 57, 50),
    "echo": EspeakVoice("m6", 160, 42, 50),
    "sage": EspeakVoice("f1", 155, 45, 50),
    "shimmer": EspeakVoice("f5", 165, 62, 50),
    "verse": EspeakVoice("klatt4", 160, 58, 50, volume=75),
    "marin": EspeakVoice("f5", 160, 40, 50),
    "cedar": EspeakVoice("benjamin", 150, 25, 50),
}

_ESPEAK_NAMES = {
    "zh": "cmn", "zh-cn": "cmn", "zh-tw": "cmn", "zh-hk": "yue",
    "no": "nb", "nn": "nb", "iw": "he", "in": "id", "mo": "ro", "sh": "hr",
}  # fmt: skip
"""Tags that espeak-ng knows by another name: macrolanguages, and codes of old."""


def voice_for(name: str) -> EspeakVoice:
    """The voice of that name; an unknown name always gets the same one of the ten."""
    answers = answering_voice(name, tuple(VOICES))
    assert answers is not None, "there are voices"
    return VOICES[answers]


def espeak_names(voice: EspeakVoice, language: str | None) -> tuple[str, ...]:
    """What to ask espeak-ng for, best first; the last one always exists.

    ``language`` is a tag such as "fr" or "pt-BR" (ISO 639-1, maybe with a region).
    """
    fallback = f"{voice.english}+{voice.variant}"
    tag = (language or "en").lower().replace("_", "-")
    base = tag.split("-")[0]
    if tag == "en":
        return (fallback,)
    found = dict.fromkeys(_ESPEAK_NAMES.get(code, code) for code in (tag, base) if code)
    return (*(f"{code}+{voice.variant}" for code in found if code != "en"), fallback)


def rate(voice: EspeakVoice, speed: float) -> tuple[int, int]:
    """(words per minute, word gap in espeak-ng's units) for the API's ``speed``.

    Below espeak-ng's slowest rate it is the pauses between words that grow, as people
    do it.  The gap's length was fitted at that rate: 42 ms and 31 ms a unit; a "word"
    of its words per minute is 0.84 words of plain English.
    """
    wpm = voice.wpm * speed
    if wpm >= WPM_MIN:
        return round(wpm), 0
    missing_ms = 0.84 * 60_000 * (1 / wpm - 1 / WPM_MIN)
    return WPM_MIN, max(0, round((missing_ms - 42) / 31))
