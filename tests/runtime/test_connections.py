"""Several connections to one session: owners, sidebands, and what each may send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from antiphon.errors import ProtocolError
from antiphon.protocol import client
from antiphon.protocol.session import SessionPatch
from antiphon.runtime.door import SessionDoor
from antiphon.runtime.hub import Hub
from tests.runtime.stubs import EchoEngine, Line

CLEAR = client.InputAudioBufferClear(event_id="c1")
INSTRUCT = client.SessionUpdate(event_id="c2", session=SessionPatch(instructions="Be brief."))
RESPOND = client.ResponseCreate(event_id="c3")


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    engine = EchoEngine()
    hub = Hub(lambda _: engine)
    yield hub
    await hub.aclose()


@pytest.fixture
async def session(hub: Hub) -> SessionDoor:
    return hub.open(kind="realtime", model="m")


def state(session: SessionDoor) -> str:
    return session.state


async def settle(*lines: Line) -> list[list[dict[str, object]]]:
    """Let the engine answer; then what each line was sent."""
    for _ in range(20):
        await asyncio.sleep(0)
    return [line.take() for line in lines]


async def test_a_sideband_is_told_the_session_and_then_all_that_happens(
    session: SessionDoor,
) -> None:
    owner, backend, monitor = Line("owner"), Line("backend"), Line("monitor")
    session.attach(owner)
    session.receive(owner, INSTRUCT)
    assert owner.types() == ["session.created", "session.updated"]
    for sideband in (backend, monitor):
        session.attach(sideband, owns=False)
        (created,) = sideband.take()
        assert created["type"] == "session.created"
        assert created["session"]["instructions"] == "Be brief."
    assert owner.take() == []

    session.receive(backend, RESPOND)
    session.receive(owner, CLEAR)
    heard = await settle(owner, backend, monitor)

    assert heard[0] == heard[1] == heard[2]
    types = [event["type"] for event in heard[0]]
    assert types[0] == "response.created"
    assert types.count("response.done") == types.count("input_audio_buffer.cleared") == 1


async def test_errors_go_to_the_sender_alone(session: SessionDoor) -> None:
    owner, backend = Line("owner"), Line("backend")
    session.attach(owner)
    session.attach(backend, owns=False)
    await settle(owner, backend)
    session.receive(backend, client.ResponseCancel(event_id="c9"))
    session.refuse(backend, ProtocolError("invalid_event", "No.", event_id="c10"))
    assert [event["error"]["event_id"] for event in backend.take()] == ["c9", "c10"]
    assert owner.take() == []


async def test_sidebands_come_and_go(session: SessionDoor) -> None:
    owner, backend = Line("owner"), Line("backend")
    session.attach(owner)
    for _ in range(3):
        session.attach(backend, owns=False)
        session.detach(backend)
    backend.take()
    session.receive(owner, CLEAR)
    assert backend.take() == []
    assert owner.types()[-1] == "input_audio_buffer.cleared"
    assert (owner.closed, state(session)) == (None, "idle")


async def test_a_sideband_that_leaves_before_the_owner_comes_ends_nothing(
    session: SessionDoor,
) -> None:
    backend, owner = Line("backend"), Line("owner")
    session.attach(backend, owns=False)
    session.detach(backend)
    session.attach(owner)
    session.receive(owner, CLEAR)
    assert owner.types() == ["session.created", "input_audio_buffer.cleared"]


async def test_the_end_of_the_session_closes_its_sidebands(hub: Hub, session: SessionDoor) -> None:
    owner, backend, monitor = Line("owner"), Line("backend"), Line("monitor")
    session.attach(owner)
    session.attach(backend, owns=False)
    session.attach(monitor, owns=False)
    session.detach(owner)
    assert backend.closed == monitor.closed == (1000, "The session has ended.")
    assert owner.closed is None, "it has gone by itself"
    assert state(session) == "ended"
    assert hub.get(session.id) is None
    session.detach(backend)
    session.detach(monitor)


async def test_the_last_of_several_owners_ends_the_session(session: SessionDoor) -> None:
    first, second = Line("first"), Line("second")
    session.attach(first)
    session.attach(second)
    session.detach(first)
    assert state(session) == "idle"
    session.detach(second)
    assert state(session) == "ended"


async def test_a_fault_of_ours_closes_everyone_with_its_code(session: SessionDoor) -> None:
    owner, backend = Line("owner"), Line("backend")
    session.attach(owner)
    session.attach(backend, owns=False)
    session.close(1011, "The server had an error.")
    assert owner.closed == backend.closed == (1011, "The server had an error.")
    session.detach(owner)
    assert backend.closed == (1011, "The server had an error.")


async def test_who_comes_too_late_is_told_so(session: SessionDoor) -> None:
    owner, late = Line("owner"), Line("late")
    session.attach(owner)
    session.detach(owner)
    session.attach(late, owns=False)
    assert late.closed == (1000, "The session has ended.")
    assert late.take() == []
    session.detach(late)


async def test_who_left_hears_nothing_more(session: SessionDoor) -> None:
    owner, backend = Line("owner"), Line("backend")
    session.attach(owner)
    session.attach(backend, owns=False)
    session.detach(backend)
    session.detach(backend)
    backend.take()
    owner.take()
    session.receive(backend, CLEAR)
    assert owner.take() == []
    session.receive(owner, CLEAR)
    assert backend.take() == []


# --- What a connection may send ----------------------------------------------


async def test_an_event_that_is_not_allowed_is_one_error_and_changes_nothing(
    session: SessionDoor,
) -> None:
    page, backend = Line("page"), Line("backend")
    session.attach(page, may_send={"response.create", "input_audio_buffer.append"})
    session.attach(backend, owns=False)
    await settle(page, backend)
    before = session.settings

    session.receive(page, INSTRUCT)

    (error,) = page.take()
    assert error["type"] == "error"
    assert error["error"] == {
        "type": "invalid_request_error",
        "code": "event_not_allowed",
        "message": "This connection may not send 'session.update'. "
        "It may send: 'input_audio_buffer.append', 'response.create'.",
        "param": "type",
        "event_id": "c2",
    }
    assert backend.take() == []
    assert session.settings is before


async def test_what_is_allowed_passes_and_others_are_not_bound(session: SessionDoor) -> None:
    page, backend = Line("page"), Line("backend")
    session.attach(page, may_send=frozenset({"response.create"}))
    session.attach(backend, owns=False)
    await settle(page, backend)
    session.receive(backend, INSTRUCT)
    assert page.types() == backend.types() == ["session.updated"]
    session.receive(page, RESPOND)
    told, _ = await settle(page, backend)
    assert told[0]["type"] == "response.created"


async def test_a_connection_may_be_made_to_listen_only(session: SessionDoor) -> None:
    owner, monitor = Line("owner"), Line("monitor")
    session.attach(owner)
    session.attach(monitor, owns=False, may_send=())
    await settle(owner, monitor)
    session.receive(monitor, CLEAR)
    (error,) = monitor.take()
    assert error["error"]["message"].endswith("It may send: nothing.")
    assert owner.take() == []


async def test_a_list_goes_with_its_connection(session: SessionDoor) -> None:
    owner, page = Line("owner"), Line("page")
    session.attach(owner)
    session.attach(page, may_send=())
    session.detach(page)
    session.attach(page)
    page.take()
    session.receive(page, CLEAR)
    assert page.types() == ["input_audio_buffer.cleared"]


# --- What there is to see ----------------------------------------------------


async def test_the_state_says_what_goes_on(session: SessionDoor) -> None:
    owner = Line("owner")
    session.attach(owner)
    assert state(session) == "idle"
    session.receive(owner, RESPOND)
    assert state(session) == "responding"
    await settle(owner)
    assert state(session) == "idle"


async def test_connections_are_named_with_their_roles(session: SessionDoor) -> None:
    session.attach(Line("owner"))
    session.attach(Line("backend"), owns=False)
    assert dict(session.connection_roles) == {"owner": "owner", "backend": "sideband"}
