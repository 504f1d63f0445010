"""What was measured, and where it is kept."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from steps import Step


@dataclass(frozen=True)
class Row:
    """One step of one peer; None: it was not measured, or cannot be.

    Attributes:
        memory_mib_per_session: What each session adds to a server that has one.
    """

    peer: str
    sessions: int
    connected: int
    cpu_ms_per_session_s: float
    core: float
    memory_mib: float
    memory_mib_per_session: float | None
    connect_p50_ms: float | None
    turns: int
    answered: int
    beyond_window_p50_ms: float | None
    beyond_window_p99_ms: float | None
    silence_p50_ms: float | None
    silence_p99_ms: float | None
    lateness_p99_ms: float | None
    callers_late_p99_ms: float | None
    errors: int
    error_kinds: str
    first_error: str

    @property
    def step(self) -> Step:
        return Step(
            self.sessions,
            self.connected,
            self.core,
            self.lateness_p99_ms,
            self.callers_late_p99_ms,
        )


@dataclass(frozen=True)
class Outcome:
    """Of one peer; ``problem``: why it ended before its time."""

    rows: list[Row]
    problem: str | None


@dataclass(frozen=True)
class Found:
    """Of one run."""

    conditions: Mapping[str, object]
    outcomes: dict[str, Outcome]

    def is_done(self, peer: str) -> bool:
        return peer in self.outcomes and self.outcomes[peer].problem is None


def read(path: Path) -> Found:
    kept = json.loads(path.read_text())
    outcomes = {
        name: Outcome([Row(**row) for row in said["rows"]], said["problem"])
        for name, said in kept["outcomes"].items()
    }
    return Found(kept["conditions"], outcomes)


def write(found: Found, path: Path) -> None:
    """As JSON, and the rows as CSV beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(found), indent=1))
    with csv_of(path).open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)])
        writer.writeheader()
        for outcome in found.outcomes.values():
            writer.writerows(asdict(row) for row in outcome.rows)


def csv_of(path: Path) -> Path:
    return path.with_suffix(".csv")
