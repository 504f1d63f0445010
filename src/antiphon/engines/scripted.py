"""An engine that plays a script: for tests and benchmarks, and the example to learn from.

`Player` is the engine without an event loop: commands in, the next news out, time as an
argument.  `ScriptedSession` lends it a loop.  News is made only when it is asked for, so a
reader that does not read makes the engine wait, and a stopped response is silent at once.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from array import array
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import lru_cache
from typing import Literal, Protocol, TypeVar, assert_never

from msgspec import Struct

from antiphon.core.causes import (
    MEDIA_RATE_HZ,
    EngineCalled,
    EngineFailed,
    EngineFinished,
    EngineNews,
    EngineSaid,
    EngineSpoke,
    EngineWrote,
    Ms,
    TranscriptEnded,
    TranscriptFailed,
    TranscriptGrew,
    TurnJudged,
    Word,
)
from antiphon.core.effects import (
    EngineCommand,
    Generate,
    InputDropped,
    StopGenerating,
    TurnBegan,
    TurnCommitted,
)
from antiphon.engines.engine import Abilities
from antiphon.protocol.session import FunctionChoice, FunctionTool

T = TypeVar("T")

# --- The script ---------------------------------------------------------------


class _Step(Struct, frozen=True, tag_field="do", tag=str.lower, kw_only=True):
    pass


class Say(_Step, frozen=True):
    """Transcript that runs ahead of its audio."""

    text: str


class Speak(_Step, frozen=True):
    """Speech, with its transcript ahead of it and a mark at the end of each word."""

    ms: int
    text: str = ""
    delta_ms: int = 100
    """How much sound comes in one piece."""
    paced: bool = False
    """Each piece takes as long to come as to play; otherwise all comes at once."""


class Write(_Step, frozen=True):
    text: str


class Call(_Step, frozen=True):
    name: str
    arguments: tuple[str, ...] = ("{}",)
    """Pieces of JSON text."""
    call_id: str | None = None


class Wait(_Step, frozen=True):
    ms: int


class Hold(_Step, frozen=True):
    """Say nothing more until a command of a kind comes (any to this session), or for ever."""

    until: (
        Literal["configure", "hear", "turn_began", "turn_committed", "input_dropped", "generate"]
        | None
    ) = None


class Fail(_Step, frozen=True):
    message: str
    code: str | None = None
    is_unavailable: bool = False


class Finish(_Step, frozen=True):
    reason: Literal["max_output_tokens", "content_filter"] | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None


Step = Say | Speak | Write | Call | Wait | Hold | Fail | Finish
Reply = tuple[Step, ...]
"""What answers one `Generate`; a reply that does not say how it ends is finished."""


class Failure(Struct, frozen=True):
    code: str
    message: str


class Hearing(Struct, frozen=True, kw_only=True):
    """What is understood of one turn of the user."""

    text: str = ""
    grows: tuple[str, ...] = ()
    """Words that come while the user still speaks."""
    completeness: float | None = None
    """How complete the words are judged to be, while the user still speaks."""
    failure: Failure | None = None


class Script(Struct, frozen=True, kw_only=True):
    replies: tuple[Reply, ...] = ()
    """To one `Generate` after the other."""
    hears: tuple[Hearing, ...] = ()
    """Of one turn after the other."""
    when_used_up: Literal["repeat_last", "use_default"] = "repeat_last"


DEFAULT_REPLY: Reply = (Speak(ms=600, text="Yes, I hear you."),)
DEFAULT_HEARING = Hearing(text="hello")


# --- The engine without its loop ---------------------------------------------


class _Performance:
    """One reply being given."""

    def __init__(self, news: Iterator[EngineNews | Wait | Hold]) -> None:
        self.news = news
        self.due_ms: Ms | None = None
        self.held: Hold | None = None


Choose = Callable[[Generate, Mapping[str, str]], Reply | None]
"""What answers: given what is asked, and what was understood of each turn, by its item.  None: the
script's next reply.
"""


class Player:
    """Plays a script to one session."""

    def __init__(self, script: Script, choose: Choose = lambda _, __: None) -> None:
        self._script = script
        self._choose = choose
        self._understood: dict[str, str] = {}
        self._replies = 0
        self._turns = 0
        self._grown = False
        self._calls = itertools.count(1)
        # As many as the client commits without reading: its connection's bound ends it first.
        self._heard: deque[EngineNews] = deque()
        self._performances: dict[str, _Performance] = {}

    def take(self, command: EngineCommand) -> bool:
        """Returns whether there may be news now."""
        freed = self._release(str(command.__struct_config__.tag))
        match command:
            case TurnBegan():
                self._hear_beginning(command.item_id)
            case TurnCommitted():
                self._hear_all(command.item_id)
            case InputDropped():
                self._grown = False
            case Generate():
                reply = self._choose(command, self._understood)
                if reply is None:
                    reply = self._next(self._script.replies, self._replies, DEFAULT_REPLY)
                    self._replies += 1
                news = _perform(_fit(reply, command), command, self._new_call_id)
                self._performances[command.response_id] = _Performance(news)
            case StopGenerating():
                self._performances.pop(command.response_id, None)
            case _:
                return freed
        return True

    def next(self, now_ms: Ms) -> EngineNews | None:
        """What there is to tell now, one thing at a time; None: nothing yet."""
        if self._heard:
            return self._heard.popleft()
        for response_id, performance in self._performances.items():
            news = self._advance(performance, now_ms)
            if news is not None:
                if isinstance(news, EngineFinished | EngineFailed):
                    del self._performances[response_id]
                return news
        return None

    @property
    def next_ms(self) -> Ms | None:
        """When there is more to tell, if no command comes first."""
        return min((p.due_ms for p in self._performances.values() if p.due_ms), default=None)

    def _advance(self, performance: _Performance, now_ms: Ms) -> EngineNews | None:
        while performance.held is None and now_ms >= (performance.due_ms or 0):
            match news := next(performance.news):
                case Hold():
                    performance.held, performance.due_ms = news, None
                case Wait():
                    # From when the last wait ended, so that pieces keep their pace.
                    performance.due_ms = (performance.due_ms or now_ms) + news.ms
                case _:
                    return news
        return None

    def _release(self, kind: str) -> bool:
        held = [p for p in self._performances.values() if p.held and p.held.until == kind]
        for performance in held:
            performance.held = None
        return bool(held)

    def _hear_beginning(self, item_id: str) -> None:
        hearing = self._next(self._script.hears, self._turns, DEFAULT_HEARING)
        self._grown = True
        self._heard.extend(TranscriptGrew(item_id, delta) for delta in hearing.grows)
        if hearing.completeness is not None:
            self._heard.append(TurnJudged(item_id, hearing.completeness))

    def _hear_all(self, item_id: str) -> None:
        hearing = self._next(self._script.hears, self._turns, DEFAULT_HEARING)
        if not self._grown:
            self._heard.extend(TranscriptGrew(item_id, delta) for delta in hearing.grows)
        self._grown = False
        self._turns += 1
        if hearing.failure is None:
            self._understood[item_id] = hearing.text
            self._heard.append(TranscriptEnded(item_id, hearing.text))
        else:
            failure = hearing.failure
            self._heard.append(TranscriptFailed(item_id, failure.code, failure.message))

    def _next(self, entries: tuple[T, ...], at: int, default: T) -> T:
        if at < len(entries):
            return entries[at]
        if self._script.when_used_up == "repeat_last" and entries:
            return entries[-1]
        return default

    def _new_call_id(self) -> str:
        return f"call_{next(self._calls):016d}"


def _fit(reply: Reply, command: Generate) -> Reply:
    """A reply that honours a forced choice of tool, where the script did not think of it."""
    names = [tool.name for tool in command.tools if isinstance(tool, FunctionTool)]
    if isinstance(command.tool_choice, FunctionChoice):
        names = [command.tool_choice.name]
    elif command.tool_choice != "required":
        return reply
    ends_badly = any(isinstance(step, Fail) for step in reply)
    if not names or ends_badly or any(isinstance(s, Call) and s.name in names for s in reply):
        return reply
    return (Call(name=names[0]),)


def _perform(
    reply: Reply, command: Generate, new_call_id: Callable[[], str]
) -> Iterator[EngineNews | Wait | Hold]:
    """A reply as news, with the waits between."""
    response_id = command.response_id
    said = spoken = 0  # Of the spoken item that is open: characters and samples.
    for step in reply:
        match step:
            case Write(text=text) | Say(text=text) | Speak(text=text) if (
                isinstance(step, Write) or command.modality == "text"
            ):
                said = spoken = 0
                yield EngineWrote(response_id, text)
            case Say():
                said += len(step.text)
                yield EngineSaid(response_id, step.text)
            case Speak():
                yield from _speak(response_id, step, said, spoken)
                said += len(step.text)
                spoken += _samples(step.ms)
            case Call():
                said = spoken = 0
                call_id = step.call_id or new_call_id()
                for i, piece in enumerate(step.arguments, start=1):
                    ended = i == len(step.arguments)
                    yield EngineCalled(response_id, call_id, step.name, piece, ended)
            case Wait() | Hold():
                yield step
            case Fail():
                yield EngineFailed(
                    response_id, step.message, step.code, is_unavailable=step.is_unavailable
                )
                return
            case Finish():
                yield EngineFinished(
                    response_id,
                    step.reason,
                    step.input_tokens,
                    step.output_tokens,
                    step.cached_tokens,
                )
                return
            case _:
                assert_never(step)
    yield EngineFinished(response_id)


def _speak(
    response_id: str, step: Speak, said: int, spoken: int
) -> Iterator[EngineNews | Wait | Hold]:
    if step.text:
        yield EngineSaid(response_id, step.text)
    words = deque(_word_marks(step.text, _samples(step.ms), said, spoken))
    at = spoken
    for pcm in _tone(step.ms, step.delta_ms):
        at += len(pcm) // 2
        inside = []
        while words and words[0].end_sample <= at:
            inside.append(words.popleft())
        yield EngineSpoke(response_id, pcm, tuple(inside))
        if step.paced:
            yield Wait(ms=step.delta_ms)


def _word_marks(text: str, samples: int, said: int, spoken: int) -> Iterator[Word]:
    """Each word takes its share of the time, by its letters."""
    end = 0
    for word in text.split():
        end = text.index(word, end) + len(word)
        yield Word(said + end, spoken + samples * end // len(text))


def _samples(ms: int) -> int:
    return ms * MEDIA_RATE_HZ // 1000


@lru_cache(maxsize=64)
def _tone(ms: int, delta_ms: int) -> tuple[bytes, ...]:
    """A soft tone in pieces.  Made once and shared: a benchmark measures the server, not us."""
    step = 2 * math.pi * 220 / MEDIA_RATE_HZ
    period = MEDIA_RATE_HZ // 20  # Of eleven waves.
    wave = array("h", (int(3000 * math.sin(step * i)) for i in range(period))).tobytes()
    wanted, size = 2 * _samples(ms), 2 * _samples(delta_ms)
    pcm = (wave * (wanted // len(wave) + 1))[:wanted]
    return tuple(pcm[at : at + size] for at in range(0, len(pcm), size))


# --- With a loop --------------------------------------------------------------


class Clock(Protocol):
    """What paces speech."""

    def now_ms(self) -> Ms: ...

    def wake_at(self, at_ms: Ms, wake: Callable[[], None]) -> None: ...


class Beat:
    """One timer for all sessions of a process, on a grid: a thousand speakers, one wake-up."""

    def __init__(self, period_ms: int = 20) -> None:
        self._period_ms = period_ms
        self._waiting: list[tuple[Ms, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._armed: asyncio.TimerHandle | None = None
        self._armed_ms: Ms = 0

    def now_ms(self) -> Ms:
        return int(asyncio.get_running_loop().time() * 1000)

    def wake_at(self, at_ms: Ms, wake: Callable[[], None]) -> None:
        heapq.heappush(self._waiting, (at_ms, next(self._order), wake))
        self._arm()

    def _arm(self) -> None:
        if not self._waiting:
            return
        beat_ms = -(-self._waiting[0][0] // self._period_ms) * self._period_ms
        if self._armed is not None:
            if self._armed_ms <= beat_ms:
                return
            self._armed.cancel()
        # A millisecond late, so that the clock in whole milliseconds has passed the beat.
        self._armed = asyncio.get_running_loop().call_at((beat_ms + 1) / 1000, self._strike)
        self._armed_ms = beat_ms

    def _strike(self) -> None:
        self._armed = None
        now_ms = self.now_ms()
        while self._waiting and self._waiting[0][0] <= now_ms:
            heapq.heappop(self._waiting)[2]()
        self._arm()


class ScriptedSession:
    def __init__(self, player: Player, clock: Clock) -> None:
        self._player = player
        self._clock = clock
        self._closed = False
        self._wake = asyncio.Event()
        self._alarm_ms: Ms | None = None

    def send(self, command: EngineCommand) -> None:
        if self._player.take(command):
            self._wake.set()

    async def __aiter__(self) -> AsyncIterator[EngineNews]:
        while not self._closed:
            news = self._player.next(self._clock.now_ms())
            if news is None:
                self._set_alarm()
                self._wake.clear()
                await self._wake.wait()
            else:
                yield news
                await asyncio.sleep(0)  # As from a model: other news has its turn between.

    async def aclose(self) -> None:
        self._closed = True
        self._wake.set()

    def _set_alarm(self) -> None:
        at_ms = self._player.next_ms
        if at_ms is not None and at_ms != self._alarm_ms:
            self._clock.wake_at(at_ms, self._wake.set)
        self._alarm_ms = at_ms


class ScriptedEngine:
    """Answers by a script, whatever is said to it."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        name: str = "scripted",
        speaks: bool = True,
        takes_images: bool = True,
        clock: Clock | None = None,
    ) -> None:
        self.name = name
        self._script = script or Script()
        self._clock = clock or Beat()
        self._abilities = Abilities(
            speaks=speaks,
            judges_turns=any(h.completeness is not None for h in self._script.hears),
            takes_images=takes_images,
        )

    @property
    def description(self) -> str:
        return "Plays a script, for tests; it understands nothing."

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    async def start(self) -> None:
        """Nothing to get ready."""

    def open(self, session_id: str) -> ScriptedSession:  # noqa: ARG002 -- One script for all.
        return ScriptedSession(Player(self._script), self._clock)

    async def aclose(self) -> None:
        """Sessions are closed by those who opened them."""
