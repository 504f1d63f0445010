"""A call in virtual time: a conversation, a clock that we own, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from antiphon.core.causes import (
    MEDIA_RATE_HZ,
    Attached,
    Cause,
    ClientSent,
    EngineCalled,
    EngineFinished,
    EngineSaid,
    EngineSpoke,
    EngineWrote,
    Heard,
    PlayoutDrained,
    Tick,
    TranscriptEnded,
    VoiceScored,
    Word,
)
from antiphon.core.conversation import Conversation
from antiphon.core.effects import (
    ClearPlayout,
    DetectVoice,
    Effect,
    Generate,
    Hear,
    PlayAudio,
    ScoreVoice,
    SendTo,
    TurnCommitted,
)
from antiphon.core.terms import Terms
from antiphon.core.turns import WINDOW_SAMPLES
from antiphon.protocol.client import ClientEvent, InputAudioBufferAppend
from antiphon.protocol.server import ServerEvent
from antiphon.protocol.session import AnySession, Session

E = TypeVar("E")

SEED = "virtualcall00"
CLIENT = "client"
CHUNK_MS = 20


def session(**settings: object) -> Session:
    return Session(id="sess_virtual", model="test", expires_at=3600, **settings)  # type: ignore[arg-type]


class VirtualCall:
    """Says what happens, keeps what follows.

    The client is attached and its first effects are taken when the call begins.  Time
    passes only by `wait`, `user_speaks` and `user_is_quiet`; deadlines that fall into it
    are honoured.  Where the server owns playout, speech is played in virtual real time.
    """

    def __init__(self, settings: AnySession | None = None, **terms: object) -> None:
        self.now_ms = 0
        self.tape: list[tuple[int, Cause]] = []
        self.terms = Terms(session=settings or session(), seed=SEED, **terms)  # type: ignore[arg-type]
        self.conversation = Conversation(self.terms)
        self.effects: list[Effect] = []
        self._given_to = 0
        self._scored_to = 0
        self._detecting = False
        self._queued_samples = 0
        self._played_samples = 0
        self.give(Attached(CLIENT))
        self.opening = self.take()

    # --- What happens --------------------------------------------------------

    def give(self, cause: Cause) -> list[Effect]:
        """One cause; returns (and keeps) what followed."""
        self.tape.append((self.now_ms, cause))
        effects = self.conversation.handle(cause, self.now_ms)
        for effect in effects:
            self._carry_out(effect)
        self.effects += effects
        return effects

    def client(self, *events: ClientEvent, connection: str = CLIENT) -> VirtualCall:
        for event in events:
            self.give(ClientSent(connection, event, self._played_samples))
        return self

    def user_speaks(self, ms: int, *, probability: float = 0.9) -> VirtualCall:
        """Microphone audio that is scored so likely to hold a voice."""
        return self._microphone(ms, probability=probability)

    def user_is_quiet(self, ms: int) -> VirtualCall:
        return self._microphone(ms, probability=0.01)

    def wait(self, ms: int) -> VirtualCall:
        """Nothing happens, but time."""
        end_ms = self.now_ms + ms
        while (deadline := self._next_moment()) is not None and deadline <= end_ms:
            self._advance(max(0, deadline - self.now_ms))
            if (due := self.conversation.deadline_ms) is not None and due <= self.now_ms:
                self.give(Tick(self._played_samples))
        self._advance(end_ms - self.now_ms)
        return self

    def engine_speaks(
        self, ms: int, text: str = "", *, words: Iterable[Word] = (), response: str | None = None
    ) -> VirtualCall:
        """Speech of the newest response (or a named one), all at once."""
        response_id = response or self.response_id
        if text:
            self.give(EngineSaid(response_id, text))
        pcm = bytes(2 * ms * MEDIA_RATE_HZ // 1000)
        self.give(EngineSpoke(response_id, pcm, tuple(words)))
        return self

    def engine_writes(self, text: str) -> VirtualCall:
        self.give(EngineWrote(self.response_id, text))
        return self

    def engine_calls(self, name: str, arguments: str, call_id: str = "call_1") -> VirtualCall:
        self.give(EngineCalled(self.response_id, call_id, name, arguments))
        return self

    def engine_finishes(self) -> VirtualCall:
        self.give(EngineFinished(self.response_id))
        return self

    def engine_heard(self, text: str) -> VirtualCall:
        """The engine's transcript of the last committed turn."""
        self.give(TranscriptEnded(self.turn_id, text))
        return self

    # --- What followed -------------------------------------------------------

    response_id = ""
    """Of the newest `Generate`."""
    turn_id = ""
    """Of the newest `TurnCommitted`."""

    def take(self) -> list[Effect]:
        """All effects since the last `take`, but for `Hear` and `ScoreVoice`."""
        effects: list[Effect] = [e for e in self.effects if not isinstance(e, Hear | ScoreVoice)]
        self.effects = []
        return effects

    def events(self) -> list[ServerEvent]:
        """Take, and keep only what the client sees."""
        return [
            effect.event if isinstance(effect, SendTo) else effect
            for effect in self.take()
            if isinstance(effect, SendTo | ServerEvent)
        ]

    def types(self) -> list[str]:
        """Take, and name the events the client sees, runs of the same one once."""
        names = [str(event.__struct_config__.tag) for event in self.events()]
        return [name for i, name in enumerate(names) if i == 0 or names[i - 1] != name]

    def one(self, kind: type[E]) -> E:
        """Take, and give the one effect (or event) of a kind."""
        found = [
            got
            for effect in self.take()
            for got in (effect, effect.event if isinstance(effect, SendTo) else None)
            if isinstance(got, kind)
        ]
        assert len(found) == 1, f"{len(found)} of {kind.__name__}"
        return found[0]

    # --- The world -----------------------------------------------------------

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Generate():
                self.response_id = effect.response_id
            case TurnCommitted():
                self.turn_id = effect.item_id
            case DetectVoice():
                self._detecting = effect.on
                self._scored_to = self._given_to
            case ScoreVoice(pcm, at_sample):
                if at_sample != self._given_to:
                    self._scored_to = at_sample
                self._given_to = at_sample + len(pcm) // 2
            case PlayAudio():
                self._queued_samples += len(effect.pcm) // 2
            case ClearPlayout():
                self._queued_samples = self._played_samples
            case _:
                pass

    def _microphone(self, ms: int, *, probability: float) -> VirtualCall:
        by_hand = self.terms.playout == "client"
        for _ in range(ms // CHUNK_MS):
            self.wait(CHUNK_MS)
            pcm = bytes(2 * CHUNK_MS * MEDIA_RATE_HZ // 1000)
            if by_hand:
                self.client(InputAudioBufferAppend(audio=pcm))
            else:
                self.give(Heard(pcm))
            while self._detecting and self._scored_to + WINDOW_SAMPLES <= self._given_to:
                self._scored_to += WINDOW_SAMPLES
                self.give(VoiceScored(self._scored_to, probability, self._played_samples))
        return self

    def _next_moment(self) -> int | None:
        moments = [] if self.conversation.deadline_ms is None else [self.conversation.deadline_ms]
        if self._queued_samples > self._played_samples:
            left = self._queued_samples - self._played_samples
            moments.append(self.now_ms + -(-left * 1000 // MEDIA_RATE_HZ))
        return min(moments, default=None)

    def _advance(self, ms: int) -> None:
        self.now_ms += ms
        if self._queued_samples > self._played_samples:
            due = self._played_samples + ms * MEDIA_RATE_HZ // 1000
            self._played_samples = min(self._queued_samples, due)
            if self._played_samples == self._queued_samples:
                self.give(PlayoutDrained(self._played_samples))
