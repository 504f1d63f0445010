"""An event loop whose clock jumps: when all tasks wait, it is already the next deadline.

Servers and clients meet in it without sockets (`VirtualTimeLoop.listen`).  Time is real as long as
a thread works for the loop; of other processes and real sockets it knows nothing.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from antiphon.testing.memory_transport import join

P = ParamSpec("P")
T = TypeVar("T")

HOST = "127.0.0.1"
FIRST_PORT = 1
"""Whoever leaves the loop's network is refused at once: nothing listens on such ports."""


IN_VIRTUAL_TIME = "__antiphon_in_virtual_time__"


class _Jumps(selectors.SelectSelector):
    """Waits for nobody: the time it should have slept is added to the clock."""

    now_s = 0.0
    working = 0
    """Threads that will report to the loop.  It waits for them, in real time."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if self.working:
            began_s = time.monotonic()
            ready = super().select(timeout)
            elapsed_s = time.monotonic() - began_s
            self.now_s += elapsed_s if timeout is None else min(elapsed_s, timeout)
            return ready
        if timeout is None:
            raise RuntimeError("all tasks wait, and no deadline will ever wake one of them")
        self.now_s += timeout
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """`asyncio.Runner(loop_factory=VirtualTimeLoop)`, or `run_in_virtual_time`."""

    def __init__(self) -> None:
        self._jumps = _Jumps()
        self._listening: dict[int, Callable[[], asyncio.Protocol]] = {}
        super().__init__(self._jumps)

    def time(self) -> float:
        return self._jumps.now_s

    def advance(self, seconds: float) -> None:
        """The clock jumps; what was due meanwhile is due now."""
        self._jumps.now_s += seconds

    @contextmanager
    def listen(self, make_protocol: Callable[[], asyncio.Protocol]) -> Iterator[str]:
        """Answer whatever of this loop connects to the URL that this gives.

        That is all that uses `create_connection` by host and port, as the libraries ``websockets``
        and ``httpx`` do.  aiohttp opens sockets itself: it takes a `MemoryConnector`.
        """
        port = max(self._listening, default=FIRST_PORT - 1) + 1
        self._listening[port] = make_protocol
        try:
            yield f"http://{HOST}:{port}"
        finally:
            del self._listening[port]

    async def create_connection(
        self,
        protocol_factory: Callable[[], Any],
        host: Any = None,
        port: Any = None,
        **options: Any,
    ) -> tuple[asyncio.Transport, Any]:
        if host != HOST or port not in self._listening:
            return await super().create_connection(protocol_factory, host, port, **options)
        client = protocol_factory()
        return join(client, self._listening[port]()), client

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Any, *args: Any
    ) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = super().run_in_executor(executor, func, *args)
        self._jumps.working += 1
        future.add_done_callback(self._worked)
        return future

    async def shutdown_default_executor(self, *args: Any, **options: Any) -> None:
        self._jumps.working += 1
        try:
            await super().shutdown_default_executor(*args, **options)
        finally:
            self._jumps.working -= 1

    def _worked(self, _: asyncio.Future[Any]) -> None:
        self._jumps.working -= 1


def run_in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`; an hour of sleep takes no time at all."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


_RUNNER: ContextVar[asyncio.Runner | None] = ContextVar("antiphon_runner", default=None)


@contextmanager
def virtual_runner() -> Iterator[asyncio.Runner]:
    """The runner of all that is `in_virtual_time` inside the context, so that it shares a loop."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        token = _RUNNER.set(runner)
        try:
            yield runner
        finally:
            _RUNNER.reset(token)


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Make an async test a plain one, for any test runner, in whose loop nobody really waits."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        runner = _RUNNER.get()
        if runner is None:
            return run_in_virtual_time(test(*args, **kwargs))
        return runner.run(test(*args, **kwargs))

    setattr(run, IN_VIRTUAL_TIME, True)
    return run


def is_in_virtual_time(test: object) -> bool:
    return getattr(test, IN_VIRTUAL_TIME, False)
