"""What a session costs, over the whole way: WebSocket, conversation, voice detection.

    python bench/sessions.py            about two minutes
    python bench/sessions.py --full     with the ramp to the limit, and memory after a while

The real server (`antiphon.server.wiring`) with `zero_engine` on one core, its clients on
another; see docs/reference/benchmarks.md.  Linux only.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from load_client import Crowd, Overloaded
from msgspec import Struct, to_builtins
from report import CLIENT_CORE, LATE_MS, SERVER_CORE, conditions, percentile, write
from server_process import ServerProcess

ROUND_S = 10
"""After so long each client has had a turn, and was answered."""


class Row(Struct, kw_only=True):
    """One measurement, with so many sessions on one core."""

    chunk_ms: int
    duty: str
    sessions: int
    cpu_ms: float
    """Per session and second."""
    core: float
    """How much of it was used."""
    late_p50_ms: float | None
    late_p99_ms: float | None
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    turns: int
    rss_mib: float
    waited: float
    """Share of the time in which the server was kept from its core by others."""
    client_lag_p99_ms: float
    """How late the clients themselves were."""


class Measuring:
    """A server and its crowd."""

    def __init__(
        self, server: ServerProcess, *, chunk_ms: int, always: bool, quiet: bool = False
    ) -> None:
        self.server = server
        self.duty = "always" if always else "quiet" if quiet else "conversation"
        self.crowd = Crowd(server.port, chunk_ms=chunk_ms, always=always, quiet=quiet)
        self._chunk_ms = chunk_ms

    def measure(self, sessions: int, *, warm_s: float, seconds: float) -> Row:
        self.crowd.grow(sessions)
        self.crowd.run(warm_s)
        self.crowd.forget()
        before, began = self.server.usage(), time.monotonic()
        self.crowd.run(seconds)
        after, passed = self.server.usage(), time.monotonic() - began
        clients = self.crowd.clients
        late = [ms for client in clients for ms in client.lateness_ms]
        latency = [ms for client in clients for ms in client.latency_ms]
        busy = (after.cpu_s - before.cpu_s) / passed
        return Row(
            chunk_ms=self._chunk_ms,
            duty=self.duty,
            sessions=sessions,
            cpu_ms=busy * 1000 / sessions,
            core=busy,
            late_p50_ms=percentile(late, 50),
            late_p99_ms=percentile(late, 99),
            latency_p50_ms=percentile(latency, 50),
            latency_p99_ms=percentile(latency, 99),
            turns=sum(client.turns for client in clients),
            rss_mib=after.rss_mib,
            waited=(after.waited_s - before.waited_s) / passed,
            client_lag_p99_ms=percentile(self.crowd.lag_ms, 99) or 0,
        )


@contextmanager
def measuring(
    *, chunk_ms: int, always: bool = False, quiet: bool = False, profile: bool = False
) -> Iterator[Measuring]:
    command = ["zero_server.py", "--delta-ms", str(chunk_ms)]
    command += ["--reply-ms", "0"] if always else []
    command += ["--profile"] if profile else []
    with ServerProcess(command, core=SERVER_CORE, nice=os.nice(0)) as server:
        found = Measuring(server, chunk_ms=chunk_ms, always=always, quiet=quiet)
        yield found
        found.crowd.close()
        print(server.stop(), end="")


# --- What is measured ---------------------------------------------------------


def cost(chunk_ms: int, *, always: bool, sizes: Sequence[int], seconds: float) -> list[Row]:
    with measuring(chunk_ms=chunk_ms, always=always) as found:
        return [
            show(found.measure(n, warm_s=2 if always else ROUND_S, seconds=seconds)) for n in sizes
        ]


def ramp(chunk_ms: int, *, always: bool, start: int, step: int) -> tuple[int, list[Row]]:
    """More and more sessions; returns the last size at which speech was in time."""
    rows: list[Row] = []
    fits = 0
    with measuring(chunk_ms=chunk_ms, always=always) as found:
        for sessions in range(start, 2000, step):
            try:
                row = found.measure(sessions, warm_s=2 if always else ROUND_S, seconds=6)
            except Overloaded:
                break
            rows.append(show(row))
            if row.late_p99_ms is not None and row.late_p99_ms > LATE_MS:
                break
            fits = sessions
    print(f"  one core carries {fits} sessions ({chunk_ms} ms, {found.duty})", flush=True)
    return fits, rows


def memory(*, quiet: bool, seconds: float) -> float:
    """MiB for each further session, from 100 to 300 of them."""
    with measuring(chunk_ms=100, quiet=quiet) as found:
        rows = [show(found.measure(n, warm_s=seconds, seconds=1)) for n in (100, 300)]
    mib = (rows[1].rss_mib - rows[0].rss_mib) / 200
    print(f"  a session takes {mib:.2f} MiB ({found.duty}, {seconds:.0f} s)", flush=True)
    return mib


# --- Showing ------------------------------------------------------------------

HEAD = (
    "chunk duty         sessions  cpu ms/s  core  late p50  p99 ms  latency p50  p99 ms   RSS MiB"
)


def show(row: Row) -> Row:
    def ms(value: float | None, width: int) -> str:
        return f"{'-' if value is None else format(value, '.1f'):>{width}}"

    print(
        f"{row.chunk_ms:5} {row.duty:12} {row.sessions:8} {row.cpu_ms:9.2f} {row.core:5.0%} "
        f"{ms(row.late_p50_ms, 9)} {ms(row.late_p99_ms, 7)} {ms(row.latency_p50_ms, 12)} "
        f"{ms(row.latency_p99_ms, 7)} {row.rss_mib:9.0f}   "
        f"(waited {row.waited:.0%}, clients' lag p99 {row.client_lag_p99_ms:.1f} ms)",
        flush=True,
    )
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", choices=["cost", "ramp", "memory"], nargs="+")
    parser.add_argument("--chunk-ms", type=int, nargs="+", default=[20, 100])
    parser.add_argument("--duty", choices=["conversation", "always"], nargs="+")
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--profile", action="store_true", help="cProfile of one run instead")
    parser.add_argument(
        "--nice", type=int, default=0, help="negative (as root): where other work shares the cores"
    )
    args = parser.parse_args()
    parts = args.only or (["cost", "ramp", "memory"] if args.full else ["cost", "memory"])
    sizes = args.sizes or ([50, 100, 200, 300] if args.full else [100, 300])
    duties = [d == "always" for d in args.duty or ["conversation", "always"]]
    os.sched_setaffinity(0, {CLIENT_CORE})
    os.nice(args.nice)
    if args.profile:
        with measuring(chunk_ms=args.chunk_ms[0], always=duties[0], profile=True) as found:
            show(found.measure(sizes[-1], warm_s=1, seconds=args.seconds))
        return
    print(HEAD)
    rows: list[Row] = []
    result: dict[str, object] = {"conditions": conditions()}
    for chunk_ms in args.chunk_ms:
        for always in duties:
            if "cost" in parts and (args.full or args.duty or not always or chunk_ms == 20):
                rows += cost(chunk_ms, always=always, sizes=sizes, seconds=args.seconds)
            if "ramp" in parts:
                start = sizes[-1]
                fits, more = ramp(chunk_ms, always=always, start=start, step=50)
                rows += more
                result[f"sessions_per_core_{chunk_ms}ms_{rows[-1].duty}"] = fits
    if "memory" in parts:
        result["mib_per_quiet_session"] = memory(quiet=True, seconds=5)
        if args.full:
            result["mib_per_talking_session"] = memory(quiet=False, seconds=70)
    result["rows"] = to_builtins(rows)
    write("sessions", result)


if __name__ == "__main__":
    main()
