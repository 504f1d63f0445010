"""What of the assistant's voice is being heard, and what follows when that changes.

On WebSocket the client plays, and only it knows: `ClientSounding` knows nothing and asks for
nothing.  On WebRTC and SIP we play: `ServerSounding` counts (`Playout`), tells when a response
begins and stops to sound, and cuts what was never heard.
"""

from __future__ import annotations

from typing import Final, Protocol

from antiphon.core.causes import Ms
from antiphon.core.deadlines import Deadline, Deadlines
from antiphon.core.effects import ClearPlayout, DuckPlayout, Effect, PlayAudio
from antiphon.core.history import History
from antiphon.core.ids import Ids
from antiphon.core.items import ms_to_samples, samples_to_ms
from antiphon.core.playout import Cleared, Playout
from antiphon.protocol.server import (
    OutputAudioBufferCleared,
    OutputAudioBufferStarted,
    OutputAudioBufferStopped,
)

FRAME_MS: Final = 20
"""Transports play in frames: what ends within one is looked for after the next."""


class Sounding(Protocol):
    @property
    def by_server(self) -> bool:
        """Whether it is us who play."""
        ...

    @property
    def is_sounding(self) -> bool:
        """Something is being heard, as far as we know."""
        ...

    def played(self, samples: int) -> None:
        """News of the position, as it comes with the causes that need it."""
        ...

    def takes(self, response_id: str) -> bool:
        """False: the response was silenced, so no more of it will be heard."""
        ...

    def is_heard(self, now_ms: Ms) -> bool:
        """The assistant's voice is in the user's ear, as far as it can be known."""
        ...

    def heard_samples(self, item_id: str, samples: int, now_ms: Ms) -> int:
        """How much has been heard of the item that sounds, of ``samples`` that there are."""
        ...

    def being_heard(self, played: int, now_ms: Ms) -> dict[str, int]:
        """How much has been heard of each item whose end has not; ``played``: the position."""
        ...

    def play(
        self, response_id: str, item_id: str, pcm: bytes, now_ms: Ms, out: list[Effect]
    ) -> None: ...

    def duck(self, on: bool, out: list[Effect], *, holds: bool = False) -> None:
        """Lower the voice while somebody may be speaking, where it is ours to do.

        ``holds``: say nothing meanwhile; once begun, that ends with ``on``.
        """
        ...

    def generated(self, response_id: str, out: list[Effect]) -> None:
        """A response will bring no more sound."""
        ...

    def silent_from_ms(self, now_ms: Ms, sound_ends_ms: Ms) -> Ms:
        """When the user hears nothing more of a response that has ended.

        ``sound_ends_ms``: its end, if it is played as it comes.
        """
        ...

    def stopped_by_client(self) -> None:
        """It has told how much was heard, and plays no more of it."""
        ...

    def drained(self, samples: int, out: list[Effect]) -> bool:
        """All that was given has been played: whether that ended the sound of a response."""
        ...

    def await_boundary(self, now_ms: Ms) -> None:
        """No cause comes when one response's sound ends where another's follows: ask for one."""
        ...

    def on_boundary(self, now_ms: Ms, out: list[Effect]) -> None: ...

    def silence(self, out: list[Effect]) -> Cleared:
        """Silence at once; what tells of it comes after (`tell_cleared`)."""
        ...

    def tell_cleared(self, cleared: Cleared, out: list[Effect]) -> None:
        """Tell what was silenced, and keep only what was heard."""
        ...


CLIENT_DELAY_MS: Final = 300
"""What a client plays is heard so much later than it was sent: its buffer, and the way."""


class ClientSounding:
    """The client plays: it silences itself, and tells by `conversation.item.truncate`.

    What is being heard is guessed: it plays as the sound comes.
    """

    by_server = False
    is_sounding = False

    def __init__(self) -> None:
        self._ends_ms: Ms = -CLIENT_DELAY_MS
        self._last = "", 0
        """The item that sound came of last, and how much, in samples."""

    def played(self, samples: int) -> None:
        pass

    def takes(self, response_id: str) -> bool:
        return True

    def is_heard(self, now_ms: Ms) -> bool:
        return now_ms < self._ends_ms + CLIENT_DELAY_MS

    def heard_samples(self, item_id: str, samples: int, now_ms: Ms) -> int:
        unheard_ms = max(0, self._ends_ms + CLIENT_DELAY_MS - now_ms)
        return max(0, samples - ms_to_samples(unheard_ms))

    def being_heard(self, played: int, now_ms: Ms) -> dict[str, int]:
        """Of the last item; one before it counts as heard, though its end may still sound."""
        item_id, samples = self._last
        heard = self.heard_samples(item_id, samples, now_ms)
        return {item_id: heard} if heard < samples else {}

    def play(
        self, response_id: str, item_id: str, pcm: bytes, now_ms: Ms, out: list[Effect]
    ) -> None:
        samples = len(pcm) // 2
        self._ends_ms = max(self._ends_ms, now_ms) + samples_to_ms(samples)
        last_id, before = self._last
        self._last = item_id, samples + (before if item_id == last_id else 0)

    def duck(self, on: bool, out: list[Effect], *, holds: bool = False) -> None:
        pass

    def generated(self, response_id: str, out: list[Effect]) -> None:
        pass

    def silent_from_ms(self, now_ms: Ms, sound_ends_ms: Ms) -> Ms:
        return max(now_ms, sound_ends_ms, self._ends_ms)

    def stopped_by_client(self) -> None:
        self._ends_ms = -CLIENT_DELAY_MS

    def drained(self, samples: int, out: list[Effect]) -> bool:
        raise AssertionError("only a transport that owns playout drains it")

    def await_boundary(self, now_ms: Ms) -> None:
        pass

    def on_boundary(self, now_ms: Ms, out: list[Effect]) -> None:
        raise AssertionError("nobody asked for it")

    def silence(self, out: list[Effect]) -> Cleared:
        self._ends_ms = -CLIENT_DELAY_MS
        return Cleared()

    def tell_cleared(self, cleared: Cleared, out: list[Effect]) -> None:
        pass


