"""Ears behind a Realtime server's transcription session: sound goes there while it is spoken.

Each turn has a connection of its own, opened when it begins.  Two kinds of servers are known, and
told apart by how they greet: those that speak the Realtime API (OpenAI, Antiphon), and vLLM, whose
``/v1/realtime`` takes 16 kHz and answers ``transcription.delta`` and ``transcription.done``.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

import msgspec
from msgspec import Struct

from antiphon.audio.resample import Resampler
from antiphon.core.causes import MEDIA_RATE_HZ
from antiphon.engines.cascade.http.client import MakeConnector
from antiphon.engines.cascade.http.safe_words import safe_words
from antiphon.engines.cascade.parts import Grammar, Recognition, Report, Transcript
from antiphon.engines.cascade.stt.hints import language_code, prompt_of
from antiphon.engines.cascade.stt.rejection import sayable
from antiphon.errors import ConfigurationError
from antiphon.protocol.server import (
    Error,
    SessionCreated,
    TranscriptionCompleted,
    TranscriptionDelta,
    TranscriptionFailed,
)
from antiphon.upstream import wire
from antiphon.upstream.connection import CannotConnect, Closed, Connection, Connector
from antiphon.upstream.websocket import WebSocketConnector

log = logging.getLogger(__name__)

LONGEST_S = 120
"""Of one turn is kept; overflow drops the oldest audio."""
SHORTEST_S = 0.1
CLOSE_S = 0.5
_VLLM_HZ = 16_000
_SENT_BYTES = 2 * MEDIA_RATE_HZ // 2
"""Half a second goes in one message at most."""


class RealtimeEarsSettings(Struct, frozen=True, kw_only=True):
    """Where the ears are, and how long they may take."""

    url: str
    """Of the transcription session: ``wss://api.openai.com/v1/realtime?intent=transcription``."""
    model: str
    api_key: str = ""
    prompt: str = ""
    """Words to expect, such as names; what a script expects is added."""
    timeout_s: float = 1.5
    """From the end of a turn to its text."""
    retries: int = 1
    """How often a connection that failed is opened again, and the turn told anew."""

    def __repr__(self) -> str:
        return f"RealtimeEarsSettings(url={self.url!r}, model={self.model!r})"


class _Failed(Exception):
    """The turn's words will not come; says why."""


class RealtimeRecognizer:
    """A `Recognizer`."""

    def __init__(
        self, settings: RealtimeEarsSettings, *, make_connector: MakeConnector | None = None
    ) -> None:
        """Nothing is connected yet.

        Raises:
            ConfigurationError: a setting cannot be right.
        """
        if not settings.model:
            raise ConfigurationError("stt.model is empty: name the model of stt.base_url")
        self.connect: Connector = WebSocketConnector(
            settings.url, settings.api_key or None, make_connector=make_connector
        )
        self.settings = settings
        self._turns: set[asyncio.Task[None]] = set()

    async def start(self) -> None: ...

    async def aclose(self) -> None:
        turns = list(self._turns)
        for turn in turns:
            turn.cancel()
        await asyncio.gather(*turns, return_exceptions=True)

    def begin(
        self,
        report: Report,
        *,
        grammar: Grammar | None,
        language: str | None,
        live: bool = False,  # noqa: ARG002 -- Whatever comes is told.
    ) -> Recognition:
        """As `Recognizer.begin`."""
        prompt = prompt_of(self.settings.prompt, grammar)
        turn = _Turn(self, report, prompt, language_code(language))
        task = asyncio.get_running_loop().create_task(turn.run())
        turn.task = task
        self._turns.add(task)
        task.add_done_callback(self._turns.discard)
        return turn


