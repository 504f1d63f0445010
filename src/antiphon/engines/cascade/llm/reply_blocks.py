"""What stands between the marks in a model's text: thoughts, calls, headers."""

from __future__ import annotations

import enum
import logging
import re
from typing import Protocol

from msgspec import Struct

from antiphon.engines.cascade.llm.reply_marks import (
    BARE_FINAL,
    CALL_KEYS,
    CHANNEL_NAMES,
    NEXT_CHANNEL,
    NEXT_ROLE,
    OUR_ROLES,
    ROLE_NAMES,
    THOUGHT_END,
    Ends,
    Mark,
)
from antiphon.engines.cascade.llm.written_calls import (
    JsonExtent,
    Schemas,
    WrittenCall,
    calls_in,
)

log = logging.getLogger(__name__)

MAX_CALL_CHARS = 64 * 1024
"""Longer calls are given up: what could be an answer is shown, the rest is hidden."""
MAX_THOUGHT_CHARS = 64 * 1024
"""What may be an answer after all is kept no longer than this."""
_MAX_HEADER_CHARS = 200


class Template:
    """What the answers so far have shown of the model's chat template."""

    def __init__(self) -> None:
        self.opens_thought = False
        """The prompt ends in ``<think>``, so that answers hold only its end."""


class Over(enum.Enum):
    """Whether the text is over."""

    NO = enum.auto()
    YES = enum.auto()
    CUT_SHORT = enum.auto()
    """By a limit or a filter: a call that is not closed is half a call."""


class Read(Struct, frozen=True):
    """What a block made of the text before it."""

    used: int
    then: Block | None
    """What the rest is; None: text."""
    shown: str = ""
    calls: tuple[WrittenCall, ...] = ()


class Block(Protocol):
    def read(self, text: str, over: Over) -> Read:
        """``used=0`` and itself as ``then``: more must come first."""
        ...


class Hidden:
    """A thought, or a turn of somebody else.  Keeps no more than half an end."""

    def __init__(self, ends: Ends | None) -> None:
        self._ends = ends

    def read(self, text: str, over: Over) -> Read:
        if self._ends is None:
            return Read(len(text), self if over is Over.NO else None)
        if end := self._ends.pattern.search(text):
            return Read(end.end(), None)
        if over is not Over.NO:
            return Read(len(text), None)
        return Read(max(0, len(text) - self._ends.longest + 1), self)


