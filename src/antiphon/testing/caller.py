"""A caller: a client that types and speaks, and reads what comes as it comes."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from antiphon.core.causes import MEDIA_RATE_HZ
from antiphon.testing.conformance.sound import CHUNK_MS, append_message, square_wave

Event = dict[str, Any]

PATH = "/v1/realtime?model=any"
CHUNK_BYTES = 2 * CHUNK_MS * MEDIA_RATE_HZ // 1000
BYTES_PER_MS = 2 * MEDIA_RATE_HZ // 1000
PATIENCE_S = 60
"""For one event, by the loop's time: a busy machine is no failure."""


class Answers(Protocol):
    """A server, or a mock."""

    def client(self) -> ClientSession: ...


class NothingCame(AssertionError):
    """The connection ended, or it was waited too long, and what was awaited had not come."""


class Called(NamedTuple):
    """A function call that the client is to carry out."""

    name: str
    arguments: Any
    """As JSON has them; the text itself where it is no JSON."""
    call_id: str


class Heard(NamedTuple):
    """One response, as its client got it."""

    status: str
    """"completed", "cancelled", "failed" or "incomplete"."""
    text: str
    """What was said or written."""
    audio_ms: int
    calls: tuple[Called, ...]
    error: str | None
    """The code of what it failed by."""
    response: Event
    """Of its `response.done`."""


class Caller:
    """One connection.

    Attributes:
        events: all that came, in order; messages that are no events are not among them.
        messages: all that came, as they stood.
        close_code: once the connection has ended.
    """

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.events: list[Event] = []
        self.messages: list[str] = []
        self.close_code: int | None = None
        self._socket = socket
        self._read = 0
        """How many events `until` has given or passed over."""
        self._stirred = asyncio.Event()

    # --- What it does -------------------------------------------------------------------------

    async def send(self, type_: str, **fields: Any) -> None:
        """Any event."""
        await self._socket.send_str(json.dumps({"type": type_, **fields}))

    async def types(self, text: str) -> None:
        """A user's message, and asks for an answer."""
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        await self.send("conversation.item.create", item=item)
        await self.send("response.create")

    async def speaks(self, sound: int | bytes = 1000, *, then_quiet_ms: int = 1000) -> None:
        """Into the microphone, in real time by the loop's clock.

        ``sound``: 16-bit mono at 24 kHz; or for how many milliseconds, where words do not matter.
        ``then_quiet_ms``: so that a turn ends.
        """
        pcm = sound if isinstance(sound, bytes) else square_wave(sound)
        await self._microphone(pcm)
        await self.is_quiet(then_quiet_ms)

    async def is_quiet(self, ms: int) -> None:
        """The microphone is open, and nobody speaks."""
        await self._microphone(bytes(BYTES_PER_MS * ms))

    async def returns(self, called: Called, output: Any) -> None:
        """What a function gave, and asks to go on.  ``output`` becomes JSON unless it is a text."""
        text = output if isinstance(output, str) else json.dumps(output)
        item = {"type": "function_call_output", "call_id": called.call_id, "output": text}
        await self.send("conversation.item.create", item=item)
        await self.send("response.create")

    async def hangs_up(self) -> None:
        await self._socket.close()
        self.close_code = self._socket.close_code

    # --- What comes ---------------------------------------------------------------------------

    async def until(self, type_: str, holds: Callable[[Event], bool] = lambda _: True) -> Event:
        """The next event of a type; those before it count as read.

        Raises:
            NothingCame
        """
        while True:
            while self._read < len(self.events):
                event = self.events[self._read]
                self._read += 1
                if event.get("type") == type_ and holds(event):
                    return event
            if self.close_code is not None:
                raise NothingCame(f"No {type_}: closed with {self.close_code}. {self._story()}")
            await self._something(type_)

    async def answer(self) -> Heard:
        """The next response that is done.

        Raises:
            NothingCame
        """
        done = await self.until("response.done")
        return heard(done["response"], self.events)

    async def closed(self) -> int:
        """The close code, when the connection has ended.

        Raises:
            NothingCame: it has not.
        """
        while self.close_code is None:
            await self._something("close")
        return self.close_code

    def of_type(self, type_: str) -> list[Event]:
        return [event for event in self.events if event.get("type") == type_]

    async def _something(self, awaited: str) -> None:
        self._stirred.clear()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._stirred.wait()
        except TimeoutError:
            raise NothingCame(f"No {awaited} in {PATIENCE_S} s. {self._story()}") from None

    def _story(self) -> str:
        return f"There were: {', '.join(str(event.get('type')) for event in self.events)}."

    # --- The line -----------------------------------------------------------------------------

    async def _microphone(self, pcm: bytes) -> None:
        for at in range(0, len(pcm), CHUNK_BYTES):
            await asyncio.sleep(CHUNK_MS / 1000)
            await self._socket.send_str(append_message(pcm[at : at + CHUNK_BYTES]))

    async def listen(self) -> None:
        """Until the connection ends; `calling` sees to it."""
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                self.messages.append(message.data)
                event = _event(message.data)
                if event is not None:
                    self.events.append(event)
                    self._stirred.set()
        self.close_code = self._socket.close_code or 1006
        self._stirred.set()


def _event(message: str) -> Event | None:
    try:
        event = json.loads(message)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def heard(response: Event, events: list[Event]) -> Heard:
    """A response that is done, with what came of it before."""
    mine = [event for event in events if event.get("response_id") == response["id"]]
    pcm_bytes = sum(
        _decoded_bytes(event.get("delta"))
        for event in mine
        if event["type"] in ("response.output_audio.delta", "response.audio.delta")
    )
    said, calls = [], []
    for item in response.get("output", ()):
        if item["type"] == "function_call":
            calls.append(Called(item["name"], _arguments(item["arguments"]), item["call_id"]))
        for part in item.get("content", ()):
            said.append(part.get("transcript") or part.get("text") or "")
    details = response.get("status_details") or {}
    error = (details.get("error") or {}).get("code")
    return Heard(
        status=response["status"],
        text="".join(said),
        audio_ms=pcm_bytes // BYTES_PER_MS,
        calls=tuple(calls),
        error=error,
        response=response,
    )


def _arguments(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _decoded_bytes(sound: Any) -> int:
    try:
        return len(base64.b64decode(sound, validate=True))
    except (TypeError, binascii.Error):
        return 0


@asynccontextmanager
async def calling(server: Answers, path: str = PATH, **options: Any) -> AsyncIterator[Caller]:
    """Connect to a server or a mock, until the context ends.

    ```python
    async with calling(server) as caller:
        await caller.types("A table for two, please.")
        assert (await caller.answer()).text == "At what time?"
    ```

    ``options`` are those of aiohttp's `ws_connect`: headers, protocols.
    """
    async with (
        server.client() as http,
        http.ws_connect(path, max_msg_size=0, **options) as socket,
    ):
        caller = Caller(socket)
        listening = asyncio.create_task(caller.listen())
        try:
            yield caller
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
