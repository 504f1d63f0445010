"""Which of a client's data channels carries the events.

`oai-events` does, whenever it opens.  A client that names it otherwise is served too: its channel
carries them once it has spoken there, or where no `oai-events` has come beside it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

log = logging.getLogger(__name__)

EVENTS_LABEL: Final = "oai-events"
GRACE_S: Final = 0.5
"""So long a channel of another name waits for `oai-events`: what was made before the offer opens
together."""


class ChannelTransport(Protocol):
    """What carries all channels of a client."""

    @property
    def state(self) -> str: ...


class DataChannel(Protocol):
    """What we use of aiortc's."""

    @property
    def label(self) -> str: ...

    @property
    def readyState(self) -> str: ...  # noqa: N802

    @property
    def bufferedAmount(self) -> int: ...  # noqa: N802

    @property
    def transport(self) -> ChannelTransport: ...

    def on(self, event: str, listener: Callable[..., None]) -> object: ...

    def send(self, data: str) -> None: ...


class ChannelEvents(Protocol):
    """What the channels tell.  None may wait."""

    def on_channel_open(self) -> None:
        """Events can leave, by a channel that nothing was sent on before."""
        ...

    def on_channel_settled(self) -> None:
        """It is the one: what was sent need not be sent again."""
        ...

    def on_channel_lost(self) -> None:
        """It has closed before it was settled; another may come."""
        ...

    def on_message(self, data: str | bytes) -> None: ...

    def on_channel_closed(self) -> None:
        """The client has closed the settled one."""
        ...

    def on_channel_torn(self) -> None:
        """The settled one is gone with all that carried it: nobody closed it."""
        ...


class Channels:
    """All that a client has opened."""

    def __init__(self) -> None:
        self._carrier: DataChannel | None = None
        self._waiting: list[DataChannel] = []
        """Of other names, oldest first."""
        self._is_settled = False
        self._timer: asyncio.TimerHandle | None = None
        self._writable = asyncio.Event()
        self._closed = False

    def add(self, events: ChannelEvents, channel: DataChannel) -> None:
        """A channel has been opened."""
        channel.on("message", lambda data: self._on_message(events, channel, data))
        channel.on("bufferedamountlow", self._writable.set)
        channel.on("close", lambda: self._on_close(events, channel))
        if channel.label == EVENTS_LABEL and not self._has_its_name:
            self._carry_by(events, channel, settled=True)
        elif self._is_settled:
            log.info("a data channel '%.20s' beside that of the events is not used", channel.label)
        else:
            self._waiting.append(channel)
            if self._carrier is None and self._timer is None:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(GRACE_S, self._on_grace_over, events)

    @property
    def _has_its_name(self) -> bool:
        return self._carrier is not None and self._carrier.label == EVENTS_LABEL

    @property
    def queued_bytes(self) -> int:
        return 0 if self._carrier is None else int(self._carrier.bufferedAmount)

    def send_text(self, text: str) -> None:
        """Nothing is sent once the channel is closing.

        Raises:
            ValueError: larger than the peer takes.
        """
        if self._carrier is not None and self._carrier.readyState == "open":
            self._writable.clear()
            self._carrier.send(text)

    async def writable(self) -> None:
        """Wait until the channel has passed all to SCTP, or there is none any more."""
        while self.queued_bytes and not self._closed:
            self._writable.clear()
            await self._writable.wait()

    def close(self) -> None:
        """Tell nothing any more."""
        self._closed = True
        self._stop_waiting()
        self._writable.set()

    def _carry_by(self, events: ChannelEvents, channel: DataChannel, *, settled: bool) -> None:
        self._stop_waiting()
        if channel in self._waiting:
            self._waiting.remove(channel)
        if channel is not self._carrier:
            self._carrier = channel
            events.on_channel_open()
        if settled:
            self._is_settled = True
            events.on_channel_settled()

    def _on_grace_over(self, events: ChannelEvents) -> None:
        self._timer = None
        if self._waiting and self._carrier is None:
            self._carry_by(events, self._waiting[0], settled=False)

    def _on_message(self, events: ChannelEvents, channel: DataChannel, data: Any) -> None:
        if self._closed:
            return
        if not self._is_settled:
            self._carry_by(events, channel, settled=True)
        if channel is self._carrier:
            events.on_message(data)

    def _on_close(self, events: ChannelEvents, channel: DataChannel) -> None:
        self._writable.set()
        if channel in self._waiting:
            self._waiting.remove(channel)
        if channel is not self._carrier or self._closed:
            return
        self._carrier = None
        if self._is_settled and channel.transport.state == "closed":
            events.on_channel_torn()
        elif self._is_settled:
            events.on_channel_closed()
        else:
            events.on_channel_lost()
            self._on_grace_over(events)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
