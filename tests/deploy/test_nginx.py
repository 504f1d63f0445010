"""Antiphon under a path of a real nginx, as deploy/nginx/antiphon.conf writes it."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, TCPConnector

from tests.deploy.nginx import AROUND_A_SITE
from tests.server_process import KEY, ServerProcess

ROOT = Path(__file__).parents[2]
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not here")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(
        tmp_path_factory.mktemp("proxied"),
        hears=False,
        ANTIPHON_API_KEYS=KEY,
        ANTIPHON_TRUSTED_PROXIES="127.0.0.1",
        ANTIPHON_WEBRTC_HOST_ADDRESSES="127.0.0.1",
    ) as server:
        yield server


@pytest.fixture(scope="module")
def public(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server under nginx."""
    folder = tmp_path_factory.mktemp("nginx")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    site = (ROOT / "deploy" / "nginx" / "antiphon.conf").read_text()
    site = re.sub(r"\n *ssl_\w+ .*", "", site)  # Certificates are not what this is about.
    site = site.replace("listen 443 ssl", f"listen 127.0.0.1:{port}")
    site = site.replace("127.0.0.1:8080", f"127.0.0.1:{server.port}")
    config = folder / "nginx.conf"
    config.write_text(AROUND_A_SITE.format(folder=folder, site=site))
    assert NGINX is not None
    with (folder / "log").open("wb") as log:
        proxy = subprocess.Popen([NGINX, "-p", folder, "-c", config], stderr=log)
        try:
            _wait_for(port, proxy, folder / "log")
            yield f"http://127.0.0.1:{port}/voice"
        finally:
            proxy.terminate()
            proxy.wait(60)


def _wait_for(port: int, proxy: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert proxy.poll() is None, log.read_text()
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"nginx does not listen: {log.read_text()}")


AUTH = {"Authorization": f"Bearer {KEY}"}


async def test_the_page_and_what_it_asks_for(public: str) -> None:
    async with ClientSession() as client:
        async with client.get(public, allow_redirects=False) as moved:
            assert moved.status == 308
            assert moved.headers["Location"].endswith("/voice/")
        # Built or not, it is the server that answers.
        async with client.get(f"{public}/") as page:
            assert page.headers["Content-Type"].startswith(("text/html", "application/json"))
            # No address in it leads out of the path.
            assert not re.search(r"(?:src|href)=\"/(?!/)", await page.text())
        async with client.get(f"{public}/v1/models", headers=AUTH) as models:
            assert (await models.json())["object"] == "list"


async def test_a_session_by_websocket(public: str) -> None:
    url = public.replace("http", "ws", 1)
    async with (
        ClientSession(headers=AUTH) as client,
        client.ws_connect(f"{url}/v1/realtime?model=gpt-realtime") as live,
    ):
        assert (await live.receive_json(timeout=60))["type"] == "session.created"
        # A message as large as an image is: nothing on the way cuts it.
        text = "word " * 200_000
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        await live.send_json({"type": "conversation.item.create", "item": item})
        answer = await live.receive_json(timeout=60)
        assert answer["type"] == "conversation.item.added"
        assert answer["item"]["content"][0]["text"] == text


async def test_a_call_and_its_address(public: str) -> None:
    from aiortc import RTCPeerConnection, RTCSessionDescription

    peer = RTCPeerConnection()
    try:
        peer.addTransceiver("audio")
        peer.createDataChannel("oai-events")
        await peer.setLocalDescription(await peer.createOffer())
        headers = AUTH | {"Content-Type": "application/sdp"}
        async with ClientSession(headers=headers) as client:
            offer = peer.localDescription.sdp
            async with client.post(f"{public}/v1/realtime/calls", data=offer) as answer:
                assert answer.status == 201, await answer.text()
                await peer.setRemoteDescription(
                    RTCSessionDescription(await answer.text(), "answer")
                )
                call = answer.headers["Location"].rpartition("/")[2]
            url = f"{public}/v1/realtime/calls/{call}/hangup"
            async with client.post(url, headers={"Content-Type": "application/json"}) as end:
                assert end.status == 200
    finally:
        await peer.close()


async def test_the_server_hears_who_is_behind_the_proxy(public: str, server: ServerProcess) -> None:
    # What a client says of itself comes before what the proxy saw, and is not believed.
    wrong = {"Authorization": "Bearer wrong", "X-Forwarded-For": "203.0.113.9"}
    async with (
        # Another address than the proxy's own, which is believed.
        ClientSession(headers=wrong, connector=TCPConnector(local_addr=("127.0.0.2", 0))) as client,
        client.get(f"{public}/v1/models") as refused,
    ):
        assert refused.status == 401
    assert "an unknown key, from 127.0.0.2" in server.log.read_text()
