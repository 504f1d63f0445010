"""The connection over WebRTC, by aiortc (the extra ``webrtc``).

Sound travels on tracks and events on a data channel; to the rest of the client it is a
connection like the one over WebSocket (`ServerPlayout`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import aiohttp
import msgspec
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription

from antiphon.talk.call_sound import CallSound
from antiphon.talk.server_playout import ServerPlayout
from antiphon.talk.track_sound import TrackSound
from antiphon.upstream.connection import CannotConnect, Closed
from antiphon.upstream.quality import Quality
from antiphon.upstream.websocket import explain

SETUP_TIMEOUT_S = 20
QUALITY_EVERY_S = 2.0
TICK_S = 0.05
COMMIT_LAG_S = 0.3
"""What was just said is still under way when a turn is ended by hand."""


class WebRtcConnection:
    """A `Connection`; `dial` before anything else."""

    def __init__(
        self,
        ice_servers: tuple[RTCIceServer, ...],
        sound: CallSound,
        playout: ServerPlayout,
    ) -> None:
        # Without the list, aiortc would ask a public STUN server.
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=list(ice_servers)))
        self._peer.on("connectionstatechange", self._on_state)
        self._sound = sound
        sound.join(self._peer, self._on_sound)
        self._channel = self._peer.createDataChannel("oai-events")
        self._channel.on("open", self._on_open)
        self._channel.on("message", self._on_message)
        self._channel.on("close", self._on_close)
        self._playout = playout
        # The server's events are bounded by its own queue; sound by real time.
        self._inbox: asyncio.Queue[str | Closed] = asyncio.Queue()
        self._open = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_over = False
        self.quality: Quality | None = None

    async def offer(self) -> str:
        await self._peer.setLocalDescription(await self._peer.createOffer())
        return str(self._peer.localDescription.sdp)

    async def answered(self, sdp: str) -> None:
        """Take the answer, and wait until events can flow."""
        await self._peer.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        await self._open.wait()
        self._sound.begin()
        self._spawn(self._keep_time())

    async def send(self, message: str) -> None:
        event: dict[str, Any] = msgspec.json.decode(message)
        match event["type"]:
            case "input_audio_buffer.append":
                self._sound.put(msgspec.convert(event["audio"], bytes))
                return
            case "input_audio_buffer.commit":
                await self._sound.drained()
                await asyncio.sleep(COMMIT_LAG_S)
            case "conversation.item.truncate":
                # The server knows by itself what was heard; but it may still play.
                message = '{"type":"output_audio_buffer.clear"}'
        if self._channel.readyState == "open":
            self._channel.send(message)

    async def receive(self) -> str | Closed:
        return await self._inbox.get()

    async def close(self) -> None:
        self._is_over = True
        await self._sound.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._peer.close()

    # --- What comes ------------------------------------------------------------------

    def _on_open(self) -> None:
        self._open.set()

    def _on_message(self, message: str | bytes) -> None:
        text = message if isinstance(message, str) else message.decode(errors="replace")
        with contextlib.suppress(msgspec.DecodeError, KeyError, TypeError):
            for read in self._playout.message(text, self._now_ms()):
                self._inbox.put_nowait(read)

    def _on_close(self) -> None:
        self._end(Closed(1000, "the server has hung up"))

    def _on_state(self) -> None:
        if self._peer.connectionState == "failed":
            self._end(Closed(1006, "no media comes through"))

    def _end(self, closed: Closed) -> None:
        if not self._is_over:
            self._is_over = True
            self._inbox.put_nowait(closed)

    def _on_sound(self, pcm: bytes) -> None:
        for message in self._playout.sound(pcm, self._now_ms()):
            self._inbox.put_nowait(message)

    async def _keep_time(self) -> None:
        loop = asyncio.get_running_loop()
        measure_s = loop.time()
        while not self._is_over:
            for message in self._playout.time_passes(self._now_ms()):
                self._inbox.put_nowait(message)
            if loop.time() >= measure_s:
                measure_s = loop.time() + QUALITY_EVERY_S
                self.quality = await self._sound.quality() or self.quality
            await asyncio.sleep(TICK_S)

    def _now_ms(self) -> float:
        return asyncio.get_running_loop().time() * 1000

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@dataclass(frozen=True)
class WebRtcConnector:
    """Opens calls.

    Attributes:
        url: Of the endpoint, as for a WebSocket: ``ws://…/v1/realtime?model=…``.
        key: A server's key or an ephemeral secret (``ek_…``); the server may want none.
        make_sound: What carries the sound of a call.
        ice_urls: STUN and TURN servers to ask; none by default.
    """

    url: str
    key: str | None = None
    make_sound: Callable[[], CallSound] = TrackSound
    ice_urls: tuple[str, ...] = ()
    ice_username: str | None = None
    ice_credential: str | None = None
    resume_token: str | None = field(default=None, repr=False)
    playout: ServerPlayout = field(default_factory=ServerPlayout, repr=False)
    """Of the call before, where that may go on."""

    async def __call__(self) -> WebRtcConnection:
        ice = tuple(
            RTCIceServer(urls=url, username=self.ice_username, credential=self.ice_credential)
            for url in self.ice_urls
        )
        connection = WebRtcConnection(ice, self.make_sound(), self.playout)
        try:
            async with asyncio.timeout(SETUP_TIMEOUT_S):
                await connection.answered(await self._dial(await connection.offer()))
        except TimeoutError:
            await connection.close()
            raise CannotConnect(
                f"no media connection with {urlsplit(self.url).netloc} within {SETUP_TIMEOUT_S} s; "
                "a firewall may block UDP: try --ice-server with a TURN server, or leave out "
                "--webrtc"
            ) from None
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _dial(self, offer: str) -> str:
        """Ask for a call: with an ephemeral secret as it stands, else as a form."""
        parts = urlsplit(self.url)
        scheme = {"ws": "http", "wss": "https"}[parts.scheme]
        asked = dict(parse_qsl(parts.query))
        query = urlencode({k: v for k, v in asked.items() if k in ("conversation_id", "after")})
        url = urlunsplit((scheme, parts.netloc, f"{parts.path}/calls", query, ""))
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        if self.resume_token is not None:
            headers["Antiphon-Resume"] = self.resume_token
        body: Any = offer
        if self.key and self.key.startswith("ek_"):
            headers["Content-Type"] = "application/sdp"
        else:
            session = {"type": "realtime"}
            if model := asked.get("model"):
                session["model"] = model
            body = aiohttp.FormData(default_to_multipart=True)
            body.add_field("sdp", offer)
            body.add_field("session", msgspec.json.encode(session).decode())
        try:
            async with (
                aiohttp.ClientSession(trust_env=True) as client,
                client.post(url, data=body, headers=headers) as answer,
            ):
                text = await answer.text()
                if answer.status not in (200, 201):
                    raise _refused(answer, text, parts.netloc)
                return text
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise explain(error, self.url) from error


def _refused(answer: aiohttp.ClientResponse, text: str, place: str) -> CannotConnect:
    try:
        message = msgspec.json.decode(text)["error"]["message"]
    except (msgspec.DecodeError, KeyError, TypeError):
        message = f"HTTP {answer.status}"
    after = answer.headers.get("Retry-After", "")
    is_busy = answer.status in (429, 503)
    return CannotConnect(
        f"{place} answers no call: {message}",
        is_refused=not is_busy,
        may_retry=is_busy or answer.status >= 502,
        retry_after_s=float(after) if after.isdigit() else 0.0,
    )
