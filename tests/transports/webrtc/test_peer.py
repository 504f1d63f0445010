"""Two files know aiortc, and they know which."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.metadata import requires, version
from pathlib import Path

SRC = Path(__file__).parents[3] / "src" / "antiphon"
OF_AIORTC = {"aiortc", "aioice", "pylibsrtp"}


def importers(of: set[str]) -> set[str]:
    found = set()
    for path in SRC.rglob("*.py"):
        text = path.read_text()
        if not any(name in text for name in of):
            continue  # To parse all takes seconds.
        for node in ast.walk(ast.parse(text)):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            if {name.split(".")[0] for name in names} & of:
                found.add(path.relative_to(SRC).as_posix())
    return found


def test_in_the_server_only_the_peer_and_its_transports_import_aiortc() -> None:
    # The terminal client is another program: it uses aiortc as it is, public names alone.
    server = {"transports/webrtc/peer.py", "transports/webrtc/transport.py"}
    client = {"talk/webrtc.py", "talk/track_sound.py"}
    assert importers({"aiortc"}) - client == server
    assert importers({"pylibsrtp"}) == {"transports/webrtc/srtp.py"}
    ice = {"transports/webrtc/transport.py", "transports/webrtc/candidates.py"}
    assert importers({"aioice"}) == ice


def test_the_pure_parts_load_no_media_library() -> None:
    code = (
        "import sys\n"
        "from antiphon.transports.rtp import clock, codec, incoming, jitter, opus, outgoing\n"
        "from antiphon.transports.rtp import packets, playback, rtcp, session\n"
        "from antiphon.transports.webrtc import answer, channel, channels, offer\n"
        "from antiphon.transports.webrtc import sdp, settings\n"
        f"assert not {OF_AIORTC | {'av'}} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_private_parts_are_those_of_the_pinned_release() -> None:
    assert version("aiortc").startswith("1.16.")
    assert version("aioice").startswith("0.13.")
    [requirement] = [r for r in requires("antiphon") or [] if r.startswith("aiortc")]
    assert "<1.17" in requirement
