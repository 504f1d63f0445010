"""An engine that can be listed and started, and nothing else."""

from __future__ import annotations

from antiphon.engines.engine import Abilities, EngineSession


class NamedEngine:
    def __init__(self, name: str, description: str = "") -> None:
        self.name = name
        self.description = description or f"The engine {name}."
        self.abilities = Abilities(voices=("marin", "cedar"))
        self.running = False

    async def start(self) -> None:
        self.running = True

    def open(self, session_id: str) -> EngineSession:
        raise AssertionError("this engine is only listed")

    async def aclose(self) -> None:
        self.running = False
