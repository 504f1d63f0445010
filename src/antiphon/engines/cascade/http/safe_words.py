"""A chat server's own words about an error, in a form that may be shown.  No I/O.

Servers quote what they were sent.  Words of the conversation, keys and addresses are left
out, so that what remains may stand in a log and reach a client.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_CHARACTERS = 240
MAX_READ = 4_000
_GAP = "…"
_SECRET = re.compile(
    r"(?:sk|pk|key|gsk|xai|hf|AIza)[-_]?[A-Za-z0-9*_.-]{8,}|(?<=bearer )\S+|"
    r"\b(?=[\w+/-]*\d)(?=[\w+/-]*[A-Za-z])[\w+/-]{24,}\b",
    re.IGNORECASE,
)
_PLACE = re.compile(
    r"\b[a-z][a-z0-9+.-]*://\S+|(?<!\w)(?:/[\w.-]+){2,}|\b\d+(?:\.\d+){3}(?::\d+)?\b"
)
_WORD = re.compile(r"\w+")
_ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})")

_ORDINARY = frozenset(
    _WORD.findall(
        """a about above after again all allowed already also an and any api are argument arguments
    array as assistant at auto available bad be because before begin beginning being between body
    boolean both busy but by call called calling calls can cannot characters chat check choice
    choose code completion completions configured contain contains content context conversation
    count could current currently default did dictionary do does done each either empty enable
    enabled end endpoint error errors even exceed exceeded exceeds exist expected extra failed
    field fields final first following for format forbidden found from full function functions
    given greater has have how however id if image images in input inputs instead int integer
    internal into invalid is it item items its json key large larger last least length less limit
    list load loaded loading long longer make many max maximum may message messages min minimum
    missing model models more must name names need needed new no none not null number object of on
    one only option optional or order other out output over overloaded own parallel param parameter
    parameters permitted please prompt properties property provide provided quota range rate
    reached reason received reduce refused request requested requests require required requires
    response role roles same schema see server service set should size small so some specified
    start str stream string support supported supports system template text than that the their
    then there these this time to token tokens too tool tools total trailing try turn type
    unexpected unknown unsupported up use used user using valid validation value values was were
    when where which while window with without would you your"""
    )
)
"""Words of errors.  Everybody says them, so that they tell nothing of what was said."""


_RUN = 4
"""So many ordinary words in a row, as they were said, are left out as well."""


def safe_words(text: str, *, secrets: Iterable[str] = (), private: Iterable[str] = ()) -> str:
    """``text`` on one line, at most 240 characters, without what it has from ``private`` texts."""
    text = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text[:MAX_READ])
    for secret in filter(None, secrets):
        text = text.replace(secret, _GAP)
    text = _PLACE.sub(_GAP, _SECRET.sub(_GAP, text))
    text = _without(text, " ".join(_WORD.findall(" ".join(private).casefold())))
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    text = re.sub(rf"{_GAP}(?:[\s\W]{{0,3}}{_GAP})+", _GAP, " ".join(text.split()))
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1].rstrip() + _GAP


def _without(text: str, said: str) -> str:
    words = list(_WORD.finditer(text))
    plain = [word[0].casefold() for word in words]
    gaps = {at for at, word in enumerate(plain) if _tells(word, said)}
    for at in range(len(plain) - _RUN + 1):
        if " ".join(plain[at : at + _RUN]) in said:
            gaps.update(range(at, at + _RUN))
    for at in sorted(gaps, reverse=True):
        text = text[: words[at].start()] + _GAP + text[words[at].end() :]
    return text


def _tells(word: str, said: str) -> bool:
    """Whether a word may be one of the conversation's, or a part of one."""
    if word in _ORDINARY or (word.isascii() and len(word) < (3 if word.isdecimal() else 2)):
        return False
    if word.isascii():
        return word in said
    # Writing without spaces: two letters in a row are enough.
    return word in said or any(word[at : at + 2] in said for at in range(len(word) - 1))
