"""What the refusal of a server that speaks OpenAI's API means, in whatever words it comes.  No I/O.

The shapes of error bodies: OpenAI's ``{"error": {…}}``, a bare text in its place (Ollama),
``{"detail": …}`` (FastAPI), ``{"object": "error", "message": …}`` (vLLM, Mistral), a list of
one (Gemini), one error in another's ``metadata`` (OpenRouter), plain text, a web page.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Iterator
from enum import Enum
from typing import Any

import msgspec
from msgspec import Struct


class Asked(Struct, frozen=True):
    """Who was asked, in the operator's words."""

    subject: str
    """Begins a sentence: "the language model's server"."""
    section: str
    """Of the settings."""
    first: str = "timeout_s"
    """The setting for the longest silence until the answer begins."""
    idle: str = "timeout_s"
    """The setting for the longest silence within it."""
    form: str = "answer of this API"
    """What should have come."""


class Why(Enum):
    """Why there is no answer.  The value completes the sentence that `Asked.subject` begins."""

    CONTEXT_FULL = "says that the conversation is too long for the model's context"
    TOOLS_REFUSED = (
        "does not take function calls with this model; choose a model that does, or start the "
        "server with them switched on"
    )
    NO_MODEL = "does not know the model; check {0.section}.model"
    NOT_AN_API = (
        "is not an API at this address; check {0.section}.base_url (it usually ends in /v1)"
    )
    NOT_FOUND = (
        "does not know the address or the model; check {0.section}.base_url (it usually ends in "
        "/v1) and {0.section}.model"
    )
    KEY_REFUSED = "refused our key; the operator must check {0.section}.api_key"
    QUOTA_SPENT = "says that the account's quota is spent"
    MOVED = "sent us elsewhere; {0.section}.base_url must be its last address"
    RATE_LIMITED = "is busy; try again later"
    FAILED = "failed"
    UNREACHABLE = "cannot be reached; check that it runs and {0.section}.base_url"
    UNTRUSTED = "has a TLS certificate that is not trusted"
    CLOSED = "closed the connection"
    BROKEN_OFF = "broke the answer off"
    SILENT = "did not answer in time ({0.section}.{0.first})"
    STOPPED = "stopped in the middle of the answer ({0.section}.{0.idle})"
    MALFORMED = "sent what is no {0.form}"
    REFUSED = "refused the request"


WORTH_REPEATING = {
    Why.RATE_LIMITED,
    Why.FAILED,
    Why.UNREACHABLE,
    Why.CLOSED,
    Why.BROKEN_OFF,
}
"""What may be otherwise a moment later."""


class Refusal(Struct, frozen=True, kw_only=True):
    """No answer, and why."""

    why: Why
    status: int = 0
    """Of HTTP; 0: there was no answer of HTTP, 200: it began as one."""
    text: str = ""
    """The server's own words.  They may hold the prompt or the key: see `safe_words`."""
    retry_after_s: float | None = None

    def told(self, asked: Asked, words: str = "") -> str:
        """A sentence for operator and client, with ``words`` of the server's that may be shown."""
        status = f" (HTTP {self.status})" if self.status >= 300 else ""
        why = self.why.value.format(asked)
        return f"{asked.subject} {why}{status}" + (words and f": {words}")


