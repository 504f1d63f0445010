"""Beside a live session: silence for its user, and instructions that it takes or refuses."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from antiphon.core.causes import Cause, ClientSent, Heard, Ms
from antiphon.core.effects import Effect
from antiphon.core.faults import Fault
from antiphon.protocol.client import InputAudioBufferAppend, SessionUpdate
from antiphon.protocol.session import (
    AudioFormat,
    AudioInputPatch,
    AudioPatch,
    PcmaFormat,
    PcmFormat,
    PcmuFormat,
    SessionPatch,
)
from antiphon.runtime.hub import Hub
from antiphon.runtime.session import LiveSession
from antiphon.runtime.supervision import silence
from tests.runtime.stubs import EchoEngine, Line


class Ear:
    """An `Observer` that keeps what the session was given to hear."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def saw(self, now_ms: Ms, cause: Cause, effects: Sequence[Effect]) -> None:
        del now_ms, effects
        if isinstance(cause, Heard):
            self.heard.append(cause.pcm)
        elif isinstance(cause, ClientSent) and isinstance(cause.event, InputAudioBufferAppend):
            self.heard.append(cause.event.audio)

    def close(self) -> None: ...


def opened(audio_format: AudioFormat | None = None) -> tuple[LiveSession, Line, Ear]:
    engine = EchoEngine()
    session = Hub(lambda _: engine).open(kind="realtime", model="gpt-realtime")
    assert isinstance(session, LiveSession)
    line, ear = Line("ws_1"), Ear()
    session.attach(line)
    session.observe(ear)
    if audio_format is not None:
        patch = SessionPatch(audio=AudioPatch(input=AudioInputPatch(format=audio_format)))
        session.receive(line, SessionUpdate(session=patch))
    line.take()
    return session, line, ear


@pytest.mark.parametrize(
    ("audio_format", "quiet"),
    [(PcmFormat(), b"\x00"), (PcmuFormat(), b"\xff"), (PcmaFormat(), b"\xd5")],
)
async def test_a_muted_user_is_silent_in_the_format_that_they_speak(
    audio_format: AudioFormat, quiet: bytes
) -> None:
    session, line, ear = opened(audio_format)
    said = b"\x12\x34" * 80
    session.receive(line, InputAudioBufferAppend(audio=said))
    session.supervision.mute(True)
    session.receive(line, InputAudioBufferAppend(audio=said))
    session.supervision.mute(False)
    session.receive(line, InputAudioBufferAppend(audio=said))
    assert ear.heard == [said, quiet * len(said), said]
    assert line.types() == [], "nobody is told"
    session.end()
    await session.ended()


async def test_a_muted_caller_is_silent_and_time_goes_on() -> None:
    session, _, ear = opened()
    session.supervision.mute(True)
    session.hear(b"\x01\x02" * 480)
    assert ear.heard == [bytes(960)]
    session.end()
    await session.ended()


def test_silence_is_as_long_as_what_it_replaces() -> None:
    for audio_format in (PcmFormat(), PcmuFormat(), PcmaFormat()):
        assert len(silence(audio_format, 37)) == 37


async def test_who_has_no_agent_takes_no_instruction_and_nothing_changes() -> None:
    engine = EchoEngine()
    session = Hub(lambda _: engine).open(kind="transcription", model="whisper-1")
    assert isinstance(session, LiveSession)
    line = Line("ws_1")
    session.attach(line)
    line.take()
    for answer in (True, False):
        with pytest.raises(Fault, match="no agent"):
            session.supervision.instruct("Be kind.", answer=answer)
    assert line.types() == []
    session.end()
    await session.ended()


async def test_who_stops_listening_is_told_nothing_more() -> None:
    session, line, _ = opened()
    told: list[object] = []

    class Listener:
        def told(self, event: object) -> None:
            told.append(event)

        def ended(self) -> None:
            told.append("ended")

    stop = session.supervision.listen(Listener())
    session.supervision.instruct("Be kind.", answer=False)
    count = len(told)
    assert count == 2, "added and done"
    stop()
    stop()
    session.supervision.instruct("Be brief.", answer=False)
    assert len(told) == count
    assert line.types().count("conversation.item.added") == 2
    session.end()
    assert len(told) == count
    await session.ended()
