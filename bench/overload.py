"""Three times as many as the server can carry: python bench/overload.py

The server as `antiphon serve` wires it, with `zero_engine`, on one core; clients come at an even
pace, none leaves, each talks.  They come until three times as many have asked as were let in.
Then: were those who were let in served in time, and were the others told 503 and when to come
again?
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from itertools import pairwise

from load_client import Crowd, Overloaded, Refused
from report import CLIENT_CORE, LATE_MS, SERVER_CORE, conditions, percentile, write
from server_process import ServerProcess

TIMES = 3
WATCHED_S = 20
"""After the last has come."""


def come(crowd: Crowd, *, per_s: float, longest_s: float) -> tuple[Counter[str], list[float]]:
    """Clients come; how each was met, and how long it took to be told."""
    met: Counter[str] = Counter()
    took_ms: list[float] = []
    began_s = time.monotonic()
    while time.monotonic() - began_s < longest_s:
        asked_s = time.monotonic()
        try:
            crowd.join()
        except Refused as refused:
            after = refused.headers.get("retry-after")
            met[f"{refused.status}, Retry-After {after}"] += 1
        else:
            met["in"] += 1
        took_ms.append((time.monotonic() - asked_s) * 1000)
        if met.total() >= max(TIMES * met["in"], 100) and met["in"] < met.total():
            break
        if not crowd.clients:
            continue
        crowd.run(1 / per_s)
    return met, took_ms


def late_by_second(crowd: Crowd, seconds: int) -> list[float]:
    """p99 of each second."""
    found = []
    for _ in range(seconds):
        crowd.forget()
        crowd.run(1)
        late = [ms for client in crowd.clients for ms in client.lateness_ms]
        found.append(percentile(late, 99) or 0.0)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-s", type=float, default=12, help="how many come each second")
    parser.add_argument("--chunk-ms", type=int, default=20)
    parser.add_argument("--longest-s", type=float, default=120)
    args = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CORE})
    command = ["zero_server.py", "--max-lateness-ms", str(LATE_MS)]
    with ServerProcess(command, core=SERVER_CORE, nice=os.nice(0)) as server:
        crowd = Crowd(server.port, chunk_ms=args.chunk_ms, always=False)
        began = server.usage(), time.monotonic()
        met, took_ms = come(crowd, per_s=args.per_s, longest_s=args.longest_s)
        late_coming = [ms for client in crowd.clients for ms in client.lateness_ms]
        lag_ms = percentile(crowd.lag_ms, 99) or 0.0
        crowd.forget()
        before = server.usage(), time.monotonic()
        try:
            seconds = late_by_second(crowd, WATCHED_S)
        except Overloaded:
            seconds = [float("inf")]
        after = server.usage(), time.monotonic()
        crowd.close()
        server.stop()
    shares = []
    for (used, at_s), (used_later, later_s) in pairwise((began, before, after)):
        core = (used_later.cpu_s - used.cpu_s) / (later_s - at_s)
        waited = (used_later.waited_s - used.waited_s) / (later_s - at_s)
        shares.append((core, waited))
    while_coming = percentile(late_coming, 99) or 0.0
    worst = max(seconds)
    print(f"{met.total()} came, {args.per_s:g} a second: {dict(met)}")
    print(f"told after p50 {percentile(took_ms, 50):.1f}, p99 {percentile(took_ms, 99):.1f} ms")
    print(
        f"late while they came: p99 {while_coming:.1f} ms (core {shares[0][0]:.0%}, waited for it "
        f"{shares[0][1]:.0%}; the clients themselves: p99 {lag_ms:.1f} ms)"
    )
    print(
        f"late in the {WATCHED_S} s after, p99 of each second: median "
        f"{percentile(seconds, 50):.1f}, worst {worst:.1f} ms (aim {LATE_MS}; core "
        f"{shares[1][0]:.0%}, waited {shares[1][1]:.0%})"
    )
    write(
        "overload",
        {
            "conditions": conditions(),
            "met": met,
            "told_after_ms": {"p50": percentile(took_ms, 50), "p99": percentile(took_ms, 99)},
            "late_p99_ms": {"while_coming": while_coming, "each_second_after": seconds},
            "core_and_waited": shares,
            "clients_late_p99_ms": lag_ms,
        },
    )


if __name__ == "__main__":
    main()
