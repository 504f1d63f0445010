"""The bench beside peers: how many sessions it tries next, and what one failure costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PEERS = ROOT / "bench" / "peers"


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are no package."""
    monkeypatch.syspath_prepend(str(PEERS))
    monkeypatch.syspath_prepend(str(PEERS.parent))


def tried(capacity: int, *, cost: float, callers: int = 10_000, first: int = 5) -> list[int]:
    """Sessions of all steps, for a server that is late above ``capacity``."""
    from steps import Step, next_sessions

    steps: list[Step] = []
    while (sessions := next_sessions(steps, first)) and len(steps) < 30:
        late = 5.0 if sessions <= capacity else 80.0
        core = min(1.0, sessions * cost)
        steps.append(Step(sessions, sessions, core, late, 50.0 if sessions > callers else 1.0))
    return [step.sessions for step in steps]


@pytest.mark.parametrize(("capacity", "cost"), [(3, 0.2), (14, 0.05), (45, 0.02), (150, 0.006)])
def test_steps_close_in_on_what_a_core_carries(capacity: int, cost: float) -> None:
    sizes = tried(capacity, cost=cost)
    fits = max(size for size in sizes if size <= capacity)
    least = min(size for size in sizes if size > capacity)
    assert least <= fits * 1.5 + 1
    assert len(sizes) <= 7
    assert len(set(sizes)) == len(sizes), "nothing is measured twice"


def test_a_server_that_is_late_at_once_is_tried_with_less() -> None:
    assert tried(0, cost=0.5) == [5, 2, 1]


def test_when_the_callers_are_late_more_of_them_tell_nothing() -> None:
    assert tried(1_000, cost=0.001, callers=60) == [5, 50, 400]


def test_who_is_never_late_is_not_tried_for_ever() -> None:
    assert max(tried(10_000, cost=0.00001)) <= 400


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    from peer_process import DidNotStart, PeerProcess

    log = tmp_path / "log"
    command = [sys.executable, "-c", "raise SystemExit('no model here')"]
    with (
        pytest.raises(DidNotStart, match="ended before it listened: no model here"),
        PeerProcess(command, core=min(os.sched_getaffinity(0)), folder=tmp_path, log=log) as server,
    ):
        server.listen(30)
    silent = [sys.executable, "-c", "import time; time.sleep(60)"]
    with (
        pytest.raises(DidNotStart, match="did not listen within 0 s"),
        PeerProcess(silent, core=min(os.sched_getaffinity(0)), folder=tmp_path, log=log) as server,
    ):
        server.listen(0.1)


def test_what_failed_is_a_dash_with_its_reason(tmp_path: Path) -> None:
    import found
    import page
    import roster

    row = found.Row(
        peer="antiphon-websocket",
        sessions=5,
        connected=5,
        cpu_ms_per_session_s=4.0,
        core=0.02,
        memory_mib=80.0,
        memory_mib_per_session=0.3,
        connect_p50_ms=12.0,
        turns=10,
        answered=10,
        beyond_window_p50_ms=30.0,
        beyond_window_p99_ms=40.0,
        silence_p50_ms=200.0,
        silence_p99_ms=220.0,
        lateness_p99_ms=3.0,
        callers_late_p99_ms=1.0,
        errors=0,
        error_kinds="",
        first_error="",
    )
    outcomes = {
        "antiphon-websocket": found.Outcome([row], None),
        "fastrtc-webrtc": found.Outcome([], "it did not listen within 60 s"),
    }
    kept = tmp_path / "peers.json"
    found.write(
        found.Found({"cpu": "any", "cores": 2, "python": "3.11", "at": "now"}, outcomes), kept
    )
    result = found.read(kept)
    assert result.is_done("antiphon-websocket")
    assert not result.is_done("fastrtc-webrtc"), "--resume tries it again"
    assert json.loads(kept.read_text())["outcomes"]["antiphon-websocket"]["rows"]
    lines = {
        peer.name: page.line(peer, outcomes.get(peer.name, found.Outcome([], "")).rows)
        for peer in roster.PEERS
    }
    assert (
        "| ≥ 5 | 4.0 at 5 | 30 | 40 | 200 | 0.30 | 12 | 10 of 10 | 1.0 |"
        in lines["antiphon-websocket"]
    )
    assert set(lines["fastrtc-webrtc"].split("|")[2:-1]) == {" - "}
    assert "≥ 5 sessions" in page.draw(result, roster.PEERS)


def test_the_command_can_be_asked_what_it_does() -> None:
    command = [sys.executable, str(PEERS / "run.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--resume" in done.stdout
