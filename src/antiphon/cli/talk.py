"""``antiphon talk``: speak with the server from a terminal."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from antiphon.errors import ConfigurationError

if TYPE_CHECKING:
    from antiphon.talk.app import Exit
    from antiphon.talk.line import AudioDevice
    from antiphon.talk.script import Script
    from antiphon.talk.settings import Settings
    from antiphon.talk.views import View
    from antiphon.talk.way_back import Way
    from antiphon.upstream.connection import Connector

DEFAULT_URL = "http://127.0.0.1:8080"
EPILOG = """\
exit codes: 0 all went well; 1 a reply failed or did not come; 2 wrong usage;
3 no connection; 4 refused by the server (key, settings); 5 no microphone;
6 connection lost for good; 130 interrupted before the script was over
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "talk",
        help="speak with the server from this terminal",
        description="Speak with the server: by microphone, from WAV files, or by typing.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    _add_connection(parser.add_argument_group("connection"))
    _add_session(parser.add_argument_group("session"))
    _add_speech(parser.add_argument_group("what to say (default: microphone and keyboard)"))
    _add_output(parser.add_argument_group("output"))


def _add_connection(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--url",
        default=os.environ.get("ANTIPHON_URL") or DEFAULT_URL,
        help=f"the server: http, https, ws or wss (environment: ANTIPHON_URL; {DEFAULT_URL})",
    )
    group.add_argument("--model", help="the model, as in ?model=")
    group.add_argument(
        "--resume", metavar="CONVERSATION_ID", help="continue a conversation that the server kept"
    )
    group.add_argument(
        "--key", help="API key (environment: ANTIPHON_API_KEY, or else OPENAI_API_KEY)"
    )
    group.add_argument("--webrtc", action="store_true", help="call over WebRTC, as browsers do")
    group.add_argument(
        "--codec", choices=("opus", "pcmu", "pcma"), help="the only codec to offer, with --webrtc"
    )
    group.add_argument(
        "--ice-server",
        action="append",
        default=[],
        metavar="URL",
        help="a STUN or TURN server to ask, with --webrtc (repeatable; default: none)",
    )
    group.add_argument(
        "--ice-username",
        metavar="NAME",
        help="at the TURN server (its credential: environment, ANTIPHON_ICE_CREDENTIAL)",
    )
    group.add_argument(
        "--no-reconnect", action="store_true", help="a lost connection ends the conversation"
    )


def _add_session(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--keep-session",
        action="store_true",
        help="as the server or the secret has it, with functions that a sideband runs",
    )
    group.add_argument("--voice")
    group.add_argument("--instructions")
    group.add_argument("--speed", type=float, help="0.25 to 1.5")
    group.add_argument(
        "--turns",
        choices=("server_vad", "semantic_vad", "manual"),
        default="semantic_vad",
        help="how the end of your turn is found; manual: Enter, or the end of the file",
    )
    group.add_argument(
        "--transcribe",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="show what you said",
    )
    group.add_argument(
        "--format", choices=("pcm", "pcmu", "pcma"), default="pcm", help="sound on the wire"
    )
    group.add_argument("--tools", type=Path, metavar="FILE.json", help="functions, as a JSON list")
    group.add_argument(
        "--tool-result",
        action="append",
        default=[],
        metavar="NAME=JSON",
        help="the canned result of a function",
    )


def _add_speech(group: argparse._ArgumentGroup) -> None:
    def named(kind: str) -> Any:
        return lambda value: (kind, value)

    group.add_argument(
        "--file",
        dest="steps",
        action="append",
        type=named("file"),
        metavar="SPEECH.wav",
        help="speak this file (repeat for more: each follows the reply to the one before)",
    )
    group.add_argument(
        "--text",
        dest="steps",
        action="append",
        type=named("text"),
        metavar="TEXT",
        help="send this text (may be mixed with --file)",
    )
    group.add_argument(
        "--barge-in",
        type=float,
        metavar="SECONDS",
        help="send the next file this long after a reply begins, instead of after its end",
    )
    group.add_argument(
        "--timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how long to wait for a reply (%(default)s)",
    )
    group.add_argument(
        "--no-mic", action="store_true", help="use no sound device: type, and read the captions"
    )


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--save", type=Path, metavar="REPLY.wav", help="what was heard, mono")
    group.add_argument(
        "--save-both", type=Path, metavar="BOTH.wav", help="stereo: left you, right the agent"
    )
    group.add_argument(
        "--json", action="store_true", help="one JSON line for each event worth noting"
    )
    group.add_argument(
        "--events",
        nargs="?",
        const=Path("-"),
        type=Path,
        metavar="FILE",
        help="log all events, without their sound (to stderr, or to a file)",
    )


def run(args: argparse.Namespace) -> int:
    from antiphon.talk.app import Exit
    from antiphon.talk.device import NoDevice

    try:
        code, problem = asyncio.run(_talk(args))
    except ConfigurationError as error:
        code, problem = Exit.USAGE, str(error)
    except NoDevice as error:
        code, problem = Exit.NO_DEVICE, str(error)
    if problem is not None:
        print(f"antiphon talk: {problem}", file=sys.stderr)
    return code


