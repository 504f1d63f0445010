"""The user's side: audio to the upstream, turns and transcripts from it.

Where the upstream finds turns, it is sent all that is heard.  Where we do, it is sent turns alone,
as they are spoken, and each is committed as the core cut it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from antiphon.core.causes import (
    EngineNews,
    TranscriptEnded,
    TranscriptFailed,
    TranscriptGrew,
    TurnEnded,
    TurnFound,
)
from antiphon.core.effects import Hear, TurnBegan, TurnCommitted
from antiphon.engines.relay.loud_turns import LoudTurns
from antiphon.engines.relay.mirror import Held, Mirror
from antiphon.engines.relay.pace import Pace
from antiphon.engines.relay.sound import RecentSound, Ruler, TurnAudio, bytes_of_ms
from antiphon.protocol.client import (
    ClientEvent,
    ConversationItemCreate,
    ConversationItemDelete,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
)
from antiphon.protocol.items import InputAudio, Message
from antiphon.protocol.server import (
    ErrorDetail,
    InputAudioBufferCommitted,
    SpeechStarted,
    SpeechStopped,
    TranscriptionCompleted,
    TranscriptionDelta,
    TranscriptionFailed,
    TranscriptionTokens,
    TranscriptionUsage,
)

HELD_BACK_BYTES = bytes_of_ms(200)
"""Of a turn that we find: its end is known a little after it was heard."""
MIN_COMMIT_BYTES = bytes_of_ms(100)
"""What is shorter is filled up with silence: no upstream takes it."""
APPEND_BYTES = 384 * 1024
"""At most, in one message: 1 MiB and less as base64, whatever an upstream's limit is."""
TRANSCRIPT_S = 15.0
"""Words that have not come by then are not waited for: another upstream may take over."""
MAX_AWAITED = 16
"""Turns whose words have not come.  Overflow policy: of the oldest, they are given up."""


@dataclass(eq=False, slots=True)
class Turn:
    """A turn of the user, by the names that it has on both sides."""

    our_id: str | None = None
    """None: found by the upstream, and not begun by the core yet."""
    upstream_id: str | None = None
    held: Held | None = None
    """Once it is committed, on one side."""
    is_ignored: bool = False
    """Found by the upstream, and the core did not begin it."""
    has_ended: bool = False
    """`TurnEnded` was told."""
    is_committed: bool = False
    """By the core, at ``committed_s``."""
    committed_s: float = 0.0
    unsaid: list[str] = field(default_factory=list)
    """Of the transcript, while the core does not know the turn."""
    result: TranscriptionCompleted | TranscriptionFailed | None = None
    """The same, of its end."""
    is_known: bool = False
    """The end of its transcript was told."""


