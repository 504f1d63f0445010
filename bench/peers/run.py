"""Antiphon beside its peers: the same callers, recordings, window of silence and voice.

    make bench-peers                                   all of them, in about ten minutes
    python bench/peers/run.py --only antiphon-websocket pipecat-websocket
    python bench/peers/run.py --page                   the page again, from the CSV

Each peer runs in a venv of its own (requirements/), on one core; its callers are on another.
Linux only.  Writes out/bench/peers.csv, and of a whole run docs/reference/peers.md and its picture.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import page  # noqa: E402
from lines import CallLine, EchoLine, PipecatLine  # noqa: E402
from peer_process import PeerProcess  # noqa: E402
from report import CLIENT_CORE, LATE_MS, OUT, SERVER_CORE, conditions  # noqa: E402

from antiphon.bench.line import Line  # noqa: E402
from antiphon.bench.load import run_calls  # noqa: E402
from antiphon.bench.plan import Plan  # noqa: E402
from antiphon.bench.realtime import RealtimeLine  # noqa: E402
from antiphon.bench.recording import built_in  # noqa: E402
from antiphon.bench.report import Summary, summarize  # noqa: E402
from antiphon.bench.webrtc import WebRtcLine  # noqa: E402
from antiphon.talk.webrtc import WebRtcConnector  # noqa: E402
from antiphon.upstream.websocket import WebSocketConnector  # noqa: E402

VENVS = HERE / ".venvs"
SIZES = (5, 10, 15, 22, 33, 50, 75, 110, 165, 250)
STEP_S = 11.0
SETTLED_S = 4.0
"""By then all callers of a step are connected and talk."""
SILENCE_MS = 500
OURS = ["../zero_server.py", "--delta-ms", "40"]
CALLERS_LATE_MS = 10


@dataclass(frozen=True)
class Peer:
    """One server, and how to reach it.

    Attributes:
        venv: Of its own, by the name of its requirements; None: Antiphon's.
    """

    name: str
    venv: str | None
    command: list[str]
    line: Callable[[int], Line]


def _websocket(port: int) -> Line:
    url = f"ws://127.0.0.1:{port}/v1/realtime?model=zero"
    return RealtimeLine(WebSocketConnector(url), silence_ms=SILENCE_MS)


def _webrtc(port: int) -> Line:
    url = f"ws://127.0.0.1:{port}/v1/realtime?model=zero"
    return WebRtcLine(WebRtcConnector(url), silence_ms=SILENCE_MS)


PEERS = (
    Peer(
        "websockets-echo",
        "floors",
        ["servers/websockets_echo.py"],
        lambda port: EchoLine(f"ws://127.0.0.1:{port}"),
    ),
    Peer("antiphon-websocket", None, OURS, _websocket),
    Peer(
        "pipecat-websocket",
        "pipecat",
        ["servers/pipecat_websocket.py"],
        lambda port: PipecatLine(f"ws://127.0.0.1:{port}/ws"),
    ),
    Peer(
        "aiortc-echo",
        "floors",
        ["servers/aiortc_echo.py"],
        lambda port: CallLine(
            f"http://127.0.0.1:{port}/v1/realtime/calls", expects_answers=False, as_form=True
        ),
    ),
    Peer("antiphon-webrtc", None, OURS, _webrtc),
    Peer(
        "pipecat-webrtc",
        "pipecat",
        ["servers/pipecat_webrtc.py"],
        lambda port: CallLine(f"http://127.0.0.1:{port}/api/offer"),
    ),
)


@dataclass(frozen=True)
class Row:
    """One step of one peer; None: it was not measured, or cannot be."""

    peer: str
    sessions: int
    connected: int
    cpu_ms_per_session_s: float
    core: float
    rss_mib_per_session: float
    connect_p50_ms: float | None
    turns: int
    answered: int
    beyond_window_p50_ms: float | None
    beyond_window_p99_ms: float | None
    silence_p50_ms: float | None
    silence_p99_ms: float | None
    lateness_p99_ms: float | None
    callers_late_p99_ms: float | None
    errors: int


async def step(peer: Peer, server: PeerProcess, sessions: int, idle_rss_mib: float) -> Row:
    """So many new sessions, all at once within two seconds."""
    plan = Plan(
        calls=sessions,
        rate=max(1.0, sessions / 2),
        duration_s=STEP_S,
        silence_ms=SILENCE_MS,
        patience_ms=5_000,
    )
    running = asyncio.create_task(run_calls(plan, built_in(), lambda: peer.line(server.port)))
    await asyncio.sleep(SETTLED_S)
    before_s, began = server.cpu_s(), asyncio.get_running_loop().time()
    await asyncio.sleep(STEP_S - SETTLED_S - 0.5)
    passed_s = asyncio.get_running_loop().time() - began
    cpu_s, rss_mib = server.cpu_s() - before_s, server.rss_mib()
    summary = summarize(await running, plan)
    return _row(peer, sessions, summary, cpu_s / passed_s, (rss_mib - idle_rss_mib) / sessions)


def _row(peer: Peer, sessions: int, summary: Summary, core: float, rss_mib: float) -> Row:
    return Row(
        peer=peer.name,
        sessions=sessions,
        connected=summary.connected,
        cpu_ms_per_session_s=core * 1000 / sessions,
        core=core,
        rss_mib_per_session=rss_mib,
        connect_p50_ms=summary.connect.p50,
        turns=summary.turns,
        answered=summary.answered,
        beyond_window_p50_ms=summary.beyond_window.p50,
        beyond_window_p99_ms=summary.beyond_window.p99,
        silence_p50_ms=summary.barge_in_to_silence.p50,
        silence_p99_ms=summary.barge_in_to_silence.p99,
        lateness_p99_ms=summary.lateness.p99,
        callers_late_p99_ms=summary.microphone_late.p99,
        errors=summary.errors.total(),
    )


async def measure(peer: Peer, sizes: tuple[int, ...]) -> list[Row]:
    """More and more sessions, until speech is late, the callers are, or there are errors."""
    rows: list[Row] = []
    python = sys.executable if peer.venv is None else str(VENVS / peer.venv / "bin" / "python")
    with PeerProcess([python, *peer.command], core=SERVER_CORE, folder=HERE) as server:
        await step(peer, server, 1, 0.0)  # What is loaded when it is first wanted.
        idle_rss_mib = server.rss_mib()
        for sessions in sizes:
            row = await step(peer, server, sessions, idle_rss_mib)
            rows.append(row)
            print(
                f"{row.peer:20}{row.sessions:5} sessions  {row.cpu_ms_per_session_s:6.2f} ms/s  "
                f"core {row.core:4.0%}  answer {_ms(row.beyond_window_p50_ms)}  silence "
                f"{_ms(row.silence_p50_ms)}  late p99 {_ms(row.lateness_p99_ms)}  callers late "
                f"{_ms(row.callers_late_p99_ms)}  {row.errors} errors",
                flush=True,
            )
            late, ours = row.lateness_p99_ms, row.callers_late_p99_ms
            if late is None or late > LATE_MS or row.connected < sessions:
                break
            if ours is not None and ours > CALLERS_LATE_MS:
                break
    return rows


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"


def install(venv: str, uv: str) -> str | None:
    """What went wrong; a venv that is up to date costs a second."""
    place = VENVS / venv
    python = place / "bin" / "python"
    commands = [[uv, "pip", "sync", "--quiet", "--python", str(python)]]
    commands[0].append(str(HERE / "requirements" / f"{venv}.txt"))
    if not python.exists():
        commands.insert(0, [uv, "venv", "--quiet", "--python", sys.executable, str(place)])
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "uv failed"
    return None


async def run(args: argparse.Namespace) -> int:
    peers = [peer for peer in PEERS if not args.only or peer.name in args.only]
    failed: dict[str, str] = {}
    for venv in sorted({peer.venv for peer in peers if peer.venv is not None}):
        if problem := install(venv, args.uv):
            failed |= {peer.name: problem for peer in peers if peer.venv == venv}
    os.sched_setaffinity(0, {CLIENT_CORE})
    rows: list[Row] = []
    for peer in peers:
        if peer.name in failed:
            continue
        try:
            rows += await measure(peer, tuple(args.sizes))
        except (OSError, ValueError, ExceptionGroup) as error:
            failed[peer.name] = f"{type(error).__name__}: {error}"
        # Whatever comes next, what was measured is kept.
        table = _write(rows)
    for name, problem in failed.items():
        print(f"{name}: not measured: {problem}", file=sys.stderr)
    if rows:
        print(f"written to {table}")
    if rows and not args.only:
        page.write(page.read(table), [peer.name for peer in PEERS], conditions())
    return 1 if failed else 0


def _write(rows: list[Row]) -> Path:
    OUT.mkdir(parents=True, exist_ok=True)
    table = OUT / "peers.csv"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(Row.__annotations__))
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--only", nargs="+", choices=[peer.name for peer in PEERS])
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("--uv", default="uv")
    parser.add_argument("--page", action="store_true", help="only the page, from the CSV")
    args = parser.parse_args()
    if args.page:
        page.write(page.read(OUT / "peers.csv"), [peer.name for peer in PEERS], conditions())
        return 0
    return asyncio.run(run(args))


if __name__ == "__main__":
    sys.exit(main())
