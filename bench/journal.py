"""What keeping conversations costs: `python bench/journal.py`.

The real server with `zero_engine` on one core, in conversation with so many clients, with and
without a journal, turn about; and the journal alone, as fast as it goes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from report import CLIENT_CORE, SERVER_CORE, percentile
from server_process import ServerProcess
from sessions import ROUND_S, Measuring, Row

from antiphon.core.causes import MEDIA_RATE_HZ, Word
from antiphon.core.items import MessageEntry, TextPart
from antiphon.core.records import ItemChanged, Record
from antiphon.journal.entries import Changed, Opened, without_audio
from antiphon.journal.journal import Journal, Ticket
from antiphon.journal.sqlite import SqliteJournal
from antiphon.testing import VirtualCall
from antiphon.testing.virtual_call import session

WORDS = "Some words that were said, as long as a sentence is. " * 8


# --- Sessions with and without -------------------------------------------------


@contextmanager
def serving(keeps: bool, folder: Path) -> Iterator[Measuring]:
    command = ["zero_server.py"]
    if keeps:
        command += ["--journal", str(folder / f"{time.monotonic_ns()}.sqlite3")]
    with ServerProcess(command, core=SERVER_CORE, nice=os.nice(0)) as server:
        found = Measuring(server, chunk_ms=20, always=False)
        yield found
        found.crowd.close()
        server.stop()


def measure(sessions: int, seconds: float, folder: Path, *, keeps: bool) -> float:
    """Milliseconds of CPU per session and second."""
    with serving(keeps, folder) as found:
        row = found.measure(sessions, warm_s=ROUND_S, seconds=seconds)
    show(row, keeps=keeps)
    return row.cpu_ms


def show(row: Row, *, keeps: bool) -> None:
    print(
        f"{'with' if keeps else 'without':8} {row.sessions} sessions: {row.cpu_ms:.3f} ms/s each, "
        f"core {row.core:.1%}, answers p50 {row.latency_p50_ms:.1f} p99 {row.latency_p99_ms:.1f}, "
        f"late p99 {row.late_p99_ms:.1f} ms, {row.turns} turns, waited {row.waited:.1%}",
        flush=True,
    )


def compare(sessions: int, seconds: float, rounds: int, folder: Path) -> None:
    """In pairs, each next one the other way round: what the machine does meanwhile meets both."""
    more = []
    for at in range(rounds):
        cpu_ms = {}
        for keeps in (False, True) if at % 2 == 0 else (True, False):
            cpu_ms[keeps] = measure(sessions, seconds, folder, keeps=keeps)
        more.append(cpu_ms[True] / cpu_ms[False] - 1)
        print(f"pair {at + 1}: {more[-1]:+.1%}", flush=True)
    print(f"CPU of {sessions} sessions, median of {rounds} pairs: {statistics.median(more):+.1%}")


def beside(sessions: int, seconds: float, rounds: int, folder: Path) -> None:
    """Two servers share the core, one with a journal and one without, each with so many sessions:
    what the machine does meanwhile meets both alike.
    """
    more: list[float] = []
    for at in range(rounds):
        with ExitStack() as stack:
            order = (False, True) if at % 2 == 0 else (True, False)
            found = {keeps: stack.enter_context(serving(keeps, folder)) for keeps in order}
            with ThreadPoolExecutor() as pool:
                asked = {
                    keeps: pool.submit(m.measure, sessions, warm_s=ROUND_S, seconds=seconds)
                    for keeps, m in found.items()
                }
                rows = {keeps: row.result() for keeps, row in asked.items()}
        for keeps, row in rows.items():
            show(row, keeps=keeps)
        more.append(rows[True].cpu_ms / rows[False].cpu_ms - 1)
        print(f"round {at + 1}: {more[-1]:+.1%}", flush=True)
    low, middle, high = statistics.quantiles(more, n=4, method="inclusive")
    print(
        f"CPU of {sessions} sessions beside {sessions} without, {rounds} rounds: "
        f"median {middle:+.1%}, quartiles {low:+.1%} to {high:+.1%}"
    )


# --- The journal alone ----------------------------------------------------------


def entry(name: str) -> Changed:
    item = MessageEntry(name, "user", parts=[TextPart("input_text", WORDS)])
    change = ItemChanged(item, None)
    return Changed(at_s=time.time(), session_id="sess_1", change=change, ids_used=1)


async def delays(journal: Journal, per_second: int, seconds: float) -> None:
    """How long an entry takes to be durable, where so many come."""
    await journal.start()
    for at in range(100):
        journal.append(f"conv_{at}", opened())
    await asyncio.sleep(0.2)
    took_ms: list[float] = []
    began_s, at = time.monotonic(), 0
    while (passed_s := time.monotonic() - began_s) < seconds:
        while at < passed_s * per_second:
            append_timed(journal, f"conv_{at % 100}", str(at), took_ms)
            at += 1
        await asyncio.sleep(0.001)
    await journal.aclose()
    print(
        f"{type(journal).__name__} {per_second}/s: durable after "
        f"p50 {statistics.median(took_ms):.2f}, p99 {percentile(took_ms, 99):.2f} ms"
    )


def append_timed(journal: Journal, name: str, item: str, took_ms: list[float]) -> None:
    asked_s = time.monotonic()

    def settled(_: Ticket) -> None:
        took_ms.append((time.monotonic() - asked_s) * 1000)

    journal.append(name, entry(item)).then(settled)


async def rate(folder: Path, count: int) -> None:
    path = folder / "rate.sqlite3"
    journal = SqliteJournal(path)
    await journal.start()
    journal.append("conv", opened())
    began_s, cpu_s = time.monotonic(), time.process_time()
    for at in range(count):
        journal.append("conv", entry(str(at)))
        if at % 1_000 == 0:
            await asyncio.sleep(0)
    await journal.aclose()
    passed_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
    print(
        f"{count / passed_s:,.0f} entries/s, {cpu_s / count * 1e6:.0f} µs CPU each, "
        f"{path.stat().st_size / count:.0f} bytes each on disk"
    )


# --- Turns, as sessions come to them ----------------------------------------------

TURN_S = 9.2
STEPS = ((0.0, 1, True), (0.0097, 1, True), (0.0102, 2, False), (4.005, 2, True))
"""Of a turn with `zero_engine`: when, how many entries come, and whether an acknowledgement waits:
the user's item, its words, an answer begins, an answer is done."""


