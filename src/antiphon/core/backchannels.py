"""The words with which one listens: they ask nothing, tell nothing and want no answer."""

from __future__ import annotations

import re
from typing import Final

_HUM: Final = re.compile(r"[mh]+|[uea]+[hm]+|u+h+u+h+|[ea]+h+a+|m+u*h+u*m*|hu+h|o+h")
"""Mm, mhm, hmm, uhuh, aha, uh, um, ah, eh, huh, oh: as recognisers spell them."""
_SAYINGS: Final = {
    "en": "yeah, yes, yep, yup, yea, ok, okay, right, sure, alright, all right, true, exactly, "
    "wow, really, great, nice, cool, good, very good, fine, indeed, absolutely, definitely, "
    "totally, perfect, wonderful, interesting, gotcha, got it, i see, i know, i understand, go on, "
    "of course, makes sense, that makes sense, sounds good, thats right, thats true, thats good",
    "de": "ja, genau, klar, stimmt, gut, schön, so, achso, ach so, ach ja, alles klar, natürlich",
    "fr": "oui, ouais, voilà, bien, très bien, bien sûr, ah bon, daccord",
    "es": "sí, vale, claro, ajá, bueno, muy bien, exacto, de acuerdo, ya veo",
    "it": "sì, certo, esatto, già, va bene, capito",
    "pt": "sim, certo, tá, tá bom, isso, pois é, entendi",
    "nl": "goed, precies, oké, natuurlijk",
    "zh": "嗯, 对, 好, 好的, 是, 是的, 哦, 知道了",
    "ja": "はい, うん, ええ, そう, そうですね, なるほど",
    "ko": "네, 응, 그래, 그렇군요",
}
_LISTENS: Final = frozenset(
    saying for sayings in _SAYINGS.values() for saying in sayings.split(", ")
)
_LONGEST: Final = max(len(saying.split()) for saying in _LISTENS)
_ANSWERS_NOTHING: Final = frozenset(
    ("wow", "really", "interesting", "oh", "ah", "hm", "hmm", "uh", "um", "huh")
)
_JOINERS: Final = re.compile(r"(?<=\w)[-'’](?=\w)")
_WORD: Final = re.compile(r"[^\W_]+")


def is_backchannel(text: str) -> bool:
    """All of it is said by one who listens."""
    words = _words(text)
    at = 0
    while at < len(words):
        for count in range(min(_LONGEST, len(words) - at), 0, -1):
            if _is_saying(words[at : at + count]):
                at += count
                break
        else:
            return False
    return bool(words)


def begins_as_backchannel(text: str) -> bool:
    words = _words(text)
    return any(_is_saying(words[:count]) for count in range(1, min(_LONGEST, len(words)) + 1))


def is_reply(text: str) -> bool:
    """After a question, such words are its answer."""
    return any(word not in _ANSWERS_NOTHING for word in _words(text))


def _words(text: str) -> list[str]:
    return _WORD.findall(_JOINERS.sub("", text.lower()))


def _is_saying(words: list[str]) -> bool:
    return " ".join(words) in _LISTENS or (len(words) == 1 and bool(_HUM.fullmatch(words[0])))
