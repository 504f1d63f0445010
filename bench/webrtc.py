"""What WebRTC calls cost, beside the same calls on aiortc as it comes.

    python bench/webrtc.py            about two minutes
    python bench/webrtc.py --full     with the ramps to the limit; about eight minutes
    python bench/webrtc.py --only ramp     the ramps alone; about four

The real server (`antiphon.server.wiring`) with `zero_engine` and voice detection on one core,
its callers on another; see docs/reference/benchmarks.md.  Linux only, with a C compiler.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

sys.path.append(str(Path(__file__).parent / "peers"))

from callers import Crowd
from msgspec import Struct, to_builtins
from report import CLIENT_CORE, SERVER_CORE, conditions, percentile, write
from server_process import ServerProcess
from speech_loop import keepalive_slots, opus_slots
from steps import Step, next_sessions

Who = Literal["antiphon", "aiortc"]
INTERRUPTING_TURN_S = 5
"""Two seconds before the answer to the turn before would have ended."""
ROUND_S = 8
RAMP_STEPS: Final = 5
"""At most; each is about twenty seconds."""
RAMPS: Final[dict[tuple[Who, str], int]] = {
    ("antiphon", "conversation"): 30,
    ("antiphon", "both"): 20,
    ("aiortc", "both"): 6,
}
"""And how many calls each begins with."""


class Duty(Struct, frozen=True):
    """What both sides of each call do."""

    speaks: bool = False
    """Whether the caller says anything at all."""
    dtx: bool = False
    """Whether the caller sends nothing while there is silence."""
    turn_s: float = ROUND_S
    monologue: bool = False
    """Whether the server speaks without end, instead of answering turns."""
    answers: bool = False

    def slots(self) -> list[bytes]:
        return opus_slots(turn_s=self.turn_s, dtx=self.dtx) if self.speaks else keepalive_slots()

    def first_events(self) -> list[dict[str, object]]:
        detection = {
            "type": "server_vad",
            "create_response": self.answers,
            "interrupt_response": self.answers,
        }
        session = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
        events: list[dict[str, object]] = [{"type": "session.update", "session": session}]
        return [*events, {"type": "response.create"}] if self.monologue else events


DUTIES = {
    "idle": Duty(),
    "listening": Duty(speaks=True),
    "speaking": Duty(monologue=True),
    "conversation": Duty(speaks=True, dtx=True, answers=True),
    "both": Duty(speaks=True, monologue=True),
    "no dtx": Duty(speaks=True, answers=True),
    "interrupting": Duty(speaks=True, turn_s=INTERRUPTING_TURN_S, answers=True),
}


class Row(Struct, kw_only=True):
    """One measurement, with so many calls on one core."""

    who: Who
    duty: str
    calls: int
    cpu_ms: float
    """Per call and second."""
    core: float
    """How much of it was used."""
    late_p50_ms: float | None
    late_p99_ms: float | None
    packets_in: float
    """To the server, per call and second."""
    packets_out: float
    turns: int
    answer_p50_ms: float | None
    answer_p99_ms: float | None
    silence_p50_ms: float | None
    silence_p99_ms: float | None
    rss_mib: float
    waited: float
    """Share of the time in which the server was kept from its core by others."""
    callers_lag_ms: float
    """The longest that the callers themselves were late."""


class Measuring:
    """A server and its callers."""

    def __init__(self, who: Who, duty: str, server: ServerProcess, crowd: Crowd) -> None:
        self.who: Who = who
        self.duty = duty
        self.server = server
        self.crowd = crowd

    async def grow(self, calls: int) -> None:
        first = DUTIES[self.duty].first_events() if self.who == "antiphon" else []
        await self.crowd.grow(calls, *first)

    async def measure(self, calls: int, *, warm_s: float, seconds: float) -> Row:
        await self.grow(calls)
        await asyncio.sleep(warm_s)
        self.crowd.forget()
        before, began = self.server.usage(), time.monotonic()
        await asyncio.sleep(seconds)
        after, passed = self.server.usage(), time.monotonic() - began
        crowd = self.crowd
        sent, received, lag_ms = crowd.sent, crowd.received, crowd.lag_ms
        late = crowd.lateness_ms()
        answer, silence = crowd.answer_ms(), crowd.silence_ms()
        busy = (after.cpu_s - before.cpu_s) / passed
        return Row(
            who=self.who,
            duty=self.duty,
            calls=calls,
            cpu_ms=busy * 1000 / calls,
            core=busy,
            late_p50_ms=percentile(late.tolist(), 50),
            late_p99_ms=percentile(late.tolist(), 99),
            packets_in=sent / calls / passed,
            packets_out=received / calls / passed,
            turns=sum(len(caller.turns) for caller in crowd.callers),
            answer_p50_ms=percentile(answer, 50),
            answer_p99_ms=percentile(answer, 99),
            silence_p50_ms=percentile(silence, 50),
            silence_p99_ms=percentile(silence, 99),
            rss_mib=after.rss_mib,
            waited=(after.waited_s - before.waited_s) / passed,
            callers_lag_ms=lag_ms,
        )


@asynccontextmanager
async def measuring(who: Who, duty: str, *, most: int) -> AsyncIterator[Measuring]:
    """``most``: calls there will ever be."""
    if who == "aiortc":
        command = ["echo_call_server.py"]
    else:
        command = ["zero_server.py", "--delta-ms", "200", "--lead-ms", "600"]
        command += ["--reply-ms", "0"] if DUTIES[duty].monologue else []
    with ServerProcess(command, core=SERVER_CORE, nice=os.nice(0)) as server:
        crowd = Crowd(server.port, DUTIES[duty].slots(), calls=most, seconds=240)
        try:
            yield Measuring(who, duty, server, crowd)
        finally:
            await crowd.close()


# --- What is measured ---------------------------------------------------------


async def cost(who: Who, duty: str, *, calls: int, seconds: float) -> Row:
    async with measuring(who, duty, most=calls) as found:
        return show(await found.measure(calls, warm_s=4, seconds=seconds))


async def ramp(who: Who, duty: str, first: int, sizes: Sequence[int]) -> tuple[int, list[Row]]:
    """How many calls a core carries in time, and all that was measured on the way.

    Each size has a server of its own, as one that was overloaded tells nothing of the next.
    Without ``sizes``, what a call costs tells the next one.
    """
    rows: list[Row] = []
    steps: list[Step] = []
    while len(steps) < (len(sizes) or RAMP_STEPS):
        calls = sizes[len(steps)] if sizes else next_sessions(steps, first)
        if calls is None:
            break
        row = await cost(who, duty, calls=calls, seconds=ROUND_S)
        rows.append(row)
        steps.append(Step(calls, calls, row.core, row.late_p99_ms, None))
        if sizes and not steps[-1].is_in_time:
            break
    fits = max((step.sessions for step in steps if step.is_in_time), default=0)
    print(f"  one core carries {fits} calls ({who}, {duty})", flush=True)
    return fits, rows


async def ramps(args: argparse.Namespace) -> tuple[dict[str, object], list[Row]]:
    """Ours and aiortc's, and how many times its calls ours are."""
    found: dict[str, object] = {}
    rows: list[Row] = []
    carried: dict[tuple[Who, str], int] = {}
    for (who, duty), first in RAMPS.items():
        ours = who == "antiphon"
        if ours and args.duty and duty not in args.duty:
            continue
        sizes = (args.sizes if ours else args.aiortc_sizes) or ()
        carried[who, duty], more = await ramp(who, duty, first, sizes)
        found[f"calls_per_core_{who}_{duty}"] = carried[who, duty]
        rows += more
    floor = carried["aiortc", "both"]
    for (who, duty), fits in carried.items():
        if who == "antiphon" and floor:
            found[f"times_aiortc_{duty}"] = fits / floor
            print(f"  {duty}: {fits / floor:.1f} times the calls of aiortc", flush=True)
    return found, rows