class Hearing:
    """Args:
    write, tell: Events for the upstream, and news for the core.
    turn_ended: Called where a turn is over that the upstream found, or would have.
    """

    def __init__(
        self,
        write: Callable[[ClientEvent], None],
        tell: Callable[[EngineNews], None],
        pace: Pace,
        turn_ended: Callable[[], None],
    ) -> None:
        self._now_s = pace.now_s
        self._turn_ended = turn_ended
        self._write = write
        self._tell = tell
        self._plugged = False
        self.upstream_detects = False
        self.transcribes = False
        self.mirror = Mirror(self.audio_of, pace)
        self._turns: list[Turn] = []
        """Those of which something is still to come."""
        self._open: Turn | None = None
        """The one that the core has begun and not committed."""
        self._streamed: int | None = None
        """How many bytes of it the upstream has; None: it is sent whole, once it is committed."""
        self._held_back = bytearray()
        self._commits: deque[Turn] = deque()
        """Ours that the upstream has not acknowledged yet: few, a client commits one by one."""
        self._turn_audio = TurnAudio()
        self._recent = RecentSound()
        self._ruler = Ruler()
        self._stand_in: LoudTurns | None = None
        """Finds turns while no upstream does, nor will soon."""

    # --- For those who look on -----------------------------------------------

    def audio_of(self, our_id: str) -> bytes | None:
        return self._turn_audio.get(our_id)

    @property
    def is_calm(self) -> bool:
        """No turn is open, and nothing more is expected of those that were."""
        overdue_s = self._now_s() - TRANSCRIPT_S
        awaited = any(not t.is_committed or t.committed_s > overdue_s for t in self._turns)
        return self._open is None and not awaited and not self._commits

    @property
    def is_open(self) -> bool:
        """A turn was begun, and is not committed."""
        return self._open is not None

    # --- Commands ------------------------------------------------------------

    def configure(self, *, upstream_detects: bool, transcribes: bool) -> None:
        if upstream_detects != self.upstream_detects:
            self._turns = [turn for turn in self._turns if turn.our_id is not None]
            self._recent.clear()
        self.upstream_detects, self.transcribes = upstream_detects, transcribes

    def hear(self, heard: Hear) -> None:
        if self.upstream_detects:
            self._recent.append(heard, is_heard=self._plugged)
            if self._plugged:
                self._append(heard.pcm, heard.at_sample)
            elif self._stand_in is not None:
                self._stand_in.hear(heard.pcm, heard.at_sample)
        elif self._open is not None and self._streamed is not None:
            self._stream(heard.pcm)

    def begin(self, began: TurnBegan) -> None:
        found = self._found
        if self.upstream_detects and found is not None:
            found.our_id = began.item_id
            self._open = found
            self._say_unsaid(found)
            return
        self._open = Turn(began.item_id)
        self._turns.append(self._open)
        if self.upstream_detects:
            return
        self._streamed = 0 if self._plugged else None
        self._held_back.clear()
        if self._streamed is not None:
            self._stream(began.pcm)

    def commit(self, committed: TurnCommitted) -> None:
        turn = next((t for t in self._turns if t.our_id == committed.item_id), None)
        was_open = turn is not None and turn is self._open
        if turn is None:
            turn = Turn(committed.item_id)
            self._turns.append(turn)
        turn.is_committed, turn.committed_s = True, self._now_s()
        self._give_up_oldest()
        self._recent.clear()  # Nobody is to hear a turn twice.
        self._turn_audio.keep(committed.item_id, committed.pcm)
        if turn.held is None:
            turn.held = self.mirror.add(Held("turn", on_its_way=True))
        turn.held.our_id, turn.held.settled = committed.item_id, True
        if not committed.pcm:
            message = "There is no audio of that turn."
            self._know(turn, TranscriptFailed(committed.item_id, "audio_lost", message))
            if turn.upstream_id is None:
                turn.held.on_its_way = False
                self.mirror.drop(turn.held)
        elif not self.transcribes:
            message = "The session did not ask for transcripts."
            self._know(turn, TranscriptFailed(committed.item_id, "not_transcribed", message))
        else:
            self._say_unsaid(turn)
        is_heard_there = self.upstream_detects and was_open and turn.upstream_id is not None
        if self._plugged and committed.pcm and not (is_heard_there and turn.has_ended):
            self._send_whole(turn, committed.pcm, was_open=was_open)
        if was_open:
            self._open, self._streamed = None, None
            self._held_back.clear()

    def drop(self) -> None:
        """The open turn will not be committed."""
        turn, self._open = self._open, None
        if turn is not None and turn in self._turns:
            self._turns.remove(turn)
        self._streamed = None
        self._held_back.clear()
        if self._plugged:
            self._write(InputAudioBufferClear(event_id="clear"))

    def not_begun(self) -> None:
        """The core took no notice of the turn that was found, if it is not begun by now."""
        if self._found is not None:
            self._found.is_ignored = True

    @property
    def _found(self) -> Turn | None:
        """By the upstream; the core is to begin it."""
        return next((t for t in self._turns if t.our_id is None and not t.is_ignored), None)

    # --- What the upstream says ----------------------------------------------

    def on_started(self, event: SpeechStarted) -> None:
        if not self.upstream_detects:
            return
        self._turns.append(Turn(upstream_id=event.item_id))
        self._tell(TurnFound(self._ruler.ours(event.audio_start_ms)))

    def on_stopped(self, event: SpeechStopped) -> None:
        turn = self._of(event.item_id)
        if turn is not None and not turn.has_ended and not turn.is_committed:
            turn.has_ended = True
            self._tell(TurnEnded(self._ruler.ours(event.audio_end_ms)))
            self._turn_ended()

    def on_committed(self, event: InputAudioBufferCommitted, out: list[ClientEvent]) -> None:
        turn = self._of(event.item_id)
        if self._commits and (turn is None or not turn.has_ended):
            if turn is not None and turn is not self._commits[0] and turn.our_id is None:
                self._turns.remove(turn)  # What was sent to be committed sounded like one.
            turn = self._commits.popleft()
        if turn is None or turn.is_ignored:
            self._turns = [kept for kept in self._turns if kept is not turn]
            out.append(
                ConversationItemDelete(event_id=f"delete:{event.item_id}", item_id=event.item_id)
            )
            return
        turn.upstream_id = event.item_id
        if turn.held is None:
            turn.held = self.mirror.add(Held("turn", our_id=turn.our_id, settled=False))
        self.mirror.name(turn.held, event.item_id, out)
        self._forget_if_done(turn)

    def on_refused(self, our_id: str, detail: ErrorDetail) -> None:
        """The upstream did not take a turn."""
        turn = next((turn for turn in self._commits if turn.our_id == our_id), None)
        if turn is None:
            return
        self._commits.remove(turn)
        if turn.held is not None:
            self.mirror.drop(turn.held)
        self._know(turn, TranscriptFailed(our_id, detail.code or "upstream_error", detail.message))

    def on_transcript(
        self, event: TranscriptionDelta | TranscriptionCompleted | TranscriptionFailed
    ) -> None:
        turn = self._of(event.item_id)
        if turn is None and isinstance(event, TranscriptionDelta):
            turn = self._first_words_of(event.item_id)
        if turn is None or turn.is_known:
            return
        if isinstance(event, TranscriptionDelta):
            turn.unsaid.append(event.delta)
        else:
            turn.result = event
        self._say_unsaid(turn)

    def _first_words_of(self, upstream_id: str) -> Turn | None:
        """Words may come while a turn is spoken: by them we know its name there."""
        turn = self._open if self._streamed is not None else None
        if turn is None or turn.upstream_id is not None or self.mirror.knows(upstream_id):
            return None
        turn.upstream_id = upstream_id
        return turn

    # --- Another upstream ----------------------------------------------------

    def unplug(self) -> None:
        """The upstream is gone; what is heard from now on is for the next one."""
        self._plugged = False
        self._streamed = None
        self._held_back.clear()
        self._ruler = Ruler()
        self._commits.clear()
        self._turns = [turn for turn in self._turns if turn.our_id is not None]
        for turn in self._turns:
            turn.upstream_id = None
        # No other upstream knows that somebody speaks: what was said is a turn.
        self._end_open()

    def stand_in(self) -> None:
        """No upstream will be there soon: turns are found here, coarsely."""
        if self._stand_in is None and not self._plugged:
            self._stand_in = LoudTurns(self._found_here, self._end_open)

    def _found_here(self, at_sample: int) -> None:
        self._turns = [turn for turn in self._turns if not turn.is_ignored]
        self._turns.append(Turn())
        self._tell(TurnFound(at_sample))

    def _end_open(self, at_sample: int | None = None) -> None:
        if self._open is not None and self.upstream_detects and not self._open.has_ended:
            self._open.has_ended = True
            self._tell(TurnEnded(at_sample))
            self._turn_ended()

    def plug(self, mirror: Mirror) -> None:
        """Another upstream takes over, whose conversation is ``mirror``."""
        if self._stand_in is not None:
            self._stand_in = None
            if self._open is not None:
                self._end_open()
                self._recent.clear()  # It is sent whole.
        self._turns = [turn for turn in self._turns if turn.our_id is not None]
        self._plugged, self.mirror = True, mirror
        for turn in self._turns:
            turn.held = None if turn.our_id is None else mirror.by_our_id(turn.our_id)
        for turn in list(self._turns):
            self._forget_if_done(turn)

    def commit_again(self, held: Held) -> bool:
        """Send a turn to an upstream that does not know it, where its words are still awaited."""
        turn = next((t for t in self._turns if t.our_id == held.our_id), None)
        if turn is None or not turn.is_committed or turn.is_known:
            return False
        pcm = self._turn_audio.get(held.our_id or "")
        if not pcm:
            message = "The upstream was lost, and the audio of that turn is not kept any more."
            self._know(turn, TranscriptFailed(held.our_id or "", "audio_lost", message))
            return False
        turn.held = held
        self._append(pcm, None)
        self._write_commit(turn)
        return True

    def catch_up(self) -> None:
        """Tell the upstream, which finds turns from now on, what was heard of late."""
        if self.upstream_detects:
            for heard in self._recent:
                self._append(heard.pcm, heard.at_sample)
        self._recent.was_heard()

    def give_up_overdue(self) -> None:
        """Words that have not come in `TRANSCRIPT_S` will not come."""
        overdue_s = self._now_s() - TRANSCRIPT_S
        for turn in [t for t in self._turns if t.is_committed and t.committed_s < overdue_s]:
            message = "The upstream did not tell what was said."
            self._know(turn, TranscriptFailed(turn.our_id or "", "not_transcribed", message))

    def fail_awaited(self, message: str, code: str) -> None:
        """Nobody is there who will tell the words of turns."""
        for turn in list(self._turns):
            if turn.is_committed and turn.our_id is not None:
                self._know(turn, TranscriptFailed(turn.our_id, code, message))

    # --- Small ---------------------------------------------------------------

    def _of(self, upstream_id: str) -> Turn | None:
        return next((t for t in self._turns if t.upstream_id == upstream_id), None)

    def _stream(self, pcm: bytes) -> None:
        """More of the turn that is spoken, but for what may lie behind its end."""
        assert self._streamed is not None, "a turn is streamed"
        self._held_back += pcm
        ready = len(self._held_back) - HELD_BACK_BYTES
        if ready > 0:
            self._append(bytes(self._held_back[:ready]), None)
            del self._held_back[:ready]
            self._streamed += ready

    def _send_whole(self, turn: Turn, pcm: bytes, *, was_open: bool) -> None:
        """Have the upstream commit a turn as the core has."""
        if self.upstream_detects:
            if turn.upstream_id is not None:  # The client was quicker than the silence.
                self._write_commit(turn)
            else:  # Its voice detection need not hear it.
                self._create(turn, pcm)
            return
        streamed = self._streamed if was_open else None
        if streamed is None or streamed > len(pcm):
            if self._streamed is not None:
                self._write(InputAudioBufferClear(event_id="clear"))
                self._streamed = None  # What is being spoken is sent whole, in the end.
            streamed = 0
        rest = pcm[streamed:]
        missing = MIN_COMMIT_BYTES - len(pcm)
        self._append(rest + bytes(max(0, missing)), None)
        self._write_commit(turn)

    def _create(self, turn: Turn, pcm: bytes) -> None:
        assert turn.our_id is not None, "the core committed it"
        assert turn.held is not None, "it is held from then on"
        turn.upstream_id = turn.our_id
        turn.held.upstream_ids, turn.held.on_its_way = [turn.our_id], False
        item = Message(id=turn.our_id, role="user", content=(InputAudio(None, pcm),))
        self._write(ConversationItemCreate(event_id=f"item:{turn.our_id}", item=item))
        self._forget_if_done(turn)

    def _write_commit(self, turn: Turn) -> None:
        self._commits.append(turn)
        self._write(InputAudioBufferCommit(event_id=f"turn:{turn.our_id}"))

    def _append(self, pcm: bytes, at_sample: int | None) -> None:
        for at in range(0, len(pcm), APPEND_BYTES):
            self._write(InputAudioBufferAppend(audio=pcm[at : at + APPEND_BYTES]))
        self._ruler.append(len(pcm) // 2, at_sample)

    def _say_unsaid(self, turn: Turn) -> None:
        """What the upstream heard, as soon as the core knows the turn."""
        if turn.our_id is None or turn.is_known:
            return
        for delta in turn.unsaid:
            self._tell(TranscriptGrew(turn.our_id, delta))
        turn.unsaid.clear()
        result = turn.result
        if result is None or not turn.is_committed:
            return
        if isinstance(result, TranscriptionCompleted):
            logprobs = result.logprobs or ()
            if turn.held is not None:
                turn.held.text = result.transcript
            usage = _counted(result.usage)
            self._know(turn, TranscriptEnded(turn.our_id, result.transcript, logprobs, usage))
        else:
            error = result.error
            self._know(turn, TranscriptFailed(turn.our_id, error.code, error.message))

    def _know(self, turn: Turn, news: TranscriptEnded | TranscriptFailed) -> None:
        if not turn.is_known:
            turn.is_known = True
            self._tell(news)
        self._forget_if_done(turn)

    def _forget_if_done(self, turn: Turn) -> None:
        arrived = turn.held is None or not turn.held.on_its_way
        if turn.is_known and turn.is_committed and arrived and turn in self._turns:
            self._turns.remove(turn)

    def _give_up_oldest(self) -> None:
        awaited = [t for t in self._turns if t.is_committed and not t.is_known]
        for turn in awaited[:-MAX_AWAITED]:
            message = "The upstream did not tell what was said."
            self._know(turn, TranscriptFailed(turn.our_id or "", "not_transcribed", message))


def _counted(
    usage: TranscriptionUsage | TranscriptionTokens,
) -> TranscriptionUsage | TranscriptionTokens | None:
    """None: the upstream did not count."""
    if isinstance(usage, TranscriptionUsage):
        return usage if usage.seconds > 0 else None
    return usage if usage.total_tokens > 0 else None
