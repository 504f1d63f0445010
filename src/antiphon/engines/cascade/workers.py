"""Worker processes for libraries that hold the GIL, crash, or carry a strong licence.

Each worker is ``python -m <module>`` with a `WorkerEnd`; jobs are spread over the
workers and each job talks to one of them.

* Bounds: a worker has at most ``jobs_per_worker`` jobs; one more is refused with
  `EngineUnavailable` (the newest loses).  A job that sends faster than its worker reads
  sees ``Job.congested`` and keeps or drops its data by its own rule.
* A worker that dies takes its jobs with it (each hears ``on_lost`` once) and is started
  again, at once at first, then after growing pauses.  Who waits for a job knows how long it may
  take: after that, a worker that was silent to everybody is replaced (`Job.replace_worker`).
* A worker ends when its stdin does, so none outlives this process.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import re
import sys
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

import msgspec

from antiphon.engines.cascade.starvation import queued_s, queued_since
from antiphon.engines.cascade.worker_wire import SIGN, BrokenWire, Frames, frame
from antiphon.errors import EngineUnavailable

_log = logging.getLogger(__name__)

News = TypeVar("News")

_STEADY_S = 10.0
"""A worker that lived so long did not die of its start."""
_LONGEST_PAUSE_S = 10.0
_STOP_S = 1.0
START_MAX_S = 180.0
"""Many times what loading the largest network takes, for machines that have far too much to do."""
STARVED_MAX_S = 20.0
"""For so long at most a silent worker is excused by what others had of the processor."""
_NEXT_TO_NOTHING_S = 0.02
_STDERR_TAIL_BYTES = 4096
_ENVIRONMENT = {
    # One thread a computation: the pool is what uses the cores.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # glibc's heaps of its own for each thread keep what another could use.
    "MALLOC_ARENA_MAX": "1",
}


class WorkerLost(EngineUnavailable):
    """It took the job with it; another one may do it."""


class Job(Generic[News]):
    """One piece of work at one worker."""

    def __init__(
        self,
        number: int,
        worker: _Worker[News],
        on_news: Callable[[News], None],
        on_lost: Callable[[EngineUnavailable], None],
        on_room: Callable[[], None] | None,
    ) -> None:
        self.number = number
        self._worker = worker
        self.on_news = on_news
        self.on_lost = on_lost
        self.on_room = on_room
        self._closed = False

    @property
    def congested(self) -> bool:
        """The worker does not keep up: hold back what may be dropped.

        ``on_room`` is called when that is over.
        """
        return self._worker.congested

    def send(self, message: msgspec.Struct) -> None:
        """Never waits; sends nothing after the end of the job."""
        if not self._closed:
            self._worker.write(frame(self.number, message))

    @property
    def is_alone(self) -> bool:
        """Its worker has no other job."""
        return len(self._worker.jobs) <= 1

    @property
    def worker_said(self) -> int:
        """How often its worker has said anything, to any job: the same number again is silence."""
        return self._worker.said

    def ask_for_a_sign(self) -> None:
        """Its worker says something soon, unless its process stands still."""
        if not self._closed:
            self._worker.write(SIGN)

    def silence(self) -> Silence:
        """Of its worker, from now on.  Reads files of the system: for once a turn, not a piece."""
        return Silence(self._worker)

    def replace_worker(self) -> bool:
        """It hangs: all its jobs are lost, this one too unless it was closed before.

        Returns whether that is so: one that is just starting is left in peace.
        """
        return self._worker.replace()

    def close(self) -> None:
        """Free the job's place; nothing is reported any more."""
        if not self._closed:
            self._closed = True
            self._worker.jobs.pop(self.number, None)


