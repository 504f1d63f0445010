"""Calls are found from every process; their media stay where they are."""

from __future__ import annotations

from aiohttp import WSMsgType

from antiphon.engines.scripted import Script, ScriptedEngine, Speak
from antiphon.transports.webrtc.calls import Answer
from tests.processes.company import company
from tests.server.place import Place, until
from tests.transports.webrtc.client import Client

HUM = Script(replies=((Speak(ms=200, text="Hm."),),))


class With:
    """A server that answers the client's offer."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def answer(self, offer_sdp: str, *, model: str) -> Answer:
        del model
        told = await self._place.offer(offer_sdp)
        assert told.status == 201, told
        return Answer(told.headers["Location"].rpartition("/")[2], told.body)


async def test_a_call_is_joined_and_hung_up_through_another_process(local_calls: None) -> None:
    del local_calls
    async with company(engine=lambda: ScriptedEngine(HUM, name="scripted")) as firm:
        here, there = firm.places
        page = Client(With(here))
        await page.call()
        created = await page.event("session.created")
        sideband = await there.join(f"call_id={page.call_id}")
        joined = await until(sideband, "session.created")
        assert joined["session"]["id"] == created["session"]["id"]
        shown = await there.ask("GET", f"/v1/antiphon/calls/{page.call_id}")
        assert (shown.status, shown.body["session_id"]) == (200, created["session"]["id"])
        told = await there.ask("POST", f"/v1/realtime/calls/{page.call_id}/hangup")
        assert told.status == 200
        while (await sideband.receive()).type is WSMsgType.TEXT:
            pass
        assert (await here.ask("GET", "/v1/antiphon/sessions")).body["data"] == []
        again = await there.ask("POST", f"/v1/realtime/calls/{page.call_id}/hangup")
        assert (again.status, again.code) == (404, "call_id_not_found")
