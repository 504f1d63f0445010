"""The pages of the browser guide, with their backend, as one who copies them has them."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from examples.serving import CLIENT
from tests.browser.site import AGENTS_SDK
from tests.browser.visitor import needs_chromium, visiting
from tests.examples.backend import needs_client
from tests.server_process import KEY, ServerProcess

EXAMPLE = Path(__file__).parents[2] / "examples" / "web_page"
needs_sdk = pytest.mark.skipif(
    not AGENTS_SDK.is_dir(),
    reason="the SDK is absent: npm ci --ignore-scripts --prefix tests/clients/node",
)


@asynccontextmanager
async def served(server: ServerProcess, folder: Path, port: int) -> AsyncIterator[str]:
    """A copy of the example, with what `npm install` would have brought."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    modules = folder / "node_modules"
    if AGENTS_SDK.is_dir():
        shutil.copytree(AGENTS_SDK, modules / "@openai/agents-realtime/dist/bundle")
    if CLIENT.is_dir():
        shutil.copytree(CLIENT, modules / "@antiphon/client/dist")
    environ = {"ANTIPHON_URL": f"{server.url}/v1", "ANTIPHON_API_KEY": KEY, "PORT": str(port)}
    backend = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", "backend.py"), cwd=folder, env=os.environ | environ, stdout=PIPE
    )
    try:
        assert backend.stdout is not None
        assert b"Running" in await backend.stdout.readline()
        yield f"http://localhost:{port}"
    finally:
        backend.terminate()
        await backend.wait()


@needs_chromium
@pytest.mark.parametrize(
    ("page", "has_tool"),
    [
        pytest.param("agents.html", True, marks=needs_sdk),
        pytest.param("bare.html", False),
        pytest.param("client.html", True, marks=needs_client),
    ],
)
async def test_one_talks_to_the_page(
    keyed_server: ServerProcess, tmp_path: Path, unused_tcp_port: int, page: str, has_tool: bool
) -> None:
    async with (
        served(keyed_server, tmp_path / "site", unused_tcp_port) as url,
        visiting(f"{url}/{page}") as visitor,
    ):
        await visitor.page.get_by_role("button", name="Talk").click()
        await visitor.page.get_by_text("listening").wait_for()
        reply = "assistant: The old mill is yours." if has_tool else "room"
        await visitor.say("cmd_book_a_room", lines="#captions", agents="li", hears=reply)
        lines = "[...document.querySelectorAll('#captions li')].map((line) => line.textContent)"
        await visitor.until(f"() => {lines}.some((line) => /^user: \\w+/.test(line))")
        await visitor.until(f"() => {lines}.some((line) => /^assistant: \\w+/.test(line))")
        await visitor.page.get_by_role("button", name="Stop").click()
