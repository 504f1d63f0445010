from __future__ import annotations

import gc
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aioice.ice
import hypothesis
import pytest
import pytest_asyncio
from hypothesis.internal.conjecture import engine as shrinking

from antiphon.server.self_signed import LOCAL_NAMES, Files, write_self_signed
from tests.server_process import KEY, ServerProcess

THERE_BEFORE = pytest.StashKey[frozenset[str]]()
DEEP = os.environ.get("ANTIPHON_LAWS") == "deep"
"""Laws look longer, and at random; otherwise each run tries the same examples."""

hypothesis.settings.register_profile(
    "each change", max_examples=50, derandomize=True, database=None, deadline=None
)
hypothesis.settings.register_profile("deep", max_examples=2_000, database=None, deadline=None)
hypothesis.settings.load_profile("deep" if DEEP else "each change")
shrinking.MAX_SHRINKING_SECONDS = 30  # Five minutes for each law would hide what else failed.

YOUNG_OBJECTS = 10_000
"""As in a server: a collector that looks at each 700 takes a tenth of the tests' time."""
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    # As `nohup` has it: what is started from here would ignore it too, and never reload.
    signal.signal(signal.SIGHUP, lambda *_: None)
gc.disable()  # Until all tests are collected, which stay to the end.


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
    gc.enable()


def _seen(folder: Path) -> frozenset[str]:
    """What is there; caches of tools are hidden, and pictures of pages are meant to be left."""
    names = {path.name for path in folder.iterdir()} - {"out"}
    return frozenset(name for name in names if not name.startswith("."))


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[THERE_BEFORE] = _seen(session.config.rootpath)


def pytest_sessionfinish(session: pytest.Session) -> None:
    there_before = session.config.stash[THERE_BEFORE]
    left = _seen(session.config.rootpath) - there_before
    if left and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print(f"\nTests left these in the working folder: {', '.join(sorted(left))}")  # noqa: T201


@pytest.fixture
def local_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiortc's peers here offer this machine's loopback alone: aioice takes no word for it."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: ["127.0.0.1"])


@pytest.fixture(scope="session")
def offline_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One real server with the offline engine for all tests with real clients."""
    with ServerProcess(
        tmp_path_factory.mktemp("server"),
        ANTIPHON_WEBRTC_HOST_ADDRESSES="127.0.0.1",  # Calls need no network beyond this machine.
    ) as server:
        yield server


@pytest.fixture(scope="session")
def keyed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a key, so that pages need secrets."""
    folder = tmp_path_factory.mktemp("keyed_server")
    with ServerProcess(folder, ANTIPHON_API_KEYS=KEY) as server:
        yield server


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Of a server on this machine, signed by itself."""
    return write_self_signed(tmp_path_factory.mktemp("tls"), LOCAL_NAMES)


@pytest.fixture(scope="session")
def tls_server(
    tmp_path_factory: pytest.TempPathFactory, certificate: Files
) -> Iterator[ServerProcess]:
    """As `offline_server`, over https and wss."""
    with ServerProcess(
        tmp_path_factory.mktemp("tls_server"),
        ANTIPHON_TLS_CERT=str(certificate.certificate),
        ANTIPHON_TLS_KEY=str(certificate.key),
    ) as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[None]:
    """Every page of these tests opens in one browser; the tests run on its loop."""
    from tests.browser.chromium import starting

    async with starting():
        yield
