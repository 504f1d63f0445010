"""A call of bench/turns.py in virtual time: the real core, voice detection and Whisper.

Nothing waits: what a decoder takes is a fixed delay, so that a run has the same result on
any machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray
from turn_users import Scene
from turn_voices import say

from antiphon.core.causes import (
    Attached,
    Cause,
    ClientSent,
    EngineFinished,
    EngineSaid,
    EngineSpoke,
    Heard,
    PlayoutDrained,
    Tick,
    TranscriptEnded,
    TurnJudged,
    VoiceScored,
)
from antiphon.core.conversation import Conversation
from antiphon.core.effects import (
    ClearPlayout,
    DetectVoice,
    DuckPlayout,
    Effect,
    Generate,
    Hear,
    InputDropped,
    PlayAudio,
    ScoreVoice,
    Speculate,
    StopGenerating,
    StopSpeculating,
    TurnBegan,
    TurnCommitted,
)
from antiphon.core.terms import Terms
from antiphon.engines.cascade.completeness import completeness
from antiphon.engines.cascade.end_of_turn.judged import NO_WORDS_YET
from antiphon.engines.cascade.end_of_turn.smart_turn_worker import Judge
from antiphon.engines.cascade.end_of_turn.smart_turn_worker import Turn as HintTurn
from antiphon.engines.cascade.parts import Transcript
from antiphon.engines.cascade.stt.short_words import is_doubtful
from antiphon.engines.cascade.stt.whisper_model import WhisperModel
from antiphon.engines.cascade.stt.whisper_turn import Turn, Work
from antiphon.engines.cascade.stt.wire import Heard as Recognized
from antiphon.engines.vad.silero import SileroDetector
from antiphon.protocol.client import ResponseCreate
from antiphon.protocol.items import InputAudio, Message
from antiphon.protocol.server import (
    ConversationItemDeleted,
    ConversationItemTruncated,
    SpeechStarted,
)
from antiphon.protocol.session import Audio, AudioInput, Session, TurnDetection
from antiphon.runtime.ear import Ear

CHUNK_MS = 20
CHUNK = CHUNK_MS * 24
DECODE_MS = 150
"""From what Whisper is given to what it tells: as measured on one core with one session."""
ANSWER_MS = 60
"""From the words of a turn to the first sound of the answer, of the offline set."""
ECHO_DELAY_MS = 120
RECENT_MS = 1_250


class Outcome(Struct):
    """In ms of the microphone; None: it did not happen."""

    started_ms: int | None = None
    ducked_ms: int | None = None
    held_ms: int | None = None
    """It said nothing more until it was known whether it was cut off..."""
    stopped_ms: int | None = None
    """... and was cut off."""
    committed_ms: list[int] = []
    answered_ms: list[int] = []
    """The first sound of each answer."""
    heard_ms: list[int] = []
    """How much was heard of each of them, as far as the call went."""
    joined: int = 0
    """Items of the user whose place a later one took, with all that was said."""
    withdrawn: int = 0
    """Answers that ended as if they had never begun."""
    words: list[str] = []


class NoLoop:
    def time(self) -> float:
        return 0.0

    def call_later(self, delay: float, callback: object, /) -> None: ...

    def call_exception_handler(self, context: dict[str, Any], /) -> None:
        raise context["exception"]


class Loudspeaker:
    """A `Playback` in virtual time."""

    def __init__(self) -> None:
        self.played_samples = 0
        self.left = b""
        """All that has been heard."""
        self._queue = bytearray()
        self._drained = True
        self.is_held = False

    def recently_played(self) -> bytes:
        return self.left[-2 * 24 * RECENT_MS :]

    def played_by(self, rtp_timestamp: int) -> int:
        raise AssertionError(f"this has no packets ({rtp_timestamp})")

    def play(self, pcm: bytes) -> None:
        self._queue += pcm
        self._drained = False

    def clear(self) -> None:
        self._queue.clear()
        self._drained = True

    def duck(self, on: bool, *, holds: bool = False) -> None:
        del on
        self.is_held = holds

    def advance(self) -> bool:
        """One chunk leaves; True when it was the last."""
        chunk = b"" if self.is_held else bytes(self._queue[: 2 * CHUNK])
        del self._queue[: 2 * CHUNK]
        self.played_samples += len(chunk) // 2
        self.left += chunk.ljust(2 * CHUNK, b"\0")
        ended = not self._queue and not self._drained
        self._drained = self._drained or ended
        return ended


class Recognition:
    """One turn at Whisper."""

    def __init__(self, item_id: str, *, live: bool) -> None:
        self.item_id = item_id
        self._overlaps = live
        self.turn = Turn(live=live)
        self.melody = HintTurn()
        self.words = NO_WORDS_YET
        self.work: Work | None = None
        self.done_ms = 0

    def hear(self, pcm: bytes) -> None:
        self.turn.hear(pcm)
        self.melody.hear(pcm)

    def judged(self, judge: Judge) -> bool:
        """Whether the melody of a pause says something new."""
        heard = self.melody.pause()
        if heard is not None:
            self.words = replace(self.words, melody=judge(heard))
        return heard is not None

    def step(self, model: WhisperModel, now_ms: int) -> Recognized | None:
        """What is told at this moment, if something is."""
        news = None
        if self.work is not None and now_ms >= self.done_ms:
            hypothesis = model.understand(
                self.work.features,
                self.work.heard_s,
                compares=is_doubtful if self.work.compares else None,
            )
            news, self.work = self.turn.done(self.work, hypothesis), None
        if self.work is None and self.turn.need is not None:
            self.work, self.done_ms = self.turn.work(), now_ms + DECODE_MS
        heard = self.turn.final() if self.turn.over else news
        if heard is not None and heard.aside and self._overlaps:
            heard = replace(heard, text=heard.aside)
        return heard


class Call:
    """Runs one scene."""

    """Args:
    answer_ms: From the words of a turn to the first sound of the answer.
    speculates: Answers are begun in pauses.
    """

    def __init__(
        self,
        scene: Scene,
        detection: TurnDetection,
        model: WhisperModel,
        *,
        judge: Judge | None = None,
        answer_ms: int = ANSWER_MS,
        speculates: bool = False,
    ) -> None:
        audio = Audio(input=AudioInput(turn_detection=detection))
        session = Session(id="sess_bench", model="bench", expires_at=3600, audio=audio)
        self._scene = scene
        self._conversation = Conversation(
            Terms(
                session=session,
                seed="turnsbench000",
                playout="server",
                engine_speculates=speculates,
            )
        )
        self._answer_ms = answer_ms
        self._draft: tuple[str, int] | None = None
        """What was begun early: for which words, and when it is ready."""
        self._began_at = 0
        """What had been played when the last answer began."""
        self._model = model
        self._judge = judge
        self._detector = SileroDetector(loop=NoLoop())
        self._speaker = Loudspeaker()
        self._ear = Ear(self._detector, self._speaker)
        self._now_ms = 0
        self._listening: dict[str, Recognition] = {}
        self._open: Recognition | None = None
        self._known: dict[str, str] = {}
        self._asked: list[tuple[str, str]] = []
        """Answers that wait for the words of their turn: response and item."""
        self._due: list[tuple[int, str]] = []
        self._last_item = ""
        self._committed: set[str] = set()
        self.outcome = Outcome()

    def run(self) -> Outcome:
        self._give(Attached("client"))
        if self._scene.assistant:
            self._give(ClientSent("client", ResponseCreate()))
        for at in range(0, len(self._scene.sound) - CHUNK, CHUNK):
            self._now_ms += CHUNK_MS
            if self._speaker.advance():
                self._give(PlayoutDrained(self._speaker.played_samples))
            deadline_ms = self._conversation.deadline_ms
            if deadline_ms is not None and deadline_ms <= self._now_ms:
                self._give(Tick(self._speaker.played_samples))
            self._give(Heard(self._microphone(at).tobytes()))
            self._detector.score_now()
            self._recognize()
            self._answer()
        self._hear_answer()
        return self.outcome

    def _hear_answer(self) -> None:
        """The last answer is over, or another begins."""
        if len(self.outcome.heard_ms) < len(self.outcome.answered_ms):
            self.outcome.heard_ms.append((self._speaker.played_samples - self._began_at) // 24)

    def _microphone(self, at: int) -> NDArray[np.int16]:
        heard = self._scene.sound[at : at + CHUNK]
        if not self._scene.echo_gain:
            return heard
        begin = 2 * (at - ECHO_DELAY_MS * 24)
        late = self._speaker.left[max(0, begin) : max(0, begin + 2 * CHUNK)]
        echo = np.frombuffer(late.rjust(2 * CHUNK, b"\0"), "<i2") * self._scene.echo_gain
        return (heard + echo).astype(np.int16)

    # --- Causes and effects --------------------------------------------------

    def _give(self, cause: Cause) -> None:
        for effect in self._conversation.handle(cause, self._now_ms):
            self._carry_out(effect)

    def _on_score(self, at_sample: int, probability: float, is_echo: bool) -> None:
        self._give(VoiceScored(at_sample, probability, self._speaker.played_samples, is_echo))

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case DetectVoice(on=True):
                speaks = lambda: self._conversation.user_speaks  # noqa: E731
                self._ear.listen(self._on_score, user_speaks=speaks)
            case ScoreVoice(pcm, at_sample):
                self._ear.hear(pcm, at_sample)
            case PlayAudio(pcm):
                self._speaker.play(pcm)
            case ClearPlayout():
                self._hear_answer()
                self._speaker.clear()
                self.outcome.stopped_ms = self.outcome.stopped_ms or self._now_ms
            case DuckPlayout(on, holds):
                self._duck(on=on, holds=holds)
            case SpeechStarted():
                self.outcome.started_ms = self.outcome.started_ms or self._now_ms
            case ConversationItemDeleted(item_id=item_id):
                self.outcome.joined += item_id in self._committed
            case ConversationItemTruncated(audio_end_ms=0):
                self.outcome.withdrawn += 1
            case Speculate(request=request):
                self._draft = _said_last(request), self._now_ms + self._answer_ms
            case StopSpeculating():
                self._draft = None
            case StopGenerating(response_id=response_id):
                self._asked = [asked for asked in self._asked if asked[0] != response_id]
                self._due = [due for due in self._due if due[1] != response_id]
            case Generate(response_id=response_id):
                self._asked.append((response_id, self._last_item))
            case TurnBegan(item_id, _, pcm, overlaps):
                self._open = Recognition(item_id, live=overlaps)
                self._open.hear(pcm)
            case Hear(pcm, _) if self._open is not None:
                self._open.hear(pcm)
            case InputDropped():
                self._open = None
            case TurnCommitted(item_id, _):
                self.outcome.committed_ms.append(self._now_ms)
                self._last_item = item_id
                self._committed.add(item_id)
                if self._open is not None:
                    self._open.turn.finish()
                    self._listening[item_id], self._open = self._open, None
            case _:
                pass

    def _duck(self, *, on: bool, holds: bool) -> None:
        self._speaker.duck(on, holds=holds)
        if on:
            self.outcome.ducked_ms = self.outcome.ducked_ms or self._now_ms
        if holds:
            self.outcome.held_ms = self.outcome.held_ms or self._now_ms

    # --- The engine ----------------------------------------------------------

    def _recognize(self) -> None:
        if self._open is not None:
            turn = self._open
            news = turn.step(self._model, self._now_ms)
            if news is not None:
                turn.words = Transcript(news.text, final=False, melody=turn.words.melody)
            # The network's 50 ms are left out: it hears a pause 40 ms before Whisper does.
            if news is not None or (self._judge is not None and turn.judged(self._judge)):
                words = None if news is None else news.text
                self._give(TurnJudged(turn.item_id, completeness(turn.words), words))
        for item_id, recognition in list(self._listening.items()):
            news = recognition.step(self._model, self._now_ms)
            if news is not None and news.final:
                del self._listening[item_id]
                self._known[item_id] = news.text
                self.outcome.words.append(news.text)
                self._give(TranscriptEnded(item_id, news.text))

    def _answer(self) -> None:
        for asked in list(self._asked):
            response_id, item_id = asked
            if not item_id or item_id in self._known:
                self._asked.remove(asked)
                ready_ms = self._now_ms + (self._answer_ms if item_id else 0)
                if self._draft is not None and self._draft[0] == self._known.get(item_id):
                    ready_ms = max(self._now_ms, self._draft[1])
                self._draft = None
                self._due.append((ready_ms, response_id))
        for due in list(self._due):
            if self._now_ms >= due[0]:
                self._due.remove(due)
                self._speak(due[1])

    def _speak(self, response_id: str) -> None:
        text = self._scene.assistant or "Very well."
        if self._last_item:
            self._hear_answer()
            self._began_at = self._speaker.played_samples
            self.outcome.answered_ms.append(self._now_ms)
            text = "Very well."
        self._give(EngineSaid(response_id, text))
        self._give(EngineSpoke(response_id, say(text, "slt").tobytes()))
        self._give(EngineFinished(response_id))


def _said_last(request: Generate) -> str:
    last = request.items[-1]
    assert isinstance(last, Message)
    [part] = last.content
    assert isinstance(part, InputAudio)
    return part.transcript or ""
