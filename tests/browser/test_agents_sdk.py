"""The stock Agents SDK for browsers, with nothing changed but the base URL."""

from __future__ import annotations

import re

import pytest

from tests.arrangements import RELAYED, Arrangement
from tests.browser.site import AGENTS_SDK, Site
from tests.browser.visitor import NEEDS_CHROMIUM, Visitor, visiting
from tests.server_process import KEY

pytestmark = [
    *NEEDS_CHROMIUM,
    pytest.mark.skipif(
        not AGENTS_SDK.is_dir(),
        reason="the SDK is absent: npm ci --ignore-scripts --prefix tests/clients/node",
    ),
]


@pytest.mark.parametrize("codec", [None, "PCMU"], ids=["default codec", "PCMU"])
async def test_a_page_talks_calls_a_tool_is_interrupted_muted_and_hangs_up(
    site: Site, codec: str | None
) -> None:
    async with visiting(f"{site.url}/agents.html") as visitor:
        await talks_and_calls_a_tool(visitor, codec)
        await is_interrupted(visitor)

        await visitor.until("() => app.seen('output_audio_buffer.stopped').length === 2")
        await visitor.run("() => session.mute(true)")
        await visitor.speak("cmd_two_people")
        await visitor.run("() => session.mute(false)")
        await visitor.speak("cmd_today")
        await visitor.until("() => app.seen('output_audio_buffer.stopped').length === 3")
        heard = await visitor.run("() => app.captions('user')")
        words = [re.sub(r"\W+$", "", line).lower() for line in heard[1:]]
        assert words == ["tell me a story", "today", "today"]

        await visitor.run("() => session.close()")
        await site.until_nobody_is_there()


@pytest.mark.parametrize("arrangement", RELAYED, indirect=True)
async def test_a_page_whose_server_relays(arrangement: Arrangement) -> None:
    async with (
        arrangement.relaying(hears=["two people", "today"], keys=[KEY]) as server,
        Site(server).open() as site,
        visiting(f"{site.url}/agents.html") as visitor,
    ):
        await talks_and_calls_a_tool(visitor)
        await is_interrupted(visitor)
        await visitor.run("() => session.close()")
        await site.until_nobody_is_there()


async def talks_and_calls_a_tool(visitor: Visitor, codec: str | None = None) -> None:
    await visitor.run("(codec) => app.connect({ codec })", codec)
    assert await visitor.run("() => app.seen('session.updated').length") >= 1

    await visitor.speak("cmd_two_people")
    await visitor.until("() => app.tools.ended.length > 0")
    ended = await visitor.run("() => app.tools.ended")
    assert ended == [["book_room", "The old mill is yours."]]
    await visitor.until("() => app.captions('assistant').at(-1) === 'The old mill is yours.'")
    assert await visitor.run("() => app.captions('user')") == ["two people"]
    await visitor.until("() => app.ear.loudSince_ms() > 500")
    wanted = f"audio/{codec or 'opus'}"
    assert await visitor.run("() => app.codecInUse()") == wanted
    await visitor.until("() => app.seen('output_audio_buffer.stopped').length === 1")


async def is_interrupted(visitor: Visitor) -> None:
    await visitor.run("() => session.sendMessage('Tell me a story.')")
    await visitor.until("() => app.seen('output_audio_buffer.started').length === 2")
    begun = await visitor.run("() => performance.now()")
    await visitor.until("(begun) => app.ear.loudSince_ms(begun) > 1000", begun)
    told = await visitor.run("() => app.captions('assistant').at(-1)")
    await visitor.speak("cmd_today")
    await visitor.until("() => app.seen('output_audio_buffer.cleared').length > 0")
    await visitor.until("() => app.seen('conversation.item.truncated').length > 0")
    reply = "Today it is."
    await visitor.until("(reply) => app.captions('assistant').at(-1) === reply", reply)
    kept = (await visitor.run("() => app.captions('assistant')"))[-2]
    assert told.startswith(kept)
    assert 0 < len(kept) < len(told)
