"""Which language a text is to be read in, as far as its script tells."""

from __future__ import annotations

import re

_SCRIPTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("cyrillic", r"\u0400-\u052f", ("ru", "uk", "be", "bg", "mk", "sr", "kk", "ky", "tt", "mn")),
    ("greek", r"\u0370-\u03ff\u1f00-\u1fff", ("el", "grc")),
    ("arabic", r"\u0620-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufefc",
     ("ar", "fa", "ur", "ps", "sd", "ug", "ku")),
    ("hebrew", r"\u05d0-\u05f4", ("he", "iw", "yi")),
    ("devanagari", r"\u0900-\u0963\u0966-\u097f", ("hi", "mr", "ne", "kok", "sa")),
    ("bengali", r"\u0980-\u09ff", ("bn", "as", "bpy")),
    ("gurmukhi", r"\u0a00-\u0a7f", ("pa",)),
    ("gujarati", r"\u0a80-\u0aff", ("gu",)),
    ("oriya", r"\u0b00-\u0b7f", ("or",)),
    ("tamil", r"\u0b80-\u0bff", ("ta",)),
    ("telugu", r"\u0c00-\u0c7f", ("te",)),
    ("kannada", r"\u0c80-\u0cff", ("kn",)),
    ("malayalam", r"\u0d00-\u0d7f", ("ml",)),
    ("sinhala", r"\u0d80-\u0dff", ("si",)),
    ("thai", r"\u0e00-\u0e7f", ("th",)),
    ("burmese", r"\u1000-\u109f", ("my",)),
    ("georgian", r"\u10a0-\u10ff", ("ka",)),
    ("ethiopic", r"\u1200-\u137f", ("am", "ti")),
    ("armenian", r"\u0530-\u058f", ("hy",)),
    ("hangul", r"\uac00-\ud7af\u1100-\u11ff", ("ko",)),
    ("kana", r"\u3040-\u30ff", ("ja",)),
    ("han", r"\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff",
     ("zh", "yue", "cmn", "hak", "ja", "ko")),
)  # fmt: skip
"""Name, characters, and the languages written in it, the likeliest first."""

_SIGNS = {name: re.compile(f"[{signs}]") for name, signs, _ in _SCRIPTS}
_LANGUAGES = {name: languages for name, _, languages in _SCRIPTS}
_NOT_LATIN = {language for languages in _LANGUAGES.values() for language in languages} - {
    "sr", "ku", "kk"
}  # fmt: skip
_NO_WORDS = re.compile(r"\w+://\S+|\S+@\S+|\]\([^)\n]*\)|`[^`\n]*`")
"""Addresses and code, in whatever script."""
_NO_LETTER = re.compile(r"[\W\d_]")


def language_of(text: str, wanted: str | None) -> str | None:
    """The language to read ``text`` in.

    It is ``wanted``, a tag such as "pt-BR", unless that is not written in the script of
    the text; then it is the likeliest language of the script.  None: English, or
    whatever the synthesiser reads by itself.
    """
    base = (wanted or "").lower().replace("_", "-").split("-")[0]
    letters = _NO_LETTER.sub("", _NO_WORDS.sub("", text))
    if not letters:
        return wanted
    counts = _counts(letters)
    script = max(counts, key=lambda name: counts[name])
    if any(counts.get(name) and base in languages for name, languages in _LANGUAGES.items()):
        return wanted  # With names of other scripts in it.
    if script == "latin":
        return "en" if base in _NOT_LATIN else wanted
    return _LANGUAGES[script][0]


def _counts(letters: str) -> dict[str, int]:
    """Letters of each script; a sign of Chinese weighs as much as a few."""
    if letters.isascii():
        return {"latin": len(letters)}
    counts = {name: len(signs.findall(letters)) for name, signs in _SIGNS.items()}
    counts["latin"] = len(letters) - sum(counts.values())
    for name in ("han", "kana", "hangul"):
        counts[name] *= 3
    if counts["kana"]:
        # Japanese is written in both, Chinese only in one.
        counts["kana"] += counts["han"]
    return counts
