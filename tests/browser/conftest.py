from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.browser.site import KEY, Site
from tests.server_process import ServerProcess


@pytest.fixture(scope="session")
def keyed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a key, so that pages need secrets."""
    folder = tmp_path_factory.mktemp("keyed_server")
    with ServerProcess(folder, ANTIPHON_API_KEYS=KEY) as server:
        yield server


@pytest.fixture
async def site(keyed_server: ServerProcess) -> AsyncIterator[Site]:
    async with Site(keyed_server).open() as site:
        yield site
