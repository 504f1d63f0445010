from __future__ import annotations

from antiphon.engines.health import FIRST_S, Healths
from antiphon.engines.scripted import ScriptedEngine
from antiphon.runtime.route import Route


class Clock:
    now_s = 0.0


def test_the_first_that_is_well_serves() -> None:
    clock = Clock()
    one, two, three = (ScriptedEngine(name=name) for name in ("one", "two", "three"))
    route = Route([one, two, three], Healths(lambda: clock.now_s))
    assert route.first() is one
    assert route.before(one) is None
    route.failed(one)
    assert route.first() is route.instead_of(one) is two
    route.failed(two)
    assert route.instead_of(two) is three
    assert route.before(three) is None
    route.failed(three)
    assert route.instead_of(three) is None
    assert route.first() is one, "some engine must"
    clock.now_s = FIRST_S
    assert route.before(three) is one
    route.served(one)
    assert route.first() is one


def test_an_engine_that_is_not_on_the_route_has_none_before_it() -> None:
    one, other = ScriptedEngine(name="one"), ScriptedEngine(name="other")
    assert Route.to(one).before(other) is None
    assert Route.to(one).instead_of(one) is None
