"""The console's page: what is served, built or not."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from antiphon.server.console import BUILT, Console
from antiphon.server.serve import listening

Open = Callable[[Path], Awaitable[str]]


@pytest.fixture
async def opened() -> AsyncIterator[Open]:
    """Serves a folder; returns the URL."""
    async with AsyncExitStack() as ending:

        async def open_(built: Path) -> str:
            app = web.Application()
            app.add_routes(Console(built).routes())
            return await ending.enter_async_context(listening(app))

        yield open_


async def test_the_built_page_is_served_with_its_assets(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "index-1a2b.js").write_text("export {}")
    (tmp_path / "index.html").write_text("<title>Console</title>")
    url = await opened(tmp_path)
    async with ClientSession() as client:
        async with client.get(url) as page:
            assert (page.status, page.content_type) == (200, "text/html")
            assert await page.text() == "<title>Console</title>"
            assert "microphone=(self)" in page.headers["Permissions-Policy"]
            assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
        async with client.get(f"{url}/assets/index-1a2b.js") as script:
            assert await script.text() == "export {}"
        async with client.get(f"{url}/assets/../index.html") as outside:
            assert outside.status == 404


async def test_a_page_that_was_not_built_says_what_to_do(tmp_path: Path, opened: Open) -> None:
    async with ClientSession() as client, client.get(await opened(tmp_path)) as page:
        assert page.status == 200
        assert "npm run build --prefix web" in await page.text()


@pytest.mark.skipif(not Console().is_built, reason="the console is not built: make run")
def test_the_page_can_be_served_under_a_path() -> None:
    page = (BUILT / "index.html").read_text()
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert addresses
    assert all(address.startswith("./") for address in addresses), addresses
