"""What the pages of these examples need around them: a voice server, and their files."""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

CLIENT = Path(__file__).parents[1] / "web/packages/client/dist"
"""@antiphon/client, built: pages import /antiphon-client/index.js."""

LOOK = Path(__file__).parent / "look"


@dataclass(frozen=True)
class VoiceServer:
    """Where the voice server is, for the backend: `key` never goes to a page."""

    url: str
    """The API's base: http://127.0.0.1:8080/v1"""
    key: str


@contextmanager
def voice_server() -> Iterator[VoiceServer]:
    """The server that ANTIPHON_URL and ANTIPHON_API_KEY name, or else one started here.

    Raises:
        RuntimeError: it did not start; it says why on standard error.
    """
    if url := os.environ.get("ANTIPHON_URL"):
        yield VoiceServer(url.rstrip("/"), os.environ.get("ANTIPHON_API_KEY", "any"))
        return
    key = secrets.token_urlsafe(24)
    process = subprocess.Popen(
        [sys.executable, "-m", "antiphon.cli", "serve", "--port", "0", "--log-level", "warning"],
        env=os.environ | {"ANTIPHON_API_KEYS": key},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        welcome = process.stdout.readline()
        if "://" not in welcome:
            raise RuntimeError("antiphon serve did not start")
        yield VoiceServer(f"{welcome.split()[-1]}/v1", key)
    finally:
        process.terminate()
        process.wait()


def options(name: str, port: int) -> argparse.ArgumentParser:
    """What all examples can be told."""
    parser = argparse.ArgumentParser(prog=f"python -m examples.{name}")
    parser.add_argument("--port", type=int, default=port)
    parser.add_argument(
        "--language-model",
        action="store_true",
        help="the server answers with a language model, not with the offline script",
    )
    return parser


def run(app: web.Application, port: int, what: str) -> None:
    """Serve it on this machine, until it is stopped."""

    def tell(_: str) -> None:
        print(f"{what} is at http://localhost:{port}", flush=True)

    web.run_app(app, host="localhost", port=port, print=tell)


def add_pages(app: web.Application, pages: Path) -> None:
    """Serve `index.html` at /, the folder's other files, what the pages share, and the
    client library.

    Raises:
        SystemExit: the client library is not built.
    """
    if not (CLIENT / "index.js").is_file():
        raise SystemExit(
            "The client for pages is not built: npm ci --prefix web && npm run build --prefix web"
        )

    async def index(_: web.Request) -> web.FileResponse:
        return web.FileResponse(pages / "index.html")

    app.router.add_get("/", index)
    app.router.add_static("/antiphon-client", CLIENT)
    app.router.add_static("/look", LOOK)
    app.router.add_static("/", pages)
