"""The runner itself: what it finds, and what it shows."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import pytest

from antiphon.testing.conformance import (
    ConformanceFailure,
    Played,
    ScriptError,
    parse_script,
    play,
)
from antiphon.testing.conformance.patterns import fill_in, mismatch


class CannedLine:
    """Answers whatever is sent with the next of its answers."""

    def __init__(self, *answers: list[dict[str, Any]]) -> None:
        self._answers = deque(answers)
        self._events: deque[dict[str, Any]] = deque(self._answers.popleft() if answers else [])
        self.sent: list[str] = []

    async def send(self, message: str) -> None:
        self.sent.append(message)
        self._events.extend(self._answers.popleft() if self._answers else [])

    async def receive(self, *, expected: bool) -> dict[str, Any] | None:
        return self._events.popleft() if self._events else None

    async def user_speaks(self, ms: int) -> None:
        await self.send(f"speaks {ms}")

    async def user_is_quiet(self, ms: int) -> None:
        await self.send(f"quiet {ms}")

    async def wait(self, ms: int) -> None:
        await self.send(f"wait {ms}")


def run(body: str, *answers: list[dict[str, Any]]) -> tuple[Played, CannedLine]:
    line = CannedLine(*answers)
    script = parse_script(f'title = "t"\n---\n{body}', name="t.script")
    return asyncio.run(play(script, line)), line


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "event_id": "event_1", **fields}


A, B, C = event("a"), event("b", n=1), event("c", id="x")


def test_what_is_expected_comes() -> None:
    played, line = run(
        'S< a\nC> d {"x": 1}\nS< b {"n":\n  1}\nU> speaks 40ms\nU> is quiet 60ms\nW> 5ms',
        [A],
        [B],
    )
    assert played.events == [A, B]
    assert line.sent == ['{"type":"d","x":1}', "speaks 40", "quiet 60", "wait 5"]


@pytest.mark.parametrize(
    "body",
    [
        "S<* a\nS< c",
        "S<+ a\nS< c",
        "S<? b\nS<? a\nS< a\nS<? a\nS< c",
        "S& c\nS< a\nS< a",
        "S& a\nS< a\nS< c",  # The one that is next is preferred.
        "S& c\nS<* *",  # What must come is not lost in what may.
        "S! b\nS<* *",
        'S<* a\nS< * {"id": "x"}\nS|',
    ],
)
def test_runs_and_places(body: str) -> None:
    run(body, [A, A, C])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("S< a", "line 3: nothing came"),
        ("S<+ a", "line 3: nothing came"),
        ("S& a", "line 3: never came"),
    ],
)
def test_what_does_not_come_is_missed(body: str, why: str) -> None:
    with pytest.raises(ConformanceFailure, match=why):
        run(body, [])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("S< b", "line 3: expected b, got a"),
        ("S< a", "came after the end of the script: b"),
        ("S|", "expected nothing, got a"),
        ("S! b\nS<* *", "line 3: came all the same: b"),
        ('S< a\nS< b {"n": 2}', "line 4: n: expected 2, got 1"),
        ('S< a\nS< b {"n": "-"}', "n: expected it to be absent"),
        ('S< a\nS< b {"m": "*"}', "m: is missing"),
        ('S< a\nS< b {"n": true}', "n: expected True, got 1"),
    ],
)
def test_what_comes_and_should_not_is_found(body: str, why: str) -> None:
    with pytest.raises(ConformanceFailure, match=why):
        run(body, [A, B])


def test_a_failure_shows_both_sides_and_what_came_afterwards() -> None:
    with pytest.raises(ConformanceFailure) as raised:
        run("S< a\nS< c", [A, B, C])
    text = str(raised.value)
    header, first, second, third = text.splitlines()
    assert header == "t.script, line 4: expected c, got b"
    assert [part.strip() for part in first.split("|")] == ["3 S<  a", "a {}"]
    assert [part.strip() for part in second.split("|")] == ["✗   4 S<  c", 'b {"n":1}']
    assert third.strip() == '| c {"id":"x"}'


def test_names_are_bound_once_and_used_in_what_the_client_sends() -> None:
    body = 'S< c {"id": "$it"}\nC> d {"id": "$it", "s": "@repeat(ab, 2)"}\nS< c {"id": "$it"}'
    played, line = run(body, [C], [C])
    assert line.sent == ['{"type":"d","id":"x","s":"abab"}']
    assert played.names == {"$it": "x"}
    with pytest.raises(ConformanceFailure, match=r"id: expected \$it, which is 'x', got 'y'"):
        run(body, [C], [event("c", id="y")])


def test_what_failed_to_match_binds_nothing() -> None:
    names: dict[str, Any] = {}
    assert mismatch({"a": "$a", "b": 1}, {"a": 5, "b": 2}, names) == "b: expected 1, got 2"
    assert names == {}


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        ("*", None, True),
        ("~^ab~", "abc", True),
        ("~^ab~", "cab", False),
        ("~1~", 1, False),
        ("500±40", 460, True),
        ("500±40", 459, False),
        ("1.5±0.1", 1.45, True),
        ([1, 2], [1, 2], True),
        ([1], [1, 2], False),
        ([1, "..."], [1, 2], True),
        ([1, "..."], [], False),
        ([], {}, False),
        ({"a": {}}, {"a": 1}, False),
        (None, None, True),
        (None, 0, False),
        (1, 1.0, True),
        (False, 0, False),
        ("a", "b", False),
    ],
)
def test_placeholders(pattern: Any, value: Any, *, matches: bool) -> None:
    assert (mismatch(pattern, value, {}) is None) is matches


def test_a_name_that_nothing_was_found_for_is_a_mistake() -> None:
    with pytest.raises(KeyError, match="it"):
        fill_in('{"id": "$it"}', {})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("S< a", "no line '---'"),
        ("title = 1\n---\n", "t.script: head: Expected `str`, got `int`"),
        ('title = "t"\ntitel = "t"\n---\n', "head: Object contains unknown field `titel`"),
        ('title = "t"\n[engine]\nreplies = [[{do = "sing"}]]\n---\n', "Invalid value 'sing'"),
        ('title = "t"\n---\nS< a\nX> b', "t.script, line 4: no statement: X> b"),
        ('title = "t"\n---\n\nS< {"a": }', "t.script, line 4: "),
        ('title = "t"\n---\nU> sings 5ms', "not understood"),
        ('title = "t"\n---\nW> 5', "not understood"),
        ('title = "t"\n---\nS<', "no event"),
    ],
)
def test_a_text_that_is_no_script(text: str, why: str) -> None:
    with pytest.raises(ScriptError) as raised:
        parse_script(text, name="t.script")
    assert why in str(raised.value)
