"""Who gets the next client, and what becomes of questions."""

from __future__ import annotations

import asyncio

import msgspec

from antiphon.processes.commons import Commons
from antiphon.processes.messages import (
    Answer,
    Asked,
    Failed,
    Freest,
    Has,
    Load,
    Ready,
    Returned,
    ToProcess,
    raw,
)
from antiphon.processes.switchboard import (
    ANSWER_TIMEOUT_S,
    SILENT_S,
    CannotServe,
    Line,
    Switchboard,
)
from antiphon.testing import in_virtual_time


class Board:
    def __init__(self, size: int) -> None:
        self.board = Switchboard(Commons(max_sessions=100), lambda *_: False)
        self.told: dict[str, list[ToProcess]] = {}
        self.lines = [self.join(str(number + 1)) for number in range(size)]

    def join(self, name: str) -> Line:
        told = self.told[name] = []
        line = self.board.joined(name, told.append)
        self.board.received(line, Ready())
        return line

    @property
    def order(self) -> list[str]:
        return [line.name for line in self.board.choose()]


@in_virtual_time
async def test_the_least_loaded_process_gets_the_next_client() -> None:
    board = Board(3)
    for line, sessions in zip(board.lines, (5, 2, 3), strict=True):
        board.board.received(line, Load(sessions))
    assert board.order == ["2", "3", "1"]
    board.lines[1].sent_clients += 2  # On their way, and in no load yet.
    assert board.order == ["3", "2", "1"]
    board.board.received(board.lines[1], Load(2))
    assert board.order == ["2", "3", "1"]


@in_virtual_time
async def test_clients_who_come_faster_than_the_news_of_them_are_spread_evenly() -> None:
    board = Board(3)
    for _ in range(7):
        board.board.choose()[0].sent_clients += 1
    assert sorted(line.sent_clients for line in board.lines) == [2, 2, 3]


@in_virtual_time
async def test_one_that_would_refuse_gets_no_client_while_another_is_free() -> None:
    board = Board(2)
    board.board.received(board.lines[0], Load(1, late_ms=80, takes_sessions=False))
    board.board.received(board.lines[1], Load(90))
    assert board.order == ["2", "1"]
    board.board.received(board.lines[1], Load(90, late_ms=80, takes_sessions=False))
    assert board.order == ["1", "2"], "all are late: the least loaded says so"


@in_virtual_time
async def test_one_that_is_frozen_gets_no_client_while_another_lives() -> None:
    board = Board(2)
    board.board.received(board.lines[0], Load(0))
    await asyncio.sleep(SILENT_S + 1)
    board.board.received(board.lines[1], Load(50))
    assert board.order == ["2", "1"]
    board.board.received(board.lines[0], Load(0))
    assert board.order == ["1", "2"]


@in_virtual_time
async def test_one_that_starts_gets_no_client_and_one_that_failed_says_why() -> None:
    board = Board(1)
    line = board.board.joined("2", lambda _: None)
    assert board.order == ["1"]
    board.board.received(line, Failed("There is no engine 'x'."))
    assert board.order == ["1"]
    try:
        await line.ready
    except CannotServe as error:
        assert str(error) == "There is no engine 'x'."
    else:
        raise AssertionError("it failed")


@in_virtual_time
async def test_a_question_waits_for_all_who_live_and_for_a_frozen_one_not_for_ever() -> None:
    board = Board(3)
    asking = asyncio.create_task(board.board.ask_all(Has("sess_1"), ANSWER_TIMEOUT_S))
    await asyncio.sleep(0)
    numbers = {
        name: told[-1].id for name, told in board.told.items() if isinstance(told[-1], Asked)
    }
    board.board.received(board.lines[0], Answer(numbers["1"], raw(True)))
    board.board.left(board.lines[1])
    began_s = asyncio.get_running_loop().time()
    answers = await asking
    assert asyncio.get_running_loop().time() - began_s == ANSWER_TIMEOUT_S
    told = {name: value and msgspec.msgpack.decode(value) for name, value in answers.items()}
    assert told == {"1": True, "2": None, "3": None}
    board.board.received(board.lines[2], Answer(numbers["3"], raw(True)))  # Too late: no harm.


@in_virtual_time
async def test_one_that_took_the_place_of_a_dead_one_is_not_taken_for_it() -> None:
    board = Board(1)
    old = board.lines[0]
    new = board.join("1")
    board.board.left(old)
    assert board.board.choose() == [new]


@in_virtual_time
async def test_a_call_goes_to_another_process_only_where_that_is_clearly_freer() -> None:
    board = Board(2)
    here, there = board.lines

    def freest(of_here: Load, of_there: Load) -> str:
        board.board.received(here, of_here)
        board.board.received(there, of_there)
        board.board.received(here, Freest(7))
        returned = board.told["1"][-1]
        assert isinstance(returned, Returned)
        assert returned.id == 7
        return msgspec.msgpack.decode(returned.value, type=str)

    assert freest(Load(3), Load(2)) == "1", "one fewer is not worth the way round"
    assert freest(Load(4), Load(2)) == "2"
    assert freest(Load(0, takes_sessions=False), Load(9)) == "2"
    assert freest(Load(9), Load(0, takes_sessions=False)) == "1"
