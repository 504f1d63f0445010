"""What each subject has used of its limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, Literal, NamedTuple, Protocol

from antiphon.limits.gcra import MAX_SUBJECTS, Buckets, Rate
from antiphon.limits.policy import Limits, Subject, Who

DAY_S: Final = 24 * 60 * 60
RETRY_AT_ONCE_S: Final = 5
"""Nobody knows when a session will end."""


class Exceeded(NamedTuple):
    """Why no session may begin now."""

    subject: Subject
    what: Literal["sessions_per_minute", "sessions_at_once", "minutes_per_day"]
    limit: float
    wait_s: float


class SessionLedger:
    """Sessions: how many began, how many there are, how long they took today."""

    def __init__(self) -> None:
        self._begun = Buckets()
        self._day = 0
        self._used_s: Counter[Subject] = Counter()
        """Today.  Overflow policy: above `MAX_SUBJECTS` those that used least are forgotten."""

    def begin(
        self, who: Who, live: Iterable[Who], *, now_s: float, unix_s: float
    ) -> Exceeded | None:
        """One session more of ``who``, if nothing is in the way; else nothing is counted.

        Args:
            who: Whose it is.
            live: Whose those are that there are.
            now_s: Must not go back.
            unix_s: Whose day it is.
        """
        at_once = Counter(subject for other in live for subject in other if subject in who)
        rates = dict[Subject, Rate]()
        for subject, limits in who.items():
            if limits.sessions_at_once and at_once[subject] >= limits.sessions_at_once:
                most = limits.sessions_at_once
                return Exceeded(subject, "sessions_at_once", most, RETRY_AT_ONCE_S)
            if limits.minutes_per_day and self.left_s({subject: limits}, unix_s) == 0:
                rest_s = DAY_S - unix_s % DAY_S
                return Exceeded(subject, "minutes_per_day", limits.minutes_per_day, rest_s)
            if limits.sessions_per_minute:
                per_minute = limits.sessions_per_minute
                rates[subject] = rate = Rate(per_minute / 60, max(1, per_minute))
                if wait_s := self._begun.wait_s(subject, rate, now_s):
                    return Exceeded(subject, "sessions_per_minute", per_minute, wait_s)
        for subject, taken in rates.items():
            self._begun.take(subject, taken, now_s)
        return None

    def use(self, who: Who, seconds: float, *, unix_s: float) -> None:
        """A session of ``who`` took so long."""
        self._turn_page(unix_s)
        for subject, limits in who.items():
            if limits.minutes_per_day:
                self._used_s[subject] += seconds  # type: ignore[assignment]
        if len(self._used_s) > 2 * MAX_SUBJECTS:
            self._used_s = Counter(dict(self._used_s.most_common(MAX_SUBJECTS)))

    def left_s(self, who: Who, unix_s: float) -> float | None:
        """What is left of today's minutes; None: there is no limit."""
        self._turn_page(unix_s)
        left = [
            max(0.0, limits.minutes_per_day * 60 - self._used_s[subject])
            for subject, limits in who.items()
            if limits.minutes_per_day
        ]
        return min(left, default=None)

    def _turn_page(self, unix_s: float) -> None:
        day = int(unix_s // DAY_S)
        if day > self._day:  # A clock that was put back gives nobody a second day.
            self._day = day
            self._used_s.clear()


class Left(NamedTuple):
    """Of a rate, for the one whose limit is nearest."""

    limit: float
    """For a minute."""
    remaining: float
    reset_s: float
    """Until it has rested."""


OnTaken = Callable[[Who, int, int], None]
"""Told what was let through: whose, how many, and their bytes or tokens."""


class RateLedger(Protocol):
    """Counts what comes, and its size, for all of a subject together."""

    on_taken: OnTaken

    def charge(
        self, subject: Subject, limits: Limits, count: int, size: int, now_s: float, /
    ) -> None:
        """What was let through elsewhere, or is counted after it came."""
        ...


class AnswerLedger:
    """Answers and their tokens, of all sessions of a subject together.  An answer may begin while
    there are tokens left, and may use more than those: who comes next waits for them.
    """

    def __init__(self) -> None:
        self._responses = Buckets()
        self._tokens = Buckets()
        self.on_taken: OnTaken = lambda *_: None

    def ask(self, who: Who, now_s: float) -> tuple[Literal["requests", "tokens"], float] | None:
        """One answer; else what it must wait for, and how long, and nothing was taken."""
        for subject, limits in who.items():
            for kind, buckets, per_minute in self._of(limits):
                if per_minute and (wait_s := buckets.wait_s(subject, _rate(per_minute), now_s)):
                    return kind, wait_s
        for subject, limits in who.items():
            if per_minute := limits.responses_per_minute:
                self._responses.take(subject, _rate(per_minute), now_s)
        self.on_taken(who, 1, 0)
        return None

    def use(self, who: Who, tokens: int, now_s: float) -> None:
        for subject, limits in who.items():
            self.charge(subject, limits, 0, tokens, now_s)
        self.on_taken(who, 0, tokens)

    def charge(
        self, subject: Subject, limits: Limits, responses: int, tokens: int, now_s: float
    ) -> None:
        if per_minute := limits.responses_per_minute:
            self._responses.take(subject, _rate(per_minute), now_s, responses, owe=True)
        if per_minute := limits.tokens_per_minute:
            self._tokens.take(subject, _rate(per_minute), now_s, tokens, owe=True)

    def left(self, who: Who, now_s: float) -> dict[Literal["requests", "tokens"], Left]:
        """Nothing of what has no limit."""
        found: dict[Literal["requests", "tokens"], Left] = {}
        for subject, limits in who.items():
            for kind, buckets, per_minute in self._of(limits):
                if not per_minute:
                    continue
                reset_s = buckets.empty_in_s(subject, now_s)
                remaining = max(0.0, max(1.0, per_minute) - reset_s * per_minute / 60)
                left = Left(per_minute, remaining, reset_s)
                if kind not in found or left.remaining < found[kind].remaining:
                    found[kind] = left
        return found

    def _of(
        self, limits: Limits
    ) -> tuple[tuple[Literal["requests", "tokens"], Buckets, float], ...]:
        return (
            ("requests", self._responses, limits.responses_per_minute),
            ("tokens", self._tokens, limits.tokens_per_minute),
        )


def _rate(per_minute: float) -> Rate:
    return Rate(per_minute / 60, max(1.0, per_minute))


class MessageLedger:
    """Messages and their bytes, of all connections of a subject together."""

    def __init__(self) -> None:
        self._messages = Buckets()
        self._bytes = Buckets()
        self.on_taken: OnTaken = lambda *_: None

    def take(self, who: Who, size_bytes: int, now_s: float, *, max_wait_s: float) -> float | None:
        """One message.

        Returns:
            How long it must wait before it is handled; None: longer than ``max_wait_s``, so it is
            to be refused, and nothing was taken.
        """
        wanted: list[tuple[Buckets, Subject, Rate, float]] = []
        for subject, limits in who.items():
            if per_s := limits.messages_per_second:
                wanted.append((self._messages, subject, Rate(per_s, max(1, per_s)), 1.0))
            if per_s := limits.bytes_per_second:
                wanted.append((self._bytes, subject, Rate(per_s, per_s), float(size_bytes)))
        waits = [
            max(0.0, buckets.wait_s(subject, rate, now_s, cost) + _excess_s(rate, cost))
            for buckets, subject, rate, cost in wanted
        ]
        longest = max(waits, default=0.0)
        if longest > max_wait_s:
            return None
        for buckets, subject, rate, cost in wanted:
            buckets.take(subject, rate, now_s, cost, owe=True)
        self.on_taken(who, 1, size_bytes)
        return longest

    def charge(
        self, subject: Subject, limits: Limits, messages: int, size_bytes: int, now_s: float
    ) -> None:
        if per_s := limits.messages_per_second:
            rate = Rate(per_s, max(1, per_s))
            self._messages.take(subject, rate, now_s, messages, owe=True)
        if per_s := limits.bytes_per_second:
            self._bytes.take(subject, Rate(per_s, per_s), now_s, size_bytes, owe=True)


def _excess_s(rate: Rate, cost: float) -> float:
    """What is larger than the burst takes the time that it takes."""
    return max(0.0, cost - rate.burst) / rate.per_s
