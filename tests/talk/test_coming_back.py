"""`antiphon talk` and a connection that is lost: with the server itself, in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from antiphon.engines.scripted import Script as EngineScript
from antiphon.engines.scripted import ScriptedEngine, Speak
from antiphon.journal.memory import MemoryJournal
from antiphon.protocol.client import ResponseCreate
from antiphon.server.settings import Config, JournalSettings
from antiphon.server.wiring import Parts
from antiphon.talk import notices
from antiphon.talk.app import Exit, Talk
from antiphon.talk.conversation import Conversation
from antiphon.talk.playback import Playback
from antiphon.talk.script import Script, Typed
from antiphon.talk.settings import Settings, endpoint
from antiphon.talk.wav import Recorder
from antiphon.talk.way_back import Way, WayBack
from antiphon.talk.webrtc import WebRtcConnection, WebRtcConnector
from antiphon.testing import run_in_virtual_time, serving
from antiphon.upstream import wire
from antiphon.upstream.connection import Connector
from antiphon.upstream.reconnect import Backoff
from antiphon.upstream.websocket import WebSocketConnection, WebSocketConnector
from tests.server.returns import KEY

from .world import NoticeView

LONG = (Speak(ms=3_000, delta_ms=100, paced=True, text="One two three four five six."),)
LOST_AFTER_S = 1.0


class LoopClock:
    def now_ms(self) -> float:
        return asyncio.get_running_loop().time() * 1000

    async def sleep_until(self, at_ms: float) -> None:
        await asyncio.sleep(max(0.0, at_ms - self.now_ms()) / 1000)


def lost_in_mid_answer(view: NoticeView, *, spoils_token: bool = False) -> list[Way]:
    """A typed line, whose answer is cut by the network after a second.

    Returns:
        The ways by which it came back.
    """
    ways: list[Way] = []

    async def main() -> None:
        config = Config(models={"test": "scripted"}, journal=JournalSettings(linger_s=30))
        async with serving(
            ScriptedEngine(EngineScript(replies=(LONG,))),
            keys=[KEY],
            config=config,
            parts=Parts(journal=MemoryJournal()),
        ) as server:
            first = WebSocketConnector(
                endpoint(server.websocket_url, "test"), KEY, make_connector=server.make_connector
            )

            async def connect() -> WebSocketConnection:
                connection = await first()
                transport = connection._socket._writer.transport
                asyncio.get_running_loop().call_later(LOST_AFTER_S, transport.abort)
                return connection

            def connect_to(way: Way) -> Connector:
                ways.append(way)
                token = "rt_of_another_server" if spoils_token else str(way.token)
                url = endpoint(
                    server.websocket_url, "test", resume=way.conversation_id, after=way.after
                )
                return replace(first, url=url, headers={"Antiphon-Resume": token})

            playback = Playback()
            talk = Talk(
                conversation=Conversation(Settings(turns="manual"), playback),
                playback=playback,
                connect=connect,
                connect_to=connect_to,
                view=view,
                recorder=Recorder(None, None),
                clock=LoopClock(),
                turns="manual",
                script=Script((Typed("Count, please."),), patience_ms=10_000, is_manual=True),
                backoff=Backoff(lambda: 1.0),
            )
            assert await talk.run() == (Exit.OK, None)

    run_in_virtual_time(main())
    return ways


def test_the_session_goes_on_where_the_network_cut_it() -> None:
    view = NoticeView()
    [way] = lost_in_mid_answer(view)
    assert way.token is not None
    [lost] = view.of(notices.Reconnecting)
    assert lost.delay_ms == 0
    before, after = view.of(notices.Connected)
    assert (after.session_id, after.goes_on) == (before.session_id, "session")
    [answer] = view.of(notices.AgentSaid)
    assert (answer.text, answer.cut) == ("One two three four five six.", "")
    [summary] = view.of(notices.Summary)
    assert summary.heard_s == pytest.approx(3, abs=0.05)
    assert (summary.gaps, summary.reconnections) == (0, 1)


def test_a_session_that_is_gone_goes_on_as_its_conversation() -> None:
    view = NoticeView()
    lost_in_mid_answer(view, spoils_token=True)
    before, after = view.of(notices.Connected)
    assert after.session_id != before.session_id
    assert after.goes_on == "conversation"
    assert view.of(notices.Rebuilt) == []


async def test_a_call_goes_on_by_another_call() -> None:
    """In real time; the first one is not even noticed to be gone."""
    config = Config(models={"test": "scripted"}, journal=JournalSettings(linger_s=30))
    engine = ScriptedEngine(EngineScript(replies=(LONG,)))
    parts = Parts(journal=MemoryJournal())
    async with serving(engine, keys=[KEY], config=config, parts=parts) as server:
        url = endpoint(server.websocket_url, "test")
        connector = WebRtcConnector(url, KEY)
        first = await connector()
        created = await told(first, "session.created")
        await first.send(wire.write(ResponseCreate()))
        delta = await told(first, "response.output_audio.delta")
        way_back = WayBack()
        way_back.received(created)
        assert way_back.way is not None
        way = way_back.way
        url = endpoint(server.websocket_url, "test", resume=way.conversation_id, after=way.after)
        second = await replace(connector, url=url, resume_token=way.token)()
        back = await told(second, "session.created")
        way_back.received(back)
        assert way_back.continues == "session"
        again = await told(second, "response.output_audio.delta")
        assert again.item_id == delta.item_id
        await told(second, "response.done")
        await second.close()
        await first.close()


async def told(connection: WebRtcConnection, kind: str) -> Any:
    """The next event of a kind."""
    async with asyncio.timeout(30):
        while True:
            message = await connection.receive()
            assert isinstance(message, str), message
            event = wire.read(message)
            if not isinstance(event, wire.Foreign) and event.__struct_config__.tag == kind:
                return event
