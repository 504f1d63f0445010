"""What of a microphone the conversation is told, and when."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.core.causes import Attached, Cause, ClientSent, Heard, Ms, VoiceScored
from antiphon.core.conversation import Conversation
from antiphon.core.effects import (
    DetectVoice,
    Effect,
    Hear,
    InputDropped,
    ScoreVoice,
    SendTo,
    TurnBegan,
    TurnCommitted,
)
from antiphon.core.terms import Terms
from antiphon.engines.engine import VoiceReport, VoiceStream
from antiphon.engines.scripted import Script, ScriptedEngine
from antiphon.engines.vad.energy import EnergyDetector
from antiphon.protocol.client import (
    ClientEvent,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    SessionUpdate,
)
from antiphon.protocol.codec import encode_server_event
from antiphon.protocol.server import ServerEvent
from antiphon.protocol.session import (
    AudioInputPatch,
    AudioPatch,
    NoiseReductionPatch,
    SessionPatch,
    TurnDetectionPatch,
)
from antiphon.runtime.ear import MAX_GATHERED_BYTES, Ear
from antiphon.runtime.hub import Hub
from antiphon.runtime.media import NO_PLAYBACK
from antiphon.runtime.session import LiveSession
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
        self.ear.listen(self.scored, user_speaks=lambda: True)

    def scored(self, at_sample: int, probability: float, is_echo: bool) -> None:
        assert not is_echo
        self.scores.append((at_sample, probability))
        self.tell(self.ear.take_gathered())

    def bring(self, pcm: bytes) -> int:
        """Returns how many windows are scored by now."""
        self.tell(self.ear.gather(pcm, len(self.heard) // 2))
        return len(self.scores)

    def tell(self, pcm: bytes) -> None:
        if pcm:
            at_sample = len(self.heard) // 2
            self.heard += pcm
            self.hand_overs += 1
            self.ear.hear(pcm, at_sample)


@settings(max_examples=50)
@given(st.lists(st.one_of(st.integers(1, 2000), st.none()), max_size=40), st.randoms())
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


def test_packets_are_told_with_their_scores() -> None:
    microphone = Microphone(gathers=True)
    for _ in range(80):
        microphone.bring(bytes(PACKET_BYTES))
    assert microphone.hand_overs == len(microphone.scores) == 50


class Deaf:
    """A detector that has stopped to score."""

    def open(self, _: VoiceReport) -> Deaf:
        return self

    def feed(self, pcm: bytes, at_sample: int) -> None: ...

    def score_complete(self) -> None: ...

    def reset(self) -> None: ...

    def close(self) -> None: ...


def test_what_is_never_scored_is_told_without() -> None:
    ear = Ear(Deaf(), NO_PLAYBACK)
    ear.listen(lambda *_: None, user_speaks=lambda: False)
    told = b""
    for _ in range(100):
        told += ear.gather(bytes(PACKET_BYTES), len(told) // 2)
    assert 100 * PACKET_BYTES - len(told) < MAX_GATHERED_BYTES


def test_nothing_is_gathered_while_nobody_scores() -> None:
    ear = Ear(None, NO_PLAYBACK)
    ear.listen(lambda *_: None, user_speaks=lambda: False)
    assert ear.gather(b"ab", 0) == b"ab"


class Told:
    """An observer."""

    def __init__(self) -> None:
        self.terms: Terms | None = None
        self.heard_bytes: list[int] = []
        self.committed: list[int] = []
        self.causes = 0
        self.turns = Turns()

    def __call__(self, terms: Terms) -> Told:
        self.terms = terms
        return self

    def saw(self, now_ms: Ms, cause: Cause, effects: Sequence[Effect]) -> None:
        self.causes += 1
        for effect in effects:
            self.turns.note(effect)
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
        # Of silence nothing follows: it is told by four windows.
        assert told.heard_bytes == [7 * PACKET_BYTES]
        session.hear(bytes(6))
        session.receive(connection, InputAudioBufferCommit())
        assert told.committed == [9 * PACKET_BYTES + 6]
        await hub.aclose()

    run_in_virtual_time(main())


def test_of_a_voice_that_goes_on_the_conversation_is_told_by_four_windows() -> None:
    async def main() -> None:
        told = Told()
        hub = Hub(lambda _: ScriptedEngine(Script()), detector=EnergyDetector(), observers=[told])
        playback = PacedPlayback(Plain(), lambda: None)
        session = hub.open(kind="realtime", model="m", playback=playback)
        session.attach(MemoryConnection("page"))
        for _ in range(16):  # Ten windows: it is settled that this is a turn.
            session.hear(PACKET_BYTES // 4 * LOUD)
        before = told.causes
        for _ in range(32):
            session.hear(PACKET_BYTES // 4 * LOUD)
        assert told.causes - before == 2 * 5, "sound and score of 20 windows"
        assert len(told.turns.heard[-1]) >= (16 + 32) * PACKET_BYTES - 4 * 2 * 768
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


# --- Nothing else follows than if all was told at once ------------------------

EVENTS = get_args(ServerEvent)
LOUD = bytes.fromhex("0020ffdf")


class Turns:
    """What an engine hears of each turn, from its beginning to its end."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def note(self, effect: Effect) -> None:
        match effect:
            case TurnBegan():
                self.heard.append(effect.pcm)
            case Hear() if self.heard:
                self.heard[-1] += effect.pcm
            case TurnCommitted() | InputDropped():
                self.heard.append(b"")


