"""Fixtures for pytest: a mock, a server, their clock and a caller (docs/guides/testing.md).

pytest loads this module wherever Antiphon is installed, so it imports nothing that costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from antiphon.engines.engine import Engine
    from antiphon.mock import Mock, MockScript
    from antiphon.testing import Caller
    from antiphon.testing.served import Served
    from antiphon.testing.stages import Clock, Stage


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("antiphon", "the Realtime API, for tests")
    group.addoption(
        "--antiphon-script",
        type=Path,
        metavar="FILE",
        help="what antiphon_mock says, unless a test has an antiphon_script of its own",
    )
    group.addoption(
        "--antiphon-fault",
        action="append",
        default=[],
        metavar="NAME",
        help="strikes each antiphon_mock once; may be repeated (antiphon mock --faults lists them)",
    )


@pytest.fixture
def antiphon_script(pytestconfig: pytest.Config) -> MockScript | Path | None:
    """What `antiphon_mock` says: a `MockScript` or the path of one.  To be overridden."""
    script: Path | None = pytestconfig.getoption("antiphon_script")
    return script


@pytest.fixture
def antiphon_engine() -> Engine:
    """Who answers in `antiphon_server`.  To be overridden."""
    from antiphon.engines.scripted import ScriptedEngine

    return ScriptedEngine()


@pytest.fixture
def antiphon_mock(
    _antiphon_stage: Stage, antiphon_script: MockScript | Path | None, pytestconfig: pytest.Config
) -> Mock:
    """A mock of the Realtime API; a new one for each test."""
    from antiphon.mock import mocking

    faults = pytestconfig.getoption("antiphon_fault")
    return _antiphon_stage.enter(mocking(antiphon_script, faults=faults))


@pytest.fixture
def antiphon_server(_antiphon_stage: Stage, antiphon_engine: Engine) -> Served:
    """A whole server with `antiphon_engine` behind it; a new one for each test."""
    from antiphon.testing import serving

    return _antiphon_stage.enter(serving(antiphon_engine))


@pytest.fixture
def antiphon_clock(_antiphon_stage: Stage) -> Clock:
    """The time of this test's mock and server."""
    return _antiphon_stage.clock


@pytest.fixture
def antiphon_caller() -> Callable[..., AbstractAsyncContextManager[Caller]]:
    """A client that types and speaks, of a mock or a server: `async with` it."""
    from antiphon.testing import calling

    return calling


@pytest.fixture
def _antiphon_stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    from antiphon.testing.stages import background, virtual
    from antiphon.testing.virtual_loop import is_in_virtual_time

    is_virtual = is_in_virtual_time(getattr(request.node, "obj", None))
    with virtual() if is_virtual else background() as stage:
        yield stage