class Turns:
    """So many sessions' turns, each at its own time; what keeping them takes of a processor."""

    def __init__(self, journal: Journal | None, sessions: int, seconds: float) -> None:
        self.entries = 0
        self.took_ms: list[float] = []
        self._journal = journal
        self._sessions = sessions
        self._seconds = seconds
        self._entry = entry("item")

    async def run(self) -> float:
        """Seconds of CPU, with those of the timers."""
        loop, chance = asyncio.get_running_loop(), random.Random(1)
        for at in range(self._sessions):
            begins_s = chance.uniform(0, TURN_S)
            while begins_s < self._seconds:
                for after_s, count, waits in STEPS:
                    if (at_s := begins_s + after_s) < self._seconds:
                        loop.call_later(at_s, self._come, f"conv_{at}", count, waits)
                begins_s += TURN_S
        cpu_s = time.process_time()
        await asyncio.sleep(self._seconds)
        return time.process_time() - cpu_s

    def _come(self, conversation_id: str, count: int, waits: bool) -> None:
        self.entries += count
        asked_s = time.monotonic()
        for _ in range(count if self._journal is not None else 0):
            assert self._journal is not None
            ticket = self._journal.append(conversation_id, self._entry)
            if waits:
                ticket.then(lambda _: self.took_ms.append((time.monotonic() - asked_s) * 1000))


