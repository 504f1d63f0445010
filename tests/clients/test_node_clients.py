"""The official JavaScript SDKs in Node, over TLS, with nothing changed but the URL.

Each program of tests/clients/node ends well or says what it missed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from antiphon.server.self_signed import Files
from tests.arrangements import Arrangement
from tests.recordings import at_24khz
from tests.server_process import ServerProcess

FOLDER = Path(__file__).parent / "node"
TIMEOUT_S = 180

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="node is absent: install Node.js 20"),
    pytest.mark.skipif(
        not (FOLDER / "node_modules").is_dir(),
        reason="the SDKs are absent: npm ci --ignore-scripts --prefix tests/clients/node",
    ),
]


@pytest.mark.parametrize("program", ["openai_client.mjs", "agents_client.mjs"])
async def test_a_client_in_node(
    program: str,
    tls_server: ServerProcess,
    arrangement: Arrangement,
    certificate: Files,
    tmp_path: Path,
) -> None:
    async with arrangement.of(
        tls_server, hears=["book a room", "yes"], certificate=certificate
    ) as server:
        await run(program, server.url, certificate, tmp_path)


async def run(program: str, url: str, certificate: Files, tmp_path: Path) -> None:
    clips = {"SPEECH_BOOK_A_ROOM": "cmd_book_a_room", "SPEECH_YES": "laptop_yes"}
    for clip in clips.values():
        (tmp_path / clip).write_bytes(at_24khz(clip))
    process = await asyncio.create_subprocess_exec(
        "node",
        str(FOLDER / program),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        | {name: str(tmp_path / clip) for name, clip in clips.items()}
        | {
            "ANTIPHON_URL": url,
            "NODE_EXTRA_CA_CERTS": str(certificate.certificate),
            "OPENAI_AGENTS_DISABLE_TRACING": "1",
        },
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, out.decode()
