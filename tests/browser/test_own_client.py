"""The project's own client for pages, in a real browser with a real server."""

from __future__ import annotations

import pytest

from tests.browser.site import OWN_CLIENT, Site
from tests.browser.visitor import NEEDS_CHROMIUM, visiting

pytestmark = [
    *NEEDS_CHROMIUM,
    pytest.mark.skipif(
        not (OWN_CLIENT / "index.js").is_file(),
        reason="the client is not built: npm ci --prefix web && npm run build --prefix web",
    ),
]
HEAP_EACH_BYTES = 4000
"""Less than any session that is kept: one holds about a hundred kilobytes."""
SAID = "() => app.captions('assistant').at(-1)?.[0] === "


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
async def test_one_talks_types_and_interrupts(site: Site, transport: str) -> None:
    async with visiting(f"{site.url}/client.html") as visitor:
        await visitor.run("(transport) => app.connect({ transport })", transport)
        assert await visitor.run("() => voice.getSnapshot().transport") == transport
        await visitor.speak("cmd_two_people")
        await visitor.until(f"{SAID}'The old mill is yours.'")
        assert await visitor.run("() => app.captions('user')[0]") == ["two people", ""]
        tool = "voice.getSnapshot().items.find(({ type }) => type === 'tool_call')"
        assert await visitor.run(f"() => {tool}.output") == "The old mill is yours."
        await visitor.until("() => voice.getSnapshot().state === 'listening'")

        await visitor.run("() => voice.sendText('Tell me a story.')")
        await visitor.until("() => app.captions('assistant').at(-1)[0].length > 30")
        await visitor.speak("cmd_today")
        await visitor.until(f"{SAID}'Today it is.'")
        heard, unheard = (await visitor.run("() => app.captions('assistant')"))[-2]
        assert heard.startswith("Once")
        assert unheard, "the rest of the story"
        assert await visitor.run("() => voice.getSnapshot().error") is None
        await visitor.run("() => voice.close()")
        await site.until_nobody_is_there()


async def test_without_a_microphone_one_types(site: Site) -> None:
    async with visiting(f"{site.url}/client.html") as visitor:
        await visitor.run(
            "() => { navigator.mediaDevices.getUserMedia = async () => {"
            " throw new DOMException('no', 'NotAllowedError'); }; }"
        )
        await visitor.run("() => app.connect({})")
        shown = await visitor.run("() => voice.getSnapshot()")
        assert shown["state"] == "text-only"
        assert await visitor.run("() => voice.getSnapshot().error.kind") == "microphone-denied"
        await visitor.run("() => voice.sendText('two people')")
        await visitor.until("() => app.captions('assistant').length > 0")
        await visitor.run("() => voice.close()")
        await site.until_nobody_is_there()


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
async def test_fifty_connections_leave_nothing_behind(site: Site, transport: str) -> None:
    async with visiting(f"{site.url}/client.html") as visitor:
        inspector = await visitor.page.context.new_cdp_session(visitor.page)

        async def connect(times: int) -> int:
            """The page's heap after so many connections, in bytes."""
            for _ in range(times):
                await visitor.run("(transport) => app.connect({ transport })", transport)
                await visitor.run("() => voice.close()")
            for _ in range(3):  # What a first collection frees may free more.
                await inspector.send("HeapProfiler.collectGarbage")
            return int((await inspector.send("Runtime.getHeapUsage"))["usedSize"])

        settled = await connect(10)
        grown = await connect(40) - settled
        assert grown < 40 * HEAP_EACH_BYTES
        await site.until_nobody_is_there()
