"""A peer's server on one core, and what Linux knows of it and its children."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

LIFETIME_S = 900
"""If whoever started it is killed, it ends by itself."""
STOP_TIMEOUT_S = 10
REASON_CHARACTERS = 200
CORES = ",".join(map(str, sorted(os.sched_getaffinity(0))))
"""All that there are, before the callers keep to theirs."""


class DidNotStart(Exception):
    """With the last that the server said."""


class PeerProcess:
    """Started on all cores, and kept to one from when it listens.

    Attributes:
        ports: One, or one for each of its processes.
        start_s: Until the last of them listened.
    """

    def __init__(
        self, command: list[str], *, core: int, folder: Path, log: Path, listeners: int = 1
    ) -> None:
        """``command`` prints each port that it listens at, on a line of its own."""
        self.ports: list[int] = []
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                ["timeout", str(LIFETIME_S), "taskset", "-c", CORES, *command],
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=folder,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )
        self._core = core
        self._listeners = listeners
        self.start_s = 0.0

    def listen(self, timeout_s: float) -> None:
        """Wait for it.

        Raises:
            DidNotStart: It ended, or the time is over.
        """
        began = time.monotonic()
        assert self._process.stdout is not None
        output = self._process.stdout.fileno()
        said = b""
        with selectors.DefaultSelector() as ready:
            ready.register(output, selectors.EVENT_READ)
            while len(self.ports) < self._listeners:
                left_s = began + timeout_s - time.monotonic()
                if left_s <= 0 or not ready.select(left_s):
                    raise DidNotStart(
                        f"it did not listen within {timeout_s:.0f} s{self._so_far()}{self._last()}"
                    )
                if not (piece := os.read(output, 4_096)):
                    raise DidNotStart(f"it ended before it listened{self._last()}")
                said += piece
                *lines, said = said.split(b"\n")
                # Some say more than that.
                self.ports += [int(line) for line in lines if line.strip().isdigit()]
        self.start_s = time.monotonic() - began
        self._keep_to(self._core)

    def _so_far(self) -> str:
        return f" ({len(self.ports)} of {self._listeners} did)" if self._listeners > 1 else ""

    def _last(self) -> str:
        lines = self._log.read_text(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f": {last[:REASON_CHARACTERS]}" if last else ""

    def cpu_s(self) -> float:
        """User and system, of threads that ended too."""
        ticks = sum(sum(map(int, _stat(pid)[11:13])) for pid in self._family())
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_mib(self) -> float:
        """What several share is counted once (PSS)."""
        return sum(_pss_kib(pid) for pid in self._family()) / 1024

    def _keep_to(self, core: int) -> None:
        for pid in self._family():
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(ProcessLookupError):  # A thread that has ended.
                    os.sched_setaffinity(int(task.name), {core})

    def _family(self) -> list[int]:
        found, rest = [], [self._process.pid]
        while rest:
            pid = rest.pop()
            found.append(pid)
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    rest += map(int, (task / "children").read_text().split())
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_TIMEOUT_S)
        self._signal(signal.SIGKILL)  # And whatever it left behind.
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def _stat(pid: int) -> list[str]:
    """The fields behind the name, which may have spaces in it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["0"] * 50


def _pss_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