class _Worker(asyncio.SubprocessProtocol, Generic[News]):
    """One process, from its start to its end."""

    def __init__(self, name: str, decode: Callable[[bytes], News]) -> None:
        self.jobs: dict[int, Job[News]] = {}
        self.congested = False
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.exited: asyncio.Future[int] = loop.create_future()
        self._closed: asyncio.Future[None] = loop.create_future()
        self._name = name
        self._decode = decode
        self._frames = Frames()
        self._stderr = bytearray()
        self.said = 0
        """How often it said anything."""
        self._transport: asyncio.SubprocessTransport | None = None

    # What asyncio tells us.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._stderr += data
            del self._stderr[:-_STDERR_TAIL_BYTES]
            return
        try:
            for number, body in self._frames.feed(data):
                self._on_frame(number, body)
        except (BrokenWire, msgspec.DecodeError):
            _log.exception("%s worker %s: unreadable message", self._name, self.pid)
            self.kill()

    def _on_frame(self, number: int, body: bytes) -> None:
        self.said += 1
        if not body:
            if not self.ready.done():
                self.ready.set_result(None)
            return
        if job := self.jobs.get(number):
            job.on_news(self._decode(body))

    def pause_writing(self) -> None:
        self.congested = True

    def resume_writing(self) -> None:
        self.congested = False
        for job in list(self.jobs.values()):
            if job.on_room:
                job.on_room()

    def process_exited(self) -> None:
        assert self._transport
        code = self._transport.get_returncode()
        self.exited.set_result(-1 if code is None else code)
        if not self.ready.done():
            self.ready.cancel()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._closed.set_result(None)

    # What we do with it.

    @property
    def pid(self) -> int | None:
        return self._transport.get_pid() if self._transport else None

    @property
    def alive(self) -> bool:
        return not self.exited.done()

    def write(self, data: bytes) -> None:
        assert self._transport
        stdin = cast(asyncio.WriteTransport, self._transport.get_pipe_transport(0))
        if self.alive and stdin and not stdin.is_closing():
            stdin.write(data)

    def replace(self) -> bool:
        if not self.alive or not self.ready.done():
            return False
        _log.error("%s worker %s hangs: it is replaced", self._name, self.pid)
        self.kill()
        return True

    def fail_jobs(self, reason: str) -> None:
        jobs = list(self.jobs.values())
        self.jobs.clear()
        for job in jobs:
            job.close()
            job.on_lost(WorkerLost(self._name, reason, retry_after_s=1))

    def kill(self) -> None:
        if self._transport and self.alive:
            self._transport.kill()

    async def stop(self) -> None:
        """End of file first, then by force."""
        assert self._transport
        if stdin := self._transport.get_pipe_transport(0):
            stdin.close()
        await asyncio.wait([self.exited], timeout=_STOP_S)
        self.kill()
        await self.exited
        self._transport.close()

    async def last_words(self) -> str:
        """Where a dead worker's Python was, without what its exception said.

        An exception's message may quote what a person said.
        """
        await asyncio.wait([self._closed], timeout=_STOP_S)
        assert self._transport
        self._transport.close()
        text = self._stderr.decode(errors="replace")
        places = re.findall(r'File "[^"]*?([\w.]+)", line (\d+)', text)
        kinds = re.findall(r"^([\w.]*(?:Error|Exception|Exit))\b", text, re.MULTILINE)
        trail = " > ".join(f"{file}:{line}" for file, line in places[-4:])
        return f"{kinds[-1] if kinds else 'no Python error'} {trail}".strip()


class Silence:
    """Of a worker: it has said nothing, to any job, since this was made."""

    def __init__(self, worker: _Worker[Any]) -> None:
        self._worker = worker
        self._said = worker.said
        self._began_s = asyncio.get_running_loop().time()
        self._queued_s = queued_s(worker.pid or 0)

    @property
    def is_over(self) -> bool:
        return self._worker.said != self._said

    def left_s(self, patience_s: float) -> float:
        """How much longer it may last where one may last ``patience_s``; 0: the worker hangs.

        The time for which it could have run and others had the processor does not count, up to
        `STARVED_MAX_S`.
        """
        starved_s = max(queued_since(self._queued_s, queued_s(self._worker.pid or 0)), default=0.0)
        lasted_s = asyncio.get_running_loop().time() - self._began_s
        left_s = patience_s + min(starved_s, STARVED_MAX_S) - lasted_s
        return left_s if left_s > _NEXT_TO_NOTHING_S else 0.0


