from __future__ import annotations

import asyncio
import signal
from typing import Any

from antiphon.server.serve import StopSignals


class WindowsLoop(asyncio.SelectorEventLoop):
    """It takes no signal handlers (https://docs.python.org/3/library/asyncio-platforms.html)."""

    def add_signal_handler(self, *_: Any) -> None:  # type: ignore[override]
        raise NotImplementedError

    def remove_signal_handler(self, sig: int) -> bool:
        raise NotImplementedError


def test_on_windows_ctrl_c_asks_to_go_too() -> None:
    async def main() -> None:
        stop = StopSignals()
        with stop.installed():
            signal.raise_signal(signal.SIGINT)
            await asyncio.wait_for(stop.first.wait(), 5)
            assert not stop.second.is_set()
            signal.raise_signal(signal.SIGTERM)
            await asyncio.wait_for(stop.second.wait(), 5)

    before = signal.getsignal(signal.SIGTERM)
    with asyncio.Runner(loop_factory=WindowsLoop) as runner:
        runner.run(main())
    assert signal.getsignal(signal.SIGTERM) == before
