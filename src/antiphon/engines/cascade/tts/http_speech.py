"""A voice behind an OpenAI-compatible ``/audio/speech``, played while it comes."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from antiphon.core.causes import MEDIA_RATE_HZ
from antiphon.engines.cascade.http.asking import asked
from antiphon.engines.cascade.http.client import (
    HttpClient,
    MakeConnector,
    check_address,
    next_bytes,
)
from antiphon.engines.cascade.http.refusals import Asked, Refused, Why, refused
from antiphon.engines.cascade.http.safe_words import safe_words
from antiphon.engines.cascade.parts import Speech
from antiphon.engines.cascade.punctuation import length
from antiphon.engines.cascade.tts.segments import speakable
from antiphon.engines.cascade.tts.sound_stream import NoSound, SoundStream
from antiphon.engines.cascade.tts.word_times import LETTERS_PER_S, WordTimes
from antiphon.errors import ConfigurationError, EngineUnavailable
from antiphon.protocol.voices import answering_voice

log = logging.getLogger(__name__)

ASKED = Asked(
    "the speech server",
    "tts",
    first="first_audio_timeout_s",
    idle="idle_timeout_s",
    form="sound",
)
OPENAI_VOICES = (
    "alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar",
)  # fmt: skip
"""Of the Realtime API; ``/audio/speech`` of OpenAI knows them too."""
_HEADERS = {"Content-Type": "application/json", "Accept": "audio/*"}
_HELD_BYTES = 2 * MEDIA_RATE_HZ // 100
"""The end of the sound comes with the words that nobody knew the times of before."""
_SLICE_BYTES = 16 * 1024
"""So much is resampled in one go: a millisecond's work; then others have their turn."""
_LONGEST_S, _SLOWEST_LETTERS_PER_S = 10.0, 2.0
"""Speech that is so much longer than its text never ends."""


class SpeechSettings(Struct, frozen=True, kw_only=True):
    """Where the voice is, and how long it may take."""

    base_url: str
    """With the version: ``http://127.0.0.1:8000/v1``."""
    model: str
    api_key: str = ""
    voice: str | None = None
    """Its name there, for voices that ``voices`` does not name.  None: as the API calls them."""
    voices: dict[str, str] = {}
    """Voices of the API, and what they are called there."""
    response_format: str = "pcm"
    """"pcm" or "wav": what is asked for.  What comes may be either."""
    rate_hz: int = MEDIA_RATE_HZ
    """Of raw samples, where the server does not name it."""
    instructions: str | None = None
    """How to speak; for models that can be told."""
    connect_timeout_s: float = 1.0
    first_audio_timeout_s: float = 1.5
    """The longest silence until the sound begins, retries included."""
    idle_timeout_s: float = 1.5
    """The longest silence within it."""
    retries: int = 1
    """How often a sentence that failed for the moment is asked for again, before its sound."""
    extra_body: dict[str, Any] = {}
    """Fields of every request; they overrule our own."""

    def __repr__(self) -> str:
        return f"SpeechSettings(base_url={self.base_url!r}, model={self.model!r})"


