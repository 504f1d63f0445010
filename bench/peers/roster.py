"""Who is measured, and how each is run and reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lines import CallLine, EchoLine, PcmLine, PipecatLine

from antiphon.bench.line import Line
from antiphon.bench.realtime import RealtimeLine
from antiphon.bench.webrtc import WebRtcLine
from antiphon.talk.webrtc import WebRtcConnector
from antiphon.upstream.websocket import WebSocketConnector

SILENCE_MS = 500
OURS = ("../zero_server.py", "--delta-ms", "40")
SESSIONS = "SESSIONS"
"""In a command: how many there will be."""


@dataclass(frozen=True)
class Peer:
    """One server, and how to reach it.

    Attributes:
        title: As the page has it.
        venv: Of its own, by the name of its requirements; None: Antiphon's.
        command: Relative to this folder, for the venv's Python.  With `SESSIONS` in it, the server
            is started anew for each step.
        is_floor: It only echoes.
        is_process_each: It makes a process for each session, with a port of its own.
    """

    name: str
    title: str
    venv: str | None
    command: tuple[str, ...]
    line: Callable[[int], Line]
    is_floor: bool = False
    is_process_each: bool = False

    @property
    def is_sized(self) -> bool:
        return SESSIONS in self.command


def _websocket(port: int) -> Line:
    url = f"ws://127.0.0.1:{port}/v1/realtime?model=zero"
    return RealtimeLine(WebSocketConnector(url), silence_ms=SILENCE_MS)


def _speech_to_speech(port: int) -> Line:
    """What follows its own first silence is in the server's settings."""
    connector = WebSocketConnector(f"ws://127.0.0.1:{port}/v1/realtime?model=zero")
    return RealtimeLine(connector, silence_ms=64)


def _webrtc(port: int) -> Line:
    url = f"ws://127.0.0.1:{port}/v1/realtime?model=zero"
    return WebRtcLine(WebRtcConnector(url), silence_ms=SILENCE_MS)


def _pipecat(port: int) -> Line:
    return PipecatLine(f"ws://127.0.0.1:{port}/ws")


def _livekit(port: int) -> Line:
    return PcmLine(f"ws://127.0.0.1:{port}")


def _aiortc(port: int) -> Line:
    url = f"http://127.0.0.1:{port}/v1/realtime/calls"
    return CallLine(url, expects_answers=False, as_form=True)


PEERS = (
    Peer(
        "websockets-echo",
        "`websockets`, echo (floor)",
        "floors",
        ("servers/websockets_echo.py",),
        lambda port: EchoLine(f"ws://127.0.0.1:{port}"),
        is_floor=True,
    ),
    Peer("antiphon-websocket", "**Antiphon, WebSocket**", None, OURS, _websocket),
    Peer(
        "pipecat-websocket",
        "Pipecat, FastAPI WebSocket",
        "pipecat",
        ("servers/pipecat_websocket.py",),
        _pipecat,
    ),
    Peer(
        "livekit-core",
        "LiveKit Agents, session core without a room",
        "livekit",
        ("servers/livekit_core.py",),
        _livekit,
    ),
    Peer(
        "speech-to-speech",
        "speech-to-speech, Realtime WebSocket",
        "speech_to_speech",
        ("servers/speech_to_speech_realtime.py", "--num-pipelines", SESSIONS),
        _speech_to_speech,
    ),
    Peer(
        "aiortc-echo",
        "aiortc, echo (floor)",
        "floors",
        ("servers/aiortc_echo.py",),
        _aiortc,
        is_floor=True,
    ),
    Peer("antiphon-webrtc", "**Antiphon, WebRTC**", None, OURS, _webrtc),
    Peer(
        "pipecat-webrtc",
        "Pipecat, SmallWebRTC",
        "pipecat",
        ("servers/pipecat_webrtc.py",),
        lambda port: CallLine(f"http://127.0.0.1:{port}/api/offer"),
    ),
    Peer(
        "fastrtc-webrtc",
        "FastRTC, WebRTC",
        "fastrtc",
        ("servers/fastrtc_webrtc.py",),
        lambda port: CallLine(f"http://127.0.0.1:{port}/webrtc/offer", has_id=True),
    ),
    Peer(
        "pipecat-processes",
        "Pipecat, WebSocket, a process each",
        "pipecat",
        ("servers/pipecat_websocket.py", "--processes", SESSIONS),
        _pipecat,
        is_process_each=True,
    ),
    Peer(
        "livekit-processes",
        "LiveKit Agents' core, a process each",
        "livekit",
        ("servers/livekit_core.py", "--processes", SESSIONS),
        _livekit,
        is_process_each=True,
    ),
)