class AsItComes:
    """A conversation that is told each packet and each score at once."""

    def __init__(self, terms: Terms) -> None:
        self.conversation = Conversation(terms)
        self.voice: VoiceStream | None = None
        self.events: list[bytes] = []
        self.turns = Turns()
        self.waiting: list[Cause] = []
        self.give(Attached("page"))

    def give(self, cause: Cause) -> None:
        self.waiting.append(cause)
        while self.waiting:
            for effect in self.conversation.handle(self.waiting.pop(0), 0):
                self.carry_out(effect)

    def carry_out(self, effect: Effect) -> None:
        self.turns.note(effect)
        match effect:
            case DetectVoice(on=True) if self.voice is not None:
                self.voice.reset()
            case DetectVoice(on=True):
                self.voice = EnergyDetector().open(
                    lambda at, probability: self.waiting.append(VoiceScored(at, probability))
                )
            case DetectVoice():
                self.voice = None
            case ScoreVoice():
                assert self.voice is not None
                self.voice.feed(effect.pcm, effect.at_sample)
            case SendTo():
                self.events.append(encode_server_event(effect.event))
            case _ if isinstance(effect, EVENTS):
                self.events.append(encode_server_event(effect))


CUT = 1111
SAYINGS = st.one_of(
    st.tuples(st.just("loud"), st.one_of(st.integers(1, 3000), st.just(CUT))),
    st.tuples(st.just("quiet"), st.integers(1, 3000)),
    st.tuples(st.sampled_from(["commit", "clear", "off", "on"]), st.just(0)),
)
TOLD_BY_CLIENT: dict[str, ClientEvent] = {
    "commit": InputAudioBufferCommit(),
    "clear": InputAudioBufferClear(),
    "off": SessionUpdate(
        session=SessionPatch(audio=AudioPatch(input=AudioInputPatch(turn_detection=None)))
    ),
    "on": SessionUpdate(
        session=SessionPatch(
            audio=AudioPatch(
                input=AudioInputPatch(
                    turn_detection=TurnDetectionPatch(
                        type="server_vad", silence_duration_ms=200, create_response=False
                    )
                )
            )
        )
    ),
}


@settings(max_examples=40)
@given(st.lists(SAYINGS, max_size=30), st.booleans())
def test_what_is_told_late_has_the_same_effects(
    script: list[tuple[str, int]], by_client: bool
) -> None:
    async def main() -> None:
        told = Told()
        engine = ScriptedEngine(Script())
        hub = Hub(lambda _: engine, detector=EnergyDetector(), observers=[told])
        playback = PacedPlayback(Plain(), lambda: None)
        session = hub.open(kind="realtime", model="m", playback=playback)
        connection = MemoryConnection("page")
        session.attach(connection)
        assert told.terms is not None
        plain = AsItComes(told.terms)
        for kind, samples in [("on", 0), *script, ("commit", 0)]:
            if kind in TOLD_BY_CLIENT:
                session.receive(connection, TOLD_BY_CLIENT[kind])
                plain.give(ClientSent("page", TOLD_BY_CLIENT[kind]))
            else:
                pcm = (LOUD * samples)[: 2 * samples] if kind == "loud" else bytes(2 * samples)
                if by_client:  # Which may cut a sample in two, too.
                    append = InputAudioBufferAppend(audio=pcm[samples == CUT :])
                    session.receive(connection, append)
                    plain.give(ClientSent("page", append))
                else:
                    session.hear(pcm)
                    plain.give(Heard(pcm))
        heard = list(iter(connection.take, None))
        assert heard == plain.events
        assert told.turns.heard == plain.turns.heard
        await hub.aclose()

    run_in_virtual_time(main())


@pytest.mark.parametrize("appends", [False, True])
def test_a_muted_user_is_not_heard_by_voice_detection_either(appends: bool) -> None:
    async def main(*, appends: bool) -> None:
        hub = Hub(lambda _: ScriptedEngine(Script()), detector=EnergyDetector())
        playback = None if appends else PacedPlayback(Plain(), lambda: None)
        session = hub.open(kind="realtime", model="m", playback=playback)
        assert isinstance(session, LiveSession)
        connection = MemoryConnection("page")
        session.attach(connection)

        def speaks() -> bool:
            loud = PACKET_BYTES // 4 * b"\x00\x30\x00\xd0"
            for _ in range(40):
                if appends:
                    session.receive(connection, InputAudioBufferAppend(audio=loud))
                else:
                    session.hear(loud)
            return b'"input_audio_buffer.speech_started"' in b"".join(iter(connection.take, None))

        session.supervision.mute(True)
        assert not speaks()
        session.supervision.mute(False)
        assert speaks()
        await hub.aclose()

    run_in_virtual_time(main(appends=appends))
