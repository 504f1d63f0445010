"""The console's page of conversations: who is live, what was said, and going on with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from antiphon.engines.scripted import ScriptedEngine
from antiphon.testing import serving
from tests.browser.console_page import console, look, needs_console
from tests.browser.visitor import NEEDS_CHROMIUM
from tests.server_process import KEY, ServerProcess

pytestmark = [*NEEDS_CHROMIUM, needs_console]
SUM, ITS_ANSWER = "What is seventeen times four?", "Seventeen times four is sixty eight."


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that keeps what these alone say to it."""
    folder = tmp_path_factory.mktemp("keeper")
    with ServerProcess(folder, ANTIPHON_JOURNAL_RETENTION="items+audio") as server:
        yield server


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
async def test_one_finds_a_conversation_and_goes_on(keeper: ServerProcess, transport: str) -> None:
    async with console(keeper.url) as shown:
        async with shown.settings() as settings:
            await settings.get_by_label("Transport", exact=True).select_option(transport)
        await shown.type(SUM)
        await shown.hears(ITS_ANSWER)
        to_conversations = shown.page.get_by_role("button", name="Conversations", exact=True)
        await to_conversations.click()
        live = shown.page.locator(".live li")
        await live.get_by_text("1 connection").wait_for()
        await to_conversations.click()
        await shown.hears(ITS_ANSWER)
        await shown.end()

        await to_conversations.click()
        await shown.page.get_by_text("Nobody is connected.").wait_for()
        search = shown.page.get_by_label("Search")
        await search.fill("zebra")
        await shown.page.get_by_text("Nothing that was read").wait_for()
        await search.fill("SIXTY")
        await shown.page.get_by_role("button", name=SUM).click()
        past = shown.page.get_by_role("region", name=SUM)
        await past.get_by_text(ITS_ANSWER).first.wait_for()
        await shown.picture(f"conversations-{transport}")
        await past.get_by_role("button", name="Go on from here").click()

        await shown.page.get_by_label("Message").wait_for()
        await shown.hears(ITS_ANSWER)
        await shown.type("What is two times two?")
        await shown.hears("Two times two is four.")
        assert await shown.page.locator("[data-role]").count() == 4
        assert await shown.page.locator("[data-role=assistant] s").count() == 0
        assert await shown.page.get_by_role("alert").count() == 0
        await shown.end()

        await to_conversations.click()
        await shown.page.get_by_text("Nobody is connected.").wait_for()
        await shown.page.get_by_role("button", name=SUM).click()
        assert await shown.page.locator(".kept li").count() == 1, "the same one went on"
        await past.get_by_text("Two times two is four.").first.wait_for()
        await past.get_by_role("button", name="Erase", exact=True).click()
        await past.get_by_role("button", name="Erase it").click()
        await shown.page.get_by_text("Conversations appear here").wait_for()


async def test_who_has_no_key_sees_nothing(keyed_server: ServerProcess) -> None:
    async with console(keyed_server.url, complains=True) as shown:
        await shown.page.get_by_role("button", name="Conversations", exact=True).click()
        await shown.page.get_by_text("only to those who have its key").wait_for()
        await shown.page.get_by_role("button", name="Enter the key").click()
        await shown.visitor.until("() => document.activeElement?.type === 'password'")
        await shown.page.keyboard.type(KEY)
        await shown.page.keyboard.press("Enter")
        await shown.page.get_by_text("Nobody is connected.").wait_for()
        assert await shown.page.get_by_role("alert").count() == 0


async def test_a_server_that_keeps_none_says_so() -> None:
    async with (
        serving(ScriptedEngine(), in_memory=False) as server,
        console(server.url, complains=True) as shown,
    ):
        await shown.page.get_by_role("button", name="Conversations", exact=True).click()
        await shown.page.get_by_text("This server keeps no conversations.").wait_for()


LOUDNESS = """async (id) => {
  const asked = await fetch(`/v1/antiphon/conversations/${id}/recording`);
  const context = new OfflineAudioContext(2, 1, 48000);
  const decoded = await context.decodeAudioData(await asked.arrayBuffer());
  return [0, 1].map((at) => decoded.getChannelData(at).reduce((most, x) => Math.max(most, x), 0));
}"""
SOUGHT = """(audio) => new Promise((told) => {
  audio.onseeked = () => told(audio.currentTime);
  audio.currentTime = audio.duration / 2;
})"""


async def test_a_call_is_listened_to_and_goes_on(keeper: ServerProcess) -> None:
    async with console(keeper.url) as shown:
        await shown.start()
        await shown.is_state("listening")
        await shown.visitor.speak("brooklyn_padded")
        await shown.page.locator("[data-role=assistant] .antiphon-words").first.wait_for()
        await shown.is_state("listening")
        await shown.end()
        await shown.page.get_by_role("button", name="Conversations", exact=True).click()
        await shown.page.get_by_text("Nobody is connected.").wait_for()
        await shown.page.locator(".kept li button").first.click()
        recordings = shown.page.get_by_role("region", name="Recordings")
        await recordings.get_by_role("button", name="Listen").click()
        player = recordings.locator("audio")
        await player.wait_for()
        await shown.visitor.until("() => document.querySelector('.sound audio').duration > 3")
        name = await shown.page.locator(".past code").inner_text()
        user, agent = await shown.visitor.run(LOUDNESS, name)
        assert user > 0.02 < agent, "both sides are heard"
        duration_s = await player.evaluate("(audio) => audio.duration")
        assert await player.evaluate(SOUGHT) == pytest.approx(duration_s / 2, abs=0.2)
        over = "() => document.documentElement.scrollWidth - innerWidth"
        async for looked in look(shown, "listening-to"):
            assert await shown.visitor.run(over) == 0, looked
            box = await player.bounding_box()
            assert box is not None
            assert box["width"] >= 250, looked
        await shown.page.get_by_role("button", name="Go on from here").click()
        await shown.page.get_by_label("Message").wait_for()
        await shown.page.locator("[data-role=assistant]").first.wait_for()
        assert await shown.page.locator("audio[controls]").count() == 0
        await shown.end()


async def test_what_was_lost_with_the_server_is_told(tmp_path: Path) -> None:
    """Nobody asks again for an answer to what was said: the agent's last words are a gap."""
    server = ServerProcess(tmp_path, hears=False)
    try:
        async with console(server.url, complains=True) as shown:
            await shown.start()
            await shown.is_state("listening")
            await shown.visitor.speak("brooklyn_padded")
            await shown.is_state("speaking")
            # An answer that has not all come yet would be asked for again.
            events = await shown.open("Events")
            await events.get_by_label("Filter").fill("response.done")
            await events.locator("summary").first.wait_for()
            await shown.open("Turns")
            server.kill()
            with ServerProcess(tmp_path, port=server.port, hears=False):
                await shown.notice("gap").wait_for()
                over = "() => document.documentElement.scrollWidth - innerWidth"
                async for looked in look(shown, "gap"):
                    assert await shown.visitor.run(over) == 0, looked
                    assert await shown.notice("gap").is_visible(), looked
                await shown.type(SUM)
                await shown.hears(ITS_ANSWER)
                assert await shown.notice("gap").count() == 0, "it goes with what is said next"
                await shown.end()
    finally:
        server.kill()
