"""What the kits share: a promise that is kept, or `PromiseBroken`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

AT_ONCE_S = 0.05
"""What never waits takes no longer."""
SETTLE_S = 0.3
"""How long we listen for what should not come."""


class PromiseBroken(AssertionError):
    """Says whose promise, which one and what happened instead."""


class Promise:
    """One check of one subject, an engine or a part of one."""

    check: str
    """The promise, in words."""

    @property
    def subject(self) -> str:
        """Whose it is."""
        raise NotImplementedError

    def require(self, kept: bool, otherwise: str) -> None:
        if not kept:
            self.fail(otherwise)

    def fail(self, what: str) -> None:
        raise PromiseBroken(f"{self.subject}: {self.check}: {what}")

    @contextmanager
    def at_once(self, what: str) -> Iterator[None]:
        """What happens inside neither waits nor raises."""
        begun_s, waited_s = time.perf_counter(), _kept_waiting_s()
        try:
            yield
        except Exception as error:
            raise PromiseBroken(f"{self.subject}: {self.check}: {what} raised {error!r}") from error
        took_s = time.perf_counter() - begun_s - (_kept_waiting_s() - waited_s)
        self.require(took_s < AT_ONCE_S, f"{what} took {took_s * 1000:.0f} ms")

    async def tasks_besides(self, known: set[asyncio.Task[Any]]) -> list[str]:
        """Names of tasks that were not there before and do not go away."""
        for _ in range(10):
            left = {t for t in asyncio.all_tasks() - known if not _is_a_servers(t)}
            left -= {asyncio.current_task()}
            if not left:
                return []
            await asyncio.sleep(SETTLE_S / 10)
        return sorted(task.get_name() for task in left)


def _kept_waiting_s() -> float:
    """How long others had the processor while this thread could have run: a busy machine breaks no
    promise.  0 where the system does not tell.
    """
    try:
        return int(Path("/proc/thread-self/schedstat").read_bytes().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def _is_a_servers(task: asyncio.Task[Any]) -> bool:
    """A stand-in server of the same loop has tasks of its own, one a connection."""
    return getattr(task.get_coro(), "__qualname__", "") == "RequestHandler.start"