class Refused(Exception):
    """There is no answer, or no more of it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.why.name)
        self.refusal = refusal


def refused(why: Why, text: str = "") -> Refused:
    return Refused(Refusal(why=why, text=text))


_CONTEXT_FULL = re.compile(
    r"context[ _-]?(?:length|window|size|limit)?[ _](?:is )?(?:exceed|overflow|full)|"
    r"exceed\w*[^.;]{0,60}(?:context|token limit|token count|max_seq_len)|"
    r"(?:context|input token count)[^.;]{0,80}exceed|exceed_context_size|"
    r"maximum (?:context|prompt|model|input|allowed) length|maximum length of \d+ tokens|"
    r"(?:longer|larger|greater|bigger|more) than (?:the )?(?:model's |maximum |available )*"
    r"(?:context|model length|max_seq_len|max_model_len)|context the overflows|"
    r"(?:prompt|input|request|conversation|messages?)[^.;]{0,20} too (?:long|many tokens)|"
    r"too large for model|reduce (?:the|your) (?:length|prompt|input|message)|"
    r"inputs`? tokens|must have less than \d+ tokens|range of input length|"
    r"input length[^.;]{0,60}(?:exceed|maximum|longer)|prompt exceeds max length|"
    r"total number of tokens[^.;]{0,60}exceed|tokens > \d+ maximum|"
    r"not enough context|上下文|超长|超过.{0,12}长度",
    re.IGNORECASE | re.DOTALL,
)
_TOOLS_REFUSED = re.compile(
    r"(?:does not|doesn't|not|no endpoints found that) support (?:the )?"
    r"(?:tools?\b(?! choice)|tool use|tool calling|function)|"
    r"(?:tools?|function)[ _-]?(?:use|call(?:s|ing)?)? (?:is|are) not (?:supported|enabled)|"
    r"enable-auto-tool-choice|tool-call-parser|tools param requires|"
    r"(?:unsupported|unknown|unrecognized|extra)[^.;]{0,40}\btools\b",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"model[^.;]{0,80}(?:not found|does not exist|not exist|unknown|no such|not loaded|invalid)|"
    r"(?:unknown|invalid|no such|unsupported|not a valid) model|model_not_found|no models? loaded",
    re.IGNORECASE,
)
_QUOTA = re.compile(r"insufficient_quota|exceeded your current quota|billing|credit|balance", re.I)
_PAGE = re.compile(rb"\s*<(?:!doctype|html|head|body|\?xml)", re.IGNORECASE)


def read_refusal(
    status: int, body: bytes, *, content_type: str = "", retry_after: str = "", now_s: float = 0.0
) -> Refusal:
    """What an answer means that is no stream of chat completions.

    ``status``: of HTTP, also 200 where an error came within the stream.  ``retry_after``: the
    header (RFC 9110, 10.2.3); ``now_s``: Unix time, for one that is a date.
    """
    is_page = "html" in content_type or bool(_PAGE.match(body))
    error = _decoded(body)
    text = "" if is_page else "; ".join(dict.fromkeys(_words(error)))
    if 200 <= status < 300:
        status = _status_within(error) or status
    return Refusal(
        why=_why(status, text, is_page=is_page, is_json=not isinstance(error, str)),
        status=status,
        text=text,
        retry_after_s=_retry_after_s(retry_after, now_s),
    )


def _why(status: int, text: str, *, is_page: bool, is_json: bool) -> Why:
    """The table is read from the top: what is said comes before the number."""
    busy = status == 429 and not _QUOTA.search(text)
    rules = (
        (300 <= status < 400, Why.MOVED),
        (status == 401, Why.KEY_REFUSED),
        (busy, Why.RATE_LIMITED),
        (status in (402, 429), Why.QUOTA_SPENT),
        (status == 413 or bool(_CONTEXT_FULL.search(text)), Why.CONTEXT_FULL),
        (bool(_TOOLS_REFUSED.search(text)), Why.TOOLS_REFUSED),
        (status >= 500 or status in (408, 425), Why.FAILED),
        (status < 500 and bool(_NO_MODEL.search(text)), Why.NO_MODEL),
        (status == 403, Why.KEY_REFUSED),
        (is_page or (status == 200 and not is_json), Why.NOT_AN_API),
        (status in (404, 405), Why.NOT_FOUND),
        (status == 200, Why.FAILED),
    )
    return next((why for holds, why in rules if holds), Why.REFUSED)


def _decoded(body: bytes) -> Any:
    """The error object; a text where it is no JSON."""
    text = body.decode(errors="replace")
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def _words(error: Any, depth: int = 0) -> Iterator[str]:
    """All that an error says; not what it quotes of the request (FastAPI's ``input``)."""
    if isinstance(error, str):
        inner = _decoded(error.encode(errors="replace")) if error.lstrip()[:1] in "{[" else error
        yield from _words(inner, depth + 1) if not isinstance(inner, str) else (error.strip(),)
    elif depth > 6:
        return
    elif isinstance(error, list):
        for part in error[:8]:
            yield from _words(part, depth + 1)
    elif isinstance(error, dict):
        if isinstance(error.get("loc"), list):  # Where a field is wrong, and why.
            where = ".".join(str(part) for part in error["loc"])
            yield f"{where}: {error.get('msg', '')} ({error.get('type', '')})"
            return
        for key in ("message", "error", "detail", "errors", "msg", "code", "type", "param"):
            value = error.get(key)
            if key in ("code", "type", "param") and not isinstance(value, str):
                continue
            if value:
                yield from _words(value, depth + 1)
        metadata = error.get("metadata")
        if isinstance(metadata, dict) and isinstance(metadata.get("raw"), str):
            yield from _words(metadata["raw"], depth + 1)


def _status_within(error: Any) -> int:
    """The status that an error within a stream bears, as OpenRouter's and vLLM's do."""
    error = error[0] if isinstance(error, list) and error else error
    inner = error.get("error", error) if isinstance(error, dict) else None
    code = inner.get("code", inner.get("status")) if isinstance(inner, dict) else None
    if isinstance(code, str) and code.isdecimal():
        code = int(code)
    return code if isinstance(code, int) and 400 <= code < 600 else 0


def _retry_after_s(header: str, now_s: float) -> float | None:
    if re.fullmatch(r"\s*\d+(\.\d+)?\s*", header):
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - now_s)
    except (ValueError, TypeError):
        return None