class HttpSynthesizer:
    """A `Synthesizer`.  One request a sentence; closing the iterator closes its connection."""

    def __init__(
        self,
        settings: SpeechSettings,
        *,
        make_connector: MakeConnector | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Nothing is connected yet.

        Raises:
            ConfigurationError: a setting cannot be right.
        """
        check_address(ASKED.section, settings.base_url, settings.api_key)
        if not settings.model:
            raise ConfigurationError("tts.model is empty: name the voice model of tts.base_url")
        self.settings = settings
        self._make_connector = make_connector
        self._draw = draw
        self._client: HttpClient | None = None
        self._paces: dict[str, float] = {}
        """Letters a second, by voice; there are as many as `voices`."""

    @property
    def voices(self) -> tuple[str, ...]:
        return tuple(self.settings.voices) or OPENAI_VOICES

    async def start(self) -> None:
        self._client = HttpClient(
            self.settings.base_url,
            api_key=self.settings.api_key,
            connect_timeout_s=self.settings.connect_timeout_s,
            make_connector=self._make_connector,
        )

    async def aclose(self) -> None:
        if self._client:
            await self._client.aclose()
            self._client = None

    async def speak(
        self,
        text: str,
        *,
        voice: str,
        speed: float,
        language: str | None = None,  # noqa: ARG002 -- The API has no field for it.
    ) -> AsyncGenerator[Speech, None]:
        """As `Synthesizer.speak`; word times are guesses."""
        if not speakable(text):
            return
        if self._client is None:
            raise EngineUnavailable(self.settings.model, "the voice was not started")
        named = answering_voice(voice, self.voices) or voice
        pace = self._paces.get(named, LETTERS_PER_S)
        words = WordTimes(text, letters_per_s=pace * speed)
        held = b""
        try:
            async with aclosing(self._sound(text, named, speed)) as sound:
                async for pcm in sound:
                    come = held + pcm
                    cut = max(0, len(come) - _HELD_BYTES)
                    held = come[cut:]
                    if cut:
                        yield Speech(come[:cut], words.grow(cut // 2))
        except Refused as error:
            raise self._unavailable(error, text) from None
        words.grow(len(held) // 2, holds_back=True)
        yield Speech(held, words.end())
        self._paces[named] = words.letters_per_s / speed

    async def _sound(self, text: str, voice: str, speed: float) -> AsyncGenerator[bytes, None]:
        settings = self.settings
        assert self._client is not None, "it was started"
        deadline_s = asyncio.get_running_loop().time() + settings.first_audio_timeout_s
        longest_s = _LONGEST_S + length(text) / _SLOWEST_LETTERS_PER_S / speed
        samples_left = int(longest_s * MEDIA_RATE_HZ)
        begun = False
        async with (
            asked(
                self._client,
                "/audio/speech",
                lambda: self._body(text, voice, speed),
                who=ASKED,
                headers=_HEADERS,
                retries=settings.retries,
                deadline_s=deadline_s,
                draw=self._draw,
            ) as response,
            aclosing(self._played(response, deadline_s)) as played,
        ):
            async for pcm in played:
                begun = True
                yield pcm
                samples_left -= len(pcm) // 2
                if samples_left < 0:
                    raise refused(Why.MALFORMED, f"after {longest_s:.0f} s it goes on")
        if not begun:
            raise refused(Why.MALFORMED, "it is empty")

    async def _played(
        self, response: aiohttp.ClientResponse, deadline_s: float
    ) -> AsyncGenerator[bytes, None]:
        """What comes, as samples; the first of them by ``deadline_s``."""
        content_type = response.headers.get("Content-Type", "").lower()
        stream = SoundStream(rate_hz=self.settings.rate_hz, content_type=content_type)
        begun = False
        try:
            while True:
                left_s = deadline_s - asyncio.get_running_loop().time()
                limit_s = self.settings.idle_timeout_s if begun else max(0.0, left_s)
                try:
                    chunk = await next_bytes(response, timeout_s=limit_s)
                except TimeoutError:
                    raise refused(Why.STOPPED if begun else Why.SILENT) from None
                for at in range(0, len(chunk), _SLICE_BYTES):
                    if pcm := stream.feed(chunk[at : at + _SLICE_BYTES]):
                        begun = True
                        yield pcm
                    await asyncio.sleep(0)
                if not chunk:
                    if pcm := stream.end():
                        yield pcm
                    return
        except NoSound as what:
            raise refused(Why.MALFORMED, f"it is {what}") from None

    def _body(self, text: str, voice: str, speed: float) -> bytes:
        settings = self.settings
        body: dict[str, Any] = {
            "model": settings.model,
            "input": text,
            "voice": settings.voices.get(voice) or settings.voice or voice,
            "response_format": settings.response_format,
        }
        if speed != 1.0:
            body["speed"] = speed
        if settings.instructions:
            body["instructions"] = settings.instructions
        return msgspec.json.encode(body | settings.extra_body)

    def _unavailable(self, error: Refused, text: str) -> EngineUnavailable:
        refusal = error.refusal
        words = safe_words(refusal.text, secrets=[self.settings.api_key], private=[text])
        return EngineUnavailable(
            self.settings.model,
            refusal.told(ASKED, words),
            retry_after_s=refusal.retry_after_s,
        )
