"""What several processes cost beside one, and what a sideband costs that is in another.

    python bench/processes.py                    about a minute
    python bench/processes.py --sessions 100 --seconds 20

Servers and callers share the machine's cores, so that capacity is not read from when they are full
but from the processor time that a session takes, supervisor included: two processes have room for
twice as many sessions as one, as far as each of them costs no more there.  All speak all the time,
and what counts is the speech that came.  Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
from load_client import Crowd
from report import conditions, percentile, write

HERE = Path(__file__).parent
CHUNK_MS = 20
REPLY_MS = 0
"""Nobody stops speaking."""


class Server:
    """``command`` prints its port; its children count as it."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *command], stdout=subprocess.PIPE, text=True, cwd=HERE
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    @property
    def pids(self) -> list[int]:
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def cpu_s(self) -> list[float]:
        """Of each, the first one's first."""
        return [
            sum(
                int((task / "schedstat").read_text().split()[0]) / 1e9
                for task in Path(f"/proc/{pid}/task").iterdir()
            )
            for pid in self.pids
        ]

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)


def load(server: Server, sessions: int, seconds: float) -> dict[str, object]:
    crowd = Crowd(server.port, chunk_ms=CHUNK_MS, always=True)
    crowd.grow(sessions)
    crowd.run(3)
    crowd.forget()
    before, began = server.cpu_s(), time.monotonic()
    had = sum(client.pieces for client in crowd.clients)
    crowd.run(seconds)
    passed = time.monotonic() - began
    heard_s = (sum(client.pieces for client in crowd.clients) - had) * CHUNK_MS / 1000
    used = [after - was for after, was in zip(server.cpu_s(), before, strict=True)]
    # By what was done, not by the time that passed: others may have kept the server from its core.
    late = [ms for client in crowd.clients for ms in client.lateness_ms]
    for client in crowd.clients:
        client.socket.close()
    return {
        "sessions": sessions,
        "cpu_ms_per_session_second": sum(used) * 1000 / heard_s,
        "heard": heard_s / passed / sessions,
        "core_of_each": [seconds_used / passed for seconds_used in used],
        "late_p50_ms": percentile(late, 50),
        "late_p99_ms": percentile(late, 99),
        "callers_late_p99_ms": percentile(crowd.lag_ms, 99),
    }


def holder(pids: list[int], server_port: int, client_port: int) -> int:
    """The process that holds the server's end of a connection."""
    wanted = (f"{server_port:04X}", f"{client_port:04X}")
    inode = next(
        fields[9]
        for fields in (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        if (fields[1][-4:], fields[2][-4:]) == wanted
    )
    for pid in pids:
        for file in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if os.readlink(file) == f"socket:[{inode}]":
                    return pid
            except OSError:
                continue
    raise AssertionError("somebody holds it")


async def sidebands(server: Server, rounds: int) -> dict[str, object]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http:

        async def join(query: str) -> tuple[aiohttp.ClientWebSocketResponse, str, int]:
            ws = await http.ws_connect(f"/v1/realtime?{query}")
            port = ws.get_extra_info("sockname")[1]
            created = await ws.receive_json()
            return ws, created["session"]["id"], holder(server.pids, server.port, port)

        owners = [await join("model=zero")]
        while owners[-1][2] == owners[0][2]:
            await asyncio.sleep(0.2)  # Until the supervisor has heard of the session.
            owners.append(await join("model=zero"))
        # A connection comes to one process or the other; to one of the two sessions it has a way.
        found: dict[bool, aiohttp.ClientWebSocketResponse] = {}
        for number in range(20):
            _, session_id, home = owners[-(number % 2)]
            ws, _, pid = await join(f"call_id={session_id}")
            if found.setdefault(pid != home, ws) is not ws:
                await ws.close()
            await asyncio.sleep(0.2)
        assert len(found) == 2, "one here, one routed"
        took: dict[bool, list[float]] = {False: [], True: []}
        for number in range(2 * rounds):
            is_routed = bool(number % 2)
            ws = found[is_routed]
            update = {"type": "realtime", "instructions": f"Number {number}."}
            began = time.perf_counter()
            await ws.send_json({"type": "session.update", "session": update})
            while (event := await ws.receive_json())["type"] != "session.updated":
                pass
            took[is_routed].append((time.perf_counter() - began) * 1000)
            assert event["session"]["instructions"] == update["instructions"]
        local, routed = took[False], took[True]
        p50, routed_p50 = percentile(local, 50), percentile(routed, 50)
        assert p50 is not None, "there were some"
        assert routed_p50 is not None, "there were some"
        return {
            "rounds": rounds,
            "here_p50_ms": p50,
            "here_p99_ms": percentile(local, 99),
            "routed_p50_ms": routed_p50,
            "routed_p99_ms": percentile(routed, 99),
            "more_p50_ms": routed_p50 - p50,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=40, help="in each process")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=300)
    args = parser.parse_args()
    result: dict[str, object] = {"conditions": conditions()}
    rows = {}
    for name, processes, command in (
        ("one", 1, ("zero_server.py", "--reply-ms", str(REPLY_MS))),
        ("two", 2, ("zero_processes.py", "--processes", "2", "--reply-ms", str(REPLY_MS))),
    ):
        server = Server(*command)
        try:
            # As many in each process: one that has more to do at a time does it at less cost.
            rows[name] = load(server, processes * args.sessions, args.seconds)
            print(name, rows[name])
            if name == "two":
                result["sidebands"] = asyncio.run(sidebands(server, args.rounds))
                print(result["sidebands"])
        finally:
            server.stop()
    one, two = (float(str(rows[name]["cpu_ms_per_session_second"])) for name in ("one", "two"))
    result |= {"load": rows, "room_for": 2 * one / two}
    print(f"two processes have room for {2 * one / two:.2f} times the sessions of one")
    write("processes", result)


if __name__ == "__main__":
    main()
