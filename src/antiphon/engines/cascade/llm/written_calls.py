"""Function calls that a model has written into its text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct


class WrittenCall(Struct, frozen=True):
    name: str
    arguments: str
    """The JSON text of an object, in ASCII."""


Schemas = Mapping[str, Mapping[str, Any]]
"""The tools on offer: names and schemas of their parameters."""

_NAMED = re.compile(r"""<(?:function|invoke name)=\s*["']?([\w.:-]+)["']?\s*>""")
_PARAMETER = re.compile(
    r"""<parameter(?:\s+name)?=\s*["']?([\w.:-]+)["']?\s*>(.*?)</parameter>""", re.DOTALL
)
_GLM = re.compile(r"<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)</arg_value>", re.DOTALL)
_FENCE = re.compile(r"^```\w*\s*|\s*```$")
_JSON_BEGIN = re.compile(r"\{|\[(?=\s*[{\]])")
_TOKEN = re.compile(r"<[|｜][^<>]*?[|｜]>|\[[A-Z_]+\]|[\"'>:]")
_NUMBERED = re.compile(r":\d+(?=\W|$)")
_NAME = re.compile(r"[\w.-]+")


def calls_in(body: str, tools: Schemas, *, name: str = "", whole: bool = True) -> list[WrittenCall]:
    """The calls of tools on offer that ``body`` is; none if it is anything else.

    Args:
        body: what stood between the marks.
        tools: what may be called.
        name: the function, where a mark has named it already.
        whole: the mark that ends it was there; without it only JSON shows that it is whole.
    """
    body = _FENCE.sub("", body.strip())
    found = list(_tagged(body, tools)) if whole and not name else []
    if not found:
        found = list(_from_json(body, name, tools))
    # One that is none of ours spoils the rest: what the model meant is not known.
    return found if all(call.name in tools for call in found) else []


def _tagged(body: str, tools: Schemas) -> Iterator[WrittenCall]:
    begins = list(_NAMED.finditer(body))
    ends = [*(begin.start() for begin in begins[1:]), len(body)]
    for begin, end in zip(begins, ends, strict=False):
        inside = body[begin.end() : end]
        yield from _of_pairs(begin[1], _PARAMETER.findall(inside), inside, tools)
    if not begins and _GLM.search(body):
        head = body[: body.index("<arg_key>")].strip()
        yield from _of_pairs(head, _GLM.findall(body), "", tools)


def _of_pairs(
    name: str, pairs: list[tuple[str, str]], inside: str, tools: Schemas
) -> Iterator[WrittenCall]:
    if not pairs and inside.strip().startswith("{"):
        yield from _from_json(inside, name, tools)
        return
    name = _bare(name)
    properties = tools.get(name, {}).get("properties")
    known = properties if isinstance(properties, dict) else {}
    values = {key.strip(): _value(text.strip(), known.get(key.strip())) for key, text in pairs}
    yield WrittenCall(name, json.dumps(values))


def _value(text: str, schema: Any) -> Any:
    """A value that was written without quotes, as its schema wants it."""
    if isinstance(schema, dict) and schema.get("type") in (None, "string"):
        return text
    try:
        return _loads(text)
    except (ValueError, RecursionError):
        return text


def _from_json(body: str, name: str, tools: Schemas) -> Iterator[WrittenCall]:
    begin = _JSON_BEGIN.search(body)
    if begin is None:
        return
    try:
        value, _ = _DECODER.raw_decode(body, begin.start())
    except (ValueError, RecursionError):
        return
    if not name:
        head = _TOKEN.sub(" ", _NUMBERED.sub(" ", body[: begin.start()]))
        named = [_bare(word) for word in _NAME.findall(head)]
        name = next((word for word in reversed(named) if word in tools), "")
    if name:
        if isinstance(value, dict):
            yield WrittenCall(_bare(name), json.dumps(value))
        return
    for one in value if isinstance(value, list) else [value]:
        call = _of_object(one)
        yield call or WrittenCall("", "")


def _of_object(value: Any) -> WrittenCall | None:
    """``{"name": …, "arguments": …}`` under any of the names that models use."""
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("function"), dict):
        value = value["function"]
    name = next((value[k] for k in ("name", "function", "tool", "tool_name") if k in value), None)
    arguments = next(
        (value[k] for k in ("arguments", "parameters", "args", "input") if k in value), None
    )
    if isinstance(arguments, str):
        try:
            arguments = _loads(arguments)
        except (ValueError, RecursionError):
            return None
    if not isinstance(name, str) or not isinstance(arguments, dict | None):
        return None
    return WrittenCall(_bare(name), json.dumps(arguments or {}))


def _bare(name: str) -> str:
    return name.strip().removeprefix("functions.")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _loads(text: str) -> Any:
    return json.loads(text, parse_constant=_no_constant)


class JsonExtent:
    """Finds where a JSON value ends in a text that grows; each character is seen once."""

    def __init__(self) -> None:
        self._at = 0
        self._depth = 0
        self._in_string = False
        self._end: int | None = None
        self.begin: int | None = None

    def end_in(self, text: str) -> int | None:
        """Just after the first whole object or array; None: not yet."""
        if self._end is not None:
            return self._end
        if self.begin is None:
            begin = _JSON_BEGIN.search(text)
            if begin is None:
                return None
            self.begin = self._at = begin.start()
        while found := _STRUCTURE[self._in_string].search(text, self._at):
            sign = found[0]
            if sign == "\\":
                if found.end() == len(text):
                    self._at = found.start()
                    return None
                self._at = found.end() + 1
                continue
            self._at = found.end()
            if sign == '"':
                self._in_string = not self._in_string
            else:
                self._depth += 1 if sign in "{[" else -1
                if self._depth == 0:
                    self._end = self._at
                    return self._end
        self._at = len(text)
        return None


_STRUCTURE = (re.compile(r'[{}\[\]"]'), re.compile(r'["\\]'))