class LikelyThought:
    """The beginning of an answer, where the chat template is known to open a thought."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._searched = 0

    def read(self, text: str, over: Over) -> Read:
        end = THOUGHT_END.pattern.search(text, self._searched)
        if end:
            return Read(end.end(), None)
        if len(text) > MAX_THOUGHT_CHARS or over is Over.CUT_SHORT:
            return Read(0, Hidden(THOUGHT_END))
        if over is Over.YES:
            self._template.opens_thought = False  # So this was the answer.
            return Read(0, None)
        self._searched = max(0, len(text) - THOUGHT_END.longest + 1)
        return Read(0, self)


class TaggedCall:
    """A call up to the mark that ends it."""

    def __init__(self, opening: str, mark: Mark, tools: Schemas, *, name: str = "") -> None:
        assert mark.ends is not None
        self._opening = opening
        self._ends = mark.ends
        self._like_a_word = mark.like_a_word
        self._tools = tools
        self._name = name
        self._searched = 0

    def read(self, text: str, over: Over) -> Read:
        if self._like_a_word:
            looks = _looks_like_a_call(text, names_first=self._opening.endswith("="))
            if looks is False:
                return Read(0, None, shown=self._opening)
            self._like_a_word = looks is None
        end = self._ends.pattern.search(text, self._searched)
        if (end.start() if end else len(text)) > MAX_CALL_CHARS:
            _left_out("too long")
            return Read(0, Hidden(self._ends))
        if end:
            return Read(end.end(), None, calls=self._calls(text[: end.start()], whole=True))
        if over is not Over.NO:
            whole = over is Over.YES
            return Read(len(text), None, calls=self._calls(text, whole=False) if whole else ())
        self._searched = max(0, len(text) - self._ends.longest + 1)
        return Read(0, self)

    def _calls(self, body: str, *, whole: bool) -> tuple[WrittenCall, ...]:
        if self._opening.endswith("="):  # <function=name>
            body = self._opening + body
        return _calls_or_nothing(body, self._tools, name=self._name, whole=whole)


class JsonCall:
    """A call that ends with its JSON value, maybe after its name."""

    def __init__(self, tools: Schemas, *, name: str = "") -> None:
        self._tools = tools
        self._name = name
        self._extent = JsonExtent()

    def read(self, text: str, over: Over) -> Read:
        end = self._extent.end_in(text)
        begin = len(text) if self._extent.begin is None else self._extent.begin
        if begin > _MAX_HEADER_CHARS or (over is not Over.NO and begin == len(text)):
            return Read(0, None)
        if (end or len(text)) > MAX_CALL_CHARS:
            _left_out("too long")
            return Read(0, Hidden(None))
        if end:
            calls = _calls_or_nothing(text[:end], self._tools, name=self._name)
            return Read(end, None, calls=calls)
        return Read(0, self) if over is Over.NO else Read(len(text), None)


class MaybeCall:
    """JSON as the whole answer, or in a fence: a call of a tool on offer, else an answer."""

    def __init__(self, opening: str, tools: Schemas) -> None:
        self._opening = opening
        self._tools = tools
        self._extent = JsonExtent()

    def read(self, text: str, over: Over) -> Read:
        begins = _begins_like_a_call(text)
        ended = over is not Over.NO
        if begins is False or (ended and begins is None):
            return self._as_text(text, 1)
        end = self._extent.end_in(text)
        if (end or len(text)) > MAX_CALL_CHARS:
            return self._as_text(text, MAX_CALL_CHARS)
        if end is None:
            return self._as_text(text, len(text)) if ended else Read(0, self)
        close = _CLOSING_FENCE.match(text, end) if self._opening else None
        if self._opening and close is None and not ended and text[end:].strip() in ("", "`", "``"):
            return Read(0, self)
        calls = calls_in(text[:end], self._tools)
        if not calls:
            return self._as_text(text, end)
        return Read(close.end() if close else end, None, calls=tuple(calls))

    def _as_text(self, text: str, used: int) -> Read:
        used = min(used, len(text))
        return Read(used, None, shown=self._opening + text[:used])


class Role:
    """Whose turn it is: ``<|im_start|>assistant`` and a new line."""

    def read(self, text: str, over: Over) -> Read:
        if _first_word_is_one_of(ROLE_NAMES, text) is False:
            return Read(0, None)
        end = _ROLE_END.search(text)
        if (end.start() if end else len(text)) > _MAX_HEADER_CHARS:
            return Read(0, None)
        if end is None:
            return Read(0, self) if over is Over.NO else Read(len(text), None)
        return Read(end.end(), None if _first_word(text) in OUR_ROLES else Hidden(NEXT_ROLE))


class Channel:
    """A header of Harmony: ``<|channel|>commentary to=functions.x<|message|>``."""

    def __init__(self, tools: Schemas) -> None:
        self._tools = tools

    def read(self, text: str, over: Over) -> Read:
        if _first_word_is_one_of(CHANNEL_NAMES, text) is False:
            return Read(0, None)
        end = _CHANNEL_END.search(text)
        if (end.start() if end else len(text)) > _MAX_HEADER_CHARS:
            return Read(0, None)
        if end is None:
            return Read(0, self) if over is Over.NO else Read(len(text), None)
        header = text[: end.start()]
        recipient = _RECIPIENT.search(header)
        body: Block | None = None
        if recipient and recipient[1].startswith("functions."):
            body = TaggedCall("", Mark("call", NEXT_CHANNEL), self._tools, name=recipient[1])
        elif recipient or "analysis" in header or _first_word(header) in _OTHERS:
            body = Hidden(NEXT_CHANNEL)
        return Read(end.end(), body)


class BareHarmony:
    """Harmony without its tokens: ``analysis``, ``assistantcommentary to=functions.x json``,
    ``assistantfinal``, each with what follows right behind it.
    """

    def __init__(self, tools: Schemas) -> None:
        self._tools = tools

    def read(self, text: str, over: Over) -> Read:
        begin = _BARE_HEADER.match(text)
        assert begin is not None
        if call := _BARE_CALL.match(text):
            return Read(call.end(), JsonCall(self._tools, name=call[1]))
        addressed = text[begin.end() : begin.end() + 4] == _TO
        if addressed and over is Over.NO and len(text) <= _MAX_HEADER_CHARS and "{" not in text:
            return Read(0, self)
        hidden = addressed or begin[2] == "analysis"
        return Read(begin.end(), Hidden(BARE_FINAL) if hidden else None)


def begins_bare_harmony(text: str) -> bool | None:
    """None: not yet to be told."""
    begin = _BARE_HEADER.match(text)
    if begin is None:
        return None if any(word.startswith(text) for word in _BARE_WORDS) else False
    after = text[begin.end() : begin.end() + len(_TO)]
    if after[:1].isupper() or after == _TO:
        return True
    return None if _TO.startswith(after) else False


_BARE_HEADER = re.compile(r"(assistant)?(analysis|commentary|final)")
_BARE_WORDS = [a + b for a in ("", "assistant") for b in ("analysis", "commentary", "final")]
_TO = " to="
_BARE_CALL = re.compile(
    r"(?:assistant)?\w{5,10} to=(functions\.[\w.-]{1,64})\s{0,4}(?:(?:json|code)\s{0,4})?(?=\{)"
)
_OTHERS = set(ROLE_NAMES) - set(OUR_ROLES)
_ROLE_END = re.compile(r"\n|<\|end_header_id\|>|<\|im_sep\|>|<\|end_of_role\|>")
_CHANNEL_END = re.compile(re.escape("<|message|>"))
_RECIPIENT = re.compile(r"\bto=([\w.-]+)")
_CLOSING_FENCE = re.compile(r"\s*```")
_OBJECT_BEGIN = re.compile(r"\s*(?:\[\s*)?\{\s*")
_BEFORE_OBJECT = re.compile(r"\s*(?:\[\s*)?")
_FIRST_KEY = re.compile(r'"(\w*)(")?')
_NAME_IN_TAG = re.compile(r"""\s*["']?[\w.:-]{1,64}["']?\s*>""")
_NAME_IN_TAG_BEGUN = re.compile(r"""\s*["']?[\w.:-]{0,64}["']?\s*""")
_NAME = re.compile(r"[\w.:-]{1,64}")
_FIRST_WORD = re.compile(r"\s*(\w*)")


def _looks_like_a_call(text: str, *, names_first: bool) -> bool | None:
    """None: not yet to be told."""
    if names_first:
        if _NAME_IN_TAG.match(text):
            return True
        return None if _NAME_IN_TAG_BEGUN.fullmatch(text) else False
    text = text.lstrip()
    if not text or text[0] in '{[<`"':
        return True if text else None
    name = _NAME.match(text)
    if name is None:
        return False
    return text[name.end()] in "\n{<[" if name.end() < len(text) else None


def _begins_like_a_call(text: str) -> bool | None:
    """Whether the first key is one that calls begin with; None: not yet to be told."""
    begin = _OBJECT_BEGIN.match(text)
    if begin is None:
        return None if _BEFORE_OBJECT.fullmatch(text) else False
    if begin.end() == len(text):
        return None
    key = _FIRST_KEY.match(text, begin.end())
    if key is None:
        return False
    if key[2]:
        return key[1] in CALL_KEYS
    return None if key.end() == len(text) and len(key[1]) <= 16 else False


def _first_word(text: str) -> str:
    word = _FIRST_WORD.match(text)
    return word[1] if word else ""


def _first_word_is_one_of(names: tuple[str, ...], text: str) -> bool | None:
    """None: not yet to be told."""
    word = _FIRST_WORD.match(text)
    assert word is not None
    if word.end() < len(text):
        return word[1] in names
    return None if any(name.startswith(word[1]) for name in names) else False


def _calls_or_nothing(
    body: str, tools: Schemas, *, name: str = "", whole: bool = True
) -> tuple[WrittenCall, ...]:
    calls = calls_in(body, tools, name=name, whole=whole)
    if not calls:
        _left_out("not whole, or of no tool on offer")
    return tuple(calls)


def _left_out(why: str) -> None:
    log.warning("llm: a call that the model wrote as text is left out: it is %s", why)
