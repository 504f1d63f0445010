"""Faults that are armed while the mock runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from antiphon.mock import FAULTS, Fault, FaultDesk, Mock, UnknownFault, mocking
from antiphon.mock.desk import MAX_ARMED, TooManyFaults
from antiphon.testing import run_in_virtual_time
from tests.mock.visitor import visiting


def names(due: list[tuple[Any, int]]) -> list[str]:
    return [kind.name for kind, _ in due]


def test_one_that_names_no_number_strikes_the_next_time() -> None:
    desk = FaultDesk(["done_dropped"])
    assert names(desk.due("turn", 1, "websocket")) == []
    assert names(desk.due("response", 3, "websocket")) == ["done_dropped"]
    assert names(desk.due("response", 4, "websocket")) == []


def test_one_that_names_a_number_waits_for_it() -> None:
    desk = FaultDesk([Fault(name="done_dropped", at=2)])
    assert names(desk.due("response", 1, "websocket")) == []
    assert names(desk.due("response", 2, "websocket")) == ["done_dropped"]
    assert desk.armed == ()


def test_one_may_strike_several_times_or_always() -> None:
    desk = FaultDesk([Fault(name="done_dropped", times=2), Fault(name="nonsense", times=None)])
    struck = [names(desk.due("response", n, "websocket")) for n in range(1, 4)]
    assert struck == [["done_dropped", "nonsense"], ["done_dropped", "nonsense"], ["nonsense"]]


def test_one_for_calls_waits_for_a_call() -> None:
    desk = FaultDesk(["ice_fails"])
    assert names(desk.due("connection", 1, "websocket")) == []
    assert names(desk.due("connection", 2, "call")) == ["ice_fails"]


def test_one_that_refuses_strikes_alone() -> None:
    desk = FaultDesk(["key_refused", "model_refused", "slow_reader", "session_expires"])
    struck = [names(desk.due("connection", n, "websocket")) for n in range(1, 4)]
    assert struck == [["key_refused"], ["model_refused"], ["slow_reader", "session_expires"]]


def test_an_unknown_one_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownFault, match="Did you mean 'done_dropped'"):
        FaultDesk(["done_droped"])


def test_so_many_and_no_more() -> None:
    desk = FaultDesk(["nonsense"] * MAX_ARMED)
    with pytest.raises(TooManyFaults):
        desk.arm("nonsense")


def test_all_of_it_by_http() -> None:
    async def main() -> None:
        async with mocking() as mock:
            await over_http(mock)

    run_in_virtual_time(main())


async def over_http(mock: Mock) -> None:
    async with mock.client() as http, visiting(mock) as visitor:
        async with http.get("/mock/faults") as shown:
            listed = await shown.json()
        assert {fault["name"] for fault in listed["faults"]} == set(FAULTS)
        assert all(fault["sentence"] for fault in listed["faults"])

        async with http.post("/mock/faults", json={"name": "done_droped"}) as refused:
            assert refused.status == 404
            assert "done_dropped" in (await refused.json())["error"]["message"]
        wrong: list[Any] = [{"name": "nonsense", "att": 1}, {"name": 3}, 3, [3]]
        for body in wrong:
            async with http.post("/mock/faults", json=body) as refused:
                assert refused.status == 400
        both = [{"name": "done_dropped"}, {"name": "unheard_of"}]
        async with http.post("/mock/faults", json=both) as refused:
            assert refused.status == 404
        assert mock.faults.armed == ()

        async with http.post("/mock/faults", json={"name": "done_dropped"}) as armed:
            assert armed.status == 201
            assert [fault["name"] for fault in (await armed.json())["armed"]] == ["done_dropped"]
        await visitor.types_text("Hello.")
        await asyncio.sleep(1)
        assert "response.done" not in visitor.types
        async with http.get("/mock/faults") as shown:
            struck = (await shown.json())["struck"]
        assert struck == [{"name": "done_dropped", "place": "response", "number": 1}]

        mock.faults.arm("nonsense")
        async with http.delete("/mock/faults") as cleared:
            assert (await cleared.json())["armed"] == []