async def turns(folder: Path, sessions: int, seconds: float) -> None:
    timers_s = await Turns(None, sessions, seconds).run()
    journal = SqliteJournal(folder / "turns.sqlite3")
    await journal.start()
    for at in range(sessions):
        journal.append(f"conv_{at}", opened())
    await asyncio.sleep(0.5)
    kept = Turns(journal, sessions, seconds)
    cpu_ms = 1000 * (await kept.run() - timers_s) / sessions / seconds
    await journal.aclose()
    print(
        f"turns of {sessions} sessions, {kept.entries} entries in {seconds:g} s: {cpu_ms:.3f} ms/s "
        f"each; durable after p50 {percentile(kept.took_ms, 50):.1f}, "
        f"p99 {percentile(kept.took_ms, 99):.1f} ms"
    )


# --- An hour of conversation ------------------------------------------------------

SPOKEN_MS, THINKING_MS, WORD_MS = 6_000, 1_000, 400
"""Each side speaks so long, 150 words a minute."""


async def hour(folder: Path) -> None:
    """What an hour takes on disk where both sides speak all the time, in virtual time."""
    words = [f"word{at:03}" for at in range(SPOKEN_MS // WORD_MS)]
    text = " ".join(words)
    per_word = WORD_MS * MEDIA_RATE_HZ // 1000
    marks = [Word((at + 1) * 8 - 1, (at + 1) * per_word) for at in range(len(words))]
    call = VirtualCall(session(), recorded=True, playout="server")
    changes = [effect for effect in call.opening if isinstance(effect, Record)]
    while call.now_ms < 3_600_000:
        call.user_speaks(SPOKEN_MS).user_is_quiet(THINKING_MS)
        call.engine_heard(text)
        call.engine_speaks(SPOKEN_MS, text, words=marks).engine_finishes()
        call.wait(SPOKEN_MS)
        changes += [effect for effect in call.take() if isinstance(effect, Record)]
    path = folder / "hour.sqlite3"
    journal = SqliteJournal(path)
    await journal.start()
    journal.append("conv", opened())
    for record in changes:
        change = without_audio(record.change)
        journal.append(
            "conv",
            Changed(at_s=0.0, session_id="sess_1", change=change, ids_used=record.ids_used),
        )
    await journal.aclose()
    print(
        f"an hour, {len(call.conversation.items)} turns of {len(words)} words: "
        f"{len(changes)} entries, {path.stat().st_size / 1024:,.0f} KiB on disk"
    )


def opened() -> Opened:
    return Opened(
        at_s=time.time(),
        session_id="sess_1",
        kind="realtime",
        model="m",
        engine="zero",
        transport="websocket",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help="only the journal alone")
    parser.add_argument("--pairs", action="store_true", help="only the sessions, in pairs")
    parser.add_argument(
        "--beside", action="store_true", help="only the sessions, with and without at once"
    )
    parser.add_argument("--turns", action="store_true", help="only what turns take of a processor")
    parser.add_argument("--hour", action="store_true", help="only what an hour takes on disk")
    parser.add_argument("--url", help="of an empty PostgreSQL database, to measure beside it")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder or Path.cwd()) as name:
        folder = Path(name)
        print(f"Python {sys.version.split()[0]}")
        if args.pairs:
            compare(args.sessions, args.seconds, args.rounds, folder)
            return
        if args.beside:
            os.sched_setaffinity(0, {CLIENT_CORE})
            beside(args.sessions, args.seconds, args.rounds, folder)
            return
        if args.turns:
            for _ in range(args.rounds):
                asyncio.run(turns(folder, args.sessions, args.seconds))
            return
        asyncio.run(hour(folder))
        if args.hour:
            return
        for per_second in (10, 100, 300, 1_000):
            asyncio.run(delays(SqliteJournal(folder / f"{per_second}.sqlite3"), per_second, 5))
            if args.url:
                from antiphon.journal.postgres import PostgresJournal

                asyncio.run(delays(PostgresJournal(args.url), per_second, 5))
        asyncio.run(rate(folder, 20_000))
        if not args.alone:
            compare(args.sessions, args.seconds, args.rounds, folder)


if __name__ == "__main__":
    main()
