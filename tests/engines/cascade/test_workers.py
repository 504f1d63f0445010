from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.worker_wire import HEADER, BrokenWire, Frames, frame
from antiphon.engines.cascade.workers import Job, WorkerPool
from antiphon.errors import EngineUnavailable
from tests.engines.cascade.echo_worker import Echo, Echoed, Fail, Noise

ROOT = Path(__file__).parents[3]


def _pool(workers: int, jobs_per_worker: int, *arguments: str) -> WorkerPool[Echoed]:
    return WorkerPool(
        "echo",
        "tests.engines.cascade.echo_worker",
        Echoed,
        workers=workers,
        jobs_per_worker=jobs_per_worker,
        arguments=arguments,
    )


@pytest.fixture(autouse=True)
def _find_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool[Echoed]]:
    pool = _pool(2, 2)
    await pool.start()
    yield pool
    await pool.aclose()


class Ear:
    """Hears what a job says."""

    def __init__(self, pool: WorkerPool[Echoed]) -> None:
        self.inbox: asyncio.Queue[Echoed | EngineUnavailable] = asyncio.Queue()
        self.room = asyncio.Event()
        self.job: Job[Echoed] = pool.open(
            self.inbox.put_nowait, self.inbox.put_nowait, self.room.set
        )

    async def hear(self) -> Echoed | EngineUnavailable:
        async with asyncio.timeout(60):
            return await self.inbox.get()

    async def echo(self, text: str) -> Echoed:
        self.job.send(Echo(text))
        heard = await self.hear()
        assert isinstance(heard, Echoed)
        assert heard.text == text
        return heard


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - The pool announces no restart.
            await asyncio.sleep(0.005)


async def test_jobs_are_spread_over_the_workers(pool: WorkerPool[Echoed]) -> None:
    ears = [Ear(pool) for _ in range(4)]
    pids = [(await ear.echo(str(n))).pid for n, ear in enumerate(ears)]
    assert sorted(pids) == sorted(pool.pids * 2)


async def test_one_job_too_many_is_refused_until_another_ends(pool: WorkerPool[Echoed]) -> None:
    ears = [Ear(pool) for _ in range(4)]
    with pytest.raises(EngineUnavailable, match="all 2 workers are busy"):
        Ear(pool)
    ears[0].job.close()
    await Ear(pool).echo("room again")


async def test_a_closed_job_hears_nothing(pool: WorkerPool[Echoed]) -> None:
    ear, other = Ear(pool), Ear(pool)
    ear.job.send(Echo("unheard"))
    ear.job.close()
    ear.job.send(Echo("unsent"))
    await other.echo("a")
    await Ear(pool).echo("b")
    assert ear.inbox.empty()


async def test_what_a_library_prints_stays_out_of_the_wire(pool: WorkerPool[Echoed]) -> None:
    ear = Ear(pool)
    ear.job.send(Noise())
    await ear.echo("clear")


async def test_a_dead_worker_fails_its_jobs_alone_and_is_replaced(
    pool: WorkerPool[Echoed], caplog: pytest.LogCaptureFixture
) -> None:
    first, second = Ear(pool), Ear(pool)
    dead, alive = (await first.echo("a")).pid, (await second.echo("b")).pid
    with caplog.at_level(logging.ERROR):
        first.job.send(Fail("SECRET"))
        assert isinstance(await first.hear(), EngineUnavailable)
        await _until(lambda: len(pool.pids) == 2)
    assert (await second.echo("c")).pid == alive
    assert dead not in pool.pids
    fresh = [await Ear(pool).echo(str(n)) for n in range(2)]
    assert alive not in {f.pid for f in fresh[:1]}
    assert "ValueError" in caplog.text
    assert "SECRET" not in caplog.text, "an exception may quote what a person said"


async def test_a_worker_that_does_not_start_is_said_so_without_its_words() -> None:
    pool = _pool(1, 1, "--fail-at-start")
    with pytest.raises(EngineUnavailable, match=r"does not start: RuntimeError .*echo_worker") as e:
        await pool.start()
    assert "SECRET" not in str(e.value)
    await pool.aclose()


async def test_a_worker_that_never_gets_ready_is_not_waited_for() -> None:
    pool = WorkerPool[Echoed](
        "echo",
        "tests.engines.cascade.echo_worker",
        Echoed,
        workers=1,
        jobs_per_worker=1,
        arguments=("--hang-at-start",),
        start_max_s=0.01,
    )
    with pytest.raises(EngineUnavailable, match=r"its worker is not ready after 0\.01 s"):
        await pool.start()
    pids = pool.pids
    await pool.aclose()
    assert pids
    assert not pool.pids


async def test_nothing_can_be_opened_before_the_start() -> None:
    with pytest.raises(EngineUnavailable, match="no worker is running"):
        Ear(_pool(1, 1))


async def test_closing_ends_all_processes_and_tells_open_jobs(pool: WorkerPool[Echoed]) -> None:
    ear = Ear(pool)
    pids = pool.pids
    watched = [os.pidfd_open(pid) for pid in pids]
    await pool.aclose()
    assert isinstance(await ear.hear(), EngineUnavailable)
    for fd in watched:
        assert select.select([fd], [], [], 0)[0], "the process has ended"
        os.close(fd)
    for pid in pids:
        assert str(pid) not in os.listdir("/proc"), "no zombie either"


async def test_a_worker_that_does_not_read_congests_its_jobs(pool: WorkerPool[Echoed]) -> None:
    ear = Ear(pool)
    pid = (await ear.echo("a")).pid
    os.kill(pid, signal.SIGSTOP)
    for _ in range(20):
        ear.job.send(Echo("x" * 2**16))
    assert ear.job.congested
    assert not ear.room.is_set()
    os.kill(pid, signal.SIGCONT)
    async with asyncio.timeout(60):
        await ear.room.wait()
    assert not ear.job.congested


async def test_an_interrupt_from_the_terminal_is_not_for_workers(pool: WorkerPool[Echoed]) -> None:
    ear = Ear(pool)
    pid = (await ear.echo("a")).pid
    assert os.getsid(pid) != os.getsid(0)
    os.kill(pid, signal.SIGINT)
    assert (await ear.echo("b")).pid == pid


ORPHANS = """
import asyncio, sys
from tests.engines.cascade.echo_worker import Echoed
from antiphon.engines.cascade.workers import WorkerPool

async def main():
    worker = "tests.engines.cascade.echo_worker"
    pool = WorkerPool("echo", worker, Echoed, workers=2, jobs_per_worker=1)
    await pool.start()
    print(*pool.pids, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_no_worker_outlives_a_parent_that_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", ORPHANS], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout
        watched = [os.pidfd_open(int(pid)) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(watched) == 2
    for fd in watched:
        assert select.select([fd], [], [], 5)[0], "the worker has ended"
        os.close(fd)


@given(st.lists(st.text(max_size=40), max_size=8), st.data())
def test_frames_survive_any_cut(texts: list[str], data: st.DataObject) -> None:
    stream = b"".join(frame(n, Echo(text)) for n, text in enumerate(texts))
    frames, found, at = Frames(), [], 0
    while at < len(stream):
        end = data.draw(st.integers(at + 1, len(stream)))
        found += list(frames.feed(stream[at:end]))
        at = end
    assert found == [(n, frame(n, Echo(text))[HEADER.size :]) for n, text in enumerate(texts)]


def test_a_length_that_cannot_be_is_a_broken_wire() -> None:
    with pytest.raises(BrokenWire):
        list(Frames().feed(b"HTTP/1.1 400 Bad Request"))
