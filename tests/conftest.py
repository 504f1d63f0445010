from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server_process import ServerProcess


@pytest.fixture(scope="session")
def offline_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One real server with the offline engine for all tests with real clients."""
    with ServerProcess(tmp_path_factory.mktemp("server")) as server:
        yield server
