"""Headless Chromium: one for all the pages of a test run, each with a profile of its own.

To start it, and Node.js that drives it, takes two seconds of a processor: more than most tests.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Page, Playwright, async_playwright

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
OFF = (
    # What the address bar would open, though nobody sees it: two pages that take more of a
    # processor than those that are tested.
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    # As Playwright has them, whose list this one takes the place of.
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
)
FLAGS = (
    f"--disable-features={','.join(OFF)}",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)


class Chromium:
    """As `starting` gives it."""

    def __init__(self, playwright: Playwright) -> None:
        self.loop = asyncio.get_running_loop()
        self._playwright = playwright
        self._browser: Browser | None = None

    @asynccontextmanager
    async def page(self, microphone: Path | None) -> AsyncIterator[Page]:
        """One that shares nothing with any other.

        Args:
            microphone: what Chromium's own microphone plays.  It is the browser's, not the
                page's: such a page gets a browser of its own.
        """
        if microphone is None:
            if self._browser is None or not self._browser.is_connected():
                self._browser = await self._launch()
            context = await self._browser.new_context(reduced_motion="reduce")
            try:
                yield await context.new_page()
            finally:
                await context.close()
            return
        browser = await self._launch(f"--use-file-for-fake-audio-capture={microphone}%noloop")
        try:
            yield await browser.new_page()
        finally:
            await browser.close()

    async def close(self) -> None:
        if self._browser is not None:
            await self._browser.close()

    async def _launch(self, *flags: str) -> Browser:
        return await self._playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, *flags]
        )


_running: list[Chromium] = []


@asynccontextmanager
async def starting() -> AsyncIterator[Chromium]:
    """While it lasts, `a_chromium` is this one, for all on this event loop."""
    async with async_playwright() as playwright:
        chromium = Chromium(playwright)
        _running.append(chromium)
        try:
            yield chromium
        finally:
            _running.remove(chromium)
            await chromium.close()


@asynccontextmanager
async def a_chromium() -> AsyncIterator[Chromium]:
    """The one that runs on this event loop, or else one of its own."""
    for chromium in _running:
        if chromium.loop is asyncio.get_running_loop():
            yield chromium
            return
    async with starting() as chromium:
        yield chromium
