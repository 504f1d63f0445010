"""Which function call a streamed piece belongs to, and how far each call has come.  No I/O.

OpenAI numbers the calls of an answer by ``index`` and names each once.  Others give every
call the number 0 or none, a new id with each piece or no id, the name again and again.
What all of them share: a new call brings a *name*, and its arguments are one JSON object.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from typing import Any

import msgspec

from antiphon.engines.cascade.llm.characters import Characters
from antiphon.engines.cascade.llm.json_extent import JsonExtent

log = logging.getLogger(__name__)

MAX_CALLS = 128
"""Overflow policy: pieces of one more are left out."""
_NOTHING = ("", "{}", "null", "None")
"""How servers write the arguments of a call that has none."""


class StreamedCall:
    """One call, as far as it has come."""

    def __init__(self, index: int | None, name: str, *, may_be_echo: bool = False) -> None:
        self.index = index
        self.name = name
        self._may_be_echo = may_be_echo
        self.ids: list[str] = []
        """All ids that its pieces bore, in order."""
        self.call_id = ""
        """As the client knows it; "" until something was passed on."""
        self._arguments = JsonExtent()
        self._characters = Characters()
        self._passed = 0

    @property
    def text(self) -> str:
        """Its arguments so far."""
        return self._arguments.text

    @property
    def is_whole(self) -> bool:
        """The arguments are an object that has ended, and there is something in it."""
        return self._arguments.is_closed and self._arguments.is_filled

    @property
    def is_closed(self) -> bool:
        return self._arguments.is_closed

    @property
    def is_nothing(self) -> bool:
        """Without a name, or an echo of the call before."""
        return not self.name or (self._may_be_echo and not self.text.strip())

    def add(self, text: str) -> None:
        """More of the arguments; what comes after their end is left out."""
        after = self._arguments.add(self._characters.whole(text))
        if after.lstrip().startswith("{") and not self._arguments.is_filled:
            # Some gateways begin every call with an empty object and then send the real one.
            self._arguments = JsonExtent()
            after = self._arguments.add(after)
        if after.strip():
            log.debug("llm: text after the end of a call's arguments was left out")

    def grown(self) -> str:
        """What can be passed on already and was not.

        An object that may be empty, and what is no object, wait for the end.
        """
        if not self._arguments.is_filled:
            return ""
        piece, self._passed = self.text[self._passed :], len(self.text)
        return piece

    def rest(self) -> str | None:
        """The last of the arguments, once no more can come; None: they are not whole JSON."""
        if self._passed:
            return self.grown() if _value(self.text) is not None else None
        if self.text.strip() in _NOTHING:
            return "{}"
        value = _value(self.text)
        if isinstance(value, str):  # JSON written as a string of JSON.
            return value if isinstance(_value(value), dict) else None
        return None if value is None else self.text


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None


class ToolCalls:
    """All calls of an answer, in the order in which they began."""

    def __init__(self, tool_names: Collection[str] = ()) -> None:
        """``tool_names``: what can be called, to tell a name in pieces from two names."""
        self._tool_names = tool_names
        self._calls: list[StreamedCall] = []

    def take(self, piece: dict[str, Any]) -> StreamedCall | None:
        """Add a piece of ``delta.tool_calls``; the call, where it is a new one."""
        function = piece.get("function")
        function = function if isinstance(function, dict) else {}
        name, call_id = _text(function.get("name")), _text(piece.get("id"))
        arguments = _arguments(function.get("arguments"))
        index = _index(piece.get("index"))
        call = self._belongs_to(index, call_id, name, arguments)
        begun = call is None or (bool(name) and self._begins(call, name, arguments, call_id))
        if call is None or begun:
            if len(self._calls) >= MAX_CALLS:
                return None
            # The same name once more, and no arguments yet: a call, or an echo of the last one.
            echo = call is not None and call.name == name and not arguments.strip()
            call = StreamedCall(index, name, may_be_echo=echo)
            self._calls.append(call)
        elif name and (not call.name or self._is_rest_of_name(call, name)):
            call.name += name
        if call_id and call_id not in call.ids:
            call.ids.append(call_id)
        call.add(arguments)
        return call if begun else None

    def _belongs_to(
        self, index: int | None, call_id: str, name: str, arguments: str
    ) -> StreamedCall | None:
        """The call that a piece continues, if it is not a new one."""
        numbered = [c for c in self._calls if index is not None and c.index == index]
        named = [c for c in numbered or self._calls if call_id and call_id in c.ids]
        if numbered:
            return (named or numbered)[-1]
        if index is not None and name:  # A number of its own, and a name.
            return next((c for c in named if c.name == name and not c.is_closed), None)
        if named:
            return named[-1]
        open_calls = [c for c in self._calls if not c.is_closed and not name]
        if index is not None and not (arguments and open_calls):
            return None
        newest = open_calls or self._calls
        return newest[-1] if newest else None

    def _begins(self, call: StreamedCall, name: str, arguments: str, call_id: str) -> bool:
        """Whether a piece with a name is a call of its own, and not more of ``call``."""
        if not call.name:
            return False
        if name != call.name:
            return not self._is_rest_of_name(call, name)
        same_id = call_id != "" and call_id in call.ids
        if not call.is_closed or (same_id and arguments in (call.text, "")):
            return False
        return call.is_whole or not same_id

    def _is_rest_of_name(self, call: StreamedCall, name: str) -> bool:
        longer = call.name + name
        return (
            not call.text
            and name not in self._tool_names
            and any(known.startswith(longer) for known in self._tool_names)
        )


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _index(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _arguments(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else ""
