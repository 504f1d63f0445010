"""Following a call, with connections that do as they are told."""

from __future__ import annotations

import asyncio
import json

from antiphon.direct.sideband import Sideband
from antiphon.engines.relay.link import MAX_WAITING
from antiphon.protocol.client import ResponseCancel
from antiphon.protocol.server import ServerEvent
from antiphon.testing import run_in_virtual_time
from antiphon.upstream.connection import Closed
from antiphon.upstream.wire import Foreign

SESSION = {"type": "realtime", "id": "s", "model": "m", "expires_at": 1}
CREATED = json.dumps({"type": "session.created", "event_id": "e", "session": SESSION})


class SlowReader:
    """Greets, and takes a message a second."""

    quality = None

    def __init__(self) -> None:
        self._messages: asyncio.Queue[str | Closed] = asyncio.Queue()
        self._messages.put_nowait(CREATED)

    async def send(self, message: str) -> None:
        del message
        await asyncio.sleep(1)

    async def receive(self) -> str | Closed:
        return await self._messages.get()

    async def close(self) -> None:
        self._messages.put_nowait(Closed(1000))


class Follower:
    """Notes what it is told."""

    name = "sess_1"

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_joined(self, *, again: bool) -> None:
        self.told.append("joined again" if again else "joined")

    def on_event(self, event: ServerEvent | Foreign) -> None: ...

    def on_unfollowed(self) -> None:
        self.told.append("unfollowed")

    def on_over(self, code: int, reason: str) -> None:
        self.told.append(f"over {code} {reason}")


def test_one_that_reads_too_slowly_is_left_and_joined_again() -> None:
    async def main() -> None:
        async def connect() -> SlowReader:
            return SlowReader()

        follower = Follower()
        sideband = Sideband(connect, follower, random=lambda: 0.5)
        await asyncio.sleep(1)
        sideband.write([ResponseCancel()] * (MAX_WAITING + 1))
        await asyncio.sleep(2 * MAX_WAITING)
        assert follower.told == ["joined", "unfollowed", "joined again"]
        await sideband.aclose()

    run_in_virtual_time(main())
