"""The server runs on uvloop, where that is installed; transports must do on both loops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest

from tests.recordings import at_24khz

ON_BOTH_LOOPS = {"test_calls", "test_websocket", "test_clock"}
"""What others ask of a loop these do too: those are tried on the server's."""


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
        "asyncio": asyncio.SelectorEventLoop
    }
    try:
        import uvloop
    except ImportError:
        return factories
    if item.path.stem not in ON_BOTH_LOOPS:
        factories.clear()
    return factories | {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def speech() -> bytes:
    """What the assistant says: two seconds."""
    return at_24khz("harvard_s2_4")
