"""What an operator does with a live session beside its clients: listen, instruct, mute.

None of it is a connection: clients are told of no listener, no tape and no log has one, and a
session neither waits for one nor lives longer because of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from msgspec.structs import replace

from antiphon.core.causes import Cause, ClientSent, Ms
from antiphon.core.effects import Effect, SendTo
from antiphon.core.faults import Fault
from antiphon.protocol import server
from antiphon.protocol.client import (
    ClientEvent,
    ConversationItemCreate,
    InputAudioBufferAppend,
    ResponseCreate,
)
from antiphon.protocol.items import InputImage, InputText, Item, Message
from antiphon.protocol.server import ServerEvent
from antiphon.protocol.session import AudioFormat, PcmaFormat, PcmuFormat, Session

if TYPE_CHECKING:
    from antiphon.runtime.session import LiveSession

OPERATOR: Final = "operator"
"""In the place of a connection's id."""
PICTURE: Final = "[picture]"
"""What a listener is told of one."""

_WORDS: Final = (
    server.SpeechStarted,
    server.InputAudioBufferCommitted,
    server.InputAudioBufferCleared,
    server.ConversationItemDeleted,
    server.ConversationItemTruncated,
    server.TranscriptionDelta,
    server.TranscriptionCompleted,
    server.TranscriptionFailed,
    server.ResponseContentPartAdded,
    server.ResponseOutputTextDelta,
    server.ResponseOutputTextDone,
    server.ResponseOutputAudioTranscriptDelta,
    server.ResponseOutputAudioTranscriptDone,
)
_ITEMS: Final = (server.ConversationItemAdded, server.ConversationItemDone)
_TOLD: Final = (*_ITEMS, *_WORDS)


class Listener(Protocol):
    """Never waits, and may be asked for nothing."""

    def told(self, event: ServerEvent) -> None:
        """An event that tells what is said, as clients get it."""
        ...

    def ended(self) -> None:
        """The session has ended.  Called once."""
        ...


class Supervision(Protocol):
    @property
    def is_muted(self) -> bool: ...

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tell it what was said, then what is being said.

        Returns:
            What ends that; may be called more than once.
        """
        ...

    def instruct(self, instructions: str, *, answer: bool) -> bool:
        """Add a system message to the conversation, and with ``answer`` ask for a response.

        Returns:
            Whether one was asked for: while one runs, the instruction counts from the next.

        Raises:
            Fault: it cannot be; nothing has changed.
        """
        ...

    def mute(self, on: bool) -> None:
        """Let the session hear silence in place of its user, until that is undone.

        Raises:
            Fault: it cannot be.
        """
        ...


@runtime_checkable
class Supervised(Protocol):
    """A session that can be supervised here; not all doors lead to one."""

    @property
    def supervision(self) -> Supervision: ...


class LiveSupervision:
    """Of a session whose media come here.

    Args:
        session: To be supervised.
        items: Those of its conversation, oldest first.
    """

    def __init__(self, session: LiveSession, items: Callable[[], Iterable[Item]]) -> None:
        self._session = session
        self._items = items

    @property
    def is_muted(self) -> bool:
        return self._session.is_muted

    def listen(self, listener: Listener) -> Callable[[], None]:
        for event in shown_items(self._items()):
            listener.told(event)
        observer = _Overhearing(listener, self._items)
        self._session.observe(observer)
        return lambda: self._session.unobserve(observer)

    def instruct(self, instructions: str, *, answer: bool) -> bool:
        session = self._session
        if not isinstance(session.settings, Session):
            raise Fault("invalid_event", "A transcription session has no agent to be instructed.")
        answers = answer and session.state != "responding"
        self._give(instruction(instructions))
        if answers:
            self._give(ResponseCreate())
        return answers

    def mute(self, on: bool) -> None:
        self._session.is_muted = on

    def _give(self, event: ClientEvent) -> None:
        refusals = _Refusals()
        self._session.observe(refusals)
        try:
            self._session.tell(ClientSent(OPERATOR, event, self._session.played_samples))
        finally:
            self._session.unobserve(refusals)
        if refusals.error is not None:
            error = refusals.error
            raise Fault(error.code or "invalid_event", error.message, param=error.param)


def instruction(text: str) -> ConversationItemCreate:
    return ConversationItemCreate(item=Message(role="system", content=(InputText(text),)))


def silenced(event: InputAudioBufferAppend, audio_format: AudioFormat) -> InputAudioBufferAppend:
    """The same, with silence for sound: time goes on, and what was begun comes to its end."""
    return replace(event, audio=silence(audio_format, len(event.audio)))


def silence(audio_format: AudioFormat, size_bytes: int) -> bytes:
    match audio_format:
        case PcmuFormat():
            return b"\xff" * size_bytes
        case PcmaFormat():
            return b"\xd5" * size_bytes
    return bytes(size_bytes)


def tells_words(event: ServerEvent) -> bool:
    """Whether a listener is told: of what is said; not of functions, nor of settings."""
    if isinstance(event, _ITEMS):
        return isinstance(event.item, Message)
    return isinstance(event, _WORDS)


def without_pictures(event: ServerEvent) -> ServerEvent:
    """Of a picture it is told that there was one."""
    if not isinstance(event, _ITEMS) or not isinstance(event.item, Message):
        return event
    if not any(isinstance(part, InputImage) for part in event.item.content):
        return event
    content = tuple(
        InputText(PICTURE) if isinstance(part, InputImage) else part for part in event.item.content
    )
    return replace(event, item=replace(event.item, content=content))


def shown_items(items: Iterable[Item]) -> Iterable[ServerEvent]:
    """What one who comes late is told first; these events have no ids."""
    previous: str | None = None
    for item in items:
        if isinstance(item, Message):
            added = server.ConversationItemAdded(event_id="", previous_item_id=previous, item=item)
            yield without_pictures(added)
        previous = item.id or None


class _Overhearing:
    """An `Observer`."""

    def __init__(self, listener: Listener, items: Callable[[], Iterable[Item]]) -> None:
        self._listener = listener
        self._items = items

    def saw(self, now_ms: Ms, cause: Cause, effects: Sequence[Effect]) -> None:
        del now_ms, cause
        for effect in effects:
            if isinstance(effect, _TOLD) and tells_words(effect):
                self._listener.told(without_pictures(effect))
                if isinstance(effect, server.ConversationItemTruncated):
                    self._tell_the_rest(effect.item_id)

    def _tell_the_rest(self, item_id: str) -> None:
        """Which words were heard: a client that asks is told the same."""
        for item in self._items():
            if item.id == item_id:
                self._listener.told(server.ConversationItemRetrieved(event_id="", item=item))

    def close(self) -> None:
        self._listener.ended()


class _Refusals:
    """An `Observer`: whether what the operator asked for was refused."""

    def __init__(self) -> None:
        self.error: server.ErrorDetail | None = None

    def saw(self, now_ms: Ms, cause: Cause, effects: Sequence[Effect]) -> None:
        del now_ms, cause
        for effect in effects:
            if isinstance(effect, SendTo) and effect.connection == OPERATOR:
                assert isinstance(effect.event, server.Error), "it asked for nothing else"
                self.error = effect.event.error

    def close(self) -> None:
        pass
