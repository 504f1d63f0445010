"""The user's side: audio in, turns found or committed by hand."""

from __future__ import annotations

from enum import Enum, auto

from antiphon.core.causes import Ms, TurnJudged
from antiphon.core.deadlines import Deadline
from antiphon.core.effects import DetectVoice, Effect, Hear
from antiphon.core.faults import Fault
from antiphon.core.input_buffer import MAX_SAMPLES
from antiphon.core.items import ms_to_samples, samples_to_ms
from antiphon.core.microphone import Microphone
from antiphon.core.open_turn import OpenTurn
from antiphon.core.overlap import OverlapWatch, Verdict, has_asked
from antiphon.core.pieces import LastTurn, Piece
from antiphon.core.speculation import Pause
from antiphon.core.stage import Stage
from antiphon.core.turns import ONSET_WINDOWS, TurnDetector, TurnStarted, TurnStopped
from antiphon.protocol.server import (
    InputAudioBufferCleared,
    InputAudioBufferTimeoutTriggered,
    OverlapState,
)
from antiphon.protocol.session import Overlap

MIN_COMMIT_MS = 100
AUDIO_AWAY_MS = 4_000
"""So long may the microphone of an open turn bring nothing.  Longer than networks stall (TCP
sends again what was lost after 1 s, then 2 s), so that a word is not cut in two by one; short
enough for someone who was muted in mid-word."""
ENGINE_REACH_SAMPLES = ms_to_samples(60_000)
"""How far back an engine that finds turns itself may find that one began."""


class TurnEvent(Enum):
    STARTED = auto()
    OVERLAPPED = auto()
    """A sound began while the assistant is heard; it becomes STARTED or PASSED."""
    PASSED = auto()
    """It was no interruption, and wants no answer."""
    WENT_ON = auto()
    """As STARTED, with the rest of a turn that the assistant had just begun to answer."""
    COMMITTED = auto()


