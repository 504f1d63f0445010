"""One server behind several doors: OpenAI's paths and Azure's, keys in three places."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
from collections.abc import AsyncIterator

import msgspec
import pytest
from aiohttp import FormData

from antiphon.engines.scripted import ScriptedEngine
from antiphon.protocol.closes import CloseCode
from antiphon.server.client_routes import PREFIXES
from antiphon.testing import serving
from antiphon.transports.webrtc.calls import Answer
from tests.server.place import CONFIG, HELLO, KEY, Place, places, turned_away, until
from tests.transports.webrtc.client import Client

HEADERS = [{"Authorization": f"Bearer {KEY}"}, {"api-key": KEY}]
SUBPROTOCOL_OF_KEY = f"openai-insecure-api-key.{KEY}"

doors = pytest.mark.parametrize("prefix", PREFIXES)
keys = pytest.mark.parametrize("headers", HEADERS, ids=lambda headers: next(iter(headers)))


@pytest.fixture
async def place(local_calls: None) -> AsyncIterator[Place]:
    async with places() as place:
        yield place


@doors
@keys
async def test_a_websocket_opens(place: Place, prefix: str, headers: dict[str, str]) -> None:
    # Azure's clients name a deployment, and its older ones a version.
    query = "api-version=2025-04-01-preview&deployment=test"
    ws = await place.join(query, key=None, path=f"{prefix}/realtime", headers=headers)
    assert (await until(ws, "session.created"))["session"]["model"] == "test"


@doors
@keys
async def test_a_secret_is_minted(place: Place, prefix: str, headers: dict[str, str]) -> None:
    path = f"{prefix}/realtime/client_secrets"
    told = await place.ask("POST", path, key=None, headers=headers)
    assert told.status == 200
    assert told.body["value"].startswith("ek_")
    assert (await place.ask("POST", path, key=None)).status == 401
    assert (await place.ask("POST", path, key=None, headers={"api-key": "wrong"})).status == 401


class CallsThrough:
    """Calls by form, as Azure takes them."""

    def __init__(self, place: Place, prefix: str, headers: dict[str, str]) -> None:
        self._place, self._path, self._headers = place, f"{prefix}/realtime/calls", headers

    async def answer(self, offer_sdp: str, *, model: str) -> Answer:
        form = FormData(default_to_multipart=True)
        form.add_field("sdp", offer_sdp)
        form.add_field("session", json.dumps({"type": "realtime", "model": model}))
        told = await self._place.ask("POST", self._path, key=None, headers=self._headers, data=form)
        assert told.status == 201, told
        return Answer(told.headers["Location"].rpartition("/")[2], told.body)


@doors
@keys
async def test_a_call_is_answered_and_hung_up(
    place: Place, prefix: str, headers: dict[str, str]
) -> None:
    caller = Client(CallsThrough(place, prefix, headers))
    await caller.call()
    assert (await caller.event("session.created"))["session"]["model"] == "test"
    hang_up = f"{prefix}/realtime/calls/{caller.call_id}/hangup"
    assert (await place.ask("POST", hang_up, key=None)).status == 401
    assert (await place.ask("POST", hang_up, key=None, headers=headers)).status == 200
    await caller.until_closed()
    await caller.hang_up()


@doors
async def test_a_secret_calls(place: Place, prefix: str) -> None:
    secret = (await place.mint())["value"]
    caller = Client(CallsThrough(place, prefix, {"api-key": secret}))
    await caller.call()
    assert (await caller.event("session.created"))["session"]["instructions"] == "Be brief."
    await caller.hang_up()


@pytest.mark.parametrize(
    "offered",
    [
        ("realtime", SUBPROTOCOL_OF_KEY),
        (SUBPROTOCOL_OF_KEY, "realtime"),
        ("realtime", SUBPROTOCOL_OF_KEY, "openai-organization.o", "openai-agents-sdk.0.20.0"),
        ("realtime", SUBPROTOCOL_OF_KEY, "openai-beta.realtime-v1"),
    ],
)
async def test_of_all_subprotocols_only_realtime_is_selected(
    place: Place, offered: tuple[str, ...]
) -> None:
    ws = await place.join(key=None, protocols=offered)
    assert ws.protocol == "realtime"
    await until(ws, "session.created")


@pytest.mark.parametrize(
    ("offered", "selected"),
    [(("realtime", "openai-insecure-api-key.wrong"), "realtime"), (("realtime",), "realtime")],
)
async def test_who_is_turned_away_reads_why_on_the_subprotocol(
    place: Place, offered: tuple[str, ...], selected: str
) -> None:
    ws = await place.join(key=None, protocols=offered)
    assert ws.protocol == selected
    assert "Incorrect API key" in await turned_away(ws)


async def test_a_key_is_never_selected_as_the_subprotocol(place: Place) -> None:
    ws = await place.join(key=None, protocols=(SUBPROTOCOL_OF_KEY,))
    assert ws.protocol is None
    await until(ws, "session.created")
    without = await place.join()
    assert without.protocol is None


async def test_an_unknown_model_works_and_is_told() -> None:
    async with places() as place:
        session = (await until(await place.join("model=gpt-x"), "session.created"))["session"]
        assert session["model"] == "gpt-x"
        assert session["antiphon"]["engine"] == place.hub.get(session["id"]).about.engine_name  # type: ignore[union-attr]


async def test_where_the_operator_is_strict_it_is_refused_with_what_there_is(
    local_calls: None,
) -> None:
    server = msgspec.structs.replace(CONFIG.server, strict=True)
    async with places(config=msgspec.structs.replace(CONFIG, server=server)) as place:
        ws = await place.join("model=gpt-x")
        error = (await ws.receive_json())["error"]
        assert (error["code"], error["param"]) == ("model_not_found", "model")
        assert "'test'" in error["message"]
        assert (await ws.receive()).data == CloseCode.NOT_SERVED
        await until(await place.join("model=test"), "session.created")
        await until(await place.join("intent=transcription"), "session.created")


# --- Bodies that are broken ----------------------------------------------------

FORM = "multipart/form-data"
BROKEN = [
    (FORM, b"", {}),
    (FORM, b"x", {}),
    (f"{FORM}; boundary=b", b"--c\r\n\r\nx", {}),
    (f"{FORM}; boundary=b", b"--b\r\nContent-Disposition: form-data; name=sdp", {}),
    (
        f"{FORM}; boundary=b",
        b"--b\r\nContent-Disposition: form-data; name=sdp\r\n"
        b"Content-Encoding: gzip\r\n\r\nx\r\n--b--",
        {},
    ),
    (
        f"{FORM}; boundary=b",
        b"--b\r\nContent-Disposition: form-data; name=sdp\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n!!!\r\n--b--",
        {},
    ),
    ("application/sdp", b"not gzip", {"Content-Encoding": "gzip"}),
    ("application/sdp; charset=nonsense", b"\xff", {}),
]


@pytest.mark.parametrize(("kind", "body", "headers"), BROKEN)
async def test_a_body_that_is_broken_is_the_clients_mistake(
    place: Place,
    kind: str,
    body: bytes,
    headers: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = await place.ask(
        "POST", "/v1/realtime/calls", headers={"Content-Type": kind} | headers, data=body
    )
    assert told.status == 400, told
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_who_shows_no_key_is_told_so_before_the_body_is_read(place: Place) -> None:
    headers = {"Content-Type": FORM}
    told = await place.ask("POST", "/v1/realtime/calls", key="x", headers=headers, data=b"broken")
    assert told.status == 401


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /v1/realtime/client_secrets HTTP/1.1\r\nContent-Length: 1000\r\n",
        b"POST /v1/realtime/calls HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Transfer-Encoding: chunked\r\n",
        b"GET /v1/realtime?model=test HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng==\r\n",
    ],
    ids=["in its body", "in a form", "after its upgrade"],
)
async def test_a_client_that_vanishes_is_no_error_in_the_log(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with serving(ScriptedEngine(HELLO), config=CONFIG, keys=[KEY], in_memory=False) as server:
        host, port = server.url.removeprefix("http://").split(":")
        for body in (b"", b"5\r\n--b\r\n"):
            _, writer = await asyncio.open_connection(host, int(port))
            headers = f"Host: {host}\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()
            writer.write(sent + headers + body)
            await writer.drain()
            # It is reset, as by a phone whose network went.
            kernel = writer.get_extra_info("socket")
            kernel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        async with server.client() as client, client.get("/healthz") as answer:
            assert answer.status == 200
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []
