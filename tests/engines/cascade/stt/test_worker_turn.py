"""What becomes of a turn whose worker fails: a real process that does as it is told."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from antiphon.engines.cascade.parts import Transcript
from antiphon.engines.cascade.stt.wire import Audio, Heard, Trouble
from antiphon.engines.cascade.stt.worker_turn import WorkerTurn
from antiphon.engines.cascade.workers import WorkerPool

ROOT = Path(__file__).parents[4]
SOUND = Audio(bytes(4_800))
Pool = WorkerPool[Heard | Trouble]


def made(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Pool:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    module = "tests.engines.cascade.stt.stand_in_worker"
    return WorkerPool(
        "ears", module, Heard | Trouble, workers=1, jobs_per_worker=4, arguments=arguments
    )


@pytest.fixture
async def pool(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    pool = made(monkeypatch)
    await pool.start()
    yield pool
    await pool.aclose()


async def heard(pool: Pool, sign_of_life_s: float = 5.0) -> Transcript:
    told: asyncio.Future[Transcript] = asyncio.get_running_loop().create_future()
    turn = WorkerTurn("ears", pool, told.set_result, SOUND, sign_of_life_s=sign_of_life_s)
    turn.feed(SOUND.pcm)
    turn.finish()
    return await asyncio.wait_for(told, 60)


async def test_what_a_worker_could_not_hear_is_told_with_the_rest(pool: Pool) -> None:
    assert await heard(pool) == Transcript("hello", final=True, lost_s=1.5)


async def test_a_worker_that_stands_still_is_replaced_and_the_turn_is_lost(pool: Pool) -> None:
    [pid] = pool.pids
    os.kill(pid, signal.SIGSTOP)
    lost = await heard(pool, 0.1)
    assert lost.problem == "the recogniser ears was lost in this turn"
    async with asyncio.timeout(60):
        while not pool.pids:  # noqa: ASYNC110 - The pool announces no restart.
            await asyncio.sleep(0.01)
    assert pool.pids != [pid]
    # The new one is starting, for longer than that: it is left in peace.
    assert (await heard(pool, 0.05)).text == "hello"


async def test_a_worker_that_stands_still_after_a_sign_is_replaced_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = made(monkeypatch, "stops")
    await pool.start()
    assert (await heard(pool, 0.1)).problem == "the recogniser ears was lost in this turn"
    await pool.aclose()


async def test_a_worker_that_dies_takes_the_turn_with_it(pool: Pool) -> None:
    [pid] = pool.pids
    os.kill(pid, signal.SIGSTOP)
    asyncio.get_running_loop().call_soon(os.kill, pid, signal.SIGKILL)
    assert (await heard(pool)).problem == "the recogniser ears was lost in this turn"


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the system does not tell")
async def test_a_worker_that_others_starve_is_not_taken_for_one_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = made(monkeypatch, str(16_000_000))
    await pool.start()
    [pid] = pool.pids
    told: asyncio.Future[Transcript] = asyncio.get_running_loop().create_future()
    with crowded(pid, others=5):
        turn = WorkerTurn("ears", pool, told.set_result, SOUND, sign_of_life_s=1.2)
        begun_s = ran_s(pid)
        async with asyncio.timeout(60):
            while ran_s(pid) < begun_s + 0.03:  # noqa: ASYNC110 - It is at work, and hears nothing.
                await asyncio.sleep(0.01)
        turn.finish()
        # What takes half a second takes three, in a sixth of a processor.
        transcript = await asyncio.wait_for(told, 60)
    await pool.aclose()
    assert (transcript.text, transcript.problem) == ("hello", "")


def ran_s(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


@contextmanager
def crowded(pid: int, *, others: int) -> Iterator[None]:
    """That process shares one processor with so many others that never rest."""
    processor = min(os.sched_getaffinity(pid))
    os.sched_setaffinity(pid, {processor})
    burn = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]
    # Linux shares a processor among sessions first, and the worker has one of its own.
    burning = [
        subprocess.Popen(burn, stdout=subprocess.PIPE, start_new_session=True)
        for _ in range(others)
    ]
    try:
        for other in burning:
            assert other.stdout
            other.stdout.readline()
            os.sched_setaffinity(other.pid, {processor})
        yield
    finally:
        for other in burning:
            other.kill()
            other.communicate()