class SetUp(Struct, kw_only=True):
    """Of calls one after the other."""

    who: Who
    p50_ms: float | None
    """From sending the offer to the open data channel."""
    cpu_ms: float
    mib: float
    """That the server grew by, for each."""


async def set_up(who: Who, *, calls: int = 60) -> SetUp:
    async with measuring(who, "idle", most=2 * calls) as found:
        await found.grow(calls)
        await asyncio.sleep(2)
        before, began = found.server.usage(), time.monotonic()
        await found.grow(2 * calls)
        made, passed = found.server.usage(), time.monotonic() - began
        await asyncio.sleep(4)
        after, rest = found.server.usage(), time.monotonic() - began - passed
        # Meanwhile the calls that were there cost something too: of those, half of the new.
        per_s = (after.cpu_s - made.cpu_s) / rest * 0.75
        times = [caller.setup_s * 1000 for caller in found.crowd.callers[calls:]]
        result = SetUp(
            who=who,
            p50_ms=percentile(times, 50),
            cpu_ms=(made.cpu_s - before.cpu_s - per_s * passed) * 1000 / calls,
            mib=(after.rss_mib - before.rss_mib) / calls,
        )
    print(
        f"  set-up, {who}: {result.p50_ms:.0f} ms (p50), {result.cpu_ms:.1f} ms CPU,"
        f" {result.mib:.2f} MiB",
        flush=True,
    )
    return result


