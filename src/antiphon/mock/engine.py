"""The engine behind a mock: its script, its rules and its pace."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from random import Random

from msgspec.structs import replace

from antiphon.core.effects import Generate
from antiphon.engines.engine import Abilities
from antiphon.engines.relay.engine import VOICES
from antiphon.engines.scripted import (
    Beat,
    Call,
    Clock,
    Player,
    Reply,
    Say,
    Script,
    ScriptedSession,
    Speak,
    Step,
    Wait,
    Write,
)
from antiphon.mock.script import Latency, MockScript
from antiphon.protocol.items import FunctionCallOutput, InputAudio, InputText, Item, Message

NAME = "mock"
LETTERS_A_TOKEN = 4
SPEECH_MS_A_TOKEN = 50
DEFAULT_SAYS = "Yes, I hear you."


class MockEngine:
    """Answers by a `MockScript`; it understands nothing."""

    name = NAME
    description = "A mock: says what its script says."
    abilities = Abilities(takes_images=True, voices=VOICES)

    def __init__(self, script: MockScript, clock: Clock | None = None) -> None:
        self._script = script
        self._clock = clock or Beat()
        self._opened = itertools.count(1)
        in_turn = [reply.as_steps() for reply in script.replies if reply.when is None]
        self._plays = Script(
            replies=tuple(in_turn) or ((Speak(ms=1_000, text=DEFAULT_SAYS),),),
            hears=script.hearings,
        )

    async def start(self) -> None:
        """Nothing to get ready."""

    def open(self, session_id: str) -> ScriptedSession:  # noqa: ARG002 -- One script for all.
        random = Random(f"{self._script.seed}:{next(self._opened)}")
        answering = _Answering(self._script, self._plays, random)
        return ScriptedSession(Player(self._plays, answering.choose), self._clock)

    async def aclose(self) -> None:
        """Sessions are closed by those who opened them."""


class _Answering:
    """One session's: the first rule that fits, else the next reply in its turn."""

    def __init__(self, script: MockScript, plays: Script, random: Random) -> None:
        rules = [reply for reply in script.replies if reply.when is not None]
        self._rules = [(re.compile(r.when or "", re.IGNORECASE), r.as_steps()) for r in rules]
        self._in_turn = itertools.chain(plays.replies, itertools.repeat(plays.replies[-1]))
        self._latency = script.speed
        self._random = random

    def choose(self, command: Generate, understood: Mapping[str, str]) -> Reply:
        said = _said_last(command.items, understood)
        fitting = (steps for pattern, steps in self._rules if pattern.search(said))
        reply = next(fitting, None)
        if reply is None:
            reply = next(self._in_turn)
        return tuple(_paced(reply, self._latency, self._random))


def _said_last(items: tuple[Item, ...], understood: Mapping[str, str]) -> str:
    """By the client, with its newest item."""
    match items[-1] if items else None:
        case FunctionCallOutput(output=output):
            return output
        case Message(role="user", id=item_id, content=content):
            words = []
            for part in content:
                if isinstance(part, InputText):
                    words.append(part.text)
                elif isinstance(part, InputAudio):
                    words.append(part.transcript or understood.get(str(item_id), ""))
            return " ".join(words)
        case _:
            return ""


def _paced(reply: Reply, latency: Latency, random: Random) -> Iterator[Step]:
    """The reply, as slow as the latency has it: word by word."""
    if latency.first_delta_ms:
        yield Wait(ms=round(latency.first_delta_ms * random.uniform(0.9, 1.1)))
    rate = latency.tokens_per_second
    for step in reply:
        if rate is None:
            yield step
            continue
        for piece, tokens in _pieces(step):
            yield piece
            if tokens:
                yield Wait(ms=round(1000 * tokens / rate))


def _pieces(step: Step) -> Iterator[tuple[Step, float]]:
    """A step word by word, each with its tokens."""
    match step:
        case Say(text=text) | Write(text=text):
            for word in _words(text):
                yield replace(step, text=word), len(word) / LETTERS_A_TOKEN
        case Speak(ms=ms, text=text):
            at = done_ms = 0
            for word in _words(text) or [""]:
                at += len(word)
                until_ms = ms * at // len(text) if text else ms
                yield (
                    replace(step, text=word, ms=until_ms - done_ms),
                    ((until_ms - done_ms) / SPEECH_MS_A_TOKEN),
                )
                done_ms = until_ms
        case Call(arguments=arguments):
            yield step, sum(map(len, arguments)) / LETTERS_A_TOKEN
        case _:
            yield step, 0


def _words(text: str) -> list[str]:
    """With the spaces behind them, so that nothing is lost."""
    return re.findall(r"\s*\S+\s*", text)
