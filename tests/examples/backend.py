"""An example's backend, in this process, with a browser before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from playwright.async_api import Page, ViewportSize

from antiphon.server.serve import listening
from examples.serving import CLIENT
from tests.browser.visitor import ARTIFACTS

DESKTOP = ViewportSize(width=1280, height=720)
PHONE = ViewportSize(width=390, height=844)

needs_client = pytest.mark.skipif(
    not (CLIENT / "index.js").is_file(),
    reason="the client for pages is not built: npm ci --prefix web && npm run build --prefix web",
)


@asynccontextmanager
async def backend(app: web.Application) -> AsyncIterator[str]:
    """Serve it; gives its address."""
    async with listening(app) as url:
        yield url.replace("127.0.0.1", "localhost")


async def take_pictures(page: Page, name: str) -> None:
    """On a desk, by night and on a phone; kept in out/browser, to be looked at."""
    await page.screenshot(path=ARTIFACTS / f"{name}.png")
    await page.emulate_media(color_scheme="dark")
    await page.screenshot(path=ARTIFACTS / f"{name}-night.png")
    await page.emulate_media(color_scheme="light")
    await page.set_viewport_size(PHONE)
    await page.screenshot(path=ARTIFACTS / f"{name}-phone.png")
    await page.set_viewport_size(DESKTOP)
