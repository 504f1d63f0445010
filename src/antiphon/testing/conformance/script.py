"""Conformance scripts as text.

A script is a head in TOML, a line ``---``, and then one statement a line; an indented line
goes on with the statement before it.

=====================  ==================================================================
``# text``             a comment
``C> type {json}``     the client sends an event (or ``C> {json}``, or ``C> raw text``)
``U> speaks 800ms``    the user's microphone; also ``U> is quiet 700ms``
``W> 5000ms``          time passes
``S< type {json}``     the next server event: this, and at least these fields
``S<? type {json}``    the next one, if it comes
``S<* type {json}``    any number of them
``S<+ type {json}``    one or more of them
``S& type {json}``     comes once from here on, wherever it likes
``S! type {json}``     does not come from here on
``S| ``                nothing comes now
=====================  ==================================================================

At the end nothing more may come.  A closed connection comes as the event ``(closed)`` with
``code`` and ``reason``.  In the JSON of the server, ``"$name"`` stands for anything the first
time, and for the same thing from then on (also in what the client sends); see
`antiphon.testing.conformance.patterns` for the other placeholders.  In a client's strings
``@repeat(text, times)`` writes long ones.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from antiphon.engines import scripted
from antiphon.errors import AntiphonError


class ScriptError(AntiphonError):
    """A text is no conformance script; the message names file and line."""


class Head(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is settled before the first event."""

    title: str
    source: str = ""
    """Where the reference says so."""
    kind: Literal["realtime", "transcription"] = "realtime"
    playout: Literal["client", "server"] = "client"
    lines: tuple[str, ...] = ()
    """The lines that can play it; none: all."""
    session_max_ms: int = 60 * 60 * 1000
    context_tokens: int = 28_224
    engine_speaks: bool = True
    engine: scripted.Script = scripted.Script()


Act = Literal["C>", "U>", "W>", "S<", "S<?", "S<*", "S<+", "S&", "S!", "S|"]


@dataclass(frozen=True, slots=True)
class Statement:
    line: int
    act: Act
    text: str
    """As it stands in the script, without what it begins with."""
    pattern: dict[str, Any] | None = None
    """Of the server's event."""
    speaks: bool = False
    ms: int = 0


@dataclass(frozen=True, slots=True)
class Script:
    name: str
    head: Head
    statements: tuple[Statement, ...]
    passes_over: frozenset[str] = frozenset()
    """Types of events that may come at any time."""

    def runs_on(self, line: str) -> bool:
        return not self.head.lines or line in self.head.lines


def read_script(path: Path) -> Script:
    """Raises:
    ScriptError: the file is no script.
    """
    return parse_script(path.read_text(), name=path.name)


def parse_script(text: str, *, name: str = "script") -> Script:
    """Raises:
    ScriptError: with the line that is at fault.
    """
    head, found, body = text.partition("\n---\n")
    if not found:
        raise ScriptError(f"{name}: no line '---' between head and statements")
    try:
        settings = msgspec.convert(tomllib.loads(head), Head)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ScriptError(f"{name}: head: {error}") from None
    first_line = head.count("\n") + 3
    statements = [_statement(name, at, line) for at, line in _joined(body, first_line)]
    return Script(name, settings, tuple(statements))


def _joined(body: str, first_line: int) -> list[tuple[int, str]]:
    """Statements with their line numbers, each on one line."""
    found: list[tuple[int, str]] = []
    for at, line in enumerate(body.splitlines(), start=first_line):
        if not line.strip() or line.startswith("#"):
            continue
        if line[0].isspace() and found:
            number, begun = found[-1]
            found[-1] = (number, f"{begun} {line.strip()}")
        else:
            found.append((at, line.rstrip()))
    return found


_STATEMENT = re.compile(r"(?P<act>C>|U>|W>|S<[?*+]?|S&|S!|S\|)\s*(?P<text>.*)", re.DOTALL)
_USER = re.compile(r"(?P<does>speaks|is quiet) (?P<ms>\d+)ms")
_TIME = re.compile(r"(?P<ms>\d+)ms")
_EVENT = re.compile(r"(?P<type>[a-z_.]+|\(closed\)|\*)?\s*(?P<fields>\{.*\})?", re.DOTALL)


def _statement(name: str, at: int, line: str) -> Statement:
    where = f"{name}, line {at}"
    found = _STATEMENT.fullmatch(line)
    if found is None:
        raise ScriptError(f"{where}: no statement: {line}")
    act: Act = found["act"]  # type: ignore[assignment]
    text = found["text"]
    match act:
        case "C>":
            return Statement(at, act, _client_text(where, text))
        case "U>" if user := _USER.fullmatch(text):
            return Statement(at, act, text, speaks=user["does"] == "speaks", ms=int(user["ms"]))
        case "W>" if time := _TIME.fullmatch(text):
            return Statement(at, act, text, ms=int(time["ms"]))
        case "S|" if not text:
            return Statement(at, act, text)
        case "U>" | "W>" | "S|":
            raise ScriptError(f"{where}: not understood: {line}")
        case _:
            return Statement(at, act, text, _event(where, text))


def _client_text(where: str, text: str) -> str:
    """The message as it is sent, but for its placeholders."""
    if text.startswith("raw "):
        return text.removeprefix("raw ")
    return msgspec.json.encode(_event(where, text)).decode()


def _event(where: str, text: str) -> dict[str, Any]:
    found = _EVENT.fullmatch(text)
    if found is None or not text:
        raise ScriptError(f"{where}: no event: {text}")
    try:
        fields: dict[str, Any] = msgspec.json.decode(found["fields"] or "{}")
    except msgspec.DecodeError as error:
        raise ScriptError(f"{where}: {error}") from None
    return {"type": found["type"]} | fields if found["type"] else fields
