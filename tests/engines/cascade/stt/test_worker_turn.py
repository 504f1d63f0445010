"""What becomes of a turn whose worker fails: a real process that does as it is told."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.engines.cascade.parts import Transcript
from antiphon.engines.cascade.stt.wire import Audio, Heard, Trouble
from antiphon.engines.cascade.stt.worker_turn import WorkerTurn
from antiphon.engines.cascade.workers import WorkerPool

ROOT = Path(__file__).parents[4]
SOUND = Audio(bytes(4_800))
Pool = WorkerPool[Heard | Trouble]


@pytest.fixture
async def pool(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    module = "tests.engines.cascade.stt.stand_in_worker"
    pool: Pool = WorkerPool("ears", module, Heard | Trouble, workers=1, jobs_per_worker=4)
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
    assert (await heard(pool, 0.01)).text == "hello"


async def test_a_worker_that_dies_takes_the_turn_with_it(pool: Pool) -> None:
    [pid] = pool.pids
    os.kill(pid, signal.SIGSTOP)
    asyncio.get_running_loop().call_soon(os.kill, pid, signal.SIGKILL)
    assert (await heard(pool)).problem == "the recogniser ears was lost in this turn"
