"""A call between two network namespaces, over a line that the kernel makes bad (netem).

For root on Linux, where the kernel has network namespaces and netem; elsewhere it is skipped, and
the relay of test_bad_networks.py stands in.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.desk import BOOKING
from tests.server_process import KEY, ServerProcess
from tests.transports.webrtc import caller

NAME = f"antiphon{os.getpid()}"
SERVER_END, CALLER_END = f"vs{os.getpid()}", f"vc{os.getpid()}"
SERVER_ADDRESS, CALLER_ADDRESS = "198.18.76.1", "198.18.76.2"  # RFC 2544: for tests.
IN_NAMESPACE = ("ip", "netns", "exec", NAME)
BAD_LINE = ("root", "netem", "loss", "5%", "delay", "30ms", "10ms")
CALL_TIMEOUT_S = 120


def need(*command: str) -> None:
    """What this machine may not be able to do."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"`{' '.join(command)}`: {done.stderr.strip()}")


def do(*command: str) -> None:
    subprocess.run(command, check=True)


@pytest.fixture
def bad_line() -> Iterator[None]:
    """From this namespace to another, bad in both directions."""
    if not shutil.which("ip") or not shutil.which("tc"):
        pytest.skip("iproute2 is absent: apt-get install iproute2")
    need("ip", "netns", "add", NAME)
    try:
        need("ip", "link", "add", SERVER_END, "type", "veth", "peer", CALLER_END, "netns", NAME)
        do("ip", "address", "add", f"{SERVER_ADDRESS}/30", "dev", SERVER_END)
        do("ip", "link", "set", SERVER_END, "up")
        do(*IN_NAMESPACE, "ip", "address", "add", f"{CALLER_ADDRESS}/30", "dev", CALLER_END)
        do(*IN_NAMESPACE, "ip", "link", "set", CALLER_END, "up")
        need("tc", "qdisc", "add", "dev", SERVER_END, *BAD_LINE)
        need(*IN_NAMESPACE, "tc", "qdisc", "add", "dev", CALLER_END, *BAD_LINE)
        yield
    finally:
        do("ip", "netns", "delete", NAME)  # And with it both ends.


def test_a_sentence_is_understood_and_answered_over_a_line_that_loses_packets(
    bad_line: None, tmp_path: Path
) -> None:
    with ServerProcess(
        tmp_path,
        ANTIPHON_HOST=SERVER_ADDRESS,
        ANTIPHON_WEBRTC_HOST_ADDRESSES=SERVER_ADDRESS,
        ANTIPHON_API_KEYS=KEY,
    ) as server:
        done = subprocess.run(
            [*IN_NAMESPACE, sys.executable, "-m", caller.__name__, server.url],
            env=os.environ | {"KEY": KEY},
            stdout=subprocess.PIPE,
            timeout=CALL_TIMEOUT_S,
            check=True,
        )
    told = msgspec.json.decode(done.stdout, type=caller.Told)
    assert told.understood == ["two people"]
    assert told.said == BOOKING
    quality = told.quality
    share = quality.packets_lost / (quality.packets_received + quality.packets_lost)
    assert 0 < share < 0.2
    assert quality.rtt_s is not None
    assert quality.rtt_s > 0.04  # Twice 30 ms, each 10 more or less.
    assert quality.jitter_s > 0.003
