"""What a relay adds: delay of each piece of speech, and CPU, beside two ways without one.

    python bench/relay.py --sessions 100 --seconds 15
    python bench/relay.py --litellm …/bin/litellm    # of an environment of its own

One upstream speaks to each client without a pause, in pieces of 100 ms that hold the time at which
they were written; each client sends its microphone, 100 ms at a time.  They are connected directly,
then by a plain pump of `websockets` (two connections and a loop each way, nothing read), then by
Antiphon's relay, then by LiteLLM's proxy.  What is measured is on a core of its own; upstream and
clients share the other.  Microphones send in their turn, as those of strangers do; `--together`,
all in the same moment.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import os
import re
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, web
from report import CLIENT_CORE, SERVER_CORE, conditions, percentile, write
from server_process import ServerProcess

PIECE_MS = 100
STAMP_BYTES = 9
"""Nanoseconds; of a size that base64 keeps apart from what follows."""
REST = base64.b64encode(bytes(48 * PIECE_MS - STAMP_BYTES)).decode()
MICROPHONE = json.dumps(
    {
        "type": "input_audio_buffer.append",
        "audio": base64.b64encode(bytes(48 * PIECE_MS)).decode(),
    }
)
STAMP = re.compile(r'"delta":\s*"([A-Za-z0-9+/]{12})')
AIM_P50_MS, AIM_P99_MS = 1.0, 2.0


# --- The upstream --------------------------------------------------------------


async def speak(ws: web.WebSocketResponse, metadata: Any) -> None:
    """One answer without an end."""
    response = {
        "id": "resp_1",
        "object": "realtime.response",
        "status": "in_progress",
        "output": [],
        "conversation_id": "conv_1",
        "output_modalities": ["audio"],
        "metadata": metadata,
    }
    item = {"id": "item_1", "type": "message", "role": "assistant", "content": []}
    place = {"response_id": "resp_1", "output_index": 0}
    await ws.send_json({"type": "response.created", "event_id": "e", "response": response})
    await ws.send_json(
        {"type": "response.output_item.added", "event_id": "e", **place, "item": item}
    )
    head = json.dumps(
        {
            "type": "response.output_audio.delta",
            "event_id": "e",
            **place,
            "item_id": "item_1",
            "content_index": 0,
            "delta": "",
        }
    )[:-2]
    due = time.monotonic()
    while not ws.closed:
        stamp = base64.b64encode(time.monotonic_ns().to_bytes(STAMP_BYTES)).decode()
        await ws.send_str(f'{head}{stamp}{REST}"}}')
        due += PIECE_MS / 1000
        await asyncio.sleep(due - time.monotonic())


async def upstream(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(max_msg_size=0)
    await ws.prepare(request)
    session = {"type": "realtime", "id": "sess_1", "object": "realtime.session", "model": "m"}
    await ws.send_json({"type": "session.created", "event_id": "e", "session": session})
    speaking: asyncio.Task[None] | None = None
    async for message in ws:
        if speaking is None and '"response.create"' in message.data[:200]:
            asked = json.loads(message.data).get("response") or {}
            speaking = asyncio.create_task(speak(ws, asked.get("metadata")))
    if speaking is not None:
        speaking.cancel()
    return ws


async def serve_upstream() -> None:
    app = web.Application()
    app.router.add_get("/v1/realtime", upstream)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await stopped()


async def stopped() -> None:
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    await asked.wait()


# --- What is measured ------------------------------------------------------------


async def serve_pump(port: int) -> None:
    from websockets.asyncio.client import connect
    from websockets.asyncio.connection import Connection
    from websockets.asyncio.server import serve
    from websockets.exceptions import ConnectionClosed

    async def copy(source: Connection, target: Connection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in source:
                await target.send(message)
        await target.close()

    async def pump(client: Connection) -> None:
        url = f"ws://127.0.0.1:{port}/v1/realtime?model=m"
        async with connect(url, max_size=None, compression=None) as there:
            await asyncio.gather(copy(client, there), copy(there, client))

    async with serve(pump, "127.0.0.1", 0, max_size=None, compression=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await stopped()


async def serve_relay(port: int) -> None:
    from antiphon.engines.relay.engine import RelayEngine
    from antiphon.engines.relay.session import RelayRules
    from antiphon.engines.relay.upstreams import Upstream
    from antiphon.server.wiring import collect_less_garbage
    from antiphon.testing import serving

    relay = RelayEngine(
        Upstream(url=f"ws://127.0.0.1:{port}/v1/realtime"),
        rules=RelayRules(turn_detection="theirs"),
    )
    async with serving(relay) as served:
        collect_less_garbage()
        print(served.url.rpartition(":")[2], flush=True)
        await stopped()


LITELLM = """
model_list:
  - model_name: m
    litellm_params: {{model: openai/m, api_base: "http://127.0.0.1:{port}", api_key: any}}
    model_info: {{mode: realtime}}
