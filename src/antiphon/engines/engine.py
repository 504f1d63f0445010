"""What an engine must meet, and what one can do.

An engine is the other side of the conversation.  It proposes (speech, text, function
calls, transcripts); the core decides what becomes of it.  `antiphon.testing.check_engine`
checks the promises below.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from msgspec import Struct

from antiphon.core.causes import EngineNews
from antiphon.core.effects import EngineCommand


class Abilities(Struct, frozen=True, kw_only=True):
    """How engines differ, as data; nobody asks for an engine's class."""

    speaks: bool = True
    """Can answer in audio; if not, every response is text."""
    transcribes: bool = True
    """Sends one `TranscriptEnded` or `TranscriptFailed` for each `TurnCommitted`."""
    judges_turns: bool = False
    """Sends `TurnJudged` while the user speaks."""
    finds_turns: bool = False
    """Finds the user's turns itself (`TurnFound`, `TurnEnded`), where the session wants turns
    found: it is lent no voice detector."""
    full_duplex: bool = False
    """Answers turns that it finds without a `Generate` (`EngineBegan`), where the session wants
    them answered.  Still takes a `Generate` that comes."""
    takes_images: bool = False
    """Makes something of pictures; if not, an item with one is refused."""
    follows_items: bool = False
    """Wants to know of items as they come and go (`ItemAdded`, `ItemCut`, `ItemRemoved`)."""
    speculates: bool = False
    """Can begin an answer before it is asked for, and keep it to itself (`Speculate`)."""
    voices: tuple[str, ...] = ()


class GivesWay(Struct, frozen=True):
    """News: the engine cannot answer now.  Where another one may, that takes over, and nothing
    more of this one is heard; else it goes on with what it has to say about it.
    """

    response_id: str
    message: str
    """For the client's eyes."""
    code: str


SessionNews = EngineNews | GivesWay


class EngineSession(Protocol):
    """One conversation's use of an engine.

    * ``send`` never waits and never raises for what a client asked.
    * Each `Generate` ends in exactly one `EngineFinished` or `EngineFailed`,
      unless it was stopped.  So does each `EngineBegan`.
    * After `StopGenerating(r)`, news of ``r`` ends within 100 ms; but for one
      `EngineCounted`, where its bill comes later.
    * Of what a `Speculate` asks for nothing is told before a `Generate` asks for the same; each
      ends in one `Speculated`.
    * Iteration ends after ``aclose``, and only then.
    * ``aclose`` frees everything the session holds, at once.
    """

    def send(self, command: EngineCommand) -> None: ...

    def __aiter__(self) -> AsyncIterator[SessionNews]: ...

    async def aclose(self) -> None: ...


class Engine(Protocol):
    """Serves any number of sessions; made once, by name, at start."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str:
        """One honest sentence for `GET /v1/models`."""
        ...

    @property
    def abilities(self) -> Abilities: ...

    async def start(self) -> None:
        """Get ready (load models, start workers).

        Raises:
            EngineUnavailable: with what to do about it.
        """
        ...

    def open(self, session_id: str) -> EngineSession: ...

    async def aclose(self) -> None: ...


# --- Voice detection, lent to engines that do not find turns themselves -------

VoiceReport = Callable[[int, float], None]
"""``(at_sample, probability)``: the window that ends there, as in `VoiceScored`."""


class VoiceStream(Protocol):
    """One session's microphone at a voice detector.  Never waits; reports later."""

    def feed(self, pcm: bytes, at_sample: int) -> None:
        """16-bit mono at 24 kHz; ``at_sample`` is the media position of its start."""
        ...

    def reset(self) -> None:
        """Forget what was heard: nothing from before is reported any more."""
        ...

    def close(self) -> None: ...


class VoiceDetector(Protocol):
    """Scores the microphones of all sessions of a process, batched."""

    def open(self, report: VoiceReport) -> VoiceStream: ...

    def score_complete(self) -> None:
        """Many were fed, and no more comes for a while: no need to wait for others."""
        ...
