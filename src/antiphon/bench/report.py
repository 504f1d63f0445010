"""Results as percentiles, as text and as CSV.  Pure, but for the file."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from antiphon.bench.plan import Plan
from antiphon.bench.result import CallResult
from antiphon.errors import ConfigurationError

CALLERS_LATE_MS = 20
COLUMNS = (
    *("call", "scheduled_s", "start_late_ms", "connect_ms", "turn", "interrupts"),
    *("speech_end_s", "answer_ms", "beyond_silence_window_ms", "barge_in_to_silence_ms"),
    *("lateness_p50_ms", "lateness_p99_ms", "lateness_max_ms", "errors"),
)


@dataclass(frozen=True)
class Spread:
    """Percentiles by nearest rank; None where nothing was measured."""

    count: int
    p50: float | None
    p90: float | None
    p99: float | None
    worst: float | None


def spread(values: Sequence[float]) -> Spread:
    if not values:
        return Spread(0, None, None, None, None)
    p50, p90, p99 = np.percentile(values, [50, 90, 99], method="inverted_cdf")
    return Spread(len(values), float(p50), float(p90), float(p99), float(max(values)))


@dataclass(frozen=True)
class Summary:
    """All calls together, ms.

    Attributes:
        answer: A turn without an answer counts as one that took all the caller's patience.
        beyond_window: The same, less the window of silence that ends a turn.
    """

    calls: int
    connected: int
    turns: int
    answered: int
    connect: Spread
    answer: Spread
    beyond_window: Spread
    barge_in_to_silence: Spread
    lateness: Spread
    start_late: Spread
    microphone_late: Spread
    errors: Counter[str]
    details: dict[str, str]


def summarize(results: Sequence[CallResult], plan: Plan) -> Summary:
    turns = [turn for result in results for turn in result.turns]
    answers = [turn.answer_ms for turn in turns if turn.answer_ms is not None]
    waited = answers + [plan.patience_ms] * sum("no_answer" in turn.errors for turn in turns)
    errors: Counter[str] = Counter()
    details: dict[str, str] = {}
    for result in results:
        errors.update(result.all_errors())
        details = {**result.details, **details}
    return Summary(
        calls=len(results),
        connected=sum(result.connect_ms is not None for result in results),
        turns=len(turns),
        answered=len(answers),
        connect=spread([r.connect_ms for r in results if r.connect_ms is not None]),
        answer=spread(waited),
        beyond_window=spread([value - plan.silence_ms for value in waited]),
        barge_in_to_silence=spread([t.silence_ms for t in turns if t.silence_ms is not None]),
        lateness=spread([value for turn in turns for value in turn.lateness_ms]),
        start_late=spread([r.started_ms - r.scheduled_ms for r in results]),
        microphone_late=spread([value for r in results for value in r.microphone_late_ms]),
        errors=errors,
        details=details,
    )


def as_text(summary: Summary) -> str:
    rows = [
        ("connect", summary.connect),
        ("end of speech to answer", summary.answer),
        ("… beyond the silence window", summary.beyond_window),
        ("barge-in to silence", summary.barge_in_to_silence),
        ("speech late by", summary.lateness),
        ("call started late by", summary.start_late),
        ("microphone late by", summary.microphone_late),
    ]
    lines = [
        f"{summary.connected} of {summary.calls} calls connected, "
        f"{summary.answered} of {summary.turns} turns answered",
        "",
        f"{'ms':30}{'n':>8}{'p50':>9}{'p90':>9}{'p99':>9}{'max':>9}",
    ]
    for name, found in rows:
        figures = (found.p50, found.p90, found.p99, found.worst)
        cells = "".join(f"{'-' if value is None else format(value, '.1f'):>9}" for value in figures)
        lines.append(f"{name:30}{found.count:>8}{cells}")
    lines += ["", "errors" if summary.errors else "no errors"]
    for kind, count in summary.errors.most_common():
        said = summary.details.get(kind)
        lines.append(f"{count:>6}  {kind}" + (f": {said}" if said else ""))
    late = summary.microphone_late.p99
    if late is not None and late > CALLERS_LATE_MS:
        lines += [
            "",
            "The callers' own machine was late: the figures are not the server's alone. "
            "Make fewer calls, or call from another machine.",
        ]
    return "\n".join(lines)


def write_csv(file: TextIO, results: Sequence[CallResult], plan: Plan) -> None:
    """A row for each turn, and one for each call that had none."""
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for result in results:
        call = [
            result.index,
            _rounded(result.scheduled_ms / 1000),
            _rounded(result.started_ms - result.scheduled_ms),
            _rounded(result.connect_ms),
        ]
        errors = [kind for kind, count in result.errors.items() for _ in range(count)]
        if not result.turns:
            writer.writerow([*call, *[""] * (len(COLUMNS) - 5), ";".join(errors)])
        for turn in result.turns:
            late = spread(turn.lateness_ms)
            beyond_ms = None if turn.answer_ms is None else turn.answer_ms - plan.silence_ms
            last = errors if turn is result.turns[-1] else []
            writer.writerow(
                [
                    *call,
                    turn.number,
                    int(turn.interrupts),
                    _rounded(turn.speech_end_ms / 1000),
                    *map(_rounded, (turn.answer_ms, beyond_ms, turn.silence_ms)),
                    *map(_rounded, (late.p50, late.p99, late.worst)),
                    ";".join([*turn.errors, *last]),
                ]
            )


def _rounded(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def open_csv(path: Path) -> TextIO:
    """Before anything is measured.

    Raises:
        ConfigurationError: It cannot be written.
    """
    try:
        return path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigurationError(f"--csv {path}: {error.strerror}") from error
