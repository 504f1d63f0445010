"""What the user asked for, and the `session.update` that says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from antiphon.audio.formats import Format
from antiphon.errors import ConfigurationError
from antiphon.protocol.session import (
    AudioFormat,
    AudioInputPatch,
    AudioOutputPatch,
    AudioPatch,
    FunctionTool,
    OverlapPatch,
    PcmaFormat,
    PcmFormat,
    PcmuFormat,
    SessionPatch,
    TranscriptionPatch,
    TurnDetectionPatch,
)

Turns = Literal["server_vad", "semantic_vad", "manual"]

_FORMATS: dict[Format, AudioFormat] = {
    "pcm": PcmFormat(),
    "pcmu": PcmuFormat(),
    "pcma": PcmaFormat(),
}
TRANSCRIPTION_MODEL = "gpt-4o-mini-transcribe"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The session the user wants; None leaves the server's default."""

    keep_session: bool = False
    """The session stays as the server, or a secret, has it; another connection runs its tools."""
    voice: str | None = None
    instructions: str | None = None
    speed: float | None = None
    turns: Turns = "semantic_vad"
    transcribe: bool = True
    audio_format: Format = "pcm"
    tools: tuple[FunctionTool, ...] = ()
    tool_results: dict[str, str] = field(default_factory=dict)
    """Canned results by the name of the function: JSON text."""

    def patch(self, *, knows_overlap: bool = False) -> SessionPatch:
        """``knows_overlap``: the server is Antiphon; others refuse what they do not know."""
        unset = msgspec.UNSET
        wire_format = _FORMATS[self.audio_format]
        return SessionPatch(
            type="realtime",
            instructions=self.instructions if self.instructions is not None else unset,
            tools=self.tools or unset,
            audio=AudioPatch(
                input=AudioInputPatch(
                    format=wire_format,
                    transcription=TranscriptionPatch(model=TRANSCRIPTION_MODEL)
                    if self.transcribe
                    else None,
                    turn_detection=None
                    if self.turns == "manual"
                    else TurnDetectionPatch(
                        type=self.turns, overlap=OverlapPatch() if knows_overlap else unset
                    ),
                ),
                output=AudioOutputPatch(
                    format=wire_format,
                    voice=self.voice if self.voice is not None else unset,
                    speed=self.speed if self.speed is not None else unset,
                ),
            ),
        )


def endpoint(
    url: str, model: str | None, *, resume: str | None = None, after: str | None = None
) -> str:
    """The WebSocket's address, from what the user gave: a base or the whole.

    ``resume`` is the id of a conversation that the server kept, ``after`` the last event that came
    of a session whose connection was lost.

    Raises:
        ConfigurationError: It is no http, https, ws or wss URL.
    """
    if "://" not in url:
        url = f"ws://{url}"
    parts = urlsplit(url)
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    if parts.scheme not in schemes or not parts.hostname:
        raise ConfigurationError(
            f"--url {url}: give a base such as http://127.0.0.1:8080 or wss://host/v1"
        )
    path = parts.path.rstrip("/")
    if not path.endswith("/realtime"):
        path = path + "/realtime" if path.endswith("/v1") else path + "/v1/realtime"
    query = dict(parse_qsl(parts.query))
    if model is not None:
        query["model"] = model
    if resume is not None:
        query["conversation_id"] = resume
    if after is not None:
        query["after"] = after
    return urlunsplit((schemes[parts.scheme], parts.netloc, path, urlencode(query), ""))


def read_tools(path: Path) -> tuple[tuple[FunctionTool, ...], dict[str, str]]:
    """Functions of a JSON file, and their canned results.

    The file holds a list of functions as in `session.tools`; each may have a key
    ``result``, any JSON, which is kept here and not sent with the function.

    Raises:
        ConfigurationError: The file cannot be read or holds something else.
    """
    try:
        entries = msgspec.json.decode(path.read_bytes(), type=list[dict[str, object]])
        results = {
            str(entry.get("name")): _as_output(entry.pop("result"))
            for entry in entries
            if "result" in entry
        }
        return msgspec.convert(entries, tuple[FunctionTool, ...]), results
    except OSError as error:
        raise ConfigurationError(f"--tools {path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            f"--tools {path}: {error}; it must be a list of "
            '{"type": "function", "name": …, "parameters": …, "result": …}'
        ) from error


def _as_output(result: object) -> str:
    return result if isinstance(result, str) else msgspec.json.encode(result).decode()


def read_tool_result(text: str) -> tuple[str, str]:
    """``name=JSON`` as given on the command line.

    Raises:
        ConfigurationError: There is no name, or what follows is no JSON.
    """
    name, equals, output = text.partition("=")
    if not (name and equals):
        raise ConfigurationError(f"--tool-result {text}: write it as name=JSON")
    try:
        msgspec.json.decode(output)
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            f"--tool-result {name}: {error}; text goes in quotes: {name}='\"sunny\"'"
        ) from error
    return name, output
