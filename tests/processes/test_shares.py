"""What each of several processes has of what the server has."""

from __future__ import annotations

import pytest

from antiphon.processes.worker import of_process
from antiphon.server.cascade_settings import SttSettings, TtsSettings
from antiphon.server.config import process_count
from antiphon.server.config_problems import problems
from antiphon.server.settings import Config, MetricsSettings, ServerSettings, WebRtcOptions


@pytest.mark.parametrize(("processes", "first", "last"), [(2, 40_000, 40_100), (3, 50_000, 50_007)])
def test_each_process_has_ports_of_its_own_and_none_is_lost(
    processes: int, first: int, last: int
) -> None:
    config = Config(webrtc=WebRtcOptions(port_min=first, port_max=last))
    shares = [of_process(config, number, processes).webrtc for number in range(processes)]
    ports = [port for share in shares for port in range(share.port_min, share.port_max + 1)]
    assert ports == list(range(first, last + 1))


def test_any_port_is_any_port_for_all() -> None:
    assert of_process(Config(), 1, 2).webrtc == Config().webrtc


def test_a_range_with_fewer_ports_than_processes_is_refused() -> None:
    server = ServerSettings(processes=4)
    config = Config(server=server, webrtc=WebRtcOptions(port_min=40_000, port_max=40_002))
    ((setting, problem),) = problems(config)
    assert setting == "webrtc.port_max"
    assert "4 processes" in problem


def test_one_process_alone_listens_for_metrics() -> None:
    config = Config(metrics=MetricsSettings(listen="127.0.0.1:9464"))
    listening = [of_process(config, number, 3).metrics.listen for number in range(3)]
    assert listening == ["127.0.0.1:9464", None, None]


@pytest.mark.parametrize(
    ("asked", "ears", "voice", "count"),
    [
        (3, "auto", "espeak", 3),
        (0, "auto", "espeak", 1),
        (0, "http", "kokoro", 1),
        (0, "http", "espeak", 8),
        (0, "realtime", "http", 8),
    ],
)
def test_there_is_a_process_for_each_core_that_nothing_else_needs(
    asked: int, ears: str, voice: str, count: int
) -> None:
    config = Config(
        server=ServerSettings(processes=asked),
        stt=SttSettings(recognizer=ears),  # type: ignore[arg-type]
        tts=TtsSettings(synthesizer=voice),  # type: ignore[arg-type]
    )
    assert process_count(config, 8) == count


def test_there_are_no_more_processes_than_ports_for_their_media() -> None:
    config = Config(
        server=ServerSettings(processes=0),
        stt=SttSettings(recognizer="http"),
        webrtc=WebRtcOptions(port_min=40_000, port_max=40_002),
    )
    assert process_count(config, 8) == 3
