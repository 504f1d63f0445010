"""From what is written to what a person would say who reads it aloud.

Pure; clause by clause, so that speech begins as early as without it.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache

from antiphon.engines.cascade.tts.spoken.languages import LANGUAGES, Language, language_data
from antiphon.engines.cascade.tts.spoken.names import name_readings
from antiphon.engines.cascade.tts.spoken.reading import number_readings
from antiphon.engines.cascade.tts.spoken.words import Spoken, SpokenWriter

_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})([^\n`]*)")
_SILENT_LINE = re.compile(r"\s*(?:\|?(?:\s*:?-{2,}:?\s*\|)+\s*(?::?-{2,}:?)?|(?:[-*_=]\s?){3,})\s*")
"""A rule, or what is under the head of a table."""
_LINE_BEGIN = re.compile(
    r"\s*(?:#{1,6}\s+|(?:>\s?)+|[-*+•‣◦▪–]\s+(?:\[[ xX]\]\s+)?|\|\s*|(?=[0-9]{1,3}[.)]\s))"
)
_LIST_NUMBER = re.compile(r"([0-9]{1,3})[.)](?=\s)")

_LETTER = r"(?:[^\W\d_]|[\u0300-\u036f\u0900-\u0dff\u0e00-\u0eff])"
"""With the marks that many scripts write above and below their letters."""
_PLAIN = re.compile(rf"[\"'“‘(«¿¡]*{_LETTER}+(?:['’-]{_LETTER}+)*[\"'”’)»]*[.,!?;:…]*[\"'”’)»]*")
_AROUND_WORDS = "\"'“‘(«¿¡”’)».,!?;:…"
_CHUNK = re.compile(r"\S+")
_WORD = re.compile(r"[^\W_]+")

_PICTURES = (
    r"\u00a9\u00ae\u2122\u203c\u2049\u20e3\u231a-\u23ff\u24c2\u25a0-\u27bf\u2934-\u2935\u2b05-\u2b55"
    r"\u3030\u303d\u3297\u3299\ufe0e\ufe0f\U0001f000-\U0001faff\U000e0020-\U000e007f"
)
_INVISIBLE = r"\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
_SILENT = tuple(
    re.compile(pattern)
    for pattern in (
        rf"[{_PICTURES}](?:[{_PICTURES}\u200d]*[{_PICTURES}])?",
        rf"[{_INVISIBLE}]+",
        # Links and images: their text is said, their address is not.
        r"\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+\"[^\"\n]*\")?\)",
        r"\]\[[^\]\n]{0,40}\]",
        r"!?\[(?=[^\[\]\n]*(?:\]\(|\]\[|$))",
        # Footnotes and sources.
        r"\[\^?[0-9]{1,3}\](?!\()",
        r"【[^】\n]{0,80}】",
        # Emphasis and code; a part of it may be in the next clause.
        r"(?<![^\W_])[*_]{1,3}(?=\S)",
        r"(?<=\S)[*_]{1,3}(?![^\W_])",
        r"\*\*|~~|__(?=\S)|(?<=\S)__",
        r"`+",
        r"<!--.*?-->",
        r"<br\s?/?>|</[a-zA-Z][a-zA-Z0-9]*>|<[a-zA-Z][a-zA-Z0-9]*(?:\s[^<>\n]*)?>(?=\S)",
        r"<(?=https?:|[a-zA-Z][^<>\n]*>)|(?<=\S)>(?=\s|$|[.,!?])",
        r"\\(?=[^\w\s])",
        r"(?<!\S)(?:[:;=][-']?[)(DPp](?![\w)])|<3(?!\w))",
    )
)
_MAY_BE_SILENT = re.compile(rf"[{_PICTURES}{_INVISIBLE}\]\[!【*_~`<>\\:;=]")
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#[0-9]{1,6}|#x[0-9a-fA-F]{1,5});")
_BETWEEN = re.compile(r"(?<=[^\s])\s([-+=*<>/!−]{1,2})(?=\s\S)")
_SUM_CHARS = 12
_ENDS_A_LINE = re.compile(r"[^\W_]|[)\]\"”’%]")


class SpeechText:
    """One spoken item: knows whether a block of code is still open."""

    def __init__(self) -> None:
        self._fence = ""
        self._line_begins = True

    def say(self, written: str, language: str | None) -> Spoken:
        """What to say for the next clause.  Without words it is silent."""
        writer = SpokenWriter(written)
        data = language_data(language)
        for begin, end in _lines(written):
            if not self._in_code(written, begin, end, writer, data):
                _Line(written, end, writer, data).read(at_its_beginning=self._line_begins)
            self._line_begins = written[:end].endswith("\n")
        return writer.whole()

    def _in_code(
        self, written: str, begin: int, end: int, writer: SpokenWriter, data: Language | None
    ) -> bool:
        """Whether the line is code, or begins or ends some: it is not read out then."""
        fence = _FENCE.match(written, begin, end) if self._line_begins else None
        if self._fence:
            if fence and fence[1].startswith(self._fence) and not fence[2].strip():
                self._fence = ""
            writer.say("", end)
            return True
        if fence is None:
            return False
        self._fence = fence[1]
        writer.say(f"{data.code}. " if data else "", end)
        return True


def _lines(text: str) -> list[tuple[int, int]]:
    """Begin and end of each, with what ends it."""
    found, begin = [], 0
    while begin < len(text):
        end = text.find("\n", begin) + 1 or len(text)
        found.append((begin, end))
        begin = end
    return found


class _Line:
    """Reads from where the writer is to the end of the line."""

    def __init__(
        self, written: str, end: int, writer: SpokenWriter, language: Language | None
    ) -> None:
        self._written = written
        self._end = end
        self._writer = writer
        self._language = language
        self._names = name_readings(language)
        self._numbers = number_readings(language) if language else []

    def read(self, *, at_its_beginning: bool) -> None:
        written, writer = self._written, self._writer
        if at_its_beginning and self._read_beginning():
            return
        text_end = self._end - written[: self._end].endswith("\n")
        while chunk := _CHUNK.search(written, writer.at, text_end):
            writer.keep(chunk.start())
            if _PLAIN.fullmatch(chunk[0]) and not self._is_said_otherwise(chunk[0]):
                writer.keep(chunk.end())
                continue
            while writer.at < chunk.end():
                self._step(text_end)
        writer.keep(text_end)
        if text_end < self._end:
            # A line ends as a sentence does.
            pause = _ENDS_A_LINE.match(writer.last) and self._end < len(written)
            writer.say(". " if pause else " ", self._end)

    def _is_said_otherwise(self, word: str) -> bool:
        """Though it is made of letters alone: an acronym, a roman number, "z." of "z. B."."""
        if self._language is None:
            return False
        bare = word.strip(_AROUND_WORDS)
        return (bare[:2].isupper() and bare != "I") or word in _abbreviations_begin(
            self._language.tag
        )

    def _read_beginning(self) -> bool:
        """Marks of lists and the like; True: there is nothing else in the line."""
        written, writer = self._written, self._writer
        if _SILENT_LINE.fullmatch(written, writer.at, self._end):
            writer.say("", self._end)
            return True
        if begin := _LINE_BEGIN.match(written, writer.at, self._end):
            writer.say("", begin.end())
        number = _LIST_NUMBER.match(written, writer.at, self._end)
        if number and self._language:
            spoken = self._numbers[-1].pattern.fullmatch(number[1])
            said = self._numbers[-1].say(spoken) if spoken else None
            writer.say(f"{said or number[1]},", number.end())
        return False

    def _step(self, end: int) -> None:
        """Says at least one character."""
        written, writer = self._written, self._writer
        at = writer.at
        sign = written[at]
        begins_word = at == 0 or not (written[at - 1].isalnum() or written[at - 1] == "_")
        if begins_word and self._read_thing(sign, end):
            return
        if sign.isalnum():
            word = _WORD.match(written, at, end)
            writer.keep(word.end() if word else at + 1)
            return
        self._read_sign(sign, end)

    def _read_thing(self, sign: str, end: int) -> bool:
        if sign.islower():
            readings = self._names
        else:  # "EUR 5" begins with a letter, too.
            readings = [*self._numbers, *self._names] if sign.isalpha() else self._numbers
        for reading in readings:
            found = reading.pattern.match(self._written, self._writer.at, end)
            if found and found.end() > found.start():
                said = reading.say(found)
                if said is not None:
                    self._writer.say(said, found.end())
                    return True
        return False

    def _read_sign(self, sign: str, end: int) -> None:
        written, writer = self._written, self._writer
        at = writer.at
        if _MAY_BE_SILENT.match(sign):
            before = _BETWEEN.match(written, at - 1, end) if at else None
            if not (before and self._language):
                for pattern in _SILENT:
                    if found := pattern.match(written, at, end):
                        writer.say("", found.end())
                        return
        if found := _ENTITY.match(written, at, end):
            said = html.unescape(found[0])
            words = self._language.signs.get(said) if self._language else None
            writer.say(words or said, found.end())
        elif sign == "|":
            last = not written[at + 1 : end].strip()
            writer.say("" if last else ",", at + 1)
        elif sign == "_":
            writer.say(" ", at + 1)
        elif self._language:
            self._read_spoken_sign(sign, end, self._language)
        else:
            writer.keep(at + 1)

    def _read_spoken_sign(self, sign: str, end: int, language: Language) -> None:
        written, writer = self._written, self._writer
        at = writer.at
        between = _BETWEEN.match(written, at - 1, end) if at else None
        if between and (word := _word_between(written, between, language)):
            writer.say(word, between.end())
        elif sign in language.signs:
            writer.say(language.signs[sign], at + 1)
        elif (
            sign in "-–—" and written[at - 1 : at].isdigit() and written[at + 1 : at + 2].isdigit()
        ):
            writer.say(language.to, at + 1)
        elif sign == "~" and written[at + 1 : at + 2].isdigit():
            writer.say(language.signs["≈"], at + 1)
        elif sign == "*" and written[at - 1 : at].isdigit() and written[at + 1 : at + 2].isdigit():
            writer.say(language.between["*"], at + 1)
        elif sign == "/" and writer.replaced and written[at + 1 : at + 2].isalpha():
            writer.say(language.per, at + 1)
        elif sign == "/" and written[at - 1 : at].isalpha() and written[at + 1 : at + 2].isalpha():
            writer.say(" ", at + 1)
        else:
            writer.keep(at + 1)


def _word_between(written: str, between: re.Match[str], language: Language) -> str | None:
    """What a sign with spaces around is called; a dash is a minus only between numbers."""
    before, after = written[between.start() - 1], written[between.end() + 1]
    if between[1] in "-−":
        if not (before.isdigit() and after.isdigit()):
            return None
        if "=" not in written[between.end() : between.end() + _SUM_CHARS]:
            return language.to
    return language.between.get(between[1])


@lru_cache(maxsize=len(LANGUAGES))
def _abbreviations_begin(tag: str) -> frozenset[str]:
    return frozenset(word.split()[0] for word in LANGUAGES[tag].abbreviations)
