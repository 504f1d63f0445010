"""What the supervisor does with processes that are none."""

from __future__ import annotations

import sys

import pytest

from antiphon.errors import ConfigurationError
from antiphon.processes.supervisor import Supervisor
from antiphon.server.settings import Config, ServerSettings

CONFIG = Config(server=ServerSettings(host="127.0.0.1", port=0))


@pytest.mark.parametrize(
    ("program", "within_s", "told"),
    [
        ("import time; time.sleep(600)", 1.0, "did not start within 1 s"),
        ("", 60.0, "ended while it started"),
    ],
)
async def test_one_that_cannot_start_ends_the_server(
    program: str, within_s: float, told: str
) -> None:
    supervisor = Supervisor(
        CONFIG,
        processes=2,
        program=[sys.executable, "-c", program],
        config_path=None,
        overrides={},
        start_within_s=within_s,
    )
    with pytest.raises(ConfigurationError, match=told):
        await supervisor.run()