class WorkerPool(Generic[News]):
    """A fixed number of workers of one kind."""

    def __init__(
        self,
        name: str,
        module: str,
        news: Any,
        *,
        workers: int,
        jobs_per_worker: int,
        arguments: tuple[str, ...] = (),
        start_max_s: float = START_MAX_S,
    ) -> None:
        """``news``: the union of messages that a worker may send.  ``start_max_s``: how long the
        workers may take to get ready.
        """
        assert workers > 0
        assert jobs_per_worker > 0
        self._start_max_s = start_max_s
        self._name = name
        self._command = (sys.executable, "-m", module, *arguments)
        self._decode = cast(Callable[[bytes], News], msgspec.msgpack.Decoder(news).decode)
        self._places = [_Place[News]() for _ in range(workers)]
        self._jobs_per_worker = jobs_per_worker
        self._numbers = itertools.count(1)

    @property
    def pids(self) -> list[int]:
        """Of the workers that live, for operators and tests."""
        return [p.worker.pid for p in self._places if p.worker and p.worker.alive and p.worker.pid]

    async def start(self) -> None:
        """Start all workers and wait until they can work.

        Jobs may be opened as soon as the processes exist: they wait in the pipe.

        Raises:
            EngineUnavailable: a worker ended instead of getting ready, or takes too long.
        """
        await asyncio.gather(*(self._launch(place) for place in self._places))
        workers = [place.worker for place in self._places if place.worker]
        await asyncio.wait([worker.ready for worker in workers], timeout=self._start_max_s)
        if not all(worker.ready.done() for worker in workers):
            reason = f"its worker is not ready after {self._start_max_s:g} s"
            raise EngineUnavailable(self._name, reason)
        for place in self._places:
            place.keeper = asyncio.create_task(self._keep(place), name=f"{self._name} worker")
        for worker in workers:
            if worker.ready.cancelled():
                reason = f"its worker does not start: {await worker.last_words()}"
                raise EngineUnavailable(self._name, reason)

    def open(
        self,
        on_news: Callable[[News], None],
        on_lost: Callable[[EngineUnavailable], None],
        on_room: Callable[[], None] | None = None,
    ) -> Job[News]:
        """Begin a job at the worker that has the fewest.

        All callbacks run on the event loop.  After ``on_lost`` the job is over.

        Raises:
            EngineUnavailable: no worker lives, or all are full.
        """
        alive = [p.worker for p in self._places if p.worker and p.worker.alive]
        if not alive:
            raise EngineUnavailable(self._name, "no worker is running", retry_after_s=1)
        worker = min(alive, key=lambda w: len(w.jobs))
        if len(worker.jobs) >= self._jobs_per_worker:
            raise EngineUnavailable(
                self._name, f"all {len(alive)} workers are busy", retry_after_s=1
            )
        job = Job(next(self._numbers) & 0xFFFFFFFF, worker, on_news, on_lost, on_room)
        worker.jobs[job.number] = job
        return job

    async def aclose(self) -> None:
        """Stop all workers; jobs that are still open hear ``on_lost``."""
        keepers = [place.keeper for place in self._places if place.keeper]
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        workers = [place.worker for place in self._places if place.worker]
        for worker in workers:
            worker.fail_jobs("is shutting down")
        await asyncio.gather(*(worker.stop() for worker in workers))

    async def _launch(self, place: _Place[News]) -> None:
        _, place.worker = await asyncio.get_running_loop().subprocess_exec(
            lambda: _Worker(self._name, self._decode),
            *self._command,
            # A session of its own: the terminal's Ctrl-C and hang-up reach us alone.
            start_new_session=True,
            env={**os.environ, **_ENVIRONMENT},
        )

    async def _keep(self, place: _Place[News]) -> None:
        """Whenever the worker ends, fail its jobs and start another."""
        loop = asyncio.get_running_loop()
        deaths = 0
        while worker := place.worker:
            begin_s = loop.time()
            code = await asyncio.shield(worker.exited)
            worker.fail_jobs("its worker died")
            _log.error(
                "%s worker %s ended with %s: %s",
                self._name,
                worker.pid,
                code,
                await worker.last_words(),
            )
            deaths = 1 if loop.time() - begin_s > _STEADY_S else deaths + 1
            if deaths > 1:
                await asyncio.sleep(min(0.1 * 2**deaths, _LONGEST_PAUSE_S))
            try:
                await self._launch(place)
            except OSError:
                _log.exception("%s: no new worker process", self._name)


class _Place(Generic[News]):
    """Where one worker after another works."""

    def __init__(self) -> None:
        self.worker: _Worker[News] | None = None
        self.keeper: asyncio.Task[None] | None = None
