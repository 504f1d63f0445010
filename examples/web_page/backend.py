"""The smallest backend of a page that talks: it has the key, and mints a secret for each visit."""

import os
from pathlib import Path

from aiohttp import web
from openai import AsyncOpenAI

URL = os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8080/v1")
openai = AsyncOpenAI(base_url=URL, api_key=os.environ.get("ANTIPHON_API_KEY", "any"))


async def mint_secret(_: web.Request) -> web.Response:
    minted = await openai.realtime.client_secrets.create(
        expires_after={"anchor": "created_at", "seconds": 60},
        session={
            "type": "realtime",
            "instructions": "You are the room desk. Be brief.",
            "audio": {"input": {"transcription": {"model": "gpt-4o-mini-transcribe"}}},
        },
    )
    return web.json_response({"url": URL, "secret": minted.value})


app = web.Application()
app.router.add_post("/secret", mint_secret)
app.router.add_static("/", Path(__file__).parent)

if __name__ == "__main__":
    web.run_app(app, host="localhost", port=int(os.environ.get("PORT", "8084")))
