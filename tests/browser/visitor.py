"""Someone at a page, in headless Chromium."""

from __future__ import annotations

import base64
import os
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from playwright.async_api import ConsoleMessage, Page

from antiphon.audio.resample import Resampler
from tests.browser.chromium import CHROMIUM, a_chromium
from tests.browser.site import PAGES
from tests.recordings import at_16khz, wav

TIMEOUT_S = 60
"""For one thing to come: a busy machine is no failure."""
ARTIFACTS = Path(__file__).parents[2] / "out" / "browser"
"""Where a page that failed leaves its picture."""

ATTEMPTS = 4
OVER_MS = 4_000
"""What has not grown for so long is the whole of an answer."""
UNHEARD_MS = 20_000
"""To what has no answer by then none will come: it was not heard."""
BEFORE = """([lines, unheard]) => {
    window.shown = document.querySelector(lines).innerText;
    window.grewAt = performance.now() + unheard;
}"""
ANSWERED = """([lines, agents, wanted]) => {
    const list = document.querySelector(lines);
    if (list.innerText !== window.shown)
        [window.shown, window.grewAt] = [list.innerText, performance.now()];
    if ([...list.querySelectorAll(agents)].at(-1)?.textContent.includes(wanted)) return 'wanted';
    const isAnswer = list.querySelector(`${agents}:last-child`) !== null;
    return isAnswer && performance.now() - window.grewAt > OVER_MS && 'another';
}""".replace("OVER_MS", str(OVER_MS))
"""Whether what is wanted is said, or something else has been."""

Test = TypeVar("Test", bound=Callable[..., Any])
NEEDS_CHROMIUM = (
    pytest.mark.skipif(
        CHROMIUM is None, reason="Chromium is absent: apt-get install chromium (or set CHROMIUM)"
    ),
    pytest.mark.usefixtures("chromium"),
    pytest.mark.asyncio(loop_scope="session"),  # The browser's, which outlives a test.
)


def needs_chromium(test: Test) -> Test:
    for mark in NEEDS_CHROMIUM:
        test = mark(test)
    return test


class Visitor:
    """Sees what the page shows, and speaks into its microphone."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def run(self, expression: str, argument: Any = None) -> Any:
        """What an expression of the page's own comes to."""
        return await self.page.evaluate(expression, argument)

    async def until(self, expression: str, argument: Any = None) -> Any:
        """Wait until it comes to something true."""
        handle = await self.page.wait_for_function(
            expression, arg=argument, timeout=TIMEOUT_S * 1000, polling=20
        )
        return await handle.json_value()

    async def speak(self, clip: str, part_s: tuple[float, float] | None = None) -> None:
        """Say a recording, or a part of it, once the page listens; returns when it is said."""
        await self.until("() => window.microphone?.isOpen")
        await self.keep("recording", clip, part_s)
        await self.run("() => window.microphone.say(window.recording)")

    async def say(self, clip: str, *, lines: str, agents: str, hears: str) -> None:
        """Say a recording until it is understood: a busy machine's microphone has gaps.

        Args:
            clip: of the recordings.
            lines: selects the list of what was said.
            agents: selects its lines that are the agent's.
            hears: what the agent says, among else, to one whom it has understood.
        """
        for _ in range(ATTEMPTS):
            await self.run(BEFORE, [lines, UNHEARD_MS])
            await self.speak(clip)
            if await self.until(ANSWERED, [lines, agents, hears]) == "wanted":
                return
        shown = await self.page.locator(lines).inner_text()
        raise AssertionError(f"{clip} was not understood: {shown}")

    async def keep(self, name: str, clip: str, part_s: tuple[float, float] | None = None) -> None:
        """Give the page a recording, as a variable that `microphone.say` takes."""
        recording = base64.b64encode(wav(clip, part_s)).decode()
        await self.run("([name, recording]) => { window[name] = recording; }", [name, recording])

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)


@asynccontextmanager
async def visiting(
    url: str, *, microphone: Path | None = None, complains: bool = False, before: str = ""
) -> AsyncIterator[Visitor]:
    """Open a page.

    Args:
        url: of the page.
        microphone: a WAV file for Chromium's own fake microphone, which plays it once, from
            when the page first listens.  None: one that `Visitor.speak` speaks into.
        complains: whether the page may log errors; where not, one fails the test.
        before: a script that runs before the page's own.
    """
    async with a_chromium() as chromium, chromium.page(microphone) as page:
        if microphone is None:
            await page.add_init_script(path=PAGES / "microphone.js")
        if before:
            await page.add_init_script(before)
        visitor = Visitor(page)
        try:
            await page.goto(url)
            yield visitor
        except BaseException:
            await _keep_picture(page)
            raise
        assert complains or not visitor.complaints, visitor.complaints


async def _keep_picture(page: Page) -> None:
    test = os.environ.get("PYTEST_CURRENT_TEST", "page").partition(" ")[0]
    name = test.rpartition("::")[2].replace("/", "-")
    if not page.is_closed():
        await page.screenshot(path=ARTIFACTS / f"{name}.png")


def microphone_file(folder: Path, clip: str, *, before_s: float, after_s: float) -> Path:
    """A recording as Chromium's fake microphone takes it: 48 kHz, silence around it."""
    resampler = Resampler(16_000, 48_000)
    said = resampler.process(at_16khz(clip).tobytes()) + resampler.flush()
    silence = np.random.default_rng(1).integers(-4, 5, 48_000).astype("<i2").tobytes()
    path = folder / f"{clip}.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        for seconds, sound in ((before_s, silence), (0.0, said), (after_s, silence)):
            for _ in range(round(seconds)):
                file.writeframes(sound)
            if not seconds:
                file.writeframes(sound)
    return path