class ServerSounding:
    """We play."""

    by_server = True

    def __init__(self, ids: Ids, history: History, deadlines: Deadlines) -> None:
        self._ids = ids
        self._history = history
        self._deadlines = deadlines
        self._playout = Playout()
        self._ducked = self._held = False

    @property
    def is_sounding(self) -> bool:
        return self._playout.is_sounding

    def played(self, samples: int) -> None:
        self._playout.played(samples)

    def takes(self, response_id: str) -> bool:
        return self._playout.takes(response_id)

    def is_heard(self, now_ms: Ms) -> bool:
        return self._playout.is_sounding

    def heard_samples(self, item_id: str, samples: int, now_ms: Ms) -> int:
        return self._playout.heard_samples(item_id)

    def being_heard(self, played: int, now_ms: Ms) -> dict[str, int]:
        return self._playout.being_heard(played)

    def duck(self, on: bool, out: list[Effect], *, holds: bool = False) -> None:
        holds = on and (holds or self._held)
        if (on, holds) != (self._ducked, self._held):
            self._ducked, self._held = on, holds
            out.append(DuckPlayout(on, holds))

    def play(
        self, response_id: str, item_id: str, pcm: bytes, now_ms: Ms, out: list[Effect]
    ) -> None:
        if not pcm or not self._playout.takes(response_id):
            return
        if self._playout.queue(response_id, item_id, len(pcm) // 2):
            out.append(
                OutputAudioBufferStarted(event_id=self._ids.event(), response_id=response_id)
            )
        out.append(PlayAudio(pcm))

    def generated(self, response_id: str, out: list[Effect]) -> None:
        self._tell_stopped(self._playout.generated(response_id), out)

    def silent_from_ms(self, now_ms: Ms, sound_ends_ms: Ms) -> Ms:
        return now_ms

    def stopped_by_client(self) -> None:
        pass  # It is us who play.

    def drained(self, samples: int, out: list[Effect]) -> bool:
        self._playout.played(samples)
        stopped = self._playout.stopped()
        self._tell_stopped(stopped, out)
        return bool(stopped)

    def await_boundary(self, now_ms: Ms) -> None:
        if self._deadlines.is_set(Deadline.SOUND_ENDS):
            return
        if self._playout.samples_to_boundary() is not None:
            self._deadlines.set(Deadline.SOUND_ENDS, now_ms)  # A tick brings the position.

    def on_boundary(self, now_ms: Ms, out: list[Effect]) -> None:
        self._tell_stopped(self._playout.stopped(), out)
        samples = self._playout.samples_to_boundary()
        if samples is not None:
            wait_ms = max(FRAME_MS, samples_to_ms(samples))
            self._deadlines.set(Deadline.SOUND_ENDS, now_ms + wait_ms)

    def silence(self, out: list[Effect]) -> Cleared:
        self._tell_stopped(self._playout.stopped(), out)  # What was heard whole is not cleared.
        if not self._playout.is_sounding:
            return Cleared()
        out.append(ClearPlayout())
        return self._playout.clear()

    def tell_cleared(self, cleared: Cleared, out: list[Effect]) -> None:
        for response_id in cleared.response_ids:
            out.append(
                OutputAudioBufferCleared(event_id=self._ids.event(), response_id=response_id)
            )
        for item_id, heard_samples in cleared.cut_items:
            self._history.cut_at_heard(item_id, heard_samples, out)

    def _tell_stopped(self, response_ids: list[str], out: list[Effect]) -> None:
        for response_id in response_ids:
            out.append(
                OutputAudioBufferStopped(event_id=self._ids.event(), response_id=response_id)
            )
