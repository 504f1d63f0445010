"""A short text that matches a regular expression, for the ordinary ones.

Literals, classes, groups, alternatives and repetition; look-around and back references
are passed over, and the caller checks what came out.
"""

from __future__ import annotations

import re

_CLASSES = {"d": "0", "w": "a", "s": " ", "D": "a", "W": " ", "S": "a"}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r"}
_TRY = "a0A ZzbB1-_./:@#+,;'\"!?%&*()=~[]{}|\\<>$^\n\té"
_MAX_REPEAT = 512


def text_matching(pattern: str) -> str | None:
    """A text for ``pattern``; None where none was found."""
    try:
        text, end = _alternatives(pattern, 0)
    except (IndexError, ValueError, RecursionError):
        return None
    return text if end == len(pattern) else None


def _alternatives(pattern: str, at: int) -> tuple[str, int]:
    """The first alternative up to the closing bracket; the others are skipped."""
    text, at = _run(pattern, at)
    while at < len(pattern) and pattern[at] == "|":
        _, at = _run(pattern, at + 1)
    return text, at


def _run(pattern: str, at: int) -> tuple[str, int]:
    text = ""
    while at < len(pattern) and pattern[at] not in "|)":
        one, at = _one(pattern, at)
        count, at = _repeated(pattern, at)
        text += one * count
    return text, at


def _one(pattern: str, at: int) -> tuple[str, int]:
    mark = pattern[at]
    if mark in "^$":
        return "", at + 1
    if mark == ".":
        return "a", at + 1
    if mark == "(":
        return _group(pattern, at + 1)
    if mark == "[":
        return _class(pattern, at)
    if mark == "\\":
        return _escape(pattern, at + 1)
    return mark, at + 1


def _group(pattern: str, at: int) -> tuple[str, int]:
    silent = False
    if pattern[at] == "?":
        head = re.compile(r"\?(?::|P?<\w+>|<?[=!])").match(pattern, at)
        if head is None:
            raise ValueError(pattern)
        silent = head.group()[-1] in "=!"
        at = head.end()
    text, at = _alternatives(pattern, at)
    if pattern[at] != ")":
        raise ValueError(pattern)
    return ("" if silent else text), at + 1


def _class(pattern: str, at: int) -> tuple[str, int]:
    end = at + 1
    end += pattern[end] == "^"
    end += pattern[end] == "]"
    while pattern[end] != "]":
        end += 2 if pattern[end] == "\\" else 1
    written = pattern[at : end + 1]
    own = written[2 if written[1] == "^" else 1]
    compiled = re.compile(written)
    for one in (*_TRY, own, *map(chr, range(32, 0x250))):
        if compiled.fullmatch(one):
            return one, end + 1
    raise ValueError(pattern)


def _escape(pattern: str, at: int) -> tuple[str, int]:
    mark = pattern[at]
    if mark in "bBAZ":
        return "", at + 1
    if mark in "ux":
        digits = 4 if mark == "u" else 2
        return chr(int(pattern[at + 1 : at + 1 + digits], 16)), at + 1 + digits
    if mark in "pP" or mark.isdecimal():
        raise ValueError(pattern)
    return _CLASSES.get(mark) or _CONTROLS.get(mark, mark), at + 1


def _repeated(pattern: str, at: int) -> tuple[int, int]:
    mark = pattern[at : at + 1]
    count = 1
    if mark in ("*", "?"):
        count, at = 0, at + 1
    elif mark == "+":
        at += 1
    else:
        bounds = re.compile(r"\{(\d*)(?:,\d*)?\}").match(pattern, at)
        if bounds is None or (not bounds.group(1) and "," not in bounds.group()):
            return 1, at
        count, at = int(bounds.group(1) or 0), bounds.end()
        if count > _MAX_REPEAT:
            raise ValueError(pattern)
    return count, at + (pattern[at : at + 1] in ("?", "+"))
