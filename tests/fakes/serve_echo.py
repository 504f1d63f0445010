"""The command line, with echo sessions in the place of conversations."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from antiphon.cli import main
from antiphon.engines.engine import Engine
from antiphon.engines.registry import EngineRegistry
from antiphon.runtime.hub import Hub
from antiphon.server import wiring
from antiphon.server.cascade_parts import CascadeParts
from antiphon.server.settings import Config
from tests.fakes.echo import EchoHub
from tests.fakes.engines import NamedEngine


class SlowToClose(NamedEngine):
    """Says that it closes, and is closed once a file is there."""

    async def aclose(self) -> None:
        print("closing", flush=True)  # noqa: T201
        while not Path(os.environ["ECHO_CLOSES_WITH"]).exists():  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.01)


def make_engines(config: Config, chosen: CascadeParts) -> list[Engine]:
    kind = SlowToClose if "ECHO_CLOSES_WITH" in os.environ else NamedEngine
    return [kind("offline", "Repeats what it hears.")]


class PatientEchoHub(EchoHub):
    """Its sessions have something to finish, and do not within the grace."""

    async def drain(self, grace_s: float) -> None:
        if grace_s:
            await asyncio.wait_for(asyncio.Event().wait(), grace_s)
        await super().drain(0)


def make_hub(config: Config, registry: EngineRegistry, parts: wiring.Parts) -> Hub:
    return PatientEchoHub() if "ECHO_PATIENT" in os.environ else EchoHub()


if __name__ == "__main__":
    wiring.make_engines = make_engines
    wiring.make_hub = make_hub
    sys.exit(main())
