"""How soon sound goes on after a connection was lost in mid-answer.

python bench/comeback.py [--rounds 20] [--only websocket webrtc stock]

Three ways: our client over WebSocket (in Node) and over WebRTC (in Chromium), each coming back by
its token; OpenAI's client over WebSocket by a secret that is bound to the conversation, which asks
for an answer anew, and whose way is shown step by step.  A WebSocket is cut by a proxy that resets
it; a call by a relay that passes nothing on any more, and says so to nobody.  Needs Node, Chromium,
and the client built (`npm run build --prefix web -w packages/client`).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, cast

from openai import AsyncOpenAI
from report import conditions, percentile, write
from websockets.exceptions import ConnectionClosed

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests import desk
from tests.browser.site import Site
from tests.browser.visitor import Visitor, visiting
from tests.server_process import KEY, ServerProcess

ROUNDS = 20
HEARS_S = 1.0
"""So long an answer is heard before it is cut."""
GIVES_UP_S = 30
LONGEST_S = 60
"""Of one way: no further round begins after it."""
LED = """
const take = RTCPeerConnection.prototype.setRemoteDescription;
RTCPeerConnection.prototype.setRemoteDescription = async function (answer) {
  const [, ip, port] = answer.sdp.match(/udp \\d+ (\\S+) (\\d+) typ host/i);
  const led = await window.leg(ip, Number(port));
  const lines = answer.sdp.split('\\r\\n').filter((line) => !line.startsWith('a=candidate:'));
  const at = lines.findIndex((line) => line.startsWith('a=ice-pwd:'));
  lines.splice(at + 1, 0, `a=candidate:1 1 udp 2130706431 127.0.0.1 ${led} typ host`);
  return take.call(this, { type: answer.type, sdp: lines.join('\\r\\n') });
};
"""
SPEAKS = """
async () => {
  const end = Date.now() + 60_000;
  let asked = 0;
  while (voice.getSnapshot().state !== 'speaking' || voice.outputLevel < 0.01) {
    if (Date.now() > end) throw new Error('the agent does not speak');
    if (voice.getSnapshot().activity === 'listening' && Date.now() - asked > 5_000) {
      asked = Date.now();
      voice.sendText('Tell me a story.');
    }
    await new Promise((again) => setTimeout(again, 20));
  }
}
"""
BACK = """
async () => {
  const wait = () => new Promise((again) => setTimeout(again, 5));
  while (voice.getSnapshot().state !== 'reconnecting') await wait();
  while (voice.getSnapshot().state === 'reconnecting' || voice.outputLevel < 0.01) await wait();
  return Date.now();
}
"""


class CuttingProxy:
    """Passes TCP on to the server, until it is cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def close(self) -> None:
        self.cut()
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            theirs, ours = await asyncio.open_connection("127.0.0.1", self._port)
        except ConnectionError:  # The server is away.
            writer.transport.abort()
            return
        self._writers |= {writer, ours}
        await asyncio.gather(
            self._pass(reader, ours), self._pass(theirs, writer), return_exceptions=True
        )
        self._writers -= {writer, ours}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()


class Leg(asyncio.DatagramProtocol):
    """One side of a relay of UDP."""

    def __init__(self, to: tuple[str, int] | None = None) -> None:
        self._to = to
        self.other: Leg | None = None
        self.transport: asyncio.DatagramTransport | None = None
        self.is_cut = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self.is_cut or self.other is None:
            return
        self._to = self._to or addr
        self.other.send(data)

    def send(self, data: bytes) -> None:
        if not self.is_cut and self._to is not None and self.transport is not None:
            self.transport.sendto(data, self._to)


class CuttingRelay:
    def __init__(self) -> None:
        self._legs: list[Leg] = []

    async def lead(self, ip: str, port: int) -> int:
        """A port that leads there."""
        loop = asyncio.get_running_loop()
        transport, near = await loop.create_datagram_endpoint(Leg, local_addr=("127.0.0.1", 0))
        _, far = await loop.create_datagram_endpoint(
            lambda: Leg((ip, port)), local_addr=("0.0.0.0", 0)
        )
        near.other, far.other = far, near
        self._legs += [near, far]
        found: int = transport.get_extra_info("sockname")[1]
        return found

    def cut(self) -> None:
        for leg in self._legs:
            leg.is_cut = True


def rounds_of(most: int) -> Iterator[int]:
    """As many as there is time for."""
    until_s = time.monotonic() + LONGEST_S
    for at in range(most):
        if time.monotonic() > until_s:
            return
        yield at


async def by_websocket(server: ServerProcess, rounds: int, folder: Path) -> list[float]:
    proxy = CuttingProxy(server.port)
    port = await proxy.open()
    script = folder / "instructions"
    script.write_text(desk.INSTRUCTIONS)
    client = await asyncio.create_subprocess_exec(
        *("node", "--experimental-websocket", "--no-warnings"),
        str(Path(__file__).with_name("comeback_client.mjs")),
        *(f"http://127.0.0.1:{port}/v1", KEY, str(script)),
        stdin=PIPE,
        stdout=PIPE,
    )
    took = []
    try:
        await told(client, "sound")
        for _ in rounds_of(rounds):
            await hears(client)
            cut_ms = time.time() * 1000
            proxy.cut()
            await told(client, "created")
            took.append(await told(client, "sound") - cut_ms)
    finally:
        client.terminate()
        await client.wait()
        await proxy.close()
    return took


