"""Antiphon beside its peers: the same callers, recordings, window of silence and voice.

    make bench-peers                                   all of them, in ten minutes
    make bench-peers BENCH=--resume                    those that are not measured yet
    python bench/peers/run.py --only antiphon-websocket pipecat-websocket --first 2 --steps 1
    python bench/peers/run.py --page                   the page again, from what was measured

Each peer runs in a venv of its own (requirements/), on one core; its callers are on another.  One
that cannot be installed, started or called is a dash with its reason.  Linux only.  Writes
out/bench/peers.json and .csv, and of a whole run docs/reference/peers.md and its picture.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import found as kept  # noqa: E402
import page  # noqa: E402
from found import Found, Outcome, Row  # noqa: E402
from peer_process import DidNotStart, PeerProcess  # noqa: E402
from report import CLIENT_CORE, OUT, SERVER_CORE, conditions  # noqa: E402
from roster import PEERS, SESSIONS, SILENCE_MS, Peer  # noqa: E402
from steps import next_sessions  # noqa: E402
from venvs import NotInstalled, python_of  # noqa: E402

from antiphon.bench.load import run_calls  # noqa: E402
from antiphon.bench.plan import Plan  # noqa: E402
from antiphon.bench.recording import built_in  # noqa: E402
from antiphon.bench.report import Summary, summarize  # noqa: E402

STEP_S = 10.0
SETTLED_S = 3.5
"""By then all callers of a step are connected and talk."""
ALONE_S = 6.0
WHOLE_STEP_S = STEP_S + 6
"""With the turns that are finished."""
HANG_UP_S = 45
"""A step that has not ended by so long after its time is given up."""


async def step(peer: Peer, server: PeerProcess, sessions: int, alone_mib: float | None) -> Row:
    """So many new sessions, all within two seconds; ``alone_mib``: memory with one."""
    duration_s = ALONE_S if sessions == 1 else STEP_S
    plan = Plan(
        calls=sessions,
        rate=max(1.0, sessions / 2),
        duration_s=duration_s,
        silence_ms=SILENCE_MS,
        patience_ms=5_000,
    )
    ports = itertools.cycle(server.ports)
    async with asyncio.timeout(duration_s + HANG_UP_S), asyncio.TaskGroup() as calling:
        running = calling.create_task(run_calls(plan, built_in(), lambda: peer.line(next(ports))))
        await asyncio.sleep(min(SETTLED_S, duration_s / 2))
        before_s, began_s = server.cpu_s(), time.monotonic()
        await asyncio.sleep(duration_s - min(SETTLED_S, duration_s / 2) - 0.5)
        core = (server.cpu_s() - before_s) / (time.monotonic() - began_s)
        memory_mib = server.memory_mib()
    more_mib = None
    if alone_mib is not None and sessions > 1:
        more_mib = (memory_mib - alone_mib) / (sessions - 1)
    return _row(peer, sessions, summarize(running.result(), plan), core, memory_mib, more_mib)


def _row(
    peer: Peer,
    sessions: int,
    summary: Summary,
    core: float,
    memory_mib: float,
    more_mib: float | None,
) -> Row:
    return Row(
        peer=peer.name,
        sessions=sessions,
        connected=summary.connected,
        cpu_ms_per_session_s=core * 1000 / sessions,
        core=core,
        memory_mib=memory_mib,
        memory_mib_per_session=more_mib,
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
        error_kinds=" ".join(f"{kind}:{count}" for kind, count in summary.errors.most_common(4)),
        first_error=next(iter(summary.details.values()), "")[:200],
    )


@contextmanager
def serving(
    peer: Peer, python: str, sessions: int, args: argparse.Namespace
) -> Iterator[PeerProcess]:
    command = [str(sessions) if part == SESSIONS else part for part in peer.command]
    server = PeerProcess(
        [python, *command],
        core=SERVER_CORE,
        folder=HERE,
        log=OUT / "peers" / f"{peer.name}.log",
        listeners=sessions if peer.is_process_each else 1,
    )
    with server:
        server.listen(args.start_timeout)
        yield server


async def measure(peer: Peer, args: argparse.Namespace, until_s: float, rows: list[Row]) -> None:
    """One session, then more and more, into ``rows``: until speech is late, or time is over."""
    python = sys.executable if peer.venv is None else python_of(peer.venv, args.uv)
    first = args.first if args.first is not None else 20 if peer.is_floor else 5
    with serving(peer, python, 1, args) as server:
        alone = await step(peer, server, 1, None)
        _add(rows, alone)
        if not alone.connected:
            raise OSError(alone.first_error or "one call was not connected")
        if not peer.is_floor and not alone.answered:
            raise OSError(f"one call alone had no answer: {alone.error_kinds}")
        if not peer.is_sized:
            while sessions := _next(rows, first, args, until_s):
                _add(rows, await step(peer, server, sessions, alone.memory_mib))
            return
    while sessions := _next(rows, first, args, until_s):
        with serving(peer, python, sessions, args) as server:
            _add(rows, await step(peer, server, sessions, alone.memory_mib))


def _next(rows: list[Row], first: int, args: argparse.Namespace, until_s: float) -> int | None:
    more = [row.step for row in rows[1:]]  # The first was one session alone.
    if len(more) >= args.steps or (more and time.monotonic() + WHOLE_STEP_S > until_s):
        return None
    return next_sessions(more, first)


def _add(rows: list[Row], row: Row) -> None:
    rows.append(row)
    print(
        f"    {row.sessions:4} sessions  {row.cpu_ms_per_session_s:6.2f} ms/s  core {row.core:4.0%}"
        f"  answer {_ms(row.beyond_window_p50_ms)}  silence {_ms(row.silence_p50_ms)}"
        f"  late p99 {_ms(row.lateness_p99_ms)}  callers late {_ms(row.callers_late_p99_ms)}"
        f"  {row.errors} errors {row.error_kinds}",
        flush=True,
    )


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"


async def measured(peer: Peer, args: argparse.Namespace, until_s: float) -> Outcome:
    """Whatever goes wrong is its reason, and what was measured before it is kept."""
    rows: list[Row] = []
    try:
        await measure(peer, args, until_s, rows)
    except (NotInstalled, DidNotStart, OSError, ValueError, RuntimeError, ExceptionGroup) as error:
        return Outcome(rows, _reason(error))
    return Outcome(rows, None)


def _reason(error: Exception) -> str:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__


async def run(args: argparse.Namespace) -> int:
    table = OUT / "peers.json"
    chosen = [peer for peer in PEERS if not args.only or peer.name in args.only]
    result = kept.read(table) if args.resume and table.exists() else Found(conditions(), {})
    left = [peer for peer in chosen if not result.is_done(peer.name)]
    os.sched_setaffinity(0, {CLIENT_CORE})
    began_s = time.monotonic()
    end_s = began_s + args.minutes * 60
    for at, peer in enumerate(left):
        now_s = time.monotonic()
        print(
            f"[{at + 1}/{len(left)}, {_clock(now_s - began_s)} of {_clock(args.minutes * 60)}] "
            f"{peer.name}",
            flush=True,
        )
        if now_s >= end_s:
            result.outcomes[peer.name] = Outcome([], "no time was left for it")
        else:
            share_s = (end_s - now_s) / (len(left) - at)
            result.outcomes[peer.name] = await measured(peer, args, now_s + share_s)
        if problem := result.outcomes[peer.name].problem:
            print(f"    not measured to the end: {problem}", flush=True)
        kept.write(result, table)  # Whatever comes next.
    print(f"{_clock(time.monotonic() - began_s)}; written to {table} and {kept.csv_of(table)}")
    if not args.only:
        page.write(result, PEERS)
    return 1 if any(result.outcomes[peer.name].problem for peer in left) else 0


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--only", nargs="+", choices=[peer.name for peer in PEERS])
    parser.add_argument("--first", type=int, help="sessions of the first step (5; echoes 20)")
    parser.add_argument("--steps", type=int, default=3, help="the most, besides one session (3)")
    parser.add_argument("--minutes", type=float, default=10, help="the whole run ends by then (10)")
    parser.add_argument(
        "--start-timeout", type=float, default=120, metavar="SECONDS", help="of a server (120)"
    )
    parser.add_argument("--resume", action="store_true", help="keep what is measured")
    parser.add_argument("--page", action="store_true", help="only the page, from the last run")
    parser.add_argument("--uv", default="uv")
    args = parser.parse_args()
    if args.page:
        page.write(kept.read(OUT / "peers.json"), PEERS)
        return 0
    return asyncio.run(run(args))


if __name__ == "__main__":
    sys.exit(main())
