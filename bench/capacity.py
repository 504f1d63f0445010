"""How many sessions a server of several processes carries, each process with a core of its own.

    python bench/capacity.py --processes 1 2 4 8

Wants a machine with cores to spare: N cores are the server's, supervisor included, those left are
the callers', one process of them on each thread.  All speak all the time, by WebSocket in pieces
of 20 ms, and there come more and more, until one piece in a hundred comes back too late.  Linux
only.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from load_client import Crowd, Overloaded
from msgspec import Struct, to_builtins
from report import LATE_MS, conditions, percentile, write

HERE = Path(__file__).parent
CHUNK_MS = 20
WARM_S = 3
FILES = 16_384
"""Sockets need more than a shell usually allows."""


class Row(Struct, kw_only=True):
    processes: int
    sessions: int
    core_of_each: list[float]
    """Share of a core that each used, the supervisor first."""
    heard: float
    """Of the speech that was due, what came."""
    late_p50_ms: float | None
    late_p99_ms: float | None
    callers_late_p99_ms: float | None

    @property
    def is_in_time(self) -> bool:
        return self.late_p99_ms is not None and self.late_p99_ms <= LATE_MS


class Heard(Struct):
    """By one process of callers."""

    late_ms: list[float]
    lag_ms: list[float]
    pieces: int


# --- Callers ------------------------------------------------------------------


def call(line: Connection, port: int, core: int, seed: int) -> None:
    """Does as it is told: so many callers, and talk for so long.  None: the server is full."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.sched_setaffinity(0, {core})
    crowd = Crowd(port, chunk_ms=CHUNK_MS, always=True, seed=seed)
    while True:
        while not line.poll():
            crowd.run(0.1)
        asked: tuple[int, float] | None = line.recv()
        if asked is None:
            return
        sessions, seconds = asked
        try:
            crowd.grow(sessions)
            crowd.run(WARM_S)
            crowd.forget()
            crowd.run(seconds)
        except Overloaded:
            line.send(None)
            return
        late_ms = [ms for client in crowd.clients for ms in client.lateness_ms]
        pieces = sum(client.pieces for client in crowd.clients)
        line.send(Heard(late_ms, list(crowd.lag_ms), pieces))


@contextmanager
def callers(port: int, cores: Sequence[int]) -> Iterator[list[Connection]]:
    lines, processes = [], []
    context = multiprocessing.get_context("spawn")
    for seed, core in enumerate(cores):
        ours, theirs = context.Pipe()
        process = context.Process(target=call, args=(theirs, port, core, seed), daemon=True)
        process.start()
        lines.append(ours)
        processes.append(process)
    try:
        yield lines
    finally:
        for process in processes:
            process.kill()
            process.join()


# --- Where they run -----------------------------------------------------------


def threads_by_core() -> list[list[int]]:
    """What Linux calls processors, by the core that they share."""
    cores: dict[str, list[int]] = {}
    for thread in sorted(os.sched_getaffinity(0)):
        topology = Path(f"/sys/devices/system/cpu/cpu{thread}/topology/thread_siblings_list")
        name = topology.read_text().strip() if topology.exists() else str(thread)
        cores.setdefault(name, []).append(thread)
    return list(cores.values())


# --- The server ---------------------------------------------------------------


@contextmanager
def server(processes: int, cores: set[int]) -> Iterator[subprocess.Popen[str]]:
    """Prints its port; has these cores for all of its processes."""
    command = ["zero_server.py"]
    if processes > 1:
        command = ["zero_processes.py", "--processes", str(processes)]
    started = subprocess.Popen(
        [sys.executable, *command, "--reply-ms", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=HERE,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(60)


def cpu_s(pid: int) -> list[float]:
    """Of the server and each of its children, the server's first."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        sum(
            int((task / "schedstat").read_text().split()[0]) / 1e9
            for task in Path(f"/proc/{process}/task").iterdir()
        )
        for process in (pid, *map(int, children))
    ]


# --- What is measured -----------------------------------------------------------


def measure(
    pid: int, lines: Sequence[Connection], *, processes: int, sessions: int, seconds: float
) -> Row | None:
    """None: it is full."""
    for number, line in enumerate(lines):
        share = sessions // len(lines) + (number < sessions % len(lines))
        line.send((share, seconds))
    before, began = cpu_s(pid), time.monotonic()
    told: list[Heard | None] = [line.recv() for line in lines]
    passed = time.monotonic() - began
    used = [after - was for after, was in zip(cpu_s(pid), before, strict=True)]
    if None in told:
        return None
    heard = [one for one in told if one is not None]
    late_ms = [ms for one in heard for ms in one.late_ms]
    due = sessions * seconds * 1000 / CHUNK_MS
    return Row(
        processes=processes,
        sessions=sessions,
        core_of_each=[round(seconds_used / passed, 3) for seconds_used in used],
        heard=sum(one.pieces for one in heard) / due,
        late_p50_ms=percentile(late_ms, 50),
        late_p99_ms=percentile(late_ms, 99),
        callers_late_p99_ms=percentile([ms for one in heard for ms in one.lag_ms], 99),
    )


def ramp(
    processes: int, cores: Sequence[Sequence[int]], *, start: int, step: int, seconds: float
) -> tuple[int, list[Row]]:
    """Returns the last size at which speech was in time.

    Args:
        start: Sessions for each process, as is ``step``.
    """
    rows: list[Row] = []
    fits = 0
    left = [thread for core in cores[processes:] for thread in core]
    with server(processes, {core[0] for core in cores[:processes]}) as started:
        assert started.stdout is not None
        port = int(started.stdout.readline())
        with callers(port, left) as lines:
            for each in range(start, 2_000, step):
                # A size may be late once: a server that is full stays late.
                for _ in range(2):
                    row = measure(
                        started.pid,
                        lines,
                        processes=processes,
                        sessions=each * processes,
                        seconds=seconds,
                    )
                    if row is not None:
                        rows.append(row)
                        print(row, flush=True)
                    if row is None or row.is_in_time:
                        break
                if row is None or not row.is_in_time:
                    break
                fits = row.sessions
    print(f"{processes} processes on as many cores carry {fits} sessions", flush=True)
    return fits, rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--start", type=int, default=80, help="sessions for each process")
    parser.add_argument("--step", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=5)
    args = parser.parse_args()
    cores = threads_by_core()
    if len(cores) <= max(args.processes):
        parser.error(f"{len(cores)} cores: the callers need some beside those of the server")
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (FILES, max(FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    )
    carried: dict[int, int] = {}
    rows: list[Row] = []
    for processes in args.processes:
        carried[processes], more = ramp(
            processes, cores, start=args.start, step=args.step, seconds=args.seconds
        )
        rows += more
    one = carried.get(1)
    for processes, sessions in carried.items():
        ratio = f", {sessions / one:.2f} times one" if one else ""
        print(f"{processes} processes: {sessions} sessions{ratio}")
    write("capacity", {"conditions": conditions(), "carried": carried, "rows": to_builtins(rows)})


if __name__ == "__main__":
    main()