class _Turn:
    """A `Recognition`."""

    task: asyncio.Task[None]

    def __init__(
        self, ears: RealtimeRecognizer, report: Report, prompt: str, language: str | None
    ) -> None:
        self._ears = ears
        self._report = report
        self._prompt = prompt
        self._language = language
        self._pcm = bytearray()
        """All of the turn, so that it can be told anew."""
        self._sent_bytes = 0
        """Of it, on this connection."""
        self._lost_s = 0.0
        self._changed = asyncio.Event()
        self._finished = asyncio.Event()
        self._told = ""

    # --- The user ---------------------------------------------------------------

    def feed(self, pcm: bytes) -> None:
        if self._finished.is_set():
            return
        self._pcm += pcm
        if (excess := len(self._pcm) - 2 * MEDIA_RATE_HZ * LONGEST_S) > 0:
            del self._pcm[:excess]
            # What was sent already is heard.
            self._lost_s += max(0, excess - self._sent_bytes) / (2 * MEDIA_RATE_HZ)
            self._sent_bytes = max(0, self._sent_bytes - excess)
        self._changed.set()

    def finish(self) -> None:
        self._finished.set()
        self._changed.set()

    def cancel(self) -> None:
        self._report = _forget
        self._finished.set()
        self.task.cancel()

    # --- The server -------------------------------------------------------------

    async def run(self) -> None:
        text = problem = ""
        try:
            text = await self._text()
        except _Failed as error:
            problem = f"the transcription server {error}"
            log.warning("nothing is understood in a turn: %s", problem)
        except Exception:
            log.exception("a turn could not be recognised")
            problem = "the transcription server could not be asked"
        await self._finished.wait()  # A final report comes after the end of the turn.
        said = sayable(text, len(self._pcm) / 2 / MEDIA_RATE_HZ)
        self._report(
            Transcript(
                said,
                final=True,
                stable_chars=len(said),
                problem=problem,
                lost_s=self._lost_s,
            )
        )

    async def _text(self) -> str:
        late = asyncio.get_running_loop().create_task(self._deadline())
        attempts = asyncio.get_running_loop().create_task(self._attempts())
        try:
            await asyncio.wait((late, attempts), return_when=asyncio.FIRST_COMPLETED)
            if not attempts.done():
                raise _Failed("did not answer in time (stt.timeout_s)")
            return await attempts
        finally:
            for task in (late, attempts):
                task.cancel()
            await asyncio.gather(late, attempts, return_exceptions=True)

    async def _deadline(self) -> None:
        await self._finished.wait()
        await asyncio.sleep(self._ears.settings.timeout_s)

    async def _attempts(self) -> str:
        """Tell the turn, and once more where the connection fails."""
        left = self._ears.settings.retries
        while True:
            try:
                connection = await self._ears.connect()
            except CannotConnect as error:
                if not error.may_retry or not left:
                    raise _Failed(f"cannot be used: {error}") from None
                left -= 1
                await asyncio.sleep(0.2)
                continue
            try:
                return await self._told_over(connection)
            except _Torn as torn:
                if not left:
                    raise _Failed(f"closed the connection ({torn})") from None
                left -= 1
            finally:
                with suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_S):
                        await connection.close()

    async def _told_over(self, connection: Connection) -> str:
        form = await _greeted(connection)
        writing = asyncio.get_running_loop().create_task(self._write(connection, form))
        segments: list[str] = []
        text = ""
        try:
            async with aclosing(_events(connection)) as events:
                async for event in events:
                    grown = self._heard(event, "".join(segments), text)
                    if grown is None:
                        continue
                    text, ended = grown
                    if ended:
                        segments.append(text)
                        text = ""
                    whole = "".join(segments) + text
                    if ended and self._finished.is_set():
                        return whole
                    # Told anew, a turn may be understood otherwise: only its end says so.
                    if whole != self._told and whole.startswith(self._told):
                        self._told = whole
                        self._report(Transcript(whole, final=False, stable_chars=len(whole)))
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        raise _Torn("1000")

    def _heard(self, event: Any, before: str, text: str) -> tuple[str, bool] | None:
        """What an event makes of the text, and whether that is over; None: nothing."""
        match event:
            case TranscriptionDelta(delta=delta):
                return text + delta, False
            case TranscriptionCompleted(transcript=transcript):
                return transcript, True
            case TranscriptionFailed(error=error):
                raise _Failed(f"failed: {self._safe(error.message)}")
            case Error(error=error):
                if error.code == "input_audio_buffer_commit_empty" and before:
                    return text, True  # It found the end of the turn before we told it.
                raise _Failed(f"refused the turn: {self._safe(error.message)}")
            case wire.Foreign(type="transcription.delta", fields=fields):
                return text + str(fields.get("delta", "")), False
            case wire.Foreign(type="transcription.done", fields=fields):
                return str(fields.get("text", text)), True
            case wire.Foreign(type="error", fields=fields):
                raise _Failed(f"refused the turn: {self._safe(str(fields.get('error', '')))}")
            case wire.Foreign(problem=str(problem)) if not event.type:
                raise _Failed(f"sent what is no event: {problem}")
        return None

    def _safe(self, words: str) -> str:
        private = [self._prompt, self._told]
        return safe_words(words, secrets=[self._ears.settings.api_key], private=private)

    async def _write(self, connection: Connection, form: _Form) -> None:
        for message in form.opening(self._ears.settings.model, self._prompt, self._language):
            await connection.send(_json(message))
        self._sent_bytes = 0
        while True:
            while piece := bytes(self._pcm[self._sent_bytes : self._sent_bytes + _SENT_BYTES]):
                self._sent_bytes += len(piece)
                await connection.send(_json(form.append(piece)))
            if self._finished.is_set():
                break
            self._changed.clear()
            await self._changed.wait()
        # Servers refuse to commit less than this.
        missing = int(2 * MEDIA_RATE_HZ * SHORTEST_S) - len(self._pcm)
        if missing > 0:
            await connection.send(_json(form.append(bytes(missing))))
        await connection.send(_json(form.commit()))


