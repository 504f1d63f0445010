"""A server of its own on one core, and what Linux knows of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

MIB = 1 << 20


class Usage(NamedTuple):
    cpu_s: float
    """Of all its threads that live, user and system."""
    waited_s: float
    """How long its first thread was ready and had to wait for the core."""
    rss_mib: float


def _schedstat(task: Path) -> tuple[float, float]:
    """Seconds on a processor, and ready but waiting for one."""
    ran_ns, waited_ns, _ = (task / "schedstat").read_text().split()
    return int(ran_ns) / 1e9, int(waited_ns) / 1e9


class ServerProcess:
    """``command`` prints its port; it is ended by SIGTERM."""

    def __init__(self, command: list[str], *, core: int, nice: int = 0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *command], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent
        )
        os.sched_setaffinity(self._process.pid, {core})
        os.setpriority(os.PRIO_PROCESS, self._process.pid, nice)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    @property
    def pid(self) -> int:
        return self._process.pid

    def usage(self) -> Usage:
        proc = Path(f"/proc/{self.pid}")
        cpu_s = sum(_schedstat(task)[0] for task in (proc / "task").iterdir())
        waited_s = _schedstat(proc)[1]
        pages = int((proc / "statm").read_text().split()[1])
        return Usage(cpu_s, waited_s, pages * os.sysconf("SC_PAGE_SIZE") / MIB)

    def stop(self) -> str:
        """Returns what it printed at last."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.communicate(timeout=30)[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
