"""Which response runs, which is awaited, which is to be asked for."""

from __future__ import annotations

import pytest

from antiphon.talk.responses import AWAIT_MS, Responses


def running() -> Responses:
    responses = Responses()
    assert responses.ask(0)
    responses.began("r1")
    return responses


def test_one_is_asked_for_at_a_time() -> None:
    responses = running()
    assert not responses.ask(10), "one is in progress"
    assert responses.is_wanted
    responses.ended("completed", continues=True)
    assert responses.ask(20)
    assert not responses.ask(30), "one is awaited"


def test_one_that_does_not_begin_is_not_awaited_for_ever() -> None:
    responses = Responses()
    responses.ask(0)
    responses.time_passes(AWAIT_MS)
    assert responses.is_owed
    responses.time_passes(AWAIT_MS + 1)
    assert not responses.is_owed


@pytest.mark.parametrize(
    ("status", "continues", "is_wanted", "done", "failed"),
    [
        ("completed", True, True, 0, 0),
        ("completed", False, False, 0, 0),
        ("cancelled", True, False, 0, 0),
        ("failed", True, True, 0, 1),
    ],
)
def test_after_a_function_call_we_go_on_unless_it_was_cancelled(
    status: str, continues: bool, is_wanted: bool, done: int, failed: int
) -> None:
    responses = running()
    responses.called()
    responses.ended(status, continues=continues)
    assert (responses.is_wanted, responses.done, responses.failed) == (is_wanted, done, failed)


def test_what_a_lost_connection_owes() -> None:
    silent, heard = running(), running()
    heard.something_came()
    for responses in (silent, heard):
        responses.lost()
        assert responses.active is None
    assert silent.is_wanted, "nothing of it had come"
    assert not heard.is_wanted


def test_a_lost_race_is_won_at_the_second_try() -> None:
    responses = Responses()
    responses.ask(0)
    responses.came_too_late()
    assert responses.is_wanted
    assert responses.ask(10) is True
