"""Kill a server at seeded points, and see whether what it acknowledged is there.

python -m tests.journal.crashes --points 1000
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, WSMsgType

from antiphon.core.records import ItemChanged, ResponseEnded
from antiphon.journal.entries import Changed, LogEntry
from antiphon.journal.journal import Wanted
from antiphon.journal.recall import Recalled
from antiphon.journal.sqlite_file import JournalFile

LIVES = 5
"""How often one conversation goes on, each time until its server is killed."""
TIMEOUT_S = 60
ROOT = Path(__file__).parent.parent.parent


class Seen:
    """What a client was told, over all lives of one conversation."""

    def __init__(self) -> None:
        self.added: list[str] = []
        """Ids of items, in their order: each came at the end."""
        self.done: dict[str, Any] = {}
        """Items by their id, as they were acknowledged."""
        self.responses: list[str] = []

    def hear(self, event: dict[str, Any]) -> None:
        if event["type"] == "conversation.item.added":
            if event["item"]["id"] not in self.added:
                self.added.append(event["item"]["id"])
        elif event["type"] == "conversation.item.done":
            self.done[event["item"]["id"]] = event["item"]
        elif event["type"] == "response.done":
            self.responses.append(event["response"]["id"])


@asynccontextmanager
async def crashing_servers() -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.journal.crashing_server"),
        stdin=PIPE,
        stdout=PIPE,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def live_and_die(servers: Process, folder: Path, seed: int) -> int:
    """One conversation through `LIVES` servers; how many items were acknowledged.

    Raises:
        AssertionError: something that was acknowledged is not there, or there twice.
    """
    rng = random.Random(seed)
    path, seen = folder / f"{seed}.sqlite3", Seen()
    assert servers.stdin is not None
    assert servers.stdout is not None
    for _ in range(LIVES):
        servers.stdin.write(f"{path}\n".encode())
        async with asyncio.timeout(TIMEOUT_S):
            pid, url = (await servers.stdout.readline()).decode().split()
            try:
                await _talk(url, int(pid), conversation_in(path), seen, rng)
            finally:
                _kill(int(pid))
        check(path, seen)
    return len(seen.done)


async def _talk(
    url: str, pid: int, conversation_id: str | None, seen: Seen, rng: random.Random
) -> None:
    """Say things until a point is reached, kill the server, and read what it had still sent."""
    query = "" if conversation_id is None else f"&conversation_id={conversation_id}"
    async with ClientSession() as http, http.ws_connect(f"{url}/v1/realtime?model=m{query}") as ws:
        events = 1 + 2 * len(seen.done) + rng.randrange(45)
        talking = asyncio.create_task(_say(ws, rng.random()))
        while events > 0 and (event := await _next(ws)) is not None:
            seen.hear(event)
            events -= 1
        await asyncio.sleep(rng.choice([0, 0, 0.0005, 0.002, 0.005]))
        _kill(pid)
        while (event := await _next(ws)) is not None:
            seen.hear(event)
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)


async def _say(ws: ClientWebSocketResponse, mood: float) -> None:
    while True:
        content = [{"type": "input_text", "text": f"Hello, it is {time.time()}."}]
        item = {"type": "message", "role": "user", "content": content}
        await ws.send_json({"type": "conversation.item.create", "item": item})
        if mood < 0.7:
            await ws.send_json({"type": "response.create"})
        await asyncio.sleep(0.004 * mood)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


async def _next(ws: ClientWebSocketResponse) -> dict[str, Any] | None:
    try:
        message = await ws.receive()
    except ClientError:
        return None
    if message.type is not WSMsgType.TEXT:
        return None
    event: dict[str, Any] = msgspec.json.decode(message.data)
    return event


def conversation_in(path: Path) -> str | None:
    if not path.exists():
        return None
    file = JournalFile(path)
    page = file.listed(Wanted(), after=None, limit=2)
    file.close()
    assert len(page.conversations) <= 1, "it went on"
    return page.conversations[0].id if page.conversations else None


def check(path: Path, seen: Seen) -> None:
    conversation_id = conversation_in(path)
    log: list[LogEntry] = []
    if conversation_id is not None:
        file = JournalFile(path)
        log = file.read(conversation_id)
        file.close()
    recalled = Recalled(log)
    assert recalled.whole
    shown = msgspec.json.decode(msgspec.json.encode(recalled.items))
    kept = {item["id"]: item for item in shown}
    for item_id, item in seen.done.items():
        assert kept.get(item_id) == item, f"{item_id} was acknowledged"
    order = [item_id for item_id in seen.added if item_id in seen.done]
    assert [item_id for item_id in kept if item_id in seen.done] == order, "order is kept"
    responses = [str(response.id) for response in recalled.responses]
    assert set(seen.responses) <= set(responses)
    told = Counter(
        (change.item.id, change.item.status)
        if isinstance(change, ItemChanged)
        else change.response.id
        for change in (entry.change for entry in log if isinstance(entry, Changed))
        if isinstance(change, ItemChanged | ResponseEnded)
    )
    assert not told or max(told.values()) == 1, "none is there twice"


async def crash(points: int, folder: Path, *, seed: int = 0) -> tuple[int, int]:
    """Kill at least so many servers.

    Returns:
        How many were killed, and how many items had been acknowledged.
    """
    conversations, items = -(-points // LIVES), 0
    async with crashing_servers() as servers:
        for at in range(conversations):
            items += await live_and_die(servers, folder, seed + at)
    return conversations * LIVES, items


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        killed, items = asyncio.run(crash(args.points, Path(folder), seed=args.seed))
    passed_s = time.monotonic() - began_s
    sys.stdout.write(
        f"{killed} servers killed in {passed_s:.0f} s; all {items} acknowledged items were there\n"
    )


if __name__ == "__main__":
    main()
