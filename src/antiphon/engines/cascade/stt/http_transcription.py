"""Ears behind an OpenAI-compatible ``/audio/transcriptions``: one request a turn, at its end."""

from __future__ import annotations

import asyncio
import io
import logging
import random
import re
import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import aiohttp
from msgspec import Struct

from antiphon.audio.resample import Resampler
from antiphon.core.causes import MEDIA_RATE_HZ
from antiphon.engines.cascade.http.asking import asked
from antiphon.engines.cascade.http.client import (
    HttpClient,
    MakeConnector,
    check_address,
    next_bytes,
)
from antiphon.engines.cascade.http.refusals import Asked, Refusal, Refused, Why, refused
from antiphon.engines.cascade.http.safe_words import safe_words
from antiphon.engines.cascade.parts import Grammar, Recognition, Report, Transcript
from antiphon.engines.cascade.stt.hints import language_code, prompt_of
from antiphon.engines.cascade.stt.rejection import sayable
from antiphon.engines.cascade.stt.transcript_stream import TranscriptStream
from antiphon.errors import ConfigurationError

log = logging.getLogger(__name__)

ASKED = Asked("the transcription server", "stt", form="transcript")
RATE_HZ = 16_000
"""What speech models hear at; a third less to send than 24 kHz."""
SHORTEST_S = 0.1
"""OpenAI refuses shorter sound, and nobody says anything in it."""
LONGEST_S = 600
"""Of one turn; overflow drops the oldest audio.  20 MB: OpenAI takes 25."""
TIME_OF_TURN = 0.05
"""So much longer may the answer take for each second of the turn."""
_OPTIONAL = ("stream", "prompt", "language")
"""Fields that a server may refuse: it is then asked without."""
_HEADERS = {"Accept": "text/event-stream, application/json"}


class TranscriptionSettings(Struct, frozen=True, kw_only=True):
    """Where the ears are, and how long they may take."""

    base_url: str
    """With the version: ``http://127.0.0.1:8000/v1``."""
    model: str
    api_key: str = ""
    prompt: str = ""
    """Words to expect, such as names; what a script expects is added."""
    stream: bool = True
    """Ask for the words one by one."""
    connect_timeout_s: float = 1.0
    timeout_s: float = 1.5
    """From the end of a turn to its text, retries included; longer turns may take longer."""
    retries: int = 1
    """How often a turn that failed for the moment is sent again."""

    def __repr__(self) -> str:
        return f"TranscriptionSettings(base_url={self.base_url!r}, model={self.model!r})"


class HttpRecognizer:
    """A `Recognizer`.  The sound is sent when the turn is over: nothing is understood before."""

    def __init__(
        self,
        settings: TranscriptionSettings,
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
            raise ConfigurationError("stt.model is empty: name the model of stt.base_url")
        self.settings = settings
        self._make_connector = make_connector
        self._draw = draw
        self._client: HttpClient | None = None
        self._turns: set[asyncio.Task[None]] = set()
        self._refused_fields: set[str] = set()

    async def start(self) -> None:
        self._client = HttpClient(
            self.settings.base_url,
            api_key=self.settings.api_key,
            connect_timeout_s=self.settings.connect_timeout_s,
            make_connector=self._make_connector,
        )

    async def aclose(self) -> None:
        turns = list(self._turns)
        for turn in turns:
            turn.cancel()
        await asyncio.gather(*turns, return_exceptions=True)
        if self._client:
            await self._client.aclose()
            self._client = None

    def begin(
        self,
        report: Report,
        *,
        grammar: Grammar | None,
        language: str | None,
        live: bool = False,  # noqa: ARG002 -- Whatever comes is told.
    ) -> Recognition:
        """As `Recognizer.begin`."""
        return _Turn(self, report, self._fields(grammar, language))

    def _fields(self, grammar: Grammar | None, language: str | None) -> dict[str, str]:
        settings = self.settings
        fields = {"model": settings.model, "response_format": "json"}
        if settings.stream:
            fields["stream"] = "true"
        if prompt := prompt_of(settings.prompt, grammar):
            fields["prompt"] = prompt
        if code := language_code(language):
            fields["language"] = code
        return fields

    # --- One turn at the server ---------------------------------------------------

    def transcribe(self, turn: _Turn) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._transcribe(turn))
        self._turns.add(task)
        task.add_done_callback(self._turns.discard)
        return task

    async def _transcribe(self, turn: _Turn) -> None:
        try:
            await self._ask(turn)
        except Exception:
            log.exception("a turn could not be recognised")
            turn.fail("the transcription server could not be asked")

    async def _ask(self, turn: _Turn) -> None:
        deadline_s = asyncio.get_running_loop().time() + self.settings.timeout_s
        deadline_s += TIME_OF_TURN * turn.duration_s
        fields = {k: v for k, v in turn.fields.items() if k not in self._refused_fields}
        wav = wav_of(turn.pcm)
        while True:
            text = ""
            try:
                async with aclosing(self._asked(fields, wav, deadline_s)) as texts:
                    async for text in texts:
                        turn.tell(text)
            except Refused as error:
                field = _refused_field(error.refusal, fields)
                if field is None:
                    turn.fail(self._told(error.refusal, fields))
                    return
                log.warning("%s takes no '%s': it is asked without", ASKED.subject, field)
                self._refused_fields.add(field)
                del fields[field]
            else:
                turn.end(text)
                return

    async def _asked(
        self, fields: dict[str, str], wav: bytes, deadline_s: float
    ) -> AsyncGenerator[str, None]:
        """The text so far, as it grows; the last one is whole."""
        if self._client is None:
            raise refused(Why.UNREACHABLE, "it was not started")
        async with (
            asked(
                self._client,
                "/audio/transcriptions",
                lambda: _form(fields, wav),
                who=ASKED,
                headers=_HEADERS,
                retries=self.settings.retries,
                deadline_s=deadline_s,
                draw=self._draw,
            ) as response,
            aclosing(_texts(response, deadline_s)) as texts,
        ):
            async for text in texts:
                yield text

    def _told(self, refusal: Refusal, fields: dict[str, str]) -> str:
        private = [fields.get("prompt", "")]
        words = safe_words(refusal.text, secrets=[self.settings.api_key], private=private)
        return refusal.told(ASKED, words)


