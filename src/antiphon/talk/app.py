"""Joins the conversation to the connection, the sound, the script and the screen.

Everything that touches the conversation runs on one event loop, between awaits:
there is nothing to lock.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from antiphon.protocol.client import ClientEvent, InputAudioBufferAppend
from antiphon.talk import notices
from antiphon.talk.actions import Abort, Actions, Send
from antiphon.talk.advice import with_advice
from antiphon.talk.clock import Clock
from antiphon.talk.conversation import Conversation, State
from antiphon.talk.eventlog import EventLog
from antiphon.talk.level import Meter
from antiphon.talk.line import AudioDevice, AudioLine
from antiphon.talk.notices import Notice
from antiphon.talk.playback import Playback
from antiphon.talk.screen import Status
from antiphon.talk.script import SILENCE, TICK_MS, Script, Standing
from antiphon.talk.settings import Turns
from antiphon.talk.terminal import Keyboard
from antiphon.talk.views import View
from antiphon.talk.wav import Recorder
from antiphon.talk.way_back import Way
from antiphon.upstream import wire
from antiphon.upstream.connection import CannotConnect, Closed, Connection, Connector
from antiphon.upstream.quality import Quality
from antiphon.upstream.reconnect import LOST, Backoff

OUTBOX = 2000
"""Messages that wait to be sent.  Full: the server does not read; the connection is closed."""
OUTBOX_SOUND = 500
"""So many (10 s), and the microphone's sound is dropped, and counted."""
TOKEN_UNKNOWN = 1008
"""How a server closes that knows no session of ours any more, once it has said so."""
LATE_MS = 200
"""After a longer pause of this process, the ticks that were missed are left out."""


class Exit(IntEnum):
    """Exit codes of ``antiphon talk``."""

    OK = 0
    FAILED = 1
    """A reply failed, or something sent got no reply."""
    USAGE = 2
    NOT_CONNECTED = 3
    """Nobody there, unknown host, TLS, busy."""
    REFUSED = 4
    """The key, the settings, or the server closed the session for good."""
    NO_DEVICE = 5
    LOST = 6
    """The connection was lost and did not come back."""
    INTERRUPTED = 130
    """Ctrl-C before the script was over."""


