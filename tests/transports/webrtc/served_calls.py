"""The calls of a real server, and what is said in them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from aiohttp import ClientSession, FormData

from antiphon.transports.rtp.rtcp import CallQuality
from antiphon.transports.webrtc.calls import Answer
from tests import desk


class ServedCalls:
    """As `Client` wants them; a key is in the headers of the session."""

    def __init__(self, url: str, http: ClientSession) -> None:
        self._url = f"{url}/v1"
        self._http = http

    async def answer(self, offer_sdp: str, *, model: str) -> Answer:
        form = FormData({"session": json.dumps(desk.SESSION | {"model": model})})
        form.add_field("sdp", offer_sdp, content_type="application/sdp")
        async with self._http.post(f"{self._url}/realtime/calls", data=form) as response:
            sdp = await response.text()
            assert response.status == 201, sdp
            return Answer(response.headers["Location"].rpartition("/")[2], sdp)

    async def quality(self, call_id: str) -> CallQuality:
        async with self._http.get(f"{self._url}/antiphon/calls/{call_id}") as response:
            assert response.status == 200, "the call is gone"
            return msgspec.convert((await response.json())["quality"], CallQuality)


class Answered:
    """The events from a turn to the end of its answer."""

    def __init__(self, events: list[dict[str, Any]]) -> None:
        self.types = [event["type"] for event in events]
        self._events = events

    def of(self, kind: str, field: str) -> list[Any]:
        return [event[field] for event in self._events if event["type"] == kind]

    @property
    def understood(self) -> list[str]:
        return self.of("conversation.item.input_audio_transcription.completed", "transcript")

    @property
    def typed(self) -> list[str]:
        contents = [item["content"] for item in self.of("conversation.item.added", "item")]
        return [part["text"] for content in contents for part in content if "text" in part]

    @property
    def pieces(self) -> str:
        return "".join(self.of("response.output_audio_transcript.delta", "delta"))

    @property
    def said(self) -> str:
        """All the words, which came as pieces and then as a whole."""
        [whole] = self.of("response.output_audio_transcript.done", "transcript")
        assert self.pieces == whole
        [response] = self.of("response.done", "response")
        assert response["status"] == "completed"
        return str(whole)
