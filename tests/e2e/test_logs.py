"""What a whole server logs at its most talkative, while people speak and others try the door."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse

from antiphon.transports.webrtc.calls import Answer
from tests.clients.judged import TIMEOUT_S
from tests.recordings import at_24khz
from tests.server_process import ServerProcess
from tests.transports.webrtc.client import Client

KEY = "sk-the-key-of-this-server"
WRONG_KEY = "sk-a-key-mistyped-by-somebody"
FORGED = "ek_forged-by-somebody-else"
INSTRUCTIONS = "You book rooms for the conspirators."
TYPED = "What is six times ten?"
SHOUTED = "This is no JSON, my dear friends"
RESULT = "The old mill is yours."
SAID = ("book a room", "book room", "sixty", "old mill", "six times ten", "my dear friends")
BOOK_ROOM = {
    "type": "function",
    "name": "book_room",
    "description": "Book a meeting room.",
    "parameters": {"type": "object", "properties": {}},
}
BEARER = {"Authorization": f"Bearer {KEY}"}
OF_SDP = re.compile(r"a=(?:ice-pwd|fingerprint):(?:sha-\d+ )?(\S+)")
TRACES_OF_SDP = re.compile(r"\ba=\w|m=audio|candidate|ufrag|USERNAME", re.IGNORECASE)


class Visitor:
    """Speaks with the server, and remembers what must not be told of it."""

    def __init__(self, server: ServerProcess, client: ClientSession) -> None:
        self.server = server
        self.client = client
        self.url = f"{server.url}/v1/realtime"
        self.secrets = {KEY, WRONG_KEY, FORGED}

    async def mint(self) -> str:
        session = {"type": "realtime", "instructions": INSTRUCTIONS, "tools": [BOOK_ROOM]}
        url = f"{self.url}/client_secrets"
        async with self.client.post(url, json={"session": session}, headers=BEARER) as answer:
            secret = str((await answer.json())["value"])
        self.secrets.add(secret)
        return secret

    async def answer(self, offer_sdp: str, *, model: str) -> Answer:
        """As a page calls, with an ephemeral secret."""
        headers = {
            "Authorization": f"Bearer {await self.mint()}",
            "Content-Type": "application/sdp",
        }
        async with self.client.post(
            f"{self.url}/calls", data=offer_sdp, headers=headers
        ) as response:
            assert response.status == 201
            sdp = await response.text()
            self.secrets.update(OF_SDP.findall(offer_sdp + sdp))
            return Answer(response.headers["Location"].rpartition("/")[2], sdp)

    async def join(self, query: str, *protocols: str, **headers: str) -> ClientWebSocketResponse:
        return await self.client.ws_connect(
            f"{self.url}?{query}", protocols=protocols, headers=headers
        )


async def until(ws: ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            event: dict[str, Any] = await ws.receive_json()
            if event["type"] == kind:
                return event


async def a_spoken_call(visitor: Visitor) -> None:
    """A page speaks over WebRTC, a sideband answers its function call."""
    caller = Client(visitor)
    await caller.call()
    sideband = await visitor.join(f"call_id={caller.call_id}", **BEARER)
    await until(sideband, "session.created")
    caller.microphone.say(at_24khz("cmd_book_a_room"))
    call = await until(sideband, "response.function_call_arguments.done")
    await until(sideband, "response.done")
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": RESULT}
    await sideband.send_json({"type": "conversation.item.create", "item": output})
    await sideband.send_json({"type": "response.create"})
    told = await until(sideband, "response.output_audio_transcript.done")
    assert told["transcript"] == RESULT
    await until(sideband, "output_audio_buffer.stopped")
    url = f"{visitor.url}/calls/{caller.call_id}/hangup"
    async with visitor.client.post(url, headers=BEARER) as response:
        assert response.status == 200
    await caller.until_closed()
    await caller.hang_up()


async def a_typed_session(visitor: Visitor) -> None:
    """A page with a key in its subprotocols types; one message is no event at all."""
    ws = await visitor.join("model=m", "realtime", f"openai-insecure-api-key.{KEY}")
    assert ws.protocol == "realtime"
    content = [{"type": "input_text", "text": TYPED}]
    item = {"type": "message", "role": "user", "content": content}
    await ws.send_json({"type": "conversation.item.create", "item": item})
    await ws.send_json({"type": "response.create", "response": {"output_modalities": ["text"]}})
    assert "sixty" in (await until(ws, "response.output_text.done"))["text"]
    await ws.send_str(SHOUTED)
    await until(ws, "error")
    await ws.send_json({"type": SHOUTED, "event_id": SHOUTED})
    await until(ws, "error")
    await ws.close()


async def those_who_try_the_door(visitor: Visitor) -> None:
    client, url = visitor.client, visitor.url
    for ws in (
        await visitor.join("model=m", Authorization=f"Bearer {WRONG_KEY}"),
        await visitor.join("model=m", **{"api-key": WRONG_KEY}),
        await visitor.join(f"model=m&api-key={WRONG_KEY}"),
        await visitor.join("model=m", Authorization=f"Bearer {FORGED}"),
        await visitor.join("model=m", "realtime", f"openai-insecure-api-key.{WRONG_KEY}"),
        await visitor.join("model=m", f"openai-insecure-api-key.{WRONG_KEY}"),
    ):
        assert (await until(ws, "error"))["error"]["code"] == "invalid_api_key"
        await ws.close()
    secret = await visitor.mint()
    caller = Client(visitor)
    offer = await caller.offer()
    await caller.hang_up()
    visitor.secrets.update(OF_SDP.findall(offer))
    nameless = offer.replace("a=ice-ufrag:", "a=x-ufrag:")
    sdp = {**BEARER, "Content-Type": "application/sdp"}
    tries: list[tuple[str, str, dict[str, Any], int]] = [
        ("GET", f"{url}?api_key={KEY}", {"headers": BEARER}, 426),
        ("POST", f"{url}/calls?key={KEY}", {"headers": sdp, "data": nameless}, 400),
        ("POST", f"{url}/calls/{secret}/hangup", {"headers": BEARER}, 404),
        ("POST", f"{url}/client_secrets", {"headers": BEARER, "data": SHOUTED}, 400),
        ("DELETE", f"{url}/client_secrets/{secret}", {"headers": BEARER}, 404),
        ("GET", f"{url}/{KEY}", {"headers": BEARER}, 404),
        (KEY, url, {}, 400),
    ]
    for method, address, options, status in tries:
        async with client.request(method, address, **options) as response:
            assert response.status == status, await response.text()
    # Neither is a header: aiohttp quotes them in its error.
    for line in (f"Authorization Bearer {KEY}", f"Authorization: Bearer {KEY}\x01"):
        reader, writer = await asyncio.open_connection("127.0.0.1", visitor.server.port)
        writer.write(f"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n{line}\r\n\r\n".encode())
        assert (await reader.read()).startswith(b"HTTP/1.0 400")
        writer.close()


async def test_no_secret_no_sdp_and_nothing_that_was_said_is_logged(
    tmp_path: Path, local_calls: None
) -> None:
    with ServerProcess(
        tmp_path,
        ANTIPHON_API_KEYS=KEY,
        ANTIPHON_LOG_LEVEL="debug",
        ANTIPHON_WEBRTC_HOST_ADDRESSES="127.0.0.1",
    ) as server:
        async with ClientSession() as client:
            visitor = Visitor(server, client)
            await a_spoken_call(visitor)
            await a_typed_session(visitor)
            await those_who_try_the_door(visitor)
    log = server.log.read_text()
    assert "call rtc_" in log
    assert "GET /v1/realtime/* 404" in log
    assert "a malformed HTTP request" in log
    assert len(visitor.secrets) > 10
    for secret in visitor.secrets:
        assert secret not in log, f"{secret} was logged"
        assert secret.replace(":", "").lower() not in log.lower(), f"{secret} was logged"
    for words in (INSTRUCTIONS, *SAID):
        assert words.lower() not in log.lower(), f"'{words}' was logged"
    assert not TRACES_OF_SDP.search(log), TRACES_OF_SDP.search(log)