# --- Showing ------------------------------------------------------------------

HEAD = (
    "server   duty         calls  cpu ms/s  core  late p50    p99 ms  in/s  out/s"
    "  answer p50    p99 ms  silence p50    p99 ms  RSS MiB"
)


def show(row: Row) -> Row:
    def ms(value: float | None, width: int) -> str:
        return f"{'-' if value is None else format(value, '.1f'):>{width}}"

    print(
        f"{row.who:8} {row.duty:12} {row.calls:5} {row.cpu_ms:9.2f} {row.core:5.0%} "
        f"{ms(row.late_p50_ms, 9)} {ms(row.late_p99_ms, 9)} {row.packets_in:5.1f} "
        f"{row.packets_out:6.1f} {ms(row.answer_p50_ms, 11)} {ms(row.answer_p99_ms, 9)} "
        f"{ms(row.silence_p50_ms, 12)} {ms(row.silence_p99_ms, 9)} {row.rss_mib:8.0f}   "
        f"(waited {row.waited:.0%}, {row.turns} turns, callers late {row.callers_lag_ms:.0f} ms)",
        flush=True,
    )
    return row


async def run(args: argparse.Namespace) -> dict[str, object]:
    parts = args.only or ["cost", "setup", "latency", *(["ramp"] if args.full else [])]
    rows: list[Row] = []
    set_ups: list[SetUp] = []
    result: dict[str, object] = {"conditions": conditions()}
    if "cost" in parts:
        for duty in args.duty or ["idle", "listening", "speaking", "conversation", "both"]:
            rows.append(
                await cost("antiphon", duty, calls=args.calls, seconds=args.seconds or ROUND_S)
            )
        if not args.duty:
            rows.append(await cost("aiortc", "both", calls=15, seconds=5))
    if "setup" in parts:
        set_ups += [await set_up("antiphon"), await set_up("aiortc")]
    if "latency" in parts:
        for duty in ("no dtx", "conversation", "interrupting"):
            rows.append(await cost("antiphon", duty, calls=50, seconds=2 * ROUND_S))
    if "ramp" in parts:
        found, more = await ramps(args)
        rows += more
        result |= found
    result["rows"], result["set_up"] = to_builtins(rows), to_builtins(set_ups)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", choices=["cost", "setup", "latency", "ramp"], nargs="+")
    parser.add_argument("--duty", choices=DUTIES, nargs="+")
    parser.add_argument("--calls", type=int, default=50, help="where their cost is measured")
    parser.add_argument("--sizes", type=int, nargs="+", help="of our ramps")
    parser.add_argument("--aiortc-sizes", type=int, nargs="+", help="of its ramp")
    parser.add_argument("--seconds", type=float)
    parser.add_argument(
        "--nice", type=int, default=0, help="negative (as root): where other work shares the cores"
    )
    args = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CORE})
    os.nice(args.nice)
    print(HEAD)
    write("webrtc", asyncio.run(run(args)))


if __name__ == "__main__":
    main()