class Listening:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._microphone = Microphone(stage.session.audio.input.format)
        self._buffer = self._microphone.buffer
        self._detector: TurnDetector | None = None
        self._engine_detects = False
        """Turns come from the engine."""
        self._turn: OpenTurn | None = None
        self._audio_at_ms: Ms = 0
        """When something was last heard, or scored."""
        self._last = LastTurn(stage)

    @property
    def user_speaks(self) -> bool:
        if self._engine_detects:
            return self._turn is not None
        return self._detector is not None and self._detector.in_turn

    @property
    def is_undecided(self) -> bool:
        """Somebody may be interrupting."""
        return self._turn is not None and self._turn.watch is not None

    @property
    def is_speech_likely(self) -> bool:
        """Of a sound that nothing is decided about: it has gone on for long."""
        return self._turn is not None and self._turn.watch is not None and self._turn.watch.holds

    @property
    def pause(self) -> Pause | None:
        """The open turn, where it is probably over and was understood."""
        turn, detector = self._turn, self._detector
        if turn is None or detector is None or turn.watch is not None:
            return None
        if not (turn.understood and detector.sounds_complete):
            return None
        samples = self._microphone.scored_to - turn.from_sample
        return Pause(turn.item_id, turn.understood, samples, turn.replaces)

    def expects(self, voice: float) -> bool:
        """Nothing follows from a window that scores so but that it was scored: it is quiet as
        before, or somebody whom nobody doubts goes on.
        """
        detector, turn = self._detector, self._turn
        if detector is None:
            return False
        if turn is None:
            return detector.is_quiet and voice < detector.threshold
        return turn.is_settled and detector.goes_on(voice)

    @property
    def heard_samples(self) -> int:
        return self._buffer.end

    @property
    def held_bytes(self) -> int:
        return 2 * len(self._buffer) + self._last.held_bytes

    def configure(self, out: list[Effect]) -> None:
        """Follow the session's settings; a turn that is open goes on under the new ones."""
        settings = self._stage.session.audio.input
        self._microphone.configure(settings)
        if self._stage.terms.engine_finds_turns:
            if self._detector is not None:  # The engine before this one did not.
                self._detector = None
                out.append(DetectVoice(on=False))
            detects = settings.turn_detection is not None
            if detects and not self._engine_detects:
                self._drop_turn(out)  # A turn that appending began is not one that it found.
            self._engine_detects = detects
            return
        self._engine_detects = False
        detection = settings.turn_detection
        if detection is None and self._detector is not None:
            # What was heard so far stays in the buffer, for the client to commit.
            self._end_watch("dropped", out)
            self._detector = None
            out.append(DetectVoice(on=False))
        elif detection is not None and self._detector is None:
            self._detector = TurnDetector(detection)
            # A turn that appending began is not one that it found.
            self._drop_turn(out)
            self._restart_detection(out)
        elif detection is not None and self._detector is not None:
            self._detector.detection = detection

    # --- Audio ---------------------------------------------------------------

    def append(self, data: bytes, now_ms: Ms, out: list[Effect]) -> None:
        """Audio of `input_audio_buffer.append`, in the session's format.

        Raises:
            Fault: too much at once, or more than can be scored in time.
        """
        self._microphone.check_append(data, is_scored=self._detector is not None)
        had_overflowed = self._buffer.has_overflowed
        self.hear(self._microphone.decode(data), now_ms, out, by_hand=True)
        if self._buffer.has_overflowed and not had_overflowed:
            lost = Fault(
                "input_audio_buffer_full",
                f"The input audio buffer keeps {samples_to_ms(MAX_SAMPLES) // 1000} s of audio; "
                "older audio is lost. Commit or clear it.",
            )
            out.append(self._stage.error(lost))

    def hear(self, pcm: bytes, now_ms: Ms, out: list[Effect], *, by_hand: bool) -> None:
        """Microphone audio at 24 kHz.  What a client appends by hand is meant to be heard;
        an open microphone in manual mode may never be committed.
        """
        self._audio_at_ms = now_ms
        self._take_in(pcm, out, by_hand=by_hand)

    def _take_in(self, pcm: bytes, out: list[Effect], *, by_hand: bool) -> None:
        pcm = self._microphone.clean(pcm)
        if not pcm:
            return
        if self._detector is not None:
            self._buffer.append(pcm)
            self._microphone.give(out)
            return
        if self._turn is None and by_hand and not self._engine_detects:
            self._new_turn(self._buffer.start).begin(self._buffer.end, out)
        at_sample = self._buffer.append(pcm)
        if self._turn is not None:
            self._turn.tell_engine(self._buffer.end, out)
            return
        out.append(Hear(pcm, at_sample))
        if self._engine_detects:
            self._buffer.keep_from(self._buffer.end - ENGINE_REACH_SAMPLES)

    # --- Turns ---------------------------------------------------------------

    def score(
        self, at_sample: int, probability: float, now_ms: Ms, out: list[Effect]
    ) -> TurnEvent | None:
        """Take a score; says so when a turn started, or stopped and was committed."""
        detector = self._detector
        if detector is None:
            return None
        self._audio_at_ms = now_ms
        self._microphone.scored(at_sample)
        self._microphone.give(out)
        event = detector.score(at_sample, probability)
        if isinstance(event, TurnStarted):
            self._await_audio(now_ms)
            pause_samples = self._last.pause_before(detector.onset, now_ms)
            if pause_samples is not None:
                detector.has_gone_on(pause_samples)
            goes_on = pause_samples is not None
            watch = self._overlap_begins(now_ms, goes_on=goes_on)
            if watch is None:
                began = self._start_turn(event.at_sample, self._microphone.scored_to, out)
            else:
                for _ in range(ONSET_WINDOWS):
                    watch.score(probability, is_voice=True)
                began = self._begin_overlap(watch, event.at_sample, out)
            self._open_turn.goes_on = goes_on
            return began
        if isinstance(event, TurnStopped):
            # Not before what was heard of it, if the silence that ends it has become shorter.
            return self._stop_turn(max(event.at_sample, self._open_turn.told_to or 0), out)
        if self._turn is not None:
            self._turn.tell_engine(self._microphone.scored_to, out)
            self._turn.note_voice(detector.hears_voice)
            if self._turn.watch is not None:
                self._turn.watch.score(probability, is_voice=detector.hears_voice)
                return self._follow(self._turn.watch.verdict, out)
        else:
            # Not before it was scored: a client may append a whole recording at once.
            reached = at_sample - detector.reach_samples
            if not self._last.may_go_on(reached):
                self._buffer.keep_from(reached)
        return None

    def audio_stays_away(self, now_ms: Ms, out: list[Effect]) -> TurnEvent | None:
        """The microphone of an open turn brings nothing: that is a silence, once it is long."""
        if self._detector is None or not self._detector.in_turn:
            return None
        if now_ms < self._audio_at_ms + self._away_ms:
            self._await_audio(self._audio_at_ms)
            return None
        self._end_watch(Verdict.INTERRUPTION.value, out)
        event = self._stop_turn(self._buffer.end, out)
        self._restart_detection(out)
        return event

    def _await_audio(self, since_ms: Ms) -> None:
        self._stage.deadlines.set(Deadline.AUDIO_STAYS_AWAY, since_ms + self._away_ms)

    @property
    def _away_ms(self) -> Ms:
        return max(AUDIO_AWAY_MS, self._detector_now.silence_ms)

    def turn_found(self, from_sample: int | None, out: list[Effect]) -> TurnEvent | None:
        """An engine found that the user speaks; where nobody wants turns found, it is no turn."""
        if not self._engine_detects or self._turn is not None:
            return None
        first = self._buffer.end if from_sample is None else from_sample
        return self._start_turn(first, self._buffer.end, out)

    def turn_ended(self, at_sample: int | None, out: list[Effect]) -> TurnEvent | None:
        """None where there is no such turn (any more): a client was quicker."""
        if not self._engine_detects or self._turn is None:
            return None
        return self._stop_turn(self._buffer.end if at_sample is None else at_sample, out)

    def _start_turn(self, from_sample: int, heard_to: int, out: list[Effect]) -> TurnEvent:
        if self._turn is None:
            first = max(from_sample, self._buffer.start)
            self._new_turn(min(first, heard_to)).begin(heard_to, out)
        self._open_turn.announce(out)
        return TurnEvent.STARTED

    def _stop_turn(self, at_sample: int, out: list[Effect]) -> TurnEvent:
        end = max(min(at_sample, self._buffer.end), self._open_turn.from_sample)
        turn = self._open_turn
        turn.tell_stopped(end, out)
        pcm = self._commit_turn(end, out)
        voice_ended = end if self._detector is None else min(end, self._detector.voice_ends)
        self._last.ended(Piece(turn.item_id, turn.from_sample, pcm), voice_ended)
        return TurnEvent.COMMITTED

    def judge(self, news: TurnJudged) -> None:
        turn = self._turn
        if self._detector is not None and turn is not None and turn.item_id == news.item_id:
            self._detector.completeness = min(1.0, max(0.0, news.completeness))
            if news.words is None:
                return
            if turn.watch is not None:
                # What follows, the next score brings.
                turn.watch.understand(news.words, late=news.words_are_late)
            elif self._detector.is_pausing:
                turn.understood = news.words

    def join_pieces(self, out: list[Effect]) -> None:
        """The turn that has begun goes on with the one before, if nothing was answered to that:
        the engine hears both as one.
        """
        turn, piece = self._turn, self._last.piece
        if piece is None or turn is None or not turn.goes_on or turn.told_to is None:
            return
        self._last.piece = None
        if self._buffer.start > piece.end_sample:
            return  # What was between them is lost.
        if replaces := self._last.replaced_by_all(piece):
            turn.join(piece, replaces, out)

    # --- Sounds while the assistant is heard ---------------------------------

    def _overlap_begins(self, now_ms: Ms, *, goes_on: bool) -> OverlapWatch | None:
        """None: what begins is a turn at once, as in the API."""
        detection = self._stage.session.audio.input.turn_detection
        if detection is None or not isinstance(detection.overlap, Overlap):
            return None
        if not (detection.interrupt_response and self._stage.sounding.is_heard(now_ms)):
            return None
        spoken = self._stage.history.last_spoken
        if spoken is None:
            return OverlapWatch(detection.overlap, asked=False, goes_on=goes_on)
        item_id, part = spoken
        heard_samples = self._stage.sounding.heard_samples(item_id, part.samples, now_ms)
        asked = has_asked(part, heard_samples)
        return OverlapWatch(detection.overlap, asked=asked, goes_on=goes_on)

    def _begin_overlap(self, watch: OverlapWatch, from_sample: int, out: list[Effect]) -> TurnEvent:
        """The engine hears it, as its words are wanted.  Clients that play are not told yet: they
        would be silent at once.
        """
        first = min(max(from_sample, self._buffer.start), self._microphone.scored_to)
        turn = self._new_turn(first)
        turn.begin(self._microphone.scored_to, out, watch=watch)
        self._detector_now.is_held = True
        turn.tell_overlap("open", out)
        if self._stage.sounding.by_server:
            turn.announce(out)
        return TurnEvent.OVERLAPPED

    def _follow(self, verdict: Verdict, out: list[Effect]) -> TurnEvent | None:
        if verdict is Verdict.OPEN:
            return None
        watch = self._open_turn.watch
        self._end_watch(verdict.value, out)
        if verdict is Verdict.INTERRUPTION:
            self._open_turn.announce(out)
            goes_on = watch is not None and watch.goes_on
            return TurnEvent.WENT_ON if goes_on else TurnEvent.STARTED
        if verdict is Verdict.BACKCHANNEL:
            self._stop_turn(self._microphone.scored_to, out)
        else:
            self._open_turn.tell_stopped(self._microphone.scored_to, out)
            self._drop_turn(out)
        self._detector_now.reset()
        return TurnEvent.PASSED

    def _end_watch(self, state: OverlapState, out: list[Effect]) -> None:
        if self._turn is not None and self._turn.watch is not None:
            self._turn.watch = None
            self._turn.tell_overlap(state, out)
            if self._detector is not None:
                self._detector.is_held = False

    # --- What clients ask for ------------------------------------------------

    def commit(self, out: list[Effect]) -> None:
        """A client's commit.

        Raises:
            Fault: there is too little audio to be a turn.
        """
        samples = self._buffer.end - self._first_to_commit + self._microphone.pending_samples
        held_ms = samples * 1000 / ms_to_samples(1000)
        if held_ms < MIN_COMMIT_MS:
            raise Fault(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{MIN_COMMIT_MS}ms of audio, but buffer only has {held_ms:.2f}ms of audio.",
            )
        self._take_in(self._microphone.flush(), out, by_hand=False)
        if self._turn is None:
            self._new_turn(self._buffer.start)
        self._end_watch("dropped", out)
        self._commit_turn(self._buffer.end, out)
        self._last.forget()
        self._restart_detection(out)

    @property
    def _first_to_commit(self) -> int:
        """Where what a client may commit begins: not with the silence after a turn that we
        committed, once it was scored.
        """
        if self._last.is_ours and self._detector is not None and self._detector.is_quiet:
            return max(self._buffer.start, self._microphone.scored_to)
        return self._buffer.start

    def clear(self, out: list[Effect]) -> None:
        self._microphone.clear()
        self._last.forget()
        self._drop_turn(out)
        self._restart_detection(out)
        out.append(InputAudioBufferCleared(event_id=self._stage.ids.event()))

    def time_out(self, silent_from_sample: int, out: list[Effect]) -> None:
        """The user has long said nothing: the silence becomes a turn of its own."""
        if self._turn is None:
            self._new_turn(max(silent_from_sample, self._buffer.start))
        out.append(
            InputAudioBufferTimeoutTriggered(
                event_id=self._stage.ids.event(),
                audio_start_ms=samples_to_ms(silent_from_sample),
                audio_end_ms=samples_to_ms(self._buffer.end),
                item_id=self._open_turn.item_id,
            )
        )
        self._commit_turn(self._buffer.end, out)
        self._restart_detection(out)

    # --- The open turn -------------------------------------------------------

    def _new_turn(self, from_sample: int) -> OpenTurn:
        self._turn = OpenTurn(self._stage, self._buffer, from_sample)
        return self._turn

    def _commit_turn(self, end: int, out: list[Effect]) -> bytes:
        """Returns its sound."""
        turn, self._turn = self._open_turn, None
        return turn.commit(end, out)

    def _drop_turn(self, out: list[Effect]) -> None:
        if self._turn is not None:
            self._end_watch("dropped", out)
            self._turn.drop(out)
            self._turn = None

    def _restart_detection(self, out: list[Effect]) -> None:
        if self._detector is not None:
            self._detector.reset()
            self._microphone.score_afresh(out)

    @property
    def _detector_now(self) -> TurnDetector:
        assert self._detector is not None, "it is a detector's turn"
        return self._detector

    @property
    def _open_turn(self) -> OpenTurn:
        assert self._turn is not None, "a turn is open"
        return self._turn
