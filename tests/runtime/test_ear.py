"""What of a microphone the conversation is told, and when."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.causes import Cause, Heard, Ms
from antiphon.core.effects import Effect, TurnCommitted
from antiphon.core.terms import Terms
from antiphon.engines.scripted import Script, ScriptedEngine
from antiphon.engines.vad.energy import EnergyDetector
from antiphon.protocol.client import InputAudioBufferCommit, SessionUpdate
from antiphon.protocol.session import (
    AudioInputPatch,
    AudioPatch,
    NoiseReductionPatch,
    SessionPatch,
)
from antiphon.runtime.ear import WINDOW_BYTES, Ear
from antiphon.runtime.hub import Hub
from antiphon.runtime.media import NO_PLAYBACK
from antiphon.testing import MemoryConnection, run_in_virtual_time
from antiphon.transports.rtp.playback import PacedPlayback
from tests.transports.rtp.test_playback import Plain

PACKET_BYTES = 960


class Microphone:
    """Feeds an ear as a conversation does, and notes the scores that each packet brings."""

    def __init__(self, *, gathers: bool) -> None:
        self.ear = Ear(EnergyDetector(), NO_PLAYBACK)
        self.ear.gathers = gathers
        self.heard = b""
        self.hand_overs = 0
        self.scores: list[tuple[int, float]] = []
        self.listen()

    def listen(self) -> None:
        self.tell(self.ear.take_gathered())
        self.ear.listen(
            lambda at, probability, _: self.scores.append((at, probability)),
            user_speaks=lambda: True,
        )

    def bring(self, pcm: bytes) -> int:
        """Returns how many windows are scored by now."""
        self.tell(self.ear.gather(pcm))
        return len(self.scores)

    def tell(self, pcm: bytes) -> None:
        if pcm:
            at_sample = len(self.heard) // 2
            self.heard += pcm
            self.hand_overs += 1
            self.ear.hear(pcm, at_sample)


@given(st.lists(st.one_of(st.integers(1, 2000), st.none()), max_size=60), st.randoms())
def test_gathering_delays_no_score_and_loses_nothing(
    packets: list[int | None], rng: random.Random
) -> None:
    """``None``: detection begins afresh, as after a commit."""
    gathering, plain = Microphone(gathers=True), Microphone(gathers=False)
    for samples in packets:
        if samples is None:
            gathering.listen()
            plain.listen()
        else:
            pcm = rng.randbytes(2 * samples)
            assert gathering.bring(pcm) == plain.bring(pcm)
    gathering.listen()
    assert gathering.heard == plain.heard
    assert gathering.scores == plain.scores


def test_packets_are_told_by_the_window() -> None:
    microphone = Microphone(gathers=True)
    for _ in range(80):
        microphone.bring(bytes(PACKET_BYTES))
    assert microphone.hand_overs == len(microphone.scores) == 80 * PACKET_BYTES // WINDOW_BYTES


def test_nothing_is_gathered_while_nobody_scores() -> None:
    ear = Ear(None, NO_PLAYBACK)
    ear.listen(lambda *_: None, user_speaks=lambda: False)
    assert ear.gather(b"ab") == b"ab"


class Told:
    """An observer."""

    def __init__(self) -> None:
        self.heard_bytes: list[int] = []
        self.committed: list[int] = []

    def __call__(self, _: Terms) -> Told:
        return self

    def saw(self, now_ms: Ms, cause: Cause, effects: Sequence[Effect]) -> None:
        if isinstance(cause, Heard):
            self.heard_bytes.append(len(cause.pcm))
        self.committed += [len(e.pcm) for e in effects if isinstance(e, TurnCommitted)]

    def close(self) -> None:
        pass


def test_a_commit_is_exact_to_the_sample() -> None:
    async def main() -> None:
        told = Told()
        engine = ScriptedEngine(Script())
        hub = Hub(lambda _: engine, detector=EnergyDetector(), observers=[told])
        playback = PacedPlayback(Plain(), lambda: None)
        session = hub.open(kind="realtime", model="m", playback=playback)
        connection = MemoryConnection("page")
        session.attach(connection)
        for _ in range(9):
            session.hear(bytes(PACKET_BYTES))
        assert told.heard_bytes == [packets * PACKET_BYTES for packets in (2, 2, 1, 2, 1)]
        session.hear(bytes(6))
        session.receive(connection, InputAudioBufferCommit())
        assert told.committed == [9 * PACKET_BYTES + 6]
        await hub.aclose()

    run_in_virtual_time(main())


def test_what_is_cleaned_first_is_told_as_it_comes() -> None:
    """The reducer keeps sound back itself, so that nobody knows which packet fills a window."""

    async def main() -> None:
        told = Told()
        engine = ScriptedEngine(Script())
        hub = Hub(lambda _: engine, detector=EnergyDetector(), observers=[told])
        playback = PacedPlayback(Plain(), lambda: None)
        session = hub.open(kind="realtime", model="m", playback=playback)
        connection = MemoryConnection("page")
        session.attach(connection)
        wish = AudioInputPatch(noise_reduction=NoiseReductionPatch(type="near_field"))
        patch = SessionPatch(audio=AudioPatch(input=wish))
        session.receive(connection, SessionUpdate(session=patch))
        for _ in range(5):
            session.hear(bytes(PACKET_BYTES))
        assert told.heard_bytes == 5 * [PACKET_BYTES]
        await hub.aclose()

    run_in_virtual_time(main())
