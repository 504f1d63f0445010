"""What the kits share: a promise that is kept, or `PromiseBroken`."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from antiphon.engines.cascade.starvation import queued_s, queued_since

if sys.platform == "linux":
    import resource

log = logging.getLogger(__name__)

AT_ONCE_S = 0.05
"""What never waits takes no longer."""
SETTLE_S = 0.3
"""How long we listen for what should not come."""
TRIES = 3


class PromiseBroken(AssertionError):
    """Says whose promise, which one and what happened instead."""


class TookTooLong(PromiseBroken):
    """It came, but late: where that is for once, the machine may be at fault."""


async def in_time(check: Callable[[], Awaitable[None]]) -> None:
    """A whole check, anew where it only took too long: who waits, or computes, does so each time;
    a processor that was taken away, or garbage that was collected, is not there in all of `TRIES`.
    """
    for _ in range(TRIES - 1):
        try:
            await check()
        except TookTooLong as late:
            log.warning("%s; it is tried again", late)  # Also what waits the first time alone.
            continue
        return
    await check()


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

    def late(self, what: str) -> None:
        """As `fail`, of what a busy machine may be the reason for (`in_time`)."""
        raise TookTooLong(f"{self.subject}: {self.check}: {what}")

    @contextmanager
    def at_once(self, what: str) -> Iterator[None]:
        """What happens inside neither waits nor raises."""
        stopwatch = _Stopwatch()
        try:
            yield
        except Exception as error:
            raise PromiseBroken(f"{self.subject}: {self.check}: {what} raised {error!r}") from error
        took_s = stopwatch.took_s()
        if took_s >= AT_ONCE_S:
            self.late(f"{what} took {took_s * 1000:.0f} ms")

    async def tasks_besides(self, known: set[asyncio.Task[Any]]) -> list[str]:
        """Names of tasks that were not there before and do not go away."""
        for _ in range(10):
            left = {t for t in asyncio.all_tasks() - known if not _is_a_servers(t)}
            left -= {asyncio.current_task()}
            if not left:
                return []
            await asyncio.sleep(SETTLE_S / 10)
        return sorted(task.get_name() for task in left)


class _Stopwatch:
    """How long this thread took, as far as the system tells, without what others had the processor
    in the meantime: a busy machine breaks no promise.
    """

    def __init__(self) -> None:
        self._begun = (time.perf_counter(), time.thread_time(), _gave_way(), queued_s())

    def took_s(self) -> float:
        begun_s, ran_s, gave_way, before = self._begun
        if gave_way is not None and _gave_way() == gave_way:
            return time.thread_time() - ran_s  # It waited for nothing but the processor.
        # Of all threads, as this one may have waited for what another holds, the interpreter first.
        return time.perf_counter() - begun_s - sum(queued_since(before, queued_s()))


def _gave_way() -> int | None:
    """How often this thread had to wait for something; None where the system does not tell."""
    if sys.platform != "linux":
        return None
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


def _is_a_servers(task: asyncio.Task[Any]) -> bool:
    """A stand-in server of the same loop has tasks of its own, one a connection."""
    return getattr(task.get_coro(), "__qualname__", "") == "RequestHandler.start"
