"""The answer that an upstream owes of itself comes, or fails; it is asked for once."""

from __future__ import annotations

from antiphon.core.causes import EngineBegan, EngineFailed, EngineNews
from antiphon.engines.relay.answers import LOST_CODE, STILL_ACTIVE
from antiphon.engines.relay.owed import OwedAnswer
from antiphon.protocol.client import ClientEvent
from antiphon.protocol.server import ErrorDetail


class Owing:
    def __init__(self) -> None:
        self.now_s = 0.0
        self.written: list[ClientEvent] = []
        self.told: list[EngineNews] = []
        self.owed = OwedAnswer(self.written.append, self.told.append, lambda: self.now_s)


def test_nothing_is_asked_of_an_upstream_that_heard_the_turn_end() -> None:
    owing = Owing()
    owing.owed.turn_ended()
    owing.owed.ask()
    assert owing.owed.is_due
    assert not owing.written


def test_another_upstream_is_asked_once_and_then_it_is_lost() -> None:
    owing = Owing()
    owing.owed.turn_ended()
    owing.now_s = 21
    assert owing.owed.is_overdue(20)
    for _ in range(2):
        owing.owed.miss()
        owing.owed.ask()
    assert len(owing.written) == 1
    began, failed = owing.told
    assert isinstance(began, EngineBegan)
    assert isinstance(failed, EngineFailed)
    assert (failed.response_id, failed.code) == (began.response_id, LOST_CODE)
    assert failed.is_unavailable
    assert not owing.owed.is_due


def test_who_refuses_it_is_heard_but_for_one_who_has_begun() -> None:
    owing = Owing()
    owing.owed.turn_ended()
    owing.owed.on_refused(ErrorDetail(code=STILL_ACTIVE, message="It has begun."))
    assert not owing.told
    owing.owed.on_refused(ErrorDetail(code="no_such_voice", message="No."))
    assert [type(news) for news in owing.told] == [EngineBegan, EngineFailed]
    owing.owed.fail("Gone.", LOST_CODE)
    assert len(owing.told) == 2, "it has failed already"
