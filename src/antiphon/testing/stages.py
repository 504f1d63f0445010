"""Where a test's servers run: in its own loop and virtual time, or beside it, on real sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from typing import Any, NamedTuple, Protocol, TypeVar

from antiphon.testing.virtual_loop import VirtualTimeLoop, virtual_runner

T = TypeVar("T")

ENDS_WITHIN_S = 30


class Clock(Protocol):
    """The time of a test's servers."""

    @property
    def now_s(self) -> float: ...

    def advance(self, seconds: float) -> None:
        """It jumps: whatever waits for less than that is due now.

        What waits again after that, as each pause between a slow answer's words does, waits from
        the new time on.
        """
        ...


class Stage(NamedTuple):
    """Servers of one test, ended with it."""

    clock: Clock
    run: Callable[[Coroutine[Any, Any, Any]], Any]
    ending: AsyncExitStack

    def enter(self, server: AbstractAsyncContextManager[T]) -> T:
        entered: T = self.run(self.ending.enter_async_context(server))
        return entered


class VirtualClock:
    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop

    @property
    def now_s(self) -> float:
        return self._loop.time()

    def advance(self, seconds: float) -> None:
        self._loop.advance(seconds)


@contextmanager
def virtual() -> Iterator[Stage]:
    """In the loop of the test, which is `in_virtual_time`; no sockets."""
    with virtual_runner() as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualTimeLoop), "it makes no others"
        stage = Stage(VirtualClock(loop), runner.run, AsyncExitStack())
        try:
            yield stage
        finally:
            runner.run(stage.ending.aclose())


class _ShiftedLoop(asyncio.SelectorEventLoop):
    """Real time, some of which was skipped."""

    skipped_s = 0.0

    def time(self) -> float:
        return super().time() + self.skipped_s


class BackgroundClock:
    """Of a loop in another thread."""

    def __init__(self, loop: _ShiftedLoop) -> None:
        self._loop = loop

    @property
    def now_s(self) -> float:
        return self._loop.time()

    def advance(self, seconds: float) -> None:
        asyncio.run_coroutine_threadsafe(self._skip(seconds), self._loop).result()

    async def _skip(self, seconds: float) -> None:
        self._loop.skipped_s += seconds
        await asyncio.sleep(0)


@contextmanager
def background() -> Iterator[Stage]:
    """In a thread of its own: for clients of any kind, in any loop, thread or process."""
    loop = _ShiftedLoop()
    thread = threading.Thread(target=loop.run_forever, name="antiphon", daemon=True)
    thread.start()

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(ENDS_WITHIN_S)

    stage = Stage(BackgroundClock(loop), run, AsyncExitStack())
    try:
        yield stage
    finally:
        try:
            run(stage.ending.aclose())
            run(_cancel_the_rest())
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(ENDS_WITHIN_S)
            loop.close()


async def _cancel_the_rest() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