class _Turn:
    """A `Recognition`."""

    def __init__(self, ears: HttpRecognizer, report: Report, fields: dict[str, str]) -> None:
        self.fields = fields
        self._ears = ears
        self._report = report
        self._resampler = Resampler(MEDIA_RATE_HZ, RATE_HZ)
        self._pcm = bytearray()
        self._lost_s = 0.0
        self._told = ""
        self._task: asyncio.Task[None] | None = None
        self._over = False
        """Finished or cancelled."""

    @property
    def pcm(self) -> bytes:
        return bytes(self._pcm)

    @property
    def duration_s(self) -> float:
        return len(self._pcm) / 2 / RATE_HZ

    def feed(self, pcm: bytes) -> None:
        if self._over:
            return
        self._keep(self._resampler.process(pcm))

    def _keep(self, pcm: bytes) -> None:
        self._pcm += pcm
        if (excess := len(self._pcm) - 2 * RATE_HZ * LONGEST_S) > 0:
            del self._pcm[:excess]
            self._lost_s += excess / (2 * RATE_HZ)

    def finish(self) -> None:
        if self._over:
            return
        self._over = True
        self._keep(self._resampler.flush())
        if self.duration_s < SHORTEST_S:
            self._task = None
            asyncio.get_running_loop().call_soon(self.end, "")
        else:
            self._task = self._ears.transcribe(self)

    def cancel(self) -> None:
        self._over = True
        self._report = _forget
        if self._task is not None:
            self._task.cancel()

    def tell(self, text: str) -> None:
        """Words so far."""
        if text != self._told:
            self._told = text
            self._report(Transcript(text, final=False, stable_chars=len(text)))

    def end(self, text: str) -> None:
        text = sayable(text, self.duration_s)
        self._report(Transcript(text, final=True, stable_chars=len(text), lost_s=self._lost_s))

    def fail(self, told: str) -> None:
        log.warning("nothing is understood in a turn: %s", told)
        self._report(Transcript("", final=True, problem=told))


def _forget(_: Transcript) -> None:
    """Of a cancelled turn nothing is reported."""


# --- What is sent ---------------------------------------------------------------


def wav_of(pcm: bytes) -> bytes:
    """16-bit mono samples at `RATE_HZ` as a WAV file."""
    return (
        struct.pack("<4sI4s", b"RIFF", len(pcm) + 36, b"WAVE")
        + struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)
        + struct.pack("<4sI", b"data", len(pcm))
        + pcm
    )


def _form(fields: dict[str, str], wav: bytes) -> aiohttp.FormData:
    form = aiohttp.FormData(fields)
    # As a file: of large bytes aiohttp warns that they are written in one go.
    form.add_field("file", io.BytesIO(wav), filename="turn.wav", content_type="audio/wav")
    return form


def _refused_field(refusal: Refusal, fields: dict[str, str]) -> str | None:
    """A field that we could do without, and that the refusal names."""
    if refusal.why is not Why.REFUSED:
        return None
    named = (f for f in _OPTIONAL if f in fields and re.search(rf"\b{f}", refusal.text, re.I))
    return next(named, None)


# --- What comes -----------------------------------------------------------------


async def _texts(response: aiohttp.ClientResponse, deadline_s: float) -> AsyncGenerator[str, None]:
    """The text as it grows; the last one is whole.

    Raises:
        Refused: it breaks off, comes too late, or is none.
    """
    stream = TranscriptStream(response.content_type)
    while not stream.done:
        left_s = max(0.0, deadline_s - asyncio.get_running_loop().time())
        try:
            chunk = await next_bytes(response, timeout_s=left_s)
        except TimeoutError:
            raise refused(Why.STOPPED if stream.text else Why.SILENT) from None
        if not chunk:
            stream.end()
        elif not stream.feed(chunk):
            continue
        yield stream.text
