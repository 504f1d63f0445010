"""From espeak-ng's phonemes to those of the CMU pronouncing dictionary."""

from __future__ import annotations

import re

_ARPABET = {
    "tʃ": "CH", "dʒ": "JH", "θ": "TH", "ð": "DH", "ʃ": "SH", "ʒ": "ZH", "ŋ": "NG",
    "p": "P", "b": "B", "t": "T", "d": "D", "k": "K", "ɡ": "G", "g": "G", "f": "F",
    "v": "V", "s": "S", "z": "Z", "h": "HH", "m": "M", "n": "N", "l": "L", "ɫ": "L",
    "ɹ": "R", "r": "R", "j": "Y", "w": "W", "ɾ": "T", "ʔ": "T", "x": "K", "ç": "HH",
    "ɬ": "L", "ɲ": "N Y",
    "aɪɚ": "AY ER", "aɪə": "AY AH", "aɪ": "AY", "aʊ": "AW", "eɪ": "EY", "oʊ": "OW",
    "ɔɪ": "OY", "ɪɹ": "IH R", "ʊɹ": "UH R", "ɛɹ": "EH R", "oː": "AO", "o": "OW",
    "iː": "IY", "i": "IY", "ɪ": "IH", "ᵻ": "IH", "e": "EH", "ɛ": "EH", "æ": "AE",
    "a": "AE", "ɑː": "AA", "ɑ": "AA", "ɒ": "AA", "ɔː": "AO", "ɔ": "AO", "ʊ": "UH",
    "uː": "UW", "u": "UW", "ʌ": "AH", "ə": "AH", "ɐ": "AH", "ɚ": "ER", "ɜː": "ER",
    "ɜ": "ER", "n̩": "AH N", "l̩": "AH L",
}  # fmt: skip
_PHONE = re.compile("|".join(sorted(map(re.escape, _ARPABET), key=len, reverse=True)))
_SILENT = re.compile(r"[\sˈˌːˑ_\-|]|\u0329")
"""Stress, length and what joins or parts words."""


def arpabet(ipa: str) -> str | None:
    """ARPAbet without stress, as in "M AA R S IY L OW"; None: some sound has none."""
    phones = []
    at = 0
    while at < len(ipa):
        if match := _PHONE.match(ipa, at):
            phones.append(_ARPABET[match[0]])
        elif not (match := _SILENT.match(ipa, at)):
            return None
        at = match.end()
    return " ".join(phones) or None
