"""The console's page, by the names that a person sees."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Download, Locator, Page

from antiphon.server.console import BUILT
from tests import desk
from tests.browser.visitor import ARTIFACTS, TIMEOUT_S, Visitor, visiting

needs_console = pytest.mark.skipif(
    not (BUILT / "index.html").is_file(),
    reason="the console is not built: npm ci --prefix web && npm run build --prefix web",
)
WIDTHS = (390, 820, 1440, 1920)
TOOLS = '[{"name": "book_room", "description": "Book.", "result": "The old mill is yours."}]'


class Console:
    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.page: Page = visitor.page
        self.page.set_default_timeout(TIMEOUT_S * 1000)

    @asynccontextmanager
    async def settings(self) -> AsyncIterator[Locator]:
        """The drawer, open."""
        await self.page.get_by_role("button", name="Settings", exact=True).click()
        yield self.page.get_by_role("dialog", name="Settings")
        await self.page.get_by_role("button", name="Close Settings").click()

    async def give_desk(self) -> None:
        """The agent of desk.toml."""
        async with self.settings() as settings:
            await settings.get_by_label("Instructions").fill(desk.INSTRUCTIONS)
            await settings.get_by_label("Functions, each").fill(TOOLS)
            await settings.get_by_label("Functions, each").blur()

    async def start(self) -> None:
        await self.page.get_by_role("button", name="Start").click()

    async def end(self) -> None:
        await self.page.get_by_role("button", name="End", exact=True).click()
        await self.is_state("closed")

    async def is_state(self, state: str) -> None:
        await self.page.locator(f".antiphon-panel[data-state={state}]").wait_for()

    async def type(self, text: str) -> None:
        await self.page.get_by_label("Message").fill(text)
        await self.page.keyboard.press("Enter")

    async def hears(self, text: str) -> None:
        """The agent's last words are these."""
        words = "() => [...document.querySelectorAll('[data-role=assistant] .antiphon-words')]"
        await self.visitor.until(f"(text) => ({words})().at(-1)?.textContent === text", text)

    async def open(self, tab: str) -> Locator:
        await self.page.get_by_role("tab", name=tab).click()
        return self.page.get_by_role("tabpanel")

    def notice(self, kind: str) -> Locator:
        return self.page.locator(f".antiphon-notice[data-kind={kind}]")

    async def picture(self, name: str) -> None:
        await self.page.screenshot(path=ARTIFACTS / f"console-{name}.png")


@asynccontextmanager
async def console(url: str, *, before: str = "", complains: bool = False) -> AsyncIterator[Console]:
    async with visiting(f"{url}/", before=before, complains=complains) as visitor:
        yield Console(visitor)


async def look(shown: Console, name: str) -> AsyncIterator[str]:
    """The page in each width, by day and by night; each is kept as a picture."""
    for width in WIDTHS:
        await shown.page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            await shown.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            await shown.picture(f"{name}-{width}-{scheme}")
            yield f"{width}, {scheme}"


async def content(download: Download) -> bytes:
    return await asyncio.to_thread(Path(await download.path()).read_bytes)
