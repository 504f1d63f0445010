"""What chat servers do not take, though OpenAI's takes it.  No I/O.

A quirk is learned from a refusal and remembered for that server and model alone: the
request is then written another way, with the same meaning (`chat_messages`).
"""

from __future__ import annotations

import re
from enum import Enum


class Quirk(Enum):
    """The value completes the sentence "the server …"."""

    FRONT_SYSTEM = "takes a system message only in front"
    NO_SYSTEM = "takes no system message"
    STRICT_TURNS = "wants user and assistant to take turns"
    TEXT_CONTENT = "wants text where a message has none"
    FILLED_CONTENT = "wants no message without words"
    CALL_WITHOUT_WORDS = "takes words or a function call in a message, not both"
    ONE_CALL_EACH = "takes one function call a message"
    SHORT_CALL_IDS = "wants call ids of nine letters and digits"
    NO_IMAGES = "takes no images"
    AUTO_CHOICE = "takes no tool_choice but auto"
    NO_USAGE = "does not take stream_options"
    NEWER_LIMIT = "takes max_completion_tokens in place of max_tokens"
    NO_LIMIT = "takes no limit of tokens"
    NO_PARALLEL_CHOICE = "does not take parallel_tool_calls"
    NO_EFFORT = "does not take reasoning_effort"


Quirks = frozenset[Quirk]

STRICTEST: Quirks = frozenset(
    {
        Quirk.FRONT_SYSTEM,
        Quirk.STRICT_TURNS,
        Quirk.TEXT_CONTENT,
        Quirk.FILLED_CONTENT,
        Quirk.ONE_CALL_EACH,
        Quirk.SHORT_CALL_IDS,
    }
)
"""Messages as the strictest server wants them: worth a try when a refusal says nothing clear."""

_REFUSED = (
    r"unsupported|unknown|unrecogni[sz]ed|unexpected|extra|forbidden|"
    r"not (?:permitted|allowed|supported|accepted|valid)|(?:doesn't|does not|cannot) "
    r"(?:support|take|accept)|only (?:allowed|supported)|no such|instead"
)


def _field(names: str) -> str:
    return rf"(?:{_REFUSED})[^;]{{0,80}}\b(?:{names})\b|\b(?:{names})\b[^;]{{0,80}}(?:{_REFUSED})"


_LIMITS = "max_tokens|max_completion_tokens|max_new_tokens|max_output_tokens"
_WORDINGS: tuple[tuple[Quirk, str], ...] = (
    (
        Quirk.NO_SYSTEM,
        r"system (?:role|message|prompt|instruction)s?(?: is| are)? not (?:supported|allowed)|"
        r"does not support (?:the )?system|developer instruction is not enabled",
    ),
    (
        Quirk.FRONT_SYSTEM,
        r"system (?:message|role|prompt)s? .{0,40}(?:beginning|first|start)|"
        r"unexpected role '?system|only one system|multiple system|system .{0,20}after role",
    ),
    (
        Quirk.STRICT_TURNS,
        r"alternat|unexpected role|expected last role|after role|must end with|"
        r"(?:last|final) message .{0,40}(?:user|assistant)|consecutive|"
        r"(?:first|begin|start) .{0,30}(?:with a |be a |from )?user",
    ),
    (Quirk.CALL_WITHOUT_WORDS, r"either content or tool_calls, but not both"),
    (
        Quirk.ONE_CALL_EACH,
        r"single tool.calls?|one tool.call|multiple tool.calls?|"
        r"parallel tool.calls? (?:is|are) not",
    ),
    (Quirk.SHORT_CALL_IDS, r"(?:tool.?call|call).?_?ids? .{0,80}(?:length|characters|a-z|9)"),
    (
        Quirk.FILLED_CONTENT,
        r"content.{0,60}(?:empty|blank|at least 1|min_length)|(?:empty|blank).{0,40}content|"
        r"must have either content or tool_calls",
    ),
    (
        Quirk.TEXT_CONTENT,
        r"\bcontent\b.{0,60}(?:null|nil\b|none|string|\bstr\b|required|missing)|"
        r"(?:missing|null|nil|invalid|none).{0,40}\bcontent|nonetype|<nil>",
    ),
    (
        Quirk.NO_IMAGES,
        r"(?:support|take|accept)s?[^.;]{0,20} (?:images?|vision|multimodal)|"
        r"(?:images?|image_url|vision)[^.;]{0,30} not (?:supported|allowed|enabled)|"
        r"unsupported[^.;]{0,30}image|not a (?:multimodal|vision) model|mmproj|"
        r"\bcontent\b.{0,60}(?:string|\bstr\b)",
    ),
    (Quirk.AUTO_CHOICE, _field("tool_choice") + r"|tool_choice[^;]{0,60}(?:must be|only)"),
    (Quirk.NO_USAGE, _field("stream_options|include_usage")),
    (Quirk.NO_PARALLEL_CHOICE, _field("parallel_tool_calls")),
    (Quirk.NO_EFFORT, _field("reasoning_effort|reasoning")),
    (Quirk.NEWER_LIMIT, _field("max_tokens")),
    (Quirk.NO_LIMIT, _field("max_completion_tokens")),
)
_COMPILED = tuple(
    (quirk, re.compile(words, re.IGNORECASE | re.DOTALL)) for quirk, words in _WORDINGS
)
_LIMIT_TOO_LARGE = re.compile(
    rf"(?:{_LIMITS}).{{0,80}}"
    r"(?:too (?:large|high|big)|at most|less than|must be|exceed|maximum|range)",
    re.IGNORECASE | re.DOTALL,
)


def quirks_named(text: str) -> list[Quirk]:
    """Which quirks a refusal's words may speak of, the likeliest first."""
    return [quirk for quirk, words in _COMPILED if words.search(text)]


def limit_is_too_large(text: str) -> bool:
    """The field is taken, its value is not: for this one request it can be left out."""
    return bool(_LIMIT_TOO_LARGE.search(text))
