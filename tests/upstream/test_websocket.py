"""Failures to connect, met for real and told in words and kinds."""

from __future__ import annotations

import socket

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from antiphon.upstream.connection import CannotConnect, Closed
from antiphon.upstream.websocket import WebSocketConnector
from tests.fakes.realtime_server import FakeServer


async def refusal(url: str, key: str | None = None) -> CannotConnect:
    with pytest.raises(CannotConnect) as caught:
        await WebSocketConnector(url, key)()
    return caught.value


async def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        error = await refusal(f"ws://127.0.0.1:{port}/v1/realtime")
    assert str(error) == f"nobody listens at 127.0.0.1:{port}"
    assert error.trouble == "nobody"
    assert error.may_retry
    assert not error.is_refused


async def test_tls_to_a_plain_server() -> None:
    async with TestServer(FakeServer().app()) as server:
        place = f"127.0.0.1:{server.port}"
        error = await refusal(f"wss://{place}/v1/realtime")
    assert str(error) == f"no TLS with {place}"
    assert error.trouble == "no_tls"
    assert not error.may_retry


async def test_a_wrong_key_is_refused_for_good() -> None:
    async with TestServer(FakeServer(key="right").app()) as server:
        error = await refusal(f"ws://127.0.0.1:{server.port}/v1/realtime", "wrong")
    assert str(error).endswith("does not accept the key")
    assert error.trouble == "key"
    assert (error.is_refused, error.may_retry) == (True, False)


async def test_a_busy_server_says_when() -> None:
    async with TestServer(FakeServer(refuse_status=[503]).app()) as server:
        error = await refusal(f"ws://127.0.0.1:{server.port}/v1/realtime")
    assert str(error).endswith("is busy (HTTP 503); try again in 2 s")
    assert (error.is_refused, error.may_retry, error.retry_after_s) == (False, True, 2)


@pytest.mark.parametrize(("status", "may_retry"), [(500, True), (400, False)])
async def test_other_refusals_name_their_status(status: int, may_retry: bool) -> None:
    async with TestServer(FakeServer(refuse_status=[status]).app()) as server:
        error = await refusal(f"ws://127.0.0.1:{server.port}/v1/realtime")
    assert str(error).endswith(f"refused the connection (HTTP {status})")
    assert error.may_retry is may_retry


async def test_no_realtime_api_there() -> None:
    async with TestServer(web.Application()) as server:
        error = await refusal(f"ws://127.0.0.1:{server.port}/v2/realtime")
    assert str(error).endswith("has no Realtime API at /v2/realtime")
    assert error.trouble == "address"


async def test_a_close_comes_with_its_code_and_reason() -> None:
    server = FakeServer(drop_at_ms=[(0, 4000)])
    async with TestServer(server.app()) as running:
        connection = await WebSocketConnector(f"ws://127.0.0.1:{running.port}/v1/realtime")()
        assert "session.created" in str(await connection.receive())
        await connection.send('{"type":"input_audio_buffer.append","audio":"AAA="}')
        assert await connection.receive() == Closed(4000, "away")
        assert isinstance(await connection.receive(), Closed)
        await connection.send("after the end")
        await connection.close()


async def test_a_key_may_travel_in_a_header_of_its_own_and_is_never_shown() -> None:
    came: list[str | None] = []

    async def note(request: web.Request) -> web.Response:
        came.extend(request.headers.get(name) for name in ("api-key", "Authorization"))
        return web.Response(status=400)

    app = web.Application()
    app.router.add_get("/v1/realtime", note)
    async with TestServer(app) as server:
        url = f"ws://127.0.0.1:{server.port}/v1/realtime"
        connector = WebSocketConnector(url, headers={"api-key": "hush"})
        with pytest.raises(CannotConnect):
            await connector()
    assert came == ["hush", None]
    assert "hush" not in repr(connector) + repr(WebSocketConnector(url, "hush"))
