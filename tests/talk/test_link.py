"""Whether the session is there, in each order of events."""

from __future__ import annotations

from typing import Any

from antiphon.protocol.server import SessionCreated
from antiphon.protocol.session import Answering, Resume, Session
from antiphon.talk import notices
from antiphon.talk.link import Link
from antiphon.talk.way_back import Continues


def session(resume: Resume | None = None, engine: str = "offline") -> Session:
    answering = Answering(engine, "marin", resume=resume)
    return Session(id="sess_1", model="m", expires_at=0, antiphon=answering)


def up(**resume: Any) -> Link:
    link = Link()
    link.way_back.received(
        SessionCreated(event_id="e", session=session(Resume(**resume) if resume else None))
    )
    link.came_up(session())
    return link


def test_the_user_is_told_what_answers_and_when_that_changes() -> None:
    link = Link()
    [connected] = link.came_up(session())
    assert isinstance(connected, notices.Connected)
    assert (connected.engine, connected.voice, connected.again) == ("offline", "marin", False)
    assert link.changed(session()) == []
    [note] = link.changed(session(engine="other"))
    assert note == notices.Note(text="engine other answers now")


def test_only_with_a_token_may_what_was_under_way_go_on() -> None:
    for token, is_torn in ((None, False), ("tok_1", True)):
        link = up(conversation_id="conv_1", token=token)
        link.lost()
        assert (link.is_up, link.is_torn) == (False, is_torn)


def test_it_goes_on_where_the_same_session_is_there_again() -> None:
    each: tuple[tuple[Continues | None, bool], ...]
    each = (("session", True), ("conversation", False), (None, False))
    for continues, goes_on in each:
        link = up(conversation_id="conv_1", token="tok_1")
        link.lost()
        resume = Resume(conversation_id="conv_1", token="tok_2", continues=continues)
        link.way_back.received(SessionCreated(event_id="e", session=session(resume)))
        assert link.mended() == goes_on
        assert not link.is_torn
        link.came_up(session())
        assert link.is_new_conversation == (continues is None)
        assert link.connections == 2
