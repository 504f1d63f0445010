from __future__ import annotations

import asyncio
import time

import pytest

from antiphon.testing import run_in_virtual_time


def test_an_hour_takes_no_time() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await asyncio.sleep(3600)
        return loop.time() - begun

    real = time.monotonic()
    assert run_in_virtual_time(main()) == pytest.approx(3600)
    assert time.monotonic() - real < 5


def test_timers_come_in_order() -> None:
    async def main() -> list[int]:
        came: list[int] = []

        async def after(seconds: int) -> None:
            await asyncio.sleep(seconds)
            came.append(seconds)

        await asyncio.gather(after(3), after(1), after(2))
        return came

    assert run_in_virtual_time(main()) == [1, 2, 3]


def test_timeouts_work() -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await asyncio.sleep(11)

    run_in_virtual_time(main())


def test_waiting_for_nothing_is_an_error_and_not_for_ever() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="no deadline will ever wake"):
        run_in_virtual_time(main())
