"""The official Agents SDK, talking to Antiphon: nothing but the URL is another."""

import asyncio
import os

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner

URL = os.environ.get("ANTIPHON_URL", "ws://127.0.0.1:8080/v1")


@function_tool
def opening_hours() -> str:
    """Tell the opening hours."""
    return "We are open from nine to five."


async def main() -> None:
    agent = RealtimeAgent(name="desk", tools=[opening_hours])
    session = await RealtimeRunner(agent).run(
        model_config={"url": f"{URL}/realtime?model=gpt-realtime", "api_key": "any"}
    )
    async with session:
        await session.send_message("What are your opening hours?")
        async for event in session:
            if event.type == "raw_model_event" and event.data.type == "transcript_delta":
                print(event.data.delta, end="", flush=True)
            elif event.type == "audio_end":
                break  # Its sound came in "audio" events: event.audio.data.
            elif event.type == "error":
                raise SystemExit(event.error)
    print()


asyncio.run(main())