async def _talk(args: argparse.Namespace) -> tuple[Exit, str | None]:
    from antiphon.talk.app import Talk
    from antiphon.talk.clock import MonotonicClock
    from antiphon.talk.conversation import Conversation
    from antiphon.talk.device import SoundDevice
    from antiphon.talk.playback import Playback
    from antiphon.talk.settings import endpoint
    from antiphon.talk.terminal import Keyboard
    from antiphon.talk.wav import Recorder
    from antiphon.upstream.reconnect import Backoff

    settings = _settings(args)
    script = _script(args)

    connector = _connector(args, endpoint(args.url, args.model, resume=args.resume))

    device: AudioDevice | None = None
    if script is None and not args.no_mic:
        device = SoundDevice()
    types = script is None and sys.stdin.isatty() and sys.platform != "win32"
    playback = Playback()
    with contextlib.ExitStack() as stack:
        events = stack.enter_context(_event_log(args.events))
        recorder = stack.enter_context(Recorder(args.save, args.save_both))
        keyboard = Keyboard(sys.stdin, lambda line: talk.typed(line)) if types else None
        view = _view(args)
        stack.callback(view.close)
        talk = Talk(
            conversation=Conversation(
                settings,
                playback,
                may_ask=types,
                output_latency_ms=device.output_latency_ms if device else 0.0,
            ),
            playback=playback,
            connect=connector,
            connect_to=lambda way: _back(args, connector, way),
            view=view,
            recorder=recorder,
            clock=MonotonicClock(),
            turns=args.turns,
            script=script,
            device=device,
            keyboard=keyboard,
            backoff=None if args.no_reconnect else Backoff(random.random),
            events=events,
        )
        if keyboard is not None:
            stack.enter_context(keyboard)
        loop = asyncio.get_running_loop()
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            # Not on Windows, and not off the main thread.
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(signal_number, talk.interrupt)
        return await talk.run()


def _connector(args: argparse.Namespace, url: str) -> Connector:
    from antiphon.upstream.websocket import WebSocketConnector

    key = args.key or os.environ.get("ANTIPHON_API_KEY") or os.environ.get("OPENAI_API_KEY")
    if not args.webrtc:
        if args.codec or args.ice_server:
            raise ConfigurationError("--codec and --ice-server are for --webrtc")
        return WebSocketConnector(url, key)
    if args.format != "pcm":
        raise ConfigurationError("--format is for WebSocket; with --webrtc choose a --codec")
    try:
        from antiphon.talk.track_sound import TrackSound
        from antiphon.talk.webrtc import WebRtcConnector
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"--webrtc needs the package {error.name}: make setup installs it"
        ) from error
    return WebRtcConnector(
        url,
        key,
        make_sound=partial(TrackSound, args.codec),
        ice_urls=tuple(args.ice_server),
        ice_username=args.ice_username,
        ice_credential=os.environ.get("ANTIPHON_ICE_CREDENTIAL"),
    )


def _back(args: argparse.Namespace, connector: Any, way: Way) -> Connector:
    """The same connector, for a session or a conversation that there was."""
    from antiphon.talk.settings import endpoint

    url = endpoint(args.url, args.model, resume=way.conversation_id, after=way.after)
    if not args.webrtc:
        headers = {} if way.token is None else {"Antiphon-Resume": way.token}
        back: Connector = replace(connector, url=url, headers=headers)
        return back
    call: Connector = replace(connector, url=url, resume_token=way.token)
    return call


def _settings(args: argparse.Namespace) -> Settings:
    from antiphon.talk.settings import Settings, read_tool_result, read_tools

    tools, results = read_tools(args.tools) if args.tools else ((), {})
    results |= dict(read_tool_result(text) for text in args.tool_result)
    if args.speed is not None and not 0.25 <= args.speed <= 1.5:
        raise ConfigurationError(f"--speed {args.speed}: it must lie between 0.25 and 1.5")
    if args.keep_session and (
        args.voice or args.instructions or args.speed or tools or results or args.format != "pcm"
    ):
        raise ConfigurationError("--keep-session: then leave out what would change it")
    return Settings(
        keep_session=args.keep_session,
        voice=args.voice,
        instructions=args.instructions,
        speed=args.speed,
        turns=args.turns,
        transcribe=args.transcribe,
        audio_format=args.format,
        tools=tools,
        tool_results=results,
    )


def _script(args: argparse.Namespace) -> Script | None:
    """What to send; None when a person speaks or types."""
    from antiphon.talk.script import Script, Step, Typed
    from antiphon.talk.wav import read_speech

    given: list[tuple[str, str]] = args.steps or []
    if not given and args.no_mic and not sys.stdin.isatty():
        given = [("text", line.strip()) for line in sys.stdin if line.strip()]
        if not given:
            raise ConfigurationError("nothing to say: give --file or --text, or lines on stdin")
    if not given:
        return None
    steps: list[Step] = [
        read_speech(Path(value)) if kind == "file" else Typed(value) for kind, value in given
    ]
    return Script(
        tuple(steps),
        barge_in_ms=None if args.barge_in is None else args.barge_in * 1000,
        patience_ms=args.timeout * 1000,
        is_manual=args.turns == "manual",
    )


def _view(args: argparse.Namespace) -> View:
    from antiphon.talk.screen import COLOURS, PLAIN
    from antiphon.talk.views import JsonView, LiveView, PlainView

    if args.json:
        return JsonView(sys.stdout)
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return PlainView(sys.stdout)
    style = PLAIN if os.environ.get("NO_COLOR") else COLOURS
    hint = "speak, or type a message · Ctrl-C ends"
    if args.no_mic:
        hint = "type a message · Ctrl-C ends"
    elif args.turns == "manual":
        hint = "speak, then press Enter · or type a message · Ctrl-C ends"
    return LiveView(sys.stdout, style, hint=hint)


@contextlib.contextmanager
def _event_log(path: Path | None) -> Iterator[Any]:
    from antiphon.talk.eventlog import EventLog

    if path is None:
        yield None
    elif str(path) == "-":
        yield EventLog(sys.stderr)
    else:
        with _writable(path) as file:
            yield EventLog(file)


def _writable(path: Path) -> TextIO:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--events {path}: {error.strerror}") from error
