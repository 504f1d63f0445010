"""What a line over a network needs besides its socket: patience.

    class WebSocketLine(PatientLine):
        async def __aenter__(self) -> Self:
            self._socket = await connect(url)
            self._reading = asyncio.create_task(self._read())
            return self

        async def send(self, message: str) -> None:
            await self._socket.send(message)

        async def _read(self) -> None:
            async for message in self._socket:
                self.came(message)
            self.was_closed(self._socket.close_code, self._socket.close_reason)

The server behind it must have the script's engine: `ScriptedEngine(script.head.engine)`.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

import msgspec

from antiphon.testing.conformance.runner import Event
from antiphon.testing.conformance.sound import CHUNK_MS, SILENCE, VOICE


class PatientLine(ABC):
    """A line in real time.  What must come has ``patience_s``; where nothing need come,
    nothing comes once it was silent for ``quiet_s``.

    The microphone is sent faster than anyone speaks: turns count in media time.
    """

    def __init__(self, *, patience_s: float = 10.0, quiet_s: float = 0.2) -> None:
        self._patience_s = patience_s
        self._quiet_s = quiet_s
        # Without a bound: it holds what one short script brings out.
        self._came: asyncio.Queue[Event] = asyncio.Queue()

    @abstractmethod
    async def send(self, message: str) -> None: ...

    def came(self, message: bytes | str) -> None:
        """For the subclass: a message of the server's."""
        self._came.put_nowait(msgspec.json.decode(message))

    def was_closed(self, code: int, reason: str) -> None:
        """For the subclass: the server hung up."""
        self._came.put_nowait({"type": "(closed)", "code": code, "reason": reason})

    async def receive(self, *, expected: bool) -> Event | None:
        try:
            patience_s = self._patience_s if expected else self._quiet_s
            return await asyncio.wait_for(self._came.get(), patience_s)
        except TimeoutError:
            return None

    async def user_speaks(self, ms: int) -> None:
        await self._microphone(VOICE, ms)

    async def user_is_quiet(self, ms: int) -> None:
        await self._microphone(SILENCE, ms)

    async def wait(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)

    async def _microphone(self, chunk: str, ms: int) -> None:
        for _ in range(ms // CHUNK_MS):
            await self.send(chunk)
            await asyncio.sleep(0)
