"""Plays a conformance script over a line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from antiphon.testing.conformance.patterns import Names, fill_in, mismatch
from antiphon.testing.conformance.script import Script, Statement

Event = dict[str, Any]
SHOWN_CHARS = 76
SHOWN_AFTERWARDS = 12
"""How many events that came after the failure are shown."""


class Line(Protocol):
    """A client's end of a session, and the user in front of it."""

    async def send(self, message: str) -> None:
        """One message, as it stands: perhaps not even JSON."""
        ...

    async def receive(self, *, expected: bool) -> Event | None:
        """The next server event; None: nothing comes before something else happens.

        Where one is ``expected``, a line over a network waits longer before it says so.
        When the connection was closed, once: ``{"type": "(closed)", "code":, "reason":}``.
        """
        ...

    async def user_speaks(self, ms: int) -> None: ...

    async def user_is_quiet(self, ms: int) -> None:
        """The microphone is open; nobody speaks."""
        ...

    async def wait(self, ms: int) -> None:
        """Time passes; the microphone is closed."""
        ...


class ConformanceFailure(AssertionError):
    """A script and what came, side by side."""


@dataclass
class Played:
    """What was exchanged."""

    events: list[Event] = field(default_factory=list)
    """All that the server sent."""
    names: Names = field(default_factory=dict)


async def play(script: Script, line: Line) -> Played:
    """Raises:
    ConformanceFailure: something else came, or nothing.
    """
    return await _Run(script, line).run()


class _Run:
    def __init__(self, script: Script, line: Line) -> None:
        self._script = script
        self._line = line
        self._played = Played()
        self._peeked: Event | None = None
        self._anywhere: list[Statement] = []
        self._never: list[Statement] = []
        self._rows: list[str] = []

    async def run(self) -> Played:
        __tracebackhide__ = True
        for statement in self._script.statements:
            await self._carry_out(statement)
        if (event := await self._peek(expected=bool(self._anywhere))) is not None:
            await self._fail(None, f"came after the end of the script: {event['type']}")
        if self._anywhere:
            await self._fail(self._anywhere[0], "never came")
        return self._played

    async def _carry_out(self, statement: Statement) -> None:
        __tracebackhide__ = True
        match statement.act:
            case "C>":
                self._row(statement)
                await self._line.send(fill_in(statement.text, self._played.names))
            case "U>":
                self._row(statement)
                if statement.speaks:
                    await self._line.user_speaks(statement.ms)
                else:
                    await self._line.user_is_quiet(statement.ms)
            case "W>":
                self._row(statement)
                await self._line.wait(statement.ms)
            case "S&":
                self._anywhere.append(statement)
            case "S!":
                self._never.append(statement)
            case "S|":
                if (event := await self._peek()) is not None:
                    await self._fail(statement, f"expected nothing, got {event['type']}")
            case "S<" | "S<+":
                await self._expect(statement)
                while statement.act == "S<+" and await self._take_if(statement):
                    pass
            case "S<?":
                await self._take_if(statement)
            case "S<*":
                while await self._take_if(statement):
                    pass

    async def _expect(self, statement: Statement) -> None:
        __tracebackhide__ = True
        event = await self._peek(unless=statement, expected=True)
        if event is None:
            await self._fail(statement, "nothing came")
        elif (why := self._why_not(statement, event)) is not None:
            await self._fail(statement, why)
        else:
            self._take(statement, event)

    async def _take_if(self, statement: Statement) -> bool:
        event = await self._peek()
        if event is None or self._why_not(statement, event) is not None:
            return False
        self._take(statement, event)
        return True

    def _take(self, statement: Statement, event: Event) -> None:
        self._peeked = None
        self._row(statement, event)

    def _why_not(self, statement: Statement, event: Event) -> str | None:
        pattern = dict(statement.pattern or {})
        if pattern.get("type") not in (None, "*", event.get("type")):
            return f"expected {pattern['type']}, got {event.get('type')}"
        return mismatch(pattern, event, self._played.names)

    async def _peek(
        self, *, unless: Statement | None = None, expected: bool = False
    ) -> Event | None:
        """The next event that is not one of those that may come anywhere."""
        while True:
            if self._peeked is None:
                self._peeked = await self._receive(expected=expected)
            event = self._peeked
            if event is None or (unless is not None and self._why_not(unless, event) is None):
                return event
            awaited = [s for s in self._anywhere if self._why_not(s, event) is None]
            if not awaited:
                return event
            self._anywhere.remove(awaited[0])
            self._take(awaited[0], event)
            if unless is None:  # At the end: the last of them has come.
                expected = expected and bool(self._anywhere)

    async def _receive(self, *, expected: bool) -> Event | None:
        __tracebackhide__ = True
        event = await self._line.receive(expected=expected)
        while event is not None and event["type"] in self._script.passes_over:
            event = await self._line.receive(expected=expected)
        if event is not None:
            if event["type"] != "(closed)":
                self._played.events.append(event)
            for statement in self._never:
                if self._why_not(statement, event) is None:
                    await self._fail(statement, f"came all the same: {_short(event)}")
        return event

    # --- What is shown where it fails ----------------------------------------

    def _row(self, statement: Statement, event: Event | None = None, mark: str = " ") -> None:
        left = f"{mark} {statement.line:>3} {statement.act:<3} {statement.text}"
        right = "" if event is None else _short(event)
        self._rows.append(f"{_cut(left):<{SHOWN_CHARS}} | {right}".rstrip(" |"))

    async def _fail(self, statement: Statement | None, why: str) -> None:
        __tracebackhide__ = True
        event, self._peeked = self._peeked, None
        if statement is not None:
            self._row(statement, event, "✗")
        rest = [] if event is None or statement is not None else [_short(event)]
        while len(rest) < SHOWN_AFTERWARDS:
            if (after := await self._line.receive(expected=False)) is None:
                break
            rest.append(_short(after))
        rows = [*self._rows, *(f"{'':<{SHOWN_CHARS}} | {one}" for one in rest)]
        where = f"{self._script.name}" + (f", line {statement.line}" if statement else "")
        raise ConformanceFailure(f"{where}: {why}\n" + "\n".join(rows))


def _short(event: Event) -> str:
    """An event on one line: its type and the rest, without its id."""
    rest = {k: v for k, v in event.items() if k not in ("type", "event_id")}
    return _cut(f"{event['type']} {msgspec.json.encode(rest).decode()}", 160)


def _cut(text: str, chars: int = SHOWN_CHARS) -> str:
    return text if len(text) <= chars else text[: chars - 1] + "…"