@dataclass(kw_only=True)
class Talk:
    """One run of the client.  All that it works with is passed in.

    Attributes:
        script: What to send instead of a microphone; None for a person.
        device: None: nobody hears; the playback runs on `clock`.
        keyboard: None where nobody can type.
        backoff: None: a lost connection ends the run.
        connect_to: What comes back by a way, once a connection was lost.
    """

    conversation: Conversation
    playback: Playback
    connect: Connector
    view: View
    recorder: Recorder
    clock: Clock
    turns: Turns
    script: Script | None = None
    device: AudioDevice | None = None
    keyboard: Keyboard | None = None
    backoff: Backoff | None = None
    events: EventLog | None = None
    connect_to: Callable[[Way], Connector] | None = None

    _line: AudioLine = field(init=False)
    _outbox: asyncio.Queue[ClientEvent] = field(init=False)
    _connection: Connection | None = field(default=None, init=False)
    _over: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _exit: Exit = field(default=Exit.OK, init=False)
    _problem: str | None = field(default=None, init=False)
    _dropped_sound_ms: float = field(default=0, init=False)
    _news_ms: float = field(default=0, init=False)
    _started_ms: float = field(default=0, init=False)
    _quality: Quality | None = field(default=None, init=False)
    _unanswered: int = field(default=0, init=False)
    _last_ms: float | None = field(default=None, init=False)
    _user_meter: Meter = field(default_factory=Meter, init=False)
    _agent_meter: Meter = field(default_factory=Meter, init=False)

    def __post_init__(self) -> None:
        self._line = AudioLine(self.playback)
        self._outbox = asyncio.Queue(OUTBOX)

    async def run(self) -> tuple[Exit, str | None]:
        """Talk until it is over; the exit code, and the problem that ended it."""
        self._started_ms = self._news_ms = self.clock.now_ms()
        if self.device is not None:
            self.device.start(self._line.exchange)
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._over.wait()),
            asyncio.create_task(self._keep_time()),
            asyncio.create_task(self._stay_connected()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # What failed in it is our own mistake: raise it.
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self.device is not None:
                self.device.stop()
        self._show(self._summary())
        return self._exit, self._problem

    def interrupt(self) -> None:
        """Ctrl-C."""
        is_unfinished = self.script is not None and not self.script.is_over
        self._end(Exit.INTERRUPTED if is_unfinished else Exit.OK)

    def typed(self, text: str) -> None:
        """The user entered a line; a bare Enter ends or begins a turn by hand."""
        now_ms = self.clock.now_ms()
        conversation = self.conversation
        if not conversation.is_ready:
            return
        if (call := conversation.open_call) is not None:
            self._act(conversation.answer_call(call.call_id, text, now_ms))
        elif text:
            self._act(conversation.type_text(text, now_ms))
        elif conversation.state in (State.SPEAKING, State.THINKING):
            self._act(conversation.interrupt(now_ms))
        elif self.turns == "manual":
            self._act(conversation.end_turn(now_ms))

    # --- Time ------------------------------------------------------------------------

    async def _keep_time(self) -> None:
        at_ms = self.clock.now_ms()
        while not self._over.is_set():
            self._tick(self.clock.now_ms())
            at_ms += TICK_MS
            if self.clock.now_ms() - at_ms > LATE_MS:
                at_ms = self.clock.now_ms()
            await self.clock.sleep_until(at_ms)

    def _tick(self, now_ms: float) -> None:
        if self.script is not None:
            self._follow(self.script, now_ms)
        elif self.device is None:
            self._line.exchange(SILENCE)
        for exchanged in self._line.drain():
            self.recorder.write(exchanged.user, exchanged.agent)
            self._user_meter.hear(exchanged.user, now_ms)
            self._agent_meter.hear(exchanged.agent, now_ms)
            if self.device is not None:
                self._act(self.conversation.microphone(exchanged.user))
        if self.playback.pending_ms:
            self._news_ms = now_ms
        self._act(self.conversation.tick(now_ms))
        self.view.draw(self._status(now_ms), now_ms)

    def _follow(self, script: Script, now_ms: float) -> None:
        conversation = self.conversation
        move = script.tick(
            Standing(
                conversation.is_ready,
                conversation.is_idle,
                conversation.replies_done,
                self._news_ms,
                conversation.reply_began_ms,
            ),
            now_ms,
        )
        is_manual = self.turns == "manual"
        if move.begins and is_manual and not conversation.is_idle:
            self._act(conversation.interrupt(now_ms))
        self._line.exchange(move.sound or SILENCE)
        if move.sound:
            self._act(conversation.microphone(move.sound))
        if move.speech_ended:
            conversation.speech_was_sent(now_ms)
        if move.ends_turn and is_manual:
            self._act(conversation.end_turn(now_ms))
        if move.text is not None:
            self._act(conversation.type_text(move.text, now_ms))
        if move.unanswered is not None:
            self._unanswered += 1
            self._show(notices.Note(text=f"no reply to {move.unanswered}"))
        if script.is_over:
            failed = self._unanswered or conversation.failures
            self._end(Exit.FAILED if failed else Exit.OK)

    # --- The connection -------------------------------------------------------------

    async def _stay_connected(self) -> None:
        retry_after_s = 0.0
        while not self._over.is_set():
            try:
                connection = await self._connected()
            except CannotConnect as error:
                why, retry_after_s = with_advice(error), error.retry_after_s
                if self.conversation.link.connections == 0 or not error.may_retry:
                    self._end(Exit.REFUSED if error.is_refused else Exit.NOT_CONNECTED, why)
                    return
            else:
                closed = await self._serve(connection)
                self._act(self.conversation.disconnected(self.clock.now_ms()))
                self._restart_step()
                why = _reason(closed)
                if self._ends_with(closed, why):
                    return
            if not await self._wait_to_reconnect(why, retry_after_s):
                return

    async def _connected(self) -> Connection:
        """To the session or the conversation that there was, where the server has it.

        Raises:
            CannotConnect: There is none.
        """
        way = self.conversation.way_back.way
        if way is not None and self.connect_to is not None:
            try:
                return await self.connect_to(way)()
            except CannotConnect as error:
                if error.may_retry:
                    raise
                self.conversation.way_back.forget()
        return await self.connect()

    def _ends_with(self, closed: Closed, why: str) -> bool:
        """Whether this close is the end of the run."""
        if closed.code == TOKEN_UNKNOWN and self.conversation.way_back.is_lost:
            pass  # The next connection begins anew.
        elif closed.code == 1000:
            is_unfinished = self.script is not None and not self.script.is_over
            self._end(Exit.LOST if is_unfinished else Exit.OK, "the server ended the session")
        elif closed.code == 3000:
            self._end(Exit.REFUSED, "the key was not accepted; give it with --key")
        elif closed.code not in LOST:
            self._end(Exit.REFUSED, f"the server closed the session: {why}")
        elif self.backoff is None:
            self._end(Exit.LOST, f"the connection was lost: {why}")
        return self._over.is_set()

    async def _wait_to_reconnect(self, why: str, retry_after_s: float) -> bool:
        backoff = self.backoff
        # A session that waits is come back to at once.
        is_urgent = backoff is not None and backoff.attempt == 0 and self._may_come_back
        delay_ms = backoff.next_delay_ms(retry_after_s * 1000) if backoff else None
        if is_urgent and delay_ms is not None:
            delay_ms = retry_after_s * 1000
        if backoff is None or delay_ms is None:
            self._end(Exit.LOST, f"gave up reconnecting: {why}")
            return False
        self._show(notices.Reconnecting(why=why, attempt=backoff.attempt, delay_ms=round(delay_ms)))
        await self.clock.sleep_until(self.clock.now_ms() + delay_ms)
        return True

    @property
    def _may_come_back(self) -> bool:
        way = self.conversation.way_back.way
        return way is not None and way.token is not None and self.connect_to is not None

    async def _serve(self, connection: Connection) -> Closed:
        """Carry messages both ways until the connection ends."""
        self._outbox = asyncio.Queue(OUTBOX)
        self._connection = connection
        sender = asyncio.create_task(self._send_all(connection, self._outbox))
        try:
            while True:
                message = await connection.receive()
                if isinstance(message, Closed):
                    return message
                now_ms = self._news_ms = self.clock.now_ms()
                if self.events is not None:
                    self.events.received(message, now_ms)
                if not isinstance(event := wire.read(message), wire.Foreign):
                    is_torn = self.conversation.link.is_torn
                    self._act(self.conversation.receive(event, now_ms))
                    if is_torn and not self.conversation.link.is_torn:
                        self._restart_step()
                if self.backoff is not None and self.conversation.is_ready:
                    self.backoff.reset()
        finally:
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender
            self._connection = None
            await connection.close()

    def _restart_step(self) -> None:
        """What was under way and is not answered any more is said again."""
        if self.script is not None and not self.conversation.owes_reply:
            self.script.restart_step()

    async def _send_all(self, connection: Connection, outbox: asyncio.Queue[ClientEvent]) -> None:
        while True:
            message = wire.write(await outbox.get())
            if self.events is not None:
                self.events.sent(message, self.clock.now_ms())
            await connection.send(message)

    # --- Actions --------------------------------------------------------------------

    def _act(self, actions: Actions) -> None:
        for action in actions:
            match action:
                case Send():
                    self._send(action.event)
                case Abort():
                    self._end(Exit.REFUSED, action.why)
                case _:
                    self._show(action.notice)

    def _send(self, event: ClientEvent) -> None:
        if isinstance(event, InputAudioBufferAppend) and self._outbox.qsize() >= OUTBOX_SOUND:
            if not self._dropped_sound_ms:
                text = "the server reads too slowly: some of what you say is lost"
                self._show(notices.Note(text=text))
            self._dropped_sound_ms += TICK_MS
            return
        try:
            self._outbox.put_nowait(event)
        except asyncio.QueueFull:
            self._end(Exit.LOST, "the server has stopped reading")

    def _show(self, notice: Notice) -> None:
        if isinstance(notice, notices.TurnTimed):
            self._last_ms = notice.sound_after_ms
        self.view.show(notice, self.clock.now_ms())

    def _end(self, code: Exit, problem: str | None = None) -> None:
        if not self._over.is_set():
            self._exit = code
            self._problem = problem
            self._over.set()

    def _status(self, now_ms: float) -> Status:
        call = self.conversation.open_call
        heard, coming = self.conversation.progress
        return Status(
            state=self.conversation.state,
            user_db=self._user_meter.db(now_ms),
            agent_db=self._agent_meter.db(now_ms),
            elapsed_ms=now_ms - self._started_ms,
            turns=len(self.conversation.clock.turns),
            last_ms=self._last_ms,
            heard=heard,
            coming=coming,
            name=self.script.name if self.script is not None else None,
            draft=self.keyboard.draft if self.keyboard is not None else None,
            asks=f"result of {call.name}" if call is not None else None,
            quality=self._note_quality(),
        )

    def _note_quality(self) -> str | None:
        """How good the connection is; said aloud when it gets worse or better."""
        quality = None if self._connection is None else self._connection.quality
        if quality is None:
            return None
        if self._quality is not None and quality.verdict != self._quality.verdict:
            self._show(notices.Note(text=f"the connection is {quality}"))
        self._quality = quality
        return f"{quality.verdict}" + (
            "" if quality.rtt_ms is None else f" {quality.rtt_ms:.0f} ms"
        )

    def _summary(self) -> notices.Summary:
        median_ms, max_ms = self.conversation.clock.summary_ms()
        return notices.Summary(
            exit=self._exit,
            problem=self._problem,
            turns=len(self.conversation.clock.turns),
            median_ms=median_ms,
            max_ms=max_ms,
            sent_s=round(self.conversation.sent_ms / 1000, 2),
            heard_s=round(self.recorder.heard_ms / 1000, 2),
            gaps=self.playback.gaps,
            reconnections=max(0, self.conversation.link.connections - 1),
            connection=None if self._quality is None else str(self._quality),
        )


def _reason(closed: Closed) -> str:
    words = {
        1001: "the server is going away",
        1005: "the server closed the connection",
        1006: "the connection broke",
        1009: "a message was too long for the server",
        1011: "the server had an internal error",
        1012: "the server is restarting",
        1013: "the server is busy",
    }
    said = words.get(closed.code, "")
    reason = closed.reason.strip()
    return ": ".join(part for part in (said, reason) if part) or f"close code {closed.code}"
