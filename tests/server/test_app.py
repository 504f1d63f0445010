"""The HTTP side, over real sockets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from aiohttp.test_utils import make_mocked_request

from antiphon.server.app import preflight_headers
from tests.fakes.echo import EchoSession
from tests.fakes.site import MakeSite, Site, sites


@pytest.fixture
async def make_site() -> AsyncIterator[MakeSite]:
    async with sites() as make:
        yield make


CLEAR = '{"type":"input_audio_buffer.clear"}'


async def get(site: Site, path: str, method: str = "GET", **headers: str) -> tuple[int, Any, Any]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    async with site.client.request(method, site.url(path), headers=names) as response:
        is_json = response.content_type == "application/json"
        return response.status, await response.json() if is_json else None, response.headers


async def join(site: Site, path: str, **options: Any) -> ClientWebSocketResponse[bool]:
    ws: ClientWebSocketResponse[bool] = await site.client.ws_connect(site.url(path), **options)
    assert (await ws.receive_json())["type"] == "session.created"
    return ws


async def refused(site: Site, path: str, **options: Any) -> WSServerHandshakeError:
    with pytest.raises(WSServerHandshakeError) as error:
        await site.client.ws_connect(site.url(path), **options)
    return error.value


# --- Sessions ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "opened"),
    [
        ("/v1/realtime?model=gpt-4o-realtime-preview", ("realtime", "gpt-4o-realtime-preview")),
        ("/v1/realtime", ("realtime", "gpt-realtime")),
        ("/v1/realtime?model=", ("realtime", "gpt-realtime")),
        ("/v1/realtime?intent=transcription", ("transcription", "gpt-realtime")),
        ("/v1/realtime?intent=transcription&model=whisper-1", ("transcription", "whisper-1")),
        ("/v1/realtime?model=m&who=knows&api-version=2025", ("realtime", "m")),
        ("/openai/v1/realtime?model=m", ("realtime", "m")),
        ("/openai/realtime?api-version=2025-04-01-preview&deployment=mine", ("realtime", "mine")),
    ],
)
async def test_a_websocket_becomes_a_session(
    make_site: MakeSite, path: str, opened: tuple[str, str]
) -> None:
    site = await make_site()
    ws = await join(site, path)
    await ws.send_str(CLEAR)
    assert (await ws.receive_json())["type"] == "input_audio_buffer.cleared"
    assert site.hub.opened == [opened]
    await ws.close()


async def test_the_server_selects_realtime_and_never_the_key(make_site: MakeSite) -> None:
    site = await make_site(keys=("k",))
    offers = ("realtime", "openai-insecure-api-key.k", "openai-agents-sdk.1")
    assert (await join(site, "/v1/realtime", protocols=offers)).protocol == "realtime"
    keyed = {"Authorization": "Bearer k"}
    assert (await join(site, "/v1/realtime", headers=keyed)).protocol is None


async def test_a_sideband_joins_the_session_it_names(make_site: MakeSite) -> None:
    site = await make_site(keys=("k",))
    headers = {"Authorization": "Bearer k"}
    first = await join(site, "/v1/realtime", headers=headers)
    second = await join(site, "/v1/realtime?call_id=sess_1&model=x", headers=headers)
    assert len(site.hub.opened) == 1
    assert len(site.hub.live["sess_1"].connections) == 2
    await first.close()
    await second.close()


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer k"}, {}, {"api-key": "ek_1"}])
async def test_a_sideband_without_a_session_or_a_key_is_not_found(
    make_site: MakeSite, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    site = await make_site(keys=("k",))
    path = "/v1/realtime?call_id=rtc_absent"
    error = await refused(site, path, headers=headers)
    assert error.status == 404
    _, body, _ = await get(site, path, Upgrade="websocket", **headers)
    assert body["error"]["code"] == "call_id_not_found"
    assert body["error"]["param"] == ""
    told = [message for message in caplog.messages if message.startswith("refused: ")]
    assert len(told) == (0 if headers.get("Authorization") == "Bearer k" else 2)


async def test_a_plain_get_is_told_what_to_do(make_site: MakeSite) -> None:
    status, body, headers = await get(await make_site(), "/v1/realtime")
    assert (status, headers["Upgrade"]) == (426, "websocket")
    assert "connect with ws://" in body["error"]["message"]


async def test_a_bad_handshake_is_a_clear_error(make_site: MakeSite) -> None:
    site = await make_site()
    status, body, _ = await get(site, "/v1/realtime", Upgrade="websocket", Connection="upgrade")
    assert status == 400
    assert body["error"]["type"] == "invalid_request_error"


async def test_an_engine_that_cannot_serve_is_told_on_the_socket(make_site: MakeSite) -> None:
    site = await make_site()
    site.hub.unavailable = True
    ws = await site.client.ws_connect(site.url("/v1/realtime"))
    error = (await ws.receive_json())["error"]
    assert error["message"] == "engine 'echo': out of breath"
    assert (await ws.receive()).type is WSMsgType.CLOSE
    assert ws.close_code == 1013


async def test_a_session_that_fails_to_begin_is_told_on_the_socket(
    make_site: MakeSite, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a bug of ours")

    site = await make_site()
    monkeypatch.setattr(EchoSession, "attach", fail)
    ws = await site.client.ws_connect(site.url("/v1/realtime"))
    assert (await ws.receive_json())["error"]["type"] == "server_error"
    assert (await ws.receive()).type is WSMsgType.CLOSE
    assert ws.close_code == 1011
    assert "a bug of ours" in caplog.text


# --- Keys --------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
async def test_a_bad_key_on_a_websocket_is_told_and_closed_with_3000(
    make_site: MakeSite, headers: dict[str, str]
) -> None:
    site = await make_site(keys=("k",))
    ws = await site.client.ws_connect(
        site.url("/v1/realtime"), headers=headers, protocols=("realtime",)
    )
    assert ws.protocol == "realtime"
    event = await ws.receive_json()
    assert (event["type"], event["error"]["code"]) == ("error", "invalid_api_key")
    assert event["event_id"].startswith("event_")
    message = await ws.receive()
    assert message.type is WSMsgType.CLOSE
    assert (message.data, message.extra) == (3000, "invalid_request_error.invalid_api_key")
    assert site.hub.opened == []


async def test_a_bad_key_over_http_is_401(make_site: MakeSite) -> None:
    site = await make_site(keys=("k",))
    status, body, headers = await get(site, "/v1/models", Authorization="Bearer wrong")
    assert (status, body["error"]["code"]) == (401, "invalid_api_key")
    assert headers["WWW-Authenticate"].startswith("Bearer")
    assert (await get(site, "/v1/models", Authorization="Bearer k"))[0] == 200


async def test_no_key_is_ever_logged(make_site: MakeSite, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    site = await make_site(keys=("good-key",))
    for key in ("good-key", "sesame-key"):
        path = f"/v1/realtime?api-key={key}&model=m"
        for headers, protocols in [
            ({"Authorization": f"Bearer {key}"}, ()),
            ({"api-key": key}, ()),
            ({}, ("realtime", f"openai-insecure-api-key.{key}")),
            ({}, (f"openai-insecure-api-key.{key}",)),
        ]:
            ws = await site.client.ws_connect(site.url(path), headers=headers, protocols=protocols)
            await ws.receive()
            await ws.close()
            await get(site, path, **headers)
            await get(site, f"/v1/models?api-key={key}", **headers)
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\x00\r\n\r\n".encode())
        assert b" 400 " in await reader.readline()
        writer.close()
    for session in list(site.hub.live.values()):
        await session.detached.wait()
    assert "GET /v1/realtime 101" in caplog.text
    assert "a malformed HTTP request" in caplog.text
    assert "good-key" not in caplog.text
    assert "sesame-key" not in caplog.text


# --- Load --------------------------------------------------------------------


async def test_above_max_sessions_a_client_is_told_to_retry(make_site: MakeSite) -> None:
    site = await make_site(max_sessions=1)
    ws = await join(site, "/v1/realtime")
    error = await refused(site, "/v1/realtime")
    assert error.status == 503
    assert error.headers is not None
    assert int(error.headers["Retry-After"]) > 0
    _, body, _ = await get(site, "/v1/realtime", Upgrade="websocket")
    assert body["error"]["code"] == "server_overloaded"

    session = site.hub.live["sess_1"]
    await ws.close()
    await session.detached.wait()
    await (await join(site, "/v1/realtime")).close()


async def test_too_many_new_sessions_from_one_address_are_429(make_site: MakeSite) -> None:
    site = await make_site(new_per_minute=1)
    await (await join(site, "/v1/realtime")).close()
    error = await refused(site, "/v1/realtime")
    assert error.status == 429
    assert error.headers is not None
    assert 0 < int(error.headers["Retry-After"]) <= 60


async def test_while_it_drains_the_server_says_so(make_site: MakeSite) -> None:
    site = await make_site()
    ws = await join(site, "/v1/realtime")
    status, body, _ = await get(site, "/healthz")
    assert (status, body["status"], body["sessions"]) == (200, "ok", 1)
    assert body["version"]

    site.api.admission.draining = True
    status, body, _ = await get(site, "/healthz")
    assert (status, body["status"]) == (200, "draining"), "it lives"
    status, body, _ = await get(site, "/readyz")
    assert (status, body["ready"], body["checks"]["drain"]) == (503, False, "failing")
    assert (await refused(site, "/v1/realtime")).status == 503
    await ws.send_str(CLEAR)
    assert (await ws.receive_json())["type"] == "input_audio_buffer.cleared"
    await ws.close()


# --- Plain HTTP --------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1", "/openai"])
async def test_models_are_listed_as_the_api_lists_them(make_site: MakeSite, prefix: str) -> None:
    site = await make_site()
    status, body, _ = await get(site, f"{prefix}/models")
    assert (status, body["object"]) == (200, "list")
    assert [m["id"] for m in body["data"]] == ["gpt-realtime", "echo"]
    assert body["data"][0]["object"] == "model"
    assert body["data"][0]["description"] == "Repeats what it hears."
    assert (await get(site, f"{prefix}/models/echo"))[1] == body["data"][1]
    status, body, _ = await get(site, f"{prefix}/models/other")
    assert (status, body["error"]["code"]) == (404, "model_not_found")


async def test_errors_have_the_shape_of_the_api(
    make_site: MakeSite, caplog: pytest.LogCaptureFixture
) -> None:
    site = await make_site()
    status, body, _ = await get(site, "/v1/nothing")
    assert (status, body["error"]["message"]) == (404, "Invalid URL (GET /v1/nothing)")
    assert body["error"].keys() == {"message", "type", "code", "param"}

    status, body, headers = await get(site, "/v1/models", method="DELETE")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert body["error"]["code"] == "method_not_allowed"

    site.api.admission = None  # type: ignore[assignment]  # A bug of ours.
    status, body, _ = await get(site, "/healthz")
    assert (status, body["error"]["type"]) == (500, "server_error")
    assert "Traceback" not in str(body)
    assert "NoneType" not in str(body)
    error_id = body["error"]["message"].split()[-1].rstrip(".)")
    assert error_id.startswith("err_")
    assert error_id in caplog.text


# --- Pages -------------------------------------------------------------------


async def test_a_page_may_ask_first_and_read_what_it_gets(make_site: MakeSite) -> None:
    site = await make_site(keys=("k",))
    status, _, headers = await get(
        site,
        "/v1/realtime",
        method="OPTIONS",
        Origin="https://app.example.com",
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="authorization,x-stainless-lang,x-openai-agents-sdk",
    )
    assert (status, headers["Access-Control-Allow-Origin"]) == (204, "*")
    allowed = headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "x-stainless-lang", "x-openai-agents-sdk"} <= set(allowed)

    status, _, headers = await get(site, "/v1/models", Origin="https://app.example.com")
    assert status == 401
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Access-Control-Expose-Headers"] == "Location"


async def test_a_foreign_page_does_not_reach_a_server_without_keys(make_site: MakeSite) -> None:
    site = await make_site()
    evil = {"Origin": "https://evil.example"}
    assert (await refused(site, "/v1/realtime", headers=evil)).status == 403
    status, body, headers = await get(site, "/v1/models", **evil)
    assert (status, body["error"]["code"]) == (403, "origin_not_allowed")
    assert "Access-Control-Allow-Origin" not in headers
    status, _, _ = await get(
        site, "/v1/models", method="OPTIONS", Access_Control_Request_Method="GET", **evil
    )
    assert status == 403

    friend = {"Origin": "http://localhost:5173"}
    await (await join(site, "/v1/realtime", headers=friend)).close()
    opened = await make_site(origins=("https://evil.example",))
    await (await join(opened, "/v1/realtime", headers=evil)).close()


async def test_bytes_that_are_no_text_do_not_break_an_error(make_site: MakeSite) -> None:
    site = await make_site()
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(b"GET /v1/%ff HTTP/1.1\r\nHost: x\xff\r\nOrigin: http://\xff\r\n\r\n")
    assert b" 403 " in await reader.readline()
    writer.close()


async def test_the_server_does_not_tell_what_it_is_made_of(make_site: MakeSite) -> None:
    site = await make_site()
    for path in ("/healthz", "/nothing"):
        _, _, headers = await get(site, path)
        assert headers["Server"] == "antiphon"


def test_sdks_may_send_their_own_headers_from_any_page() -> None:
    asked = "openai-organization, OpenAI-Project, x-stainless-os, X-OpenAI-Beta, x-evil"
    request = make_mocked_request(
        "OPTIONS", "/v1/models", headers={"Access-Control-Request-Headers": asked}
    )
    allowed = preflight_headers(request)["Access-Control-Allow-Headers"].lower()
    names = {name.strip() for name in allowed.split(",")}
    assert names > {"openai-organization", "openai-project", "x-stainless-os", "x-openai-beta"}
    assert "x-evil" not in names
