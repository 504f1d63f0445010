"""An operator beside a call whose media go to another server (`runtime.supervision`)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final

from antiphon.core.faults import Fault
from antiphon.protocol.client import ClientEvent, ResponseCreate
from antiphon.protocol.items import Item
from antiphon.protocol.server import ServerEvent
from antiphon.runtime.supervision import Listener, instruction, shown_items, tells_words
from antiphon.runtime.supervision import without_pictures as plain

NOT_MUTED: Final = (
    "The media of this call go straight to another server: its user cannot be muted here."
)


class DirectSupervision:
    """Args:
    items: Those of the conversation that are known here.
    is_answering: Whether a response runs there, as far as is known here.
    write: Sends events to the other server; raises `Fault` where it cannot.
    """

    is_muted = False

    def __init__(
        self,
        *,
        items: Callable[[], Iterable[Item]],
        is_answering: Callable[[], bool],
        write: Callable[[Collection[ClientEvent]], None],
    ) -> None:
        self._items = items
        self._is_answering = is_answering
        self._write = write
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> Callable[[], None]:
        for event in shown_items(self._items()):
            listener.told(event)
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    def instruct(self, instructions: str, *, answer: bool) -> bool:
        answers = answer and not self._is_answering()
        self._write([instruction(instructions), *([ResponseCreate()] if answers else [])])
        return answers

    def mute(self, on: bool) -> None:
        if on:
            raise Fault("not_in_direct_calls", NOT_MUTED)

    # --- For the session -----------------------------------------------------

    def saw(self, event: ServerEvent) -> None:
        if tells_words(event):
            for listener in list(self._listeners):
                listener.told(plain(event))

    def close(self) -> None:
        """The call is over."""
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.ended()
