"""What callers hear while things break: python bench/chaos.py [--journal postgres] [--redis]

`antiphon serve` with the offline engine; callers ask by text, again and again, and listen.  By a
seed something breaks every few seconds: a worker of the engine, the database or the disk, the
network, Redis, the server itself.  Who loses the connection comes back as docs/guides/resuming.md
says.  In the end the conversations are read: what was acknowledged must be there, once, in order.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
from comeback import CuttingProxy
from msgspec import Struct
from report import conditions, percentile, write

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests import desk
from tests.journal.postgres import Postgres, running
from tests.server.redis_server import RedisServer
from tests.server_process import KEY, ServerProcess

PAUSE_S = 0.5
"""Between an answer and the next question."""
GIVES_UP_S = 90.0
"""A server that starts takes its time on a busy machine."""
SOON_S = 3.0
"""So long after a fault a question is one of those that met it."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 1.0
"""Between attempts to come back."""
DATABASE_AWAY_S = DISK_FULL_S = REDIS_AWAY_S = 2.0
STALLED_S = 1.0
WITH_REDIS = """
[redis]
url = "{url}"
[limits.tenant]
sessions_at_once = 1000
minutes_per_day = 100000
[budgets]
tenant_day = 1000.0
session = 1000.0
[[metering.prices]]
model = "offline"
text_in = 1.0
text_out = 10.0
audio_out = 10.0
"""
"""All that asks Redis, and a session waits for it before each answer."""
HEADERS = {"Authorization": f"Bearer {KEY}"}


class Turn(Struct):
    """One question."""

    asked_s: float
    item_id: str
    is_kept: bool = False
    """The question was acknowledged."""
    has_begun: bool = False
    """The answer."""
    sound_ms: float | None = None
    """From the question to the first sound, however it came."""
    became: str = "no answer"
    connections_lost: int = 0
    continues: str = ""
    """What the caller came back to."""


