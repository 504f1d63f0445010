"""Python clients over TLS need nothing but a certificate to trust, named by SSL_CERT_FILE."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from antiphon.server.self_signed import Files
from tests.server_process import ServerProcess

EXAMPLES = Path(__file__).parents[2] / "examples"
TALK = ("-m", "antiphon.cli", "talk", "--no-mic", "--text", "what is six times ten", "--url")


def run(
    *arguments: str, folder: Path, certificate: Files | None, **environ: str
) -> subprocess.CompletedProcess[str]:
    trusted = {} if certificate is None else {"SSL_CERT_FILE": str(certificate.certificate)}
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **trusted, **environ},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.mark.parametrize(
    ("example", "scheme", "said"),
    [
        ("stock_openai.py", "https", "Six times ten is sixty.\n"),
        ("stock_agents.py", "wss", "We are open from nine to five.\n"),
    ],
)
def test_a_stock_client(
    example: str,
    scheme: str,
    said: str,
    tls_server: ServerProcess,
    certificate: Files,
    tmp_path: Path,
) -> None:
    url = f"{scheme}://127.0.0.1:{tls_server.port}/v1"
    program = str(EXAMPLES / example)
    done = run(program, folder=tmp_path, certificate=certificate, ANTIPHON_URL=url)
    assert (done.returncode, done.stdout) == (0, said), done.stderr


def test_antiphon_talk(tls_server: ServerProcess, certificate: Files, tmp_path: Path) -> None:
    done = run(
        *TALK, f"https://localhost:{tls_server.port}", folder=tmp_path, certificate=certificate
    )
    assert done.returncode == 0, done.stderr
    assert "Six times ten is sixty." in done.stdout


def test_antiphon_talk_says_what_to_do_about_a_certificate_it_does_not_trust(
    tls_server: ServerProcess, tmp_path: Path
) -> None:
    done = run(*TALK, tls_server.url, folder=tmp_path, certificate=None)
    assert done.returncode == 3
    assert "name its authority in SSL_CERT_FILE" in done.stderr
