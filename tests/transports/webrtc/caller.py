"""A caller in a process of its own, which may be in a network of its own.

    python -m tests.transports.webrtc.caller URL

It says one sentence to the server at that address (the key is in the environment, as KEY), and
prints what came of it: a `Told`, as JSON.
"""

from __future__ import annotations

import asyncio
import os
import sys

import msgspec
from aiohttp import ClientSession
from msgspec import Struct

from antiphon.transports.rtp.rtcp import CallQuality
from tests.recordings import at_24khz
from tests.transports.webrtc.client import Client
from tests.transports.webrtc.served_calls import Answered, ServedCalls


class Told(Struct, kw_only=True):
    understood: list[str]
    said: str
    quality: CallQuality


async def _call(url: str) -> Told:
    async with ClientSession(headers={"Authorization": f"Bearer {os.environ['KEY']}"}) as http:
        calls = ServedCalls(url, http)
        caller = Client(calls)
        await caller.call()
        await caller.event("session.created")
        caller.microphone.say(at_24khz("cmd_two_people"))
        answered = Answered(await caller.events_until("output_audio_buffer.stopped"))
        while (quality := await calls.quality(caller.call_id)).rtt_s is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await caller.hang_up()
        return Told(understood=answered.understood, said=answered.said, quality=quality)


if __name__ == "__main__":
    print(msgspec.json.encode(asyncio.run(_call(sys.argv[1]))).decode())  # noqa: T201
