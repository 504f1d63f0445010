"""Records a session's sound: both sides in stereo, as Opus in Ogg, a second at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import cache
from typing import Final, Protocol

from antiphon.audio.formats import Decoder
from antiphon.audio.two_sides import RATE_HZ, TwoSides
from antiphon.core.causes import Attached, Cause, ClientSent, Detached, Heard, Ms
from antiphon.core.effects import ClearPlayout, Effect, PlayAudio
from antiphon.core.formats import decoder
from antiphon.protocol.client import InputAudioBufferAppend
from antiphon.protocol.server import (
    ConversationItemTruncated,
    ResponseOutputAudioDelta,
    SessionUpdated,
)
from antiphon.protocol.session import AnySession, AudioFormat, PcmFormat, Session

log = logging.getLogger(__name__)

EVERY_MS: Final = 1_000
BEHIND_MS: Final = 2_000
"""So long it waits before a moment is written: what is cut off was perhaps not played."""
MAX_WAITING: Final = 120
"""Pieces that are not encoded yet.  Overflow policy: the newest is silence instead."""
MAX_HELD_BYTES: Final = 4 * 1024 * 1024
"""Of silence before the first sound: more than an hour.  Overflow policy: it is written."""
_SAMPLES_PER_MS: Final = RATE_HZ // 1_000


class Encoding(Protocol):
    """A file in the making; used by one thread at a time."""

    def encode(self, stereo: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class Recorder:
    """An `Observer`.  A session without any sound leaves no recording.

    Args:
        encoding: What becomes of stereo sound.
        write: Is given what is ready of the file, in order, on the event loop.
        executor: Where it is encoded; one thread, as pieces must keep their order.
    """

    def __init__(
        self,
        encoding: Encoding,
        write: Callable[[bytes], object],
        *,
        executor: Executor | None = None,
    ) -> None:
        self._sides = TwoSides()
        self._encoding = encoding
        self._write = write
        self._executor = executor or _encoders()
        self._input = _WireSide()
        self._output = _WireSide()
        self._owners: set[str] = set()
        self._is_ours = False
        """The server plays: it waits while nobody is there."""
        self._written_ms = 0
        self._now_ms = 0
        self._waiting = 0
        self._overflowed = False
        self._held: list[bytes] | None = []
        """What is ready while nothing was heard or spoken; None: something was."""
        self._held_bytes = 0
        self.finished = asyncio.Event()
        """All that will be written is written."""

    def follow(self, settings: AnySession) -> None:
        """They say in which formats clients send and hear."""
        self._input.follow(settings.audio.input.format)
        if isinstance(settings, Session):
            self._output.follow(settings.audio.output.format)

    def saw(self, now_ms: Ms, cause: Cause, effects: Sequence[Effect]) -> None:
        now = now_ms * _SAMPLES_PER_MS
        self._now_ms = now_ms
        match cause:
            case Heard(pcm):
                self._sides.user.arrived(self._sounding(pcm), now)
            case Attached(connection, owns=True):
                self._owners.add(connection)
                self._sides.agent.go_on(now)
            case Detached(connection) if connection in self._owners:
                self._owners.discard(connection)
                if self._is_ours and not self._owners:
                    self._sides.agent.hold(now)
            case ClientSent(event=InputAudioBufferAppend(audio=audio)):
                self._sides.user.arrived(self._sounding(self._input.decode(audio)), now)
        for effect in effects:
            self._note(effect, now)
        if now_ms - BEHIND_MS >= self._written_ms + EVERY_MS:
            self._flush(now_ms - BEHIND_MS)

    def close(self) -> None:
        self._flush(self._now_ms)
        self._encode(self._encoding.finish).add_done_callback(lambda _: self.finished.set())

    def _note(self, effect: Effect, now: int) -> None:
        agent = self._sides.agent
        match effect:
            case PlayAudio(pcm):
                self._is_ours = True
                agent.given(self._sounding(pcm), now)
            case ClearPlayout():
                agent.cut(now)
            case ResponseOutputAudioDelta():
                pcm = self._sounding(self._output.decode(effect.delta))
                agent.given(pcm, now, effect.item_id)
            case ConversationItemTruncated():
                agent.cut_item(effect.item_id, effect.audio_end_ms * _SAMPLES_PER_MS)
            case SessionUpdated():
                self.follow(effect.session)

    def _flush(self, until_ms: Ms) -> None:
        stereo = self._sides.take(until_ms * _SAMPLES_PER_MS)
        self._written_ms = max(until_ms, self._written_ms)
        if self._waiting >= MAX_WAITING:
            if not self._overflowed:
                log.error("a recording falls behind: some of it is silence instead")
            self._overflowed = True
            stereo = bytes(len(stereo))
        self._encode(lambda: self._encoding.encode(stereo))

    def _encode(self, step: Callable[[], bytes]) -> asyncio.Future[bytes]:
        self._waiting += 1
        done = asyncio.get_running_loop().run_in_executor(self._executor, step)
        done.add_done_callback(self._encoded)
        return done

    def _encoded(self, done: asyncio.Future[bytes]) -> None:
        self._waiting -= 1
        if done.cancelled():
            return
        if error := done.exception():
            log.error("a recording could not be encoded: %s", type(error).__name__)
        elif pages := done.result():
            self._keep(pages)

    def _sounding(self, pcm: bytes) -> bytes:
        """From the first sound on all is kept, also the silence before it: times stay true."""
        if self._held is not None and any(pcm):
            self._let_go()
        return pcm

    def _keep(self, pages: bytes) -> None:
        if self._held is None:
            self._write(pages)
            return
        self._held.append(pages)
        self._held_bytes += len(pages)
        if self._held_bytes > MAX_HELD_BYTES:
            self._let_go()

    def _let_go(self) -> None:
        held, self._held = self._held or [], None
        for pages in held:
            self._write(pages)


class _WireSide:
    """A direction of a client's sound, in whatever format it is now."""

    def __init__(self) -> None:
        self._format: AudioFormat = PcmFormat()
        self._decoder: Decoder = decoder(self._format)

    def follow(self, wire: AudioFormat) -> None:
        if wire != self._format:
            self._format = wire
            self._decoder = decoder(wire)

    def decode(self, data: bytes) -> bytes:
        return self._decoder.decode(data)


@cache
def _encoders() -> Executor:
    return ThreadPoolExecutor(1, thread_name_prefix="antiphon-recording")
