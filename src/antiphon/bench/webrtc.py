"""A line over WebRTC whose sound is heard as its packets come (the extra ``webrtc``)."""

from __future__ import annotations

from dataclasses import replace

from antiphon.bench.lean_sound import LeanSound
from antiphon.bench.line import Listener
from antiphon.bench.realtime import RealtimeLine
from antiphon.talk.server_playout import ServerPlayout
from antiphon.talk.webrtc import WebRtcConnector
from antiphon.upstream.connection import Connection


class Overheard(ServerPlayout):
    """Events and sound as they are, each for itself."""

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self._listener = listener

    def message(self, message: str, now_ms: float) -> list[str]:  # noqa: ARG002
        return [message]

    def sound(self, pcm: bytes, now_ms: float) -> list[str]:  # noqa: ARG002
        self._listener.sound(pcm)
        return []

    def time_passes(self, now_ms: float) -> list[str]:  # noqa: ARG002
        return []


class WebRtcLine(RealtimeLine):
    def __init__(self, connector: WebRtcConnector, *, silence_ms: int) -> None:
        super().__init__(self._call, silence_ms=silence_ms, is_live=True)
        self._connector = connector
        self._listener: Listener | None = None

    async def open(self, listener: Listener) -> None:
        self._listener = listener
        await super().open(listener)

    async def _call(self) -> Connection:
        assert self._listener is not None, "it is being opened"
        playout = Overheard(self._listener)
        return await replace(self._connector, make_sound=LeanSound, playout=playout)()
