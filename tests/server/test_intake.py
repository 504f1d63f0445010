"""How many sessions a busy server takes in: a rule, and the rule against a server that fills up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antiphon.server.intake import AT_ONCE, FEW_SESSIONS, SETTLED_AFTER_S, Intake, Load, room

MAX_MS = 20.0


class Server:
    """One core; a session costs ``cost`` of it, the whole of it only once it has been answered.

    What waits for the core grows as in a queue with a steady server: with the share of the time
    that it is busy, and without bound where that nears 1.
    """

    def __init__(self, cost: float, *, service_ms: float = 1.0) -> None:
        self.now_s = 0.0
        self.cost = cost
        self.service_ms = service_ms
        self.owed = 0.0
        self.began_s: list[float] = []
        self.old = 0
        """The first of them, which cost all that they ever will."""
        self.load = Load()
        self.intake = Intake(MAX_MS, load=lambda: self.load, now_s=lambda: self.now_s)

    def asks(self) -> bool:
        if self.intake.wait_s(len(self.began_s)):
            return False
        self.intake.came()
        self.began_s.append(self.now_s)
        return True

    @property
    def busy_share(self) -> float:
        while self.old < len(self.began_s) and self.now_s - self.began_s[self.old] > 3.5:
            self.old += 1
        ages_s = (self.now_s - began_s for began_s in self.began_s[self.old :])
        return self.cost * (self.old + sum(min(1.0, 0.3 + age_s / 5) for age_s in ages_s))

    @property
    def late_ms(self) -> float:
        busy = self.busy_share
        return 10_000.0 if busy >= 0.999 else self.service_ms * busy / (1 - busy)

    def goes_on(self, seconds: float, *, asking_per_s: float) -> None:
        """It is measured once a second."""
        for step in range(round(seconds * 20)):
            self.now_s += 0.05
            self.owed += asking_per_s * 0.05
            while self.owed >= 1:
                self.owed -= 1
                self.asks()
            if step % 20 == 19:
                self.load = Load(self.late_ms, min(1.0, self.busy_share))


def test_a_server_that_has_nothing_to_do_takes_many_at_once() -> None:
    server = Server(0.001)
    assert all(server.asks() for _ in range(AT_ONCE))
    assert not server.asks(), "what they cost is not known yet"
    assert server.intake.wait_s(AT_ONCE) == SETTLED_AFTER_S
    server.goes_on(SETTLED_AFTER_S + 1, asking_per_s=0)
    assert server.asks()


def test_none_comes_in_while_sound_is_half_as_late_as_it_may_be() -> None:
    server = Server(0.001)
    for _ in range(FEW_SESSIONS + 1):
        server.asks()
    server.load = Load(late_ms=MAX_MS / 2, busy_share=0.1)
    assert server.intake.wait_s(FEW_SESSIONS + 1)
    assert not server.intake.wait_s(FEW_SESSIONS - 1), "so few make nothing late"
    server.load = Load(late_ms=MAX_MS / 2 - 1, busy_share=0.1)
    server.goes_on(SETTLED_AFTER_S, asking_per_s=0)
    assert not server.intake.wait_s(FEW_SESSIONS + 1)


def test_a_busy_server_in_time_takes_one_more_and_looks_what_comes_of_it() -> None:
    """The share of time is no reason to refuse, only one to be careful."""
    server = Server(0.009)
    server.began_s = [-10.0] * 100
    server.load = Load(late_ms=2, busy_share=0.9)
    assert server.asks()
    assert not server.asks()
    server.now_s += SETTLED_AFTER_S
    assert server.asks(), "it is still in time"


def test_one_that_was_refused_in_the_end_takes_no_place() -> None:
    server = Server(0.001)
    for _ in range(AT_ONCE - 1):
        server.asks()
    server.intake.came()
    server.intake.turned_away()
    assert server.asks()
    assert not server.asks()


def test_without_a_limit_all_come_in() -> None:
    intake = Intake(0, load=lambda: Load(500, 1.0), now_s=lambda: 0.0)
    for live in range(200):
        assert not intake.wait_s(live)
        intake.came()


@given(
    cost=st.floats(0.001, 0.05),
    asking_per_s=st.floats(0.5, 60),
    service_ms=st.floats(0.2, 2),
)
def test_however_many_come_however_fast_those_who_are_in_stay_in_time(
    cost: float, asking_per_s: float, service_ms: float
) -> None:
    server = Server(cost, service_ms=service_ms)
    worst_ms = 0.0
    # So many cost the whole core at once, and nobody can know: that is for `max_sessions`.
    if cost * AT_ONCE > 0.8:
        asking_per_s = min(asking_per_s, 0.5 / cost / SETTLED_AFTER_S)
    for _ in range(120):
        server.goes_on(1, asking_per_s=asking_per_s)
        worst_ms = max(worst_ms, server.late_ms)
    assert worst_ms <= MAX_MS, len(server.began_s)
    if asking_per_s * 120 * cost > 1:
        assert server.busy_share > 0.6, "room was left that could have been had"


@given(
    load=st.builds(Load, st.floats(0, 30), st.floats(0, 1)),
    live=st.integers(1, 500),
    later_ms=st.floats(0, 10),
)
def test_the_later_it_is_the_fewer_come(load: Load, live: int, later_ms: float) -> None:
    later = load._replace(late_ms=load.late_ms + later_ms)
    assert room(later, live, 0, 10) <= room(load, live, 0, 10)