"""


def exec_litellm(program: str, port: int) -> None:
    """Become the proxy, once its port has been told."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        own = free.getsockname()[1]
    config = Path(tempfile.mkdtemp()) / "litellm.yaml"
    config.write_text(LITELLM.format(port=port))
    print(own, flush=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    os.dup2(sys.stdout.fileno(), sys.stderr.fileno())
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # It asks nobody for prices.
    options = ["--config", str(config), "--host", "127.0.0.1", "--port", str(own)]
    os.execv(program, [program, *options])


async def until_it_serves(port: int) -> None:
    async with asyncio.timeout(120), ClientSession() as http:
        while True:
            with contextlib.suppress(OSError):
                async with http.get(f"http://127.0.0.1:{port}/health/liveliness") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.5)


# --- The clients -----------------------------------------------------------------


async def listen(ws: ClientWebSocketResponse, delays_ms: list[float]) -> None:
    async for message in ws:
        found = STAMP.search(message.data)
        if found is not None:
            written_ns = int.from_bytes(base64.b64decode(found[1]))
            delays_ms.append((time.monotonic_ns() - written_ns) / 1e6)


async def talk(ws: ClientWebSocketResponse, seconds: float, *, after_s: float = 0) -> None:
    await asyncio.sleep(after_s)
    due = time.monotonic()
    end = due + seconds
    while due < end:
        await ws.send_str(MICROPHONE)
        due += PIECE_MS / 1000
        await asyncio.sleep(max(0, due - time.monotonic()))


@contextlib.asynccontextmanager
async def connected(port: int, sessions: int) -> AsyncIterator[list[ClientWebSocketResponse]]:
    async with ClientSession() as http:
        url = f"http://127.0.0.1:{port}/v1/realtime?model=m"
        sockets = []
        for number in range(sessions):
            ws = await http.ws_connect(url, max_msg_size=0)
            await ws.receive(timeout=30)
            sockets.append(ws)
            # Not all at the same moment of a piece.
            await asyncio.sleep(PIECE_MS / 1000 * (number % 7) / 7 + 0.005)
            await ws.send_str('{"type": "response.create"}')
        yield sockets
        for ws in sockets:
            await ws.close()


async def measure(
    name: str,
    port: int,
    sessions: int,
    seconds: float,
    process: ServerProcess | None,
    *,
    together: bool,
) -> dict[str, object]:
    async with connected(port, sessions) as sockets:
        delays_ms: list[float] = []
        listening = [asyncio.create_task(listen(ws, delays_ms)) for ws in sockets]
        await asyncio.sleep(1)
        delays_ms.clear()
        before = None if process is None else process.usage()
        apart_s = 0 if together else PIECE_MS / 1000 / sessions
        await asyncio.gather(
            *(talk(ws, seconds, after_s=number * apart_s) for number, ws in enumerate(sockets))
        )
        after = None if process is None else process.usage()
        measured = list(delays_ms)
        for task in listening:
            task.cancel()
    result: dict[str, object] = {
        "way": name,
        "pieces": len(measured),
        "p50_ms": percentile(measured, 50),
        "p99_ms": percentile(measured, 99),
    }
    if before is not None and after is not None:
        cpu_ms = (after.cpu_s - before.cpu_s) * 1000
        result |= {
            "cpu_ms_per_session_second": cpu_ms / sessions / seconds,
            "waited_for_its_core_s": after.waited_s - before.waited_s,
            "rss_mib": after.rss_mib,
        }
    print(json.dumps(result), flush=True)
    return result


async def run(sessions: int, seconds: float, litellm: str | None, *, together: bool) -> None:
    results = []
    ways: dict[str, list[str]] = {"pump": [], "relay": []}
    if litellm is not None:
        ways["litellm"] = [litellm]
    with ServerProcess([__file__, "upstream"], core=CLIENT_CORE) as there:
        results.append(
            await measure("direct", there.port, sessions, seconds, None, together=together)
        )
        for way, more in ways.items():
            command = [__file__, way, str(there.port), *more]
            with ServerProcess(command, core=SERVER_CORE) as between:
                if more:
                    await until_it_serves(between.port)
                results.append(
                    await measure(way, between.port, sessions, seconds, between, together=together)
                )
    direct = results[0]
    for result in results[1:]:
        for name in ("p50_ms", "p99_ms"):
            result[f"added_{name}"] = result[name] - direct[name]  # type: ignore[operator]
        print(json.dumps(result))
    write(
        "relay",
        {
            "conditions": conditions(),
            "sessions": sessions,
            "microphones": "together" if together else "in their turn",
            "results": results,
        },
    )


def main() -> None:
    if sys.argv[1:2] == ["upstream"]:
        asyncio.run(serve_upstream())
    elif sys.argv[1:2] == ["pump"]:
        asyncio.run(serve_pump(int(sys.argv[2])))
    elif sys.argv[1:2] == ["relay"]:
        import uvloop

        uvloop.run(serve_relay(int(sys.argv[2])))
    elif sys.argv[1:2] == ["litellm"]:
        exec_litellm(sys.argv[3], int(sys.argv[2]))
    else:
        parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
        parser.add_argument("--sessions", type=int, default=100)
        parser.add_argument("--seconds", type=float, default=15)
        parser.add_argument("--litellm", metavar="PROGRAM", help="measure its proxy too")
        parser.add_argument("--together", action="store_true", help="all microphones at once")
        given = parser.parse_args()
        asyncio.run(run(given.sessions, given.seconds, given.litellm, together=given.together))


if __name__ == "__main__":
    main()
