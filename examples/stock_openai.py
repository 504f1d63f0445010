"""The official OpenAI SDK, talking to Antiphon: nothing but the URL is another."""

import asyncio
import base64
import os
import wave

from openai import AsyncOpenAI

URL = os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8080/v1")


async def main() -> None:
    client = AsyncOpenAI(base_url=URL, api_key="any")
    async with client.realtime.connect(model="gpt-realtime") as connection:
        await connection.conversation.item.create(
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "What is six times ten?"}],
            }
        )
        await connection.response.create()
        with wave.open("reply.wav", "wb") as reply:
            reply.setparams((1, 2, 24_000, 0, "NONE", ""))
            async for event in connection:
                if event.type == "response.output_audio.delta":
                    reply.writeframes(base64.b64decode(event.delta))
                elif event.type == "response.output_audio_transcript.done":
                    print(event.transcript)
                elif event.type == "response.done":
                    break


asyncio.run(main())
