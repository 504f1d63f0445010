"""Says a few words that it is given, and nothing else: how a session is ended with words.

It answers what is asked with them; where nothing is asked, it begins of itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from msgspec.structs import replace

from antiphon.core.causes import EngineBegan
from antiphon.core.effects import Configure, EngineCommand, Generate, StopGenerating
from antiphon.engines.engine import Abilities, Engine, EngineSession, SessionNews
from antiphon.protocol.session import AnySession, Session

FAREWELL = "farewell"
"""The engine's name."""
PATIENCE_S = 0.05
"""What is asked comes at once, or not at all."""
_WORDS = {
    "en": "I'm sorry, we have to stop here. Goodbye.",
    "de": "Es tut mir leid, wir müssen hier aufhören. Auf Wiederhören.",
    "es": "Lo siento, tenemos que terminar aquí. Adiós.",
    "fr": "Je suis désolé, nous devons nous arrêter ici. Au revoir.",
    "it": "Mi dispiace, dobbiamo fermarci qui. Arrivederci.",
    "pt": "Lamento, temos de parar por aqui. Até logo.",
}


def farewell(language: str | None) -> str:
    """In the language of a tag such as "pt-BR", or in English."""
    base = (language or "en").lower().replace("_", "-").split("-")[0]
    return _WORDS.get(base, _WORDS["en"])


class FarewellEngine:
    """Args:
    inner: Says what its instructions are; started and closed by its owner.
    words: What is said; None: that we have to stop here, in the language of the session.
    """

    name = FAREWELL

    def __init__(self, inner: Engine, words: str | None = None) -> None:
        self._inner = inner
        self._words = words

    def saying(self, words: str | None) -> FarewellEngine:
        """The same with other words; itself, where it has these."""
        return self if words == self._words else FarewellEngine(self._inner, words)

    @property
    def description(self) -> str:
        return "Says goodbye where a budget is spent."

    @property
    def abilities(self) -> Abilities:
        inner = self._inner.abilities
        return Abilities(
            speaks=inner.speaks, finds_turns=True, full_duplex=True, voices=inner.voices
        )

    async def start(self) -> None:
        """It is its owner who starts the other one."""

    def open(self, session_id: str) -> FarewellSession:
        return FarewellSession(self._inner.open(session_id), self._words)

    async def aclose(self) -> None:
        """As for `start`."""


class FarewellSession:
    def __init__(self, inner: EngineSession, words: str | None) -> None:
        self._inner = inner
        self._words = words
        self._session: AnySession | None = None
        self._is_asked = False
        self._has_begun = False
        self._timer = asyncio.get_running_loop().call_later(PATIENCE_S, self._begin)

    def send(self, command: EngineCommand) -> None:
        """The user is not heard any more."""
        match command:
            case Configure():
                self._session = command.session
                self._inner.send(command)
            case Generate():
                self._is_asked = self._is_asked or not command.out_of_band
                self._inner.send(replace(command, instructions=self._said, items=(), tools=()))
            case StopGenerating():
                self._inner.send(command)
            case _:
                pass

    async def __aiter__(self) -> AsyncIterator[SessionNews]:
        async for news in self._inner:
            if getattr(news, "response_id", None) == FAREWELL and not self._has_begun:
                self._has_begun = True
                yield EngineBegan(FAREWELL)
            yield news

    async def aclose(self) -> None:
        self._timer.cancel()
        await self._inner.aclose()

    def _begin(self) -> None:
        if self._is_asked:
            return
        self._is_asked = True
        session = self._session
        written = isinstance(session, Session) and session.output_modalities == ("text",)
        self._inner.send(
            Generate(
                response_id=FAREWELL,
                items=(),
                instructions=self._said,
                modality="text" if written else "audio",
            )
        )

    @property
    def _said(self) -> str:
        if self._words is not None:
            return self._words
        wanted = None if self._session is None else self._session.audio.input.transcription
        return farewell(None if wanted is None else wanted.language)