class Caller:
    """One who asks what day it is."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/v1/realtime"
        self._token = self._cursor = self.conversation_id = ""
        self._http = aiohttp.ClientSession(headers=HEADERS)
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._failed_s: float | None = None
        self.acknowledged: list[str] = []
        """Ids of items, in the order in which they were said to be done."""
        self.turns: list[Turn] = []
        self.errors: Counter[str] = Counter()

    async def run(self, until_s: float) -> None:
        while time.monotonic() < until_s:
            turn = Turn(asked_s=time.monotonic(), item_id=f"question_{len(self.turns)}")
            self.turns.append(turn)
            try:
                async with asyncio.timeout(GIVES_UP_S):
                    while not await self._ask(turn):
                        turn.connections_lost += 1
            except TimeoutError:
                turn.became = "no answer"
                await self._hang_up()
            await asyncio.sleep(PAUSE_S)
        await self._hang_up()
        await self._http.close()

    async def _hang_up(self) -> None:
        if self._ws is not None:
            await self._ws.close()
            self._ws = None

    async def _ask(self, turn: Turn) -> bool:
        """Returns whether it came to an end; False: the connection was lost."""
        if self._ws is None:
            self._ws, resume = await self._connect()
            if turn.connections_lost:
                turn.continues = resume.get("continues", "new")
            if turn.continues == "new":
                self.errors["conversation lost"] += bool(self.acknowledged)
                self.acknowledged.clear()
            self.conversation_id = resume["conversation_id"]
        try:
            await self._say(turn)
            return await self._listen(turn)
        except (ConnectionError, aiohttp.ClientError):
            self._ws = None
            return False

    async def _say(self, turn: Turn) -> None:
        """All of it that the server is not known to have.  What it has after all it refuses."""
        assert self._ws is not None
        if not turn.is_kept:
            content = [{"type": "input_text", "text": desk.TODAY}]
            item = {"id": turn.item_id, "type": "message", "role": "user", "content": content}
            await self._ws.send_json({"type": "conversation.item.create", "item": item})
        if not turn.has_begun or turn.continues == "conversation":
            await self._ws.send_json({"type": "response.create"})

    async def _listen(self, turn: Turn) -> bool:
        assert self._ws is not None
        async for message in self._ws:
            event = message.json()
            self._cursor = event["event_id"]
            match event["type"]:
                case "conversation.item.done":
                    turn.is_kept |= event["item"]["id"] == turn.item_id
                    if event["item"]["id"] not in self.acknowledged:
                        self.acknowledged.append(event["item"]["id"])
                case "response.created":
                    turn.has_begun = True
                case "response.output_audio.delta" if turn.sound_ms is None:
                    turn.sound_ms = (time.monotonic() - turn.asked_s) * 1000
                case "response.done":
                    turn.became = event["response"]["status"]
                    return True
                case "error" if not turn.connections_lost:
                    self.errors[event["error"]["code"] or event["error"]["type"]] += 1
        self._ws = None
        return False

    async def _connect(self) -> tuple[aiohttp.ClientWebSocketResponse, dict[str, Any]]:
        pause_s = FIRST_PAUSE_S
        while True:
            query = {"model": "gpt-realtime"}
            headers = {}
            if self._token:
                query |= {"after": self._cursor, "conversation_id": self.conversation_id}
                headers = {"Antiphon-Resume": self._token}
            try:
                ws = await self._http.ws_connect(self._url, params=query, headers=headers)
                event = await ws.receive_json()
                if event["type"] == "session.created":
                    break
                self.errors[event["error"]["code"] or event["error"]["type"]] += 1
                if event["error"]["code"] in ("resume_token_unknown", "conversation_not_found"):
                    self._token = ""
            except (aiohttp.ClientError, ConnectionError, TypeError):
                pass
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        resume: dict[str, Any] = event["session"]["antiphon"]["resume"]
        self._token = resume["token"]
        if resume.get("continues") != "session":
            await ws.send_json(
                {
                    "type": "session.update",
                    "session": {"type": "realtime", "instructions": desk.INSTRUCTIONS},
                }
            )
        return ws, resume


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Place:
    """A server and what it stands on, to be broken."""

    def __init__(
        self,
        folder: Path,
        postgres: Postgres | None,
        chance: random.Random,
        redis: RedisServer | None = None,
    ) -> None:
        self._folder = folder
        self._redis = redis
        if redis is not None:
            (folder / "antiphon.toml").write_text(WITH_REDIS.format(url=redis.url))
        self._postgres = postgres
        self._chance = chance
        self._url = None if postgres is None else postgres.make("chaos")
        self.server = self._started(0)
        self.proxy = CuttingProxy(self.server.port)

    @property
    def faults(self) -> dict[str, Callable[[], Awaitable[None]]]:
        found: dict[str, Callable[[], Awaitable[None]]] = {
            "a worker is killed": self._kill_a_worker,
            "connections are cut": self._cut,
            "the server stalls": self._stall,
            "the server is killed": self._kill,
        }
        if self._redis is not None:
            found |= {"Redis is killed": self._kill_redis, "Redis hangs": self._hang_redis}
        if self._postgres is None:
            return found | {"the disk is full": self._fill_disk}
        return found | {"the database restarts": self._restart_database}

    async def _kill_a_worker(self) -> None:
        os.kill(self._chance.choice(children_of(self.server.pid)), signal.SIGKILL)

    async def _cut(self) -> None:
        self.proxy.cut()

    async def _stall(self) -> None:
        self.server.freeze()
        await asyncio.sleep(STALLED_S)
        self.server.thaw()

    async def _kill(self) -> None:
        port = self.server.port
        self.server.kill()
        self.server = await asyncio.to_thread(self._started, port)

    def _started(self, port: int) -> ServerProcess:
        if self._url is None:
            return ServerProcess(self._folder, port=port, ANTIPHON_API_KEYS=KEY)
        return ServerProcess(
            self._folder, port=port, ANTIPHON_API_KEYS=KEY, ANTIPHON_JOURNAL_URL=self._url
        )

    async def _fill_disk(self) -> None:
        pid = self.server.pid
        sizes = [path.stat().st_size for path in (self._folder / "state").rglob("*")]
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (max(sizes), before[1]))
        await asyncio.sleep(DISK_FULL_S)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)

    async def _kill_redis(self) -> None:
        assert self._redis is not None
        self._redis.kill()
        await asyncio.sleep(REDIS_AWAY_S)
        await asyncio.to_thread(self._redis.start)

    async def _hang_redis(self) -> None:
        assert self._redis is not None
        self._redis.pause()
        await asyncio.sleep(REDIS_AWAY_S)
        self._redis.go_on()

    async def _restart_database(self) -> None:
        assert self._postgres is not None
        await asyncio.to_thread(self._postgres.stop, "immediate")
        await asyncio.sleep(DATABASE_AWAY_S)
        await asyncio.to_thread(self._postgres.start)


async def check(place: Place, caller: Caller) -> str:
    """What became of what was acknowledged."""
    url = f"{place.server.url}/v1/antiphon/conversations/{caller.conversation_id}"
    async with aiohttp.ClientSession(headers=HEADERS) as http, http.get(url) as answer:
        assert answer.status == 200, await answer.text()
        kept = [item["id"] for item in (await answer.json())["items"]]
    lost = [name for name in caller.acknowledged if name not in kept]
    if lost:
        return f"LOST {len(lost)} of {len(caller.acknowledged)}"
    in_order = [name for name in kept if name in set(caller.acknowledged)]
    return "all there" if in_order == caller.acknowledged else "OUT OF ORDER, or twice"


async def strain(place: Place, args: argparse.Namespace) -> dict[str, object]:
    chance = random.Random(args.seed)
    callers = [Caller(await place.proxy.open()) for _ in range(args.callers)]
    faults: list[tuple[float, str]] = []
    until_s = time.monotonic() + args.seconds
    calls = asyncio.gather(*(caller.run(until_s) for caller in callers))
    names = sorted(place.faults)
    await asyncio.sleep(args.every_s)
    while time.monotonic() < until_s - args.every_s:
        if not faults or len(faults) % len(names) == 0:
            chance.shuffle(names)
        name = names[len(faults) % len(names)]
        faults.append((time.monotonic(), name))
        await place.faults[name]()
        print(f"  {name}, done after {time.monotonic() - faults[-1][0]:.1f} s", flush=True)
        await asyncio.sleep(args.every_s * chance.uniform(0.7, 1.3))
    await calls
    heard: dict[str, list[Turn]] = defaultdict(list)
    for caller in callers:
        for turn in caller.turns:
            heard[_of(turn, faults)].append(turn)
    rows = {}
    for name in ["nothing", *sorted(place.faults)]:
        rows[name] = row = told(heard[name], sum(fault == name for _, fault in faults))
        print(f"{name}: {row}")
    errors = sum((caller.errors for caller in callers), Counter[str]())
    kept = [await check(place, caller) for caller in callers]
    counted = sum(len(caller.acknowledged) for caller in callers)
    print(f"errors told: {dict(errors)}; {counted} items acknowledged: {', '.join(kept)}")
    return {"faults": rows, "errors": errors, "acknowledged": counted, "kept": kept}


def _of(turn: Turn, faults: list[tuple[float, str]]) -> str:
    """The fault that came while it was asked, or soon before."""
    ended_s = turn.asked_s + (turn.sound_ms or GIVES_UP_S * 1000) / 1000
    near = [name for at_s, name in faults if turn.asked_s - SOON_S <= at_s <= ended_s]
    return near[-1] if near else "nothing"


def told(turns: list[Turn], times: int) -> dict[str, object]:
    sound_ms = [turn.sound_ms for turn in turns if turn.sound_ms is not None]
    return {
        "times": times,
        "turns": len(turns),
        "became": dict(Counter(turn.became for turn in turns)),
        "came back to": dict(Counter(t.continues for t in turns if t.connections_lost)),
        "sound after ms, p50": round(percentile(sound_ms, 50) or 0),
        "longest": round(max(sound_ms, default=0)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journal", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--redis", action="store_true", help="limits and budgets are in one")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--every-s", type=float, default=6)
    parser.add_argument("--callers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "server").mkdir()
        (folder / "postgres").mkdir()
        found: dict[str, object]

        def run(postgres: Postgres | None) -> dict[str, object]:
            redis = RedisServer(folder) if args.redis else None
            place = Place(folder / "server", postgres, random.Random(args.seed), redis)
            try:
                return asyncio.run(strain(place, args))
            finally:
                place.server.kill()
                if redis is not None:
                    redis.kill()

        if args.journal == "postgres":
            folder.chmod(0o755)
            with running(folder / "postgres") as postgres:
                found = run(postgres)
        else:
            found = run(None)
    write(f"chaos-{args.journal}", {"conditions": conditions(), "seed": args.seed, **found})


if __name__ == "__main__":
    main()