async def hears(client: Process) -> None:
    """An answer, for a while."""
    until_ms = time.time() * 1000 + HEARS_S * 1000
    while await told(client, "sound") < until_ms:
        pass


async def told(client: Process, event: str) -> float:
    assert client.stdout is not None
    async with asyncio.timeout(GIVES_UP_S):
        while True:
            line = await client.stdout.readline()
            assert line, "the client has ended"
            said = json.loads(line)
            if said["event"] == event:
                return float(said["at_ms"])


async def by_webrtc(server: ServerProcess, rounds: int) -> list[float]:
    took = []
    relay = CuttingRelay()
    async with (
        Site(server).open() as site,
        visiting(f"{site.url}/client.html", before=LED, complains=True) as visitor,
    ):
        await visitor.page.expose_function("leg", relay.lead)
        await visitor.run("() => app.connect({ transport: 'webrtc' })")
        for _ in rounds_of(rounds):
            await speaks(visitor)
            cut_ms = time.time() * 1000
            relay.cut()
            try:
                async with asyncio.timeout(GIVES_UP_S):
                    took.append(await visitor.run(BACK) - cut_ms)
            except TimeoutError:  # Told, and no figure.
                print(f"  no sound within {GIVES_UP_S} s", flush=True)
            else:
                print(f"  sound after {took[-1]:.0f} ms", flush=True)
        await visitor.run("() => voice.close()")
    return took


async def speaks(visitor: Visitor) -> None:
    """The agent does, for a while."""
    while True:
        await visitor.run(SPEAKS)
        await asyncio.sleep(HEARS_S)
        if await visitor.run("() => voice.getSnapshot().state") == "speaking":
            return


STEPS = ("secret", "session", "answer begins", "sound")


async def by_secret(server: ServerProcess, rounds: int) -> list[float]:
    """OpenAI's client: another session of the same conversation, by a secret fetched for it."""
    proxy = CuttingProxy(server.port)
    port = await proxy.open()
    backend = AsyncOpenAI(base_url=f"{server.url}/v1", api_key=KEY)
    ways: list[list[float]] = []
    left: list[asyncio.Future[Any]] = []
    conversation_id, cut_ms = None, 0.0
    try:
        for at in rounds_of(rounds + 1):
            minted = await backend.realtime.client_secrets.create(
                session={"type": "realtime", "instructions": desk.INSTRUCTIONS},
                extra_body={"antiphon": _bound(conversation_id)},
            )
            way = [now_ms()]
            openai = AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=minted.value)
            async with asyncio.timeout(GIVES_UP_S):
                connection = await openai.realtime.connect().enter()
                conversation_id = await _ask_for_a_story(connection, way)
            reading = asyncio.create_task(_read(connection))
            await asyncio.sleep(HEARS_S)
            if at:
                ways.append([step - cut_ms for step in way])
                print(f"  {at}: sound after {ways[-1][-1]:.0f} ms", flush=True)
            cut_ms = now_ms()
            proxy.cut()
            left.append(asyncio.gather(reading, openai.close(), return_exceptions=True))
    finally:
        await asyncio.gather(*left, return_exceptions=True)
        await backend.close()
        await proxy.close()
    slowest = max(ways, key=lambda way: way[-1])
    shown = ", ".join(f"{step} {ms:.0f}" for step, ms in zip(STEPS, slowest, strict=True))
    print(f"  the slowest, ms since the cut: {shown}")
    return [way[-1] for way in ways]


async def _ask_for_a_story(connection: Any, way: list[float]) -> str:
    """Until its first sound; when each step was made.  Returns the conversation's id."""
    content = [{"type": "input_text", "text": "Tell me a story."}]
    await connection.conversation.item.create(
        item={"type": "message", "role": "user", "content": content}
    )
    await connection.response.create()
    conversation_id = ""
    while len(way) < len(STEPS):
        event = await connection.recv()
        if event.type == "session.created":
            way.append(now_ms())
        elif event.type == "response.created":
            conversation_id = event.response.conversation_id
            way.append(now_ms())
        elif event.type == "response.output_audio.delta":
            way.append(now_ms())
    return conversation_id


async def _read(connection: Any) -> None:
    """What a client does that plays: one that stops reading notices no cut for ten seconds."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            await connection.recv()


def _bound(conversation_id: str | None) -> dict[str, str]:
    bound = {"end_user_id": "anna"}
    return bound if conversation_id is None else {**bound, "conversation_id": conversation_id}


def now_ms() -> float:
    return time.time() * 1000


async def main(rounds: int, ways: list[str]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ServerProcess(folder, ANTIPHON_API_KEYS=KEY, ANTIPHON_ALLOWED_ORIGINS="*") as server:
            measuring: dict[str, Callable[[], Awaitable[list[float]]]] = {
                "websocket": lambda: by_websocket(server, rounds, folder),
                "webrtc": lambda: by_webrtc(server, rounds),
                "stock": lambda: by_secret(server, rounds),
            }
            for way in ways:
                took_ms = found[way] = await measuring[way]()
                p50, p99 = percentile(took_ms, 50), percentile(took_ms, 99)
                print(
                    f"{way}: {len(took_ms)} times, p50 {p50:.0f} ms, p99 {p99:.0f} ms, "
                    f"longest {max(took_ms):.0f} ms",
                    flush=True,
                )
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    known = ["websocket", "webrtc", "stock"]
    parser.add_argument("--only", nargs="+", choices=known, default=known)
    args = parser.parse_args()
    measured = asyncio.run(main(args.rounds, args.only))
    write("comeback", {"conditions": conditions(), "took_ms": measured})
