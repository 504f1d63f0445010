"""The tables of a script file as they stand in it, checked for type and spelling."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct, field

TextOrList = str | list[str]
Scalar = str | int | float | bool


class AgentTable(Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    greeting: TextOrList
    start: str
    about: str = ""
    misunderstood: list[str] = []
    open: bool = False
    cannot_follow: TextOrList = []


class CallTable(Struct, forbid_unknown_fields=True, kw_only=True):
    tool: str
    arguments: dict[str, Any] = {}
    set: dict[str, Scalar] = {}
    result: TextOrList = []
    error: TextOrList = []
    missing: TextOrList = []
    goto: str | None = None
    error_goto: str | None = None


class OnEnterTable(Struct, forbid_unknown_fields=True, kw_only=True):
    reply: TextOrList = []
    set: dict[str, Scalar] = {}
    call: CallTable | None = None


class IntentTable(Struct, forbid_unknown_fields=True, kw_only=True):
    name: str = ""
    examples: list[str]
    when: str | None = None
    confirm: bool | str = False
    whole: bool = False
    yields: bool = False
    rare: bool = False
    set: dict[str, Scalar] = {}
    reply: TextOrList = []
    goto: str | None = None
    call: CallTable | None = None


class StateTable(Struct, forbid_unknown_fields=True, kw_only=True):
    on_enter: Any = []
    """Text, a list of texts, or an `OnEnterTable`."""
    intents: list[Any] = []
    hints: TextOrList = []
    misunderstood: list[str] = []
    final: bool = False


class ToolEnumTable(Struct, forbid_unknown_fields=True, kw_only=True):
    tool: str
    parameter: str
    items: list[str]
    """For when the client has no such tool."""


class RandomTable(Struct, forbid_unknown_fields=True, kw_only=True):
    digits: int | None = None
    choice: list[Scalar] | None = None
    low: int | None = field(default=None, name="from")
    high: int | None = field(default=None, name="to")


class LanguageTable(Struct, forbid_unknown_fields=True, kw_only=True):
    words: str = ""
    reply: str


class GlobalTable(Struct, forbid_unknown_fields=True, kw_only=True):
    examples: list[str] = []
    reply: TextOrList = []


class ScriptTable(Struct, forbid_unknown_fields=True, kw_only=True):
    agent: Any
    states: dict[str, Any]
    enums: dict[str, Any] = {}
    variables: dict[str, Scalar] = {}
    random: dict[str, Any] = {}
    globals: dict[str, Any] = {}
    intents: list[Any] = []
    languages: dict[str, Any] = {}
    pronunciations: dict[str, str] = {}


class Lines:
    """Where in a TOML text a table or a key begins; close enough to point at."""

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str | int, ...], int] = {}
        here: tuple[str | int, ...] = ()
        counts: dict[tuple[str | int, ...], int] = {}
        for number, line in enumerate(text.splitlines(), 1):
            header = re.match(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]", line)
            key = re.match(r"\s*([\w\"'.-]+)\s*=", line)
            if header:
                here = self._table(header.group(2), header.group(1) == "[[", counts)
                self._lines.setdefault(here, number)
            elif key:
                self._lines.setdefault((*here, *_names(key.group(1))), number)

    def _table(
        self, written: str, many: bool, counts: dict[tuple[str | int, ...], int]
    ) -> tuple[str | int, ...]:
        path: tuple[str | int, ...] = ()
        names = _names(written)
        for index, name in enumerate(names):
            path = (*path, name)
            if many and index == len(names) - 1:
                counts[path] = counts.get(path, -1) + 1
            if path in counts:
                path = (*path, counts[path])
        return path

    def of(self, path: tuple[str | int, ...]) -> int:
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)


def _names(written: str) -> tuple[str, ...]:
    return tuple(name.strip().strip("\"'") for name in written.split("."))
