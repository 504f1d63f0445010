"""What several processes say, as one server says it.  Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from antiphon.processes.messages import HealthTold

_SAMPLE: Final = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?( .*)$")
_ADDED: Final = ("sessions", "keys_refused", "slowed_down")


def merged_metrics(texts: Mapping[str, str]) -> str:
    """Of each process its own samples, by the label ``process``: a lateness cannot be added up, and
    what can be is for Prometheus to add (``sum without (process)``).

    Args:
        texts: What each says, in Prometheus' text format, by its name.
    """
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for process, text in texts.items():
        family = ""
        for line in text.splitlines():
            if line.startswith("# "):
                family = line.split(" ", 3)[2]
                head = heads.setdefault(family, [])
                if line not in head:
                    head.append(line)
            elif (sample := _SAMPLE.match(line)) is not None:
                name, labels, value = sample.groups()
                label = f'process="{process}"'
                both = f"{labels},{label}" if labels else label
                samples.setdefault(family, []).append(f"{name}{{{both}}}{value}")
    lines = [line for family, head in heads.items() for line in (*head, *samples.get(family, ()))]
    return "\n".join(lines) + "\n"


def merged_health(told: Mapping[str, HealthTold]) -> HealthTold:
    """A server is ready as long as one of its processes is."""
    first = next(iter(told.values()))
    health: dict[str, Any] = dict(first.health)
    for name in _ADDED:
        health[name] = sum(each.health[name] for each in told.values())
    health["lateness_ms"] = max(each.health["lateness_ms"] for each in told.values())
    health["processes"] = len(told)
    ready = [each.checks for each in told.values() if _is_ready(each)]
    return HealthTold(health, ready[0] if ready else first.checks)


def _is_ready(told: HealthTold) -> bool:
    return all(verdict == "ok" for verdict in told.checks.values())
