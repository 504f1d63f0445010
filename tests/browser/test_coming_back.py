"""A page that is loaded anew in mid-call, and a server that is killed: with our own client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.browser.site import OWN_CLIENT, Site
from tests.browser.visitor import NEEDS_CHROMIUM, Visitor, visiting
from tests.server_process import KEY, ServerProcess

pytestmark = [
    *NEEDS_CHROMIUM,
    pytest.mark.skipif(
        not (OWN_CLIENT / "index.js").is_file(),
        reason="the client is not built: npm ci --prefix web && npm run build --prefix web",
    ),
]
ENDS = "sail on."
"""As the story does."""
SESSION = "() => voice.getSnapshot().serverSession.id"
CREATED = "voice.log.entries().findLast(({ event }) => event.type === 'session.created').event"
RESUME = f"() => {CREATED}.session.antiphon.resume"
DONE = "voice.log.entries().some(({ event }) => event.type === 'response.done')"
STORY = "app.captions('assistant').at(-1)"


def started(folder: Path, *, port: int = 0) -> ServerProcess:
    return ServerProcess(folder, port=port, ANTIPHON_API_KEYS=KEY, ANTIPHON_ALLOWED_ORIGINS="*")


@asynccontextmanager
async def killing(server: ServerProcess) -> AsyncIterator[None]:
    try:
        yield
    finally:
        server.kill()


async def hear_a_story(visitor: Visitor, **options: object) -> None:
    """Until its beginning was heard."""
    await visitor.run("(options) => app.connect(options)", options)
    await visitor.run("() => voice.sendText('Tell me a story.')")
    await visitor.until(f"() => {STORY}?.[0].length > 30")


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
async def test_a_page_that_is_loaded_anew_goes_on_with_the_call(site: Site, transport: str) -> None:
    async with visiting(f"{site.url}/client.html") as visitor:
        await hear_a_story(visitor, transport=transport, rememberAs="call")
        await visitor.until(f"() => {STORY}[0].length > 90")
        before = await visitor.run(SESSION)
        heard = (await visitor.run(f"() => {STORY}"))[0]
        await visitor.page.reload()
        options = {"transport": transport, "rememberAs": "call"}
        await visitor.run("(options) => app.connect(options)", options)
        assert await visitor.run(SESSION) == before
        resume = await visitor.run(RESUME)
        assert (resume["continues"], resume.get("gap", False)) == ("session", False)
        await visitor.until("() => voice.getSnapshot().state === 'speaking'")
        await visitor.until("() => voice.outputLevel > 0.01")
        # In so short a time nobody hears all that anew.
        known = f"""async (chars) => {{
          const end = Date.now() + 2_000;
          while (Date.now() < end && {STORY}[0].length < chars)
            await new Promise((again) => setTimeout(again, 20));
          return {STORY};
        }}"""
        [words, unheard] = await visitor.run(known, len(heard) - 20)
        assert unheard == ""
        assert len(words) >= len(heard) - 20, "what was heard is known to have been"
        assert len(words) < len(heard) + 160, "not all of it was heard yet"
        await visitor.until(f"() => {STORY}[0].endsWith('{ENDS}')")
        await visitor.until("() => voice.getSnapshot().state === 'listening'")
        said = await visitor.run("() => app.captions('assistant').map(([words]) => words)")
        assert len(said) == 1, said
        assert await visitor.run("() => app.captions('user')") == [["Tell me a story.", ""]]
        assert await visitor.run("() => voice.getSnapshot().error") is None
        await visitor.run("() => voice.close()")
        await site.until_nobody_is_there()


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
async def test_after_a_crash_of_the_server_the_conversation_goes_on_and_the_gap_is_told(
    tmp_path: Path, transport: str
) -> None:
    server = started(tmp_path)
    async with (
        killing(server),
        Site(server).open() as site,
        visiting(f"{site.url}/client.html", complains=True) as visitor,
    ):
        await visitor.run("(key) => { window.key = key; }", KEY)
        await visitor.run(
            "(transport) => app.connect({ transport, key, getSecret: undefined })", transport
        )
        await visitor.run("() => voice.sendText('Tell me a story.')")
        await visitor.until(f"() => {STORY}?.[0].length > 30")
        await visitor.until(f"() => {DONE} && voice.getSnapshot().state === 'speaking'")
        conversation = (await visitor.run(RESUME))["conversation_id"]
        server.kill()
        with started(tmp_path, port=server.port):
            await visitor.until(
                f"() => {CREATED}.session.antiphon.resume.continues === 'conversation'"
            )
            assert (await visitor.run(RESUME))["conversation_id"] == conversation
            await visitor.until("() => voice.getSnapshot().error?.kind === 'gap'")
            assert (await visitor.run(f"() => {STORY}"))[1], "the rest was not heard"
            await visitor.run("() => voice.sendText('Today.')")
            await visitor.until(f"() => {STORY}[0] === 'Today it is.'")
            assert await visitor.run("() => voice.getSnapshot().error") is None
            await visitor.run("() => voice.close()")
            await site.until_nobody_is_there()