def _forget(_: Transcript) -> None:
    """Of a cancelled turn nothing is reported."""


class _Torn(Exception):
    """The connection ended; with the close code."""


# --- Two kinds of servers -------------------------------------------------------


class _Form:
    """The Realtime API's own."""

    def opening(self, model: str, prompt: str, language: str | None) -> list[dict[str, Any]]:
        transcription = {"model": model, "prompt": prompt, "language": language}
        audio_input = {
            "format": {"type": "audio/pcm", "rate": MEDIA_RATE_HZ},
            "transcription": {key: value for key, value in transcription.items() if value},
            "turn_detection": None,
        }
        session = {"type": "transcription", "audio": {"input": audio_input}}
        return [{"type": "session.update", "session": session}]

    def append(self, pcm: bytes) -> dict[str, Any]:
        return {"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode()}

    def commit(self) -> dict[str, Any]:
        return {"type": "input_audio_buffer.commit"}


class _VllmForm(_Form):
    """https://docs.vllm.ai/en/latest/serving/openai_compatible_server/: a generation begins with
    a commit that is not final, and ends with one that is.
    """

    def __init__(self) -> None:
        self._resampler = Resampler(MEDIA_RATE_HZ, _VLLM_HZ)

    def opening(self, model: str, prompt: str, language: str | None) -> list[dict[str, Any]]:
        del prompt, language
        return [
            {"type": "session.update", "model": model},
            {"type": "input_audio_buffer.commit", "final": False},
        ]

    def append(self, pcm: bytes) -> dict[str, Any]:
        return super().append(self._resampler.process(pcm))

    def commit(self) -> dict[str, Any]:
        return {"type": "input_audio_buffer.commit", "final": True}


async def _greeted(connection: Connection) -> _Form:
    async with aclosing(_events(connection)) as events:
        async for event in events:
            match event:
                case SessionCreated():
                    return _Form()
                case wire.Foreign(type="session.created", fields=fields):
                    return _Form() if "session" in fields else _VllmForm()
                case wire.Foreign(type="transcription_session.created"):
                    return _Form()
                case Error(error=error):
                    raise _Failed(f"refused the session: {safe_words(error.message)}")
                case _:
                    raise _Failed("greeted us with what is no session.created")
    raise _Torn("1000")


async def _events(connection: Connection) -> AsyncGenerator[Any, None]:
    while True:
        message = await connection.receive()
        if isinstance(message, Closed):
            raise _Torn(str(message.code))
        yield wire.read(message)


def _json(message: dict[str, Any]) -> str:
    return msgspec.json.encode(message).decode()
