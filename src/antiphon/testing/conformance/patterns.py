"""What an event must look like: a part of it, with placeholders.

An object matches one that has at least its keys; a list matches item by item, and one that
ends in ``"..."`` may go on.  Strings that stand for something else:

===========  ====================================================================
``$name``    anything the first time, the same from then on
``*``        anything, as long as the key is there
``-``        the key is absent
``~regex~``  a string in which the expression is found
``500±40``   a number near enough
===========  ====================================================================
"""

from __future__ import annotations

import re
from typing import Any

Names = dict[str, Any]

_NAME = re.compile(r"\$\w+")
_REGEX = re.compile(r"~(.*)~", re.DOTALL)
_ABOUT = re.compile(r"(-?[\d.]+)±([\d.]+)")


def mismatch(pattern: Any, value: Any, names: Names, path: str = "") -> str | None:
    """Why ``value`` does not match, or None where it does (and ``names`` has grown)."""
    tried = dict(names)
    why = _mismatch(pattern, value, tried, path)
    if why is None:
        names.update(tried)
    return why


def _mismatch(pattern: Any, value: Any, names: Names, path: str) -> str | None:
    if isinstance(pattern, dict):
        return _object_mismatch(pattern, value, names, path)
    if isinstance(pattern, list):
        return _list_mismatch(pattern, value, names, path)
    if isinstance(pattern, str):
        return _string_mismatch(pattern, value, names, path)
    if pattern != value or isinstance(pattern, bool) != isinstance(value, bool):
        return _differs(path, pattern, value)
    return None


def _object_mismatch(pattern: dict[str, Any], value: Any, names: Names, path: str) -> str | None:
    if not isinstance(value, dict):
        return _differs(path, pattern, value)
    for key, wanted in pattern.items():
        where = f"{path}.{key}" if path else key
        if wanted == "-":
            if key in value:
                return f"{where}: expected it to be absent, got {value[key]!r}"
        elif key not in value:
            return f"{where}: is missing"
        elif (why := _mismatch(wanted, value[key], names, where)) is not None:
            return why
    return None


def _list_mismatch(pattern: list[Any], value: Any, names: Names, path: str) -> str | None:
    goes_on = pattern[-1:] == ["..."]
    wanted = pattern[:-1] if goes_on else pattern
    if not isinstance(value, list):
        return _differs(path, pattern, value)
    if len(value) < len(wanted) or (len(value) > len(wanted) and not goes_on):
        return f"{path}: expected {len(wanted)} elements, got {len(value)}: {value!r}"
    for i, (one, got) in enumerate(zip(wanted, value, strict=False)):
        if (why := _mismatch(one, got, names, f"{path}[{i}]")) is not None:
            return why
    return None


def _string_mismatch(pattern: str, value: Any, names: Names, path: str) -> str | None:
    if pattern == "*":
        return None
    if _NAME.fullmatch(pattern):
        if pattern not in names:
            names[pattern] = value
            return None
        if names[pattern] != value:
            return f"{path}: expected {pattern}, which is {names[pattern]!r}, got {value!r}"
        return None
    if regex := _REGEX.fullmatch(pattern):
        found = isinstance(value, str) and re.search(regex[1], value)
        return None if found else _differs(path, pattern, value)
    if (about := _ABOUT.fullmatch(pattern)) and isinstance(value, int | float):
        near = abs(value - float(about[1])) <= float(about[2])
        return None if near else _differs(path, pattern, value)
    return None if pattern == value else _differs(path, pattern, value)


def _differs(path: str, pattern: Any, value: Any) -> str:
    return f"{path}: expected {pattern!r}, got {value!r}"


_REPEAT = re.compile(r"@repeat\(([^,()]*), ?(\d+)\)")
_NAME_IN_JSON = re.compile(r'"(\$\w+)"')


def fill_in(text: str, names: Names) -> str:
    """A client's message with its placeholders filled in.

    Raises:
        KeyError: a name that nothing was found for yet.
    """
    text = _NAME_IN_JSON.sub(lambda found: f'"{names[found[1]]}"', text)
    return _REPEAT.sub(lambda found: found[1] * int(found[2]), text)
