from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.arrangements import arrangement
from tests.browser.site import Site
from tests.server_process import ServerProcess

__all__ = ["arrangement", "site"]


@pytest_asyncio.fixture(loop_scope="session")
async def site(keyed_server: ServerProcess) -> AsyncIterator[Site]:
    async with Site(keyed_server).open() as site:
        yield site
