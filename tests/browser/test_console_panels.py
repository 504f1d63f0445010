"""What the console has beside the conversation: code, transcripts, a test of the microphone."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.browser.console_page import console, content, look, needs_console
from tests.browser.visitor import NEEDS_CHROMIUM
from tests.server_process import ServerProcess

pytestmark = [*NEEDS_CHROMIUM, needs_console]
NODE_CLIENTS = Path(__file__).parents[1] / "clients" / "node"
PROGRAM_TIMEOUT_S = 60


async def output_of(*command: str, cwd: Path) -> str:
    """What a program prints that ends well."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), PROGRAM_TIMEOUT_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, out.decode()
    return out.decode()


@pytest.mark.parametrize("language", ["Python", "JavaScript"])
async def test_the_code_runs_with_an_official_client(
    offline_server: ServerProcess, tmp_path: Path, language: str
) -> None:
    if language == "JavaScript" and not (NODE_CLIENTS / "node_modules").is_dir():
        pytest.skip("the SDKs are absent: npm ci --ignore-scripts --prefix tests/clients/node")
    async with console(offline_server.url) as shown:
        async with shown.settings() as settings:
            await settings.get_by_label("Instructions").fill('Say exactly: "Settings and all."')
            await settings.get_by_role("button", name="Use the example").click()
            await settings.get_by_label("When the agent answers").select_option("push_to_talk")
        await shown.page.get_by_role("button", name="Code", exact=True).click()
        drawer = shown.page.get_by_role("dialog", name="Code")
        await drawer.get_by_role("button", name=language).click()
        await shown.picture(f"code-{language.lower()}")
        code = await drawer.locator("pre").inner_text()
    if language == "Python":
        (tmp_path / "program.py").write_text(code)
        said = await output_of(sys.executable, "program.py", cwd=tmp_path)
        assert (tmp_path / "answer.wav").stat().st_size > 24_000, "half a second of speech"
    else:
        (tmp_path / "node_modules").symlink_to(NODE_CLIENTS / "node_modules")
        (tmp_path / "program.mjs").write_text(code)
        node = shutil.which("node")
        assert node is not None
        said = await output_of(node, "program.mjs", cwd=tmp_path)
    assert said.strip() == "Settings and all."


async def test_the_code_is_copied(offline_server: ServerProcess) -> None:
    async with console(offline_server.url) as shown:
        await shown.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await shown.page.get_by_role("button", name="Code", exact=True).click()
        await shown.page.get_by_role("button", name="Copy").click()
        await shown.page.get_by_text("Copied").wait_for()
        copied = await shown.visitor.run("() => navigator.clipboard.readText()")
        assert copied.startswith("# pip install")


async def test_one_clicks_what_to_say_saves_it_and_begins_anew(
    offline_server: ServerProcess,
) -> None:
    async with console(offline_server.url) as shown:
        await shown.page.get_by_text("no language model").wait_for()
        await shown.page.get_by_role("button", name="What is seventeen times four?").click()
        await shown.hears("Seventeen times four is sixty eight.")

        await shown.page.get_by_role("button", name="Save transcript").click()
        async with shown.page.expect_download() as downloading:
            await shown.page.get_by_role("button", name="As text").click()
        text = await content(await downloading.value)
        assert text.decode().splitlines() == [
            "You: What is seventeen times four?",
            "Agent: Seventeen times four is sixty eight.",
        ]
        await shown.page.get_by_role("button", name="Save transcript").click()
        async with shown.page.expect_download() as downloading:
            await shown.page.get_by_role("button", name="As JSON").click()
        items = json.loads(await content(await downloading.value))
        assert [item["role"] for item in items] == ["user", "assistant"]

        await shown.page.get_by_role("button", name="New conversation").click()
        await shown.is_state("listening")
        await shown.page.get_by_text("You could say").wait_for()
        assert await shown.page.locator("[data-role]").count() == 0
        await shown.end()


async def test_the_microphone_is_tested(offline_server: ServerProcess) -> None:
    async with console(offline_server.url) as shown, shown.settings() as settings:
        await settings.get_by_role("button", name="Test microphone").click()
        await settings.get_by_text("Say something…").wait_for()
        await shown.visitor.speak("cmd_today")
        await settings.get_by_text("Playing it back…").wait_for()
        await settings.get_by_text("The microphone works").wait_for()
        await settings.get_by_role("button", name="Test microphone").click()
        await settings.get_by_text("Hardly a sound came").wait_for()


async def test_drawers_by_keyboard(offline_server: ServerProcess) -> None:
    async with console(offline_server.url) as shown:
        opener = shown.page.get_by_role("button", name="Settings", exact=True)
        await opener.focus()
        await shown.page.keyboard.press("Enter")
        drawer = shown.page.get_by_role("dialog", name="Settings")
        await drawer.wait_for()
        within = "() => document.activeElement.closest('dialog')?.ariaLabel"
        assert await shown.visitor.run(within) == "Settings"
        await shown.page.keyboard.press("Escape")
        await drawer.wait_for(state="hidden")
        assert await opener.evaluate("(button) => button === document.activeElement")

        await opener.click()
        await shown.page.get_by_role("button", name="Code", exact=True).click()
        await drawer.wait_for(state="hidden")
        code = shown.page.get_by_role("dialog", name="Code")
        await code.get_by_role("button", name="Copy").click()
        await code.get_by_role("button", name="Close Code").click()
        await code.wait_for(state="hidden")


async def test_it_fits(offline_server: ServerProcess) -> None:
    """No page scrolls, and panels side by side are equally high."""
    over = """() => {
      const { scrollWidth, scrollHeight } = document.documentElement;
      return [scrollWidth - innerWidth, scrollHeight - innerHeight];
    }"""
    heights = "() => [...document.querySelectorAll('main > section')].map((p) => p.clientHeight)"
    async with console(offline_server.url) as shown:
        await shown.page.get_by_role("button", name="Tell me a story.").wait_for()
        async for _ in look(shown, "opening"):
            pass
        await shown.type("Tell me a story.")
        await shown.page.locator("[data-role=assistant]").wait_for()
        async for looked in look(shown, "told"):
            assert await shown.visitor.run(over) == [0, 0], looked
            assert len(set(await shown.visitor.run(heights))) == 1, looked


async def test_words_appear_while_one_speaks(offline_server: ServerProcess) -> None:
    async with console(offline_server.url) as shown:
        await shown.start()
        await shown.is_state("listening")
        # Until the turn is over its line is `data-partial`: what stands there stood there before.
        speaking = asyncio.create_task(shown.visitor.speak("brooklyn_padded"))
        await shown.visitor.until(
            "() => document.querySelector('[data-role=user][data-partial] .antiphon-words')"
            "?.textContent.length > 8"
        )
        await shown.picture("partial")
        await speaking
        await shown.page.locator("[data-role=user]:not([data-partial])").wait_for()
        await shown.end()
