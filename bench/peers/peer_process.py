"""A peer's server on one core, and what Linux knows of it and its children."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 10


class PeerProcess:
    """``command`` prints its port, on a line of its own, once it listens."""

    def __init__(self, command: list[str], *, core: int, folder: Path) -> None:
        self._process = subprocess.Popen(
            ["timeout", "600", "taskset", "-c", str(core), *command],
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.strip().isdigit():
            self._process.kill()
            raise OSError(f"it did not start: {' '.join(command)}")
        self.port = int(line)

    def cpu_s(self) -> float:
        """User and system, of threads that ended too."""
        return sum(
            sum(map(int, _stat(pid)[11:13])) / os.sysconf("SC_CLK_TCK") for pid in self._family()
        )

    def rss_mib(self) -> float:
        pages = sum(int(_stat(pid)[21]) for pid in self._family())
        return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)

    def _family(self) -> list[int]:
        found, rest = [], [self._process.pid]
        while rest:
            pid = rest.pop()
            found.append(pid)
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
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _stat(pid: int) -> list[str]:
    """The fields behind the name, which may have spaces in it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
