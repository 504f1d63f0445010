"""The process that the others belong to: it listens, hands each connection to one of them, keeps
what they share, and starts anew those that have died.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from antiphon.errors import ConfigurationError
from antiphon.processes.channels import (
    CLIENT,
    LINK,
    SIBLING,
    DoorOut,
    FrameStream,
    Pairs,
    new_pairs,
)
from antiphon.processes.commons import Commons
from antiphon.processes.messages import (
    NOBODY_WAITS,
    Begin,
    Call,
    Drains,
    FromProcess,
    Ready,
    Reload,
    Stop,
    from_process,
)
from antiphon.processes.switchboard import CannotServe, Line, Switchboard
from antiphon.server.metering import make_ledger
from antiphon.server.reload import HangUp
from antiphon.server.serve import StopSignals, bound, drained_by_signal, url_of
from antiphon.server.service_manager import ServiceManager
from antiphon.server.settings import Config

log = logging.getLogger(__name__)

FIRST_BACKOFF_S: Final = 0.5
MAX_BACKOFF_S: Final = 30.0
HEALTHY_AFTER_S: Final = 60.0
"""One that lived so long is started again without delay."""
LOOK_FOR_ROOM_S: Final = 0.01
ACCEPTED_AT_ONCE: Final = 64
RELOADED_WITHIN_S: Final = 30.0
KILL_AFTER_S: Final = 15.0
"""What a process may take beyond the grace of its sessions."""


async def reload_all(board: Switchboard) -> bool:
    """First all read and check it; only if it is good to each of them, they go by it."""
    for question in (Reload(), Reload(take=True)):
        told = await board.ask_all(question, within_s=RELOADED_WITHIN_S)
        against = [
            name
            for name, value in told.items()
            if value is None or not msgspec.msgpack.decode(value)
        ]
        if against or not told:
            log.error("reload: refused, by process %s", ", ".join(against) or "none that serves")
            return False
    return True


class _Child:
    """One process, as it runs now."""

    def __init__(self, process: asyncio.subprocess.Process, line: Line, door: DoorOut) -> None:
        self.process = process
        self.line = line
        self.door = door
        self.began_s = time.monotonic()


class Supervisor:
    """Args:
    config: Of the server; each process reads it again for itself.
    processes: How many.
    program: Runs a process, by the numbers of its three files.
    config_path, overrides: What each of them reads it by.
    sockets: That listen already; none: by ``config``.
    on_ready: Is given the lines that tell of the server.
    start_within_s: A process that takes longer is killed, and has failed.
    """

    def __init__(
        self,
        config: Config,
        *,
        processes: int,
        program: Sequence[str],
        config_path: str | None,
        overrides: dict[str, Any],
        sockets: Sequence[socket.socket] = (),
        on_ready: Callable[[Sequence[str]], None] = lambda _: None,
        start_within_s: float = 180.0,
    ) -> None:
        self._start_within_s = start_within_s
        self._config = config
        self._processes = processes
        self._program = program
        self._config_path = config_path
        self._overrides = overrides
        self._sockets = list(sockets)
        self._on_ready = on_ready
        self._token = secrets.token_hex(24)
        self._children: dict[str, _Child] = {}
        self._stop = StopSignals()
        commons = Commons(max_sessions=config.server.max_sessions, ledger=make_ledger(config))
        self._switchboard = Switchboard(commons, self._link)
        self._url = ""

    async def run(self) -> None:
        """Until a signal comes, and all have ended.

        Raises:
            ConfigurationError: it cannot listen, or no process can serve.
        """
        server, manager = self._config.server, ServiceManager.of(os.environ)
        hang_up = HangUp(self._stop.first.set)
        if not self._sockets:
            self._sockets = await bound(server.host, server.port)
        self._url = url_of(self._sockets, server.host, is_tls=server.tls_cert is not None)
        keeping: list[asyncio.Task[None]] = []
        with self._stop.installed(), hang_up.installed():
            try:
                lines = await self._start_all(keeping)
                async with manager.watched(), hang_up.heeded(self, manager):
                    self._listen()
                    self._on_ready(lines)
                    manager.ready(f"serving at {self._url} with {self._processes} processes")
                    hang_up.serving.set()
                    with drained_by_signal(self._drain):
                        await self._stop.first.wait()
                    manager.stopping(server.drain_seconds)
                    await self._end_all()
            finally:
                await self._end(keeping)

    async def again(self) -> bool:
        """All processes read the configuration again; taken is what is good to each of them."""
        return await reload_all(self._switchboard)

    def _drain(self) -> None:
        self._switchboard.tell_all(Drains(on=True))

    # --- Processes -----------------------------------------------------------

    async def _start_all(self, keeping: list[asyncio.Task[None]]) -> Sequence[str]:
        """The first alone: it makes files that are not there, and finds what is wrong."""
        first, lines = await self._started(0)
        keeping.append(asyncio.create_task(self._keep(0, first)))
        rest = range(1, self._processes)
        for number, (child, _) in zip(
            rest, await asyncio.gather(*map(self._started, rest)), strict=True
        ):
            keeping.append(asyncio.create_task(self._keep(number, child)))
        return lines

    async def _started(self, number: int) -> tuple[_Child, Sequence[str]]:
        """Raises:
        ConfigurationError: it cannot serve.
        """
        child = await self._spawn(number)
        ready, ended = child.line.ready, asyncio.create_task(child.process.wait())
        stopping = asyncio.create_task(self._stop.first.wait())
        try:
            begun = (ready, ended, stopping)
            done, _ = await asyncio.wait(
                begun, timeout=self._start_within_s, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                child.process.kill()
                raise ConfigurationError(
                    f"Process {child.line.name} did not start within {self._start_within_s:g} s."
                )
            if stopping.done() and not ready.done():
                raise ConfigurationError("Stopped while it started.")
            return child, (await self._told(ready)).welcome
        except CannotServe as error:
            raise ConfigurationError(str(error)) from None
        finally:
            ended.cancel()
            stopping.cancel()

    async def _told(self, ready: asyncio.Future[Ready]) -> Ready:
        try:
            async with asyncio.timeout(1.0):  # Its end is known before its last words, at times.
                return await ready
        except TimeoutError:
            raise CannotServe("A process ended while it started; the log tells why.") from None

    async def _spawn(self, number: int) -> _Child:
        ours, theirs = new_pairs()
        name = str(number + 1)
        environ = {
            variable: value
            for variable, value in os.environ.items()
            if not variable.startswith(("LISTEN_", "NOTIFY_", "WATCHDOG_"))
        }
        process = await asyncio.create_subprocess_exec(
            *self._program,
            *(str(each.fileno()) for each in theirs),
            pass_fds=[each.fileno() for each in theirs],
            stdin=asyncio.subprocess.DEVNULL,
            env=environ,
            start_new_session=True,  # Ctrl-C is for the supervisor to tell.
        )
        theirs.close()
        child = await self._connected(name, ours, process)
        child.line.send(
            Begin(
                process=name,
                number=number,
                processes=self._processes,
                token=self._token,
                url=self._url,
                config_path=self._config_path,
                overrides=self._overrides,
            )
        )
        return child

    async def _connected(
        self, name: str, ours: Pairs, process: asyncio.subprocess.Process
    ) -> _Child:
        board, loop = self._switchboard, asyncio.get_running_loop()
        bus: FrameStream[FromProcess] = FrameStream(
            from_process, lambda message: board.received(line, message), lambda: board.left(line)
        )
        line = board.joined(name, bus.send)

        def count(message: FromProcess) -> None:
            assert isinstance(message, Call), "nothing else comes here"
            returned = board.carry_out(line, message)
            if message.id != NOBODY_WAITS:
                counter.send(returned)

        counter: FrameStream[FromProcess] = FrameStream(from_process, count)
        await loop.create_unix_connection(lambda: bus, sock=ours.bus)
        await loop.create_unix_connection(lambda: counter, sock=ours.counter)
        child = _Child(process, line, DoorOut(ours.door))
        self._children[name] = child
        return child

    async def _keep(self, number: int, child: _Child) -> None:
        """Started again whenever it ends, the later the sooner it did."""
        failures = 0
        while True:
            code = await child.process.wait()
            self._switchboard.left(child.line)
            child.door.close()
            if self._stop.first.is_set():
                return
            lived_s = time.monotonic() - child.began_s
            failures = 0 if lived_s >= HEALTHY_AFTER_S else failures + 1
            delay_s = min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2 ** (failures - 1)) if failures else 0.0
            log.warning(
                "process %s ended with code %d after %.0f s; its sessions are lost, and it is "
                "started again in %.1f s",
                child.line.name,
                code,
                lived_s,
                delay_s,
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._stop.first.wait()
            if self._stop.first.is_set():
                return
            try:
                child, _ = await self._started(number)
            except ConfigurationError as error:
                child = self._children[str(number + 1)]
                log.warning("process %s could not serve: %s", child.line.name, error)

    async def _end_all(self) -> None:
        """Let sessions end; a second signal hurries."""
        self._switchboard.tell_all(Stop())
        ending = asyncio.gather(*(child.process.wait() for child in self._children.values()))
        hurried = asyncio.create_task(self._stop.second.wait())
        grace_s = self._config.server.drain_seconds + KILL_AFTER_S
        await asyncio.wait((ending, hurried), timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not ending.done():
            self._switchboard.tell_all(Stop(now=True))
            await asyncio.wait((ending,), timeout=KILL_AFTER_S)

    async def _end(self, keeping: list[asyncio.Task[None]]) -> None:
        self._stop.first.set()
        loop = asyncio.get_running_loop()
        for listening in self._sockets:
            loop.remove_reader(listening.fileno())
            listening.close()
        for child in self._children.values():
            if child.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.process.kill()
                await child.process.wait()
            child.door.close()
        await asyncio.gather(*keeping, return_exceptions=True)

    # --- Connections ---------------------------------------------------------

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for listening in self._sockets:
            loop.add_reader(listening.fileno(), self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        """Without room clients wait in the kernel's queue: nobody is taken in to be dropped."""
        for _ in range(ACCEPTED_AT_ONCE):
            lines = self._switchboard.choose()
            if not lines:
                self._wait_for_room(listening)
                return
            try:
                client, _address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    raise
                log.error("no connection can be taken: %s", error.strerror)  # noqa: TRY400
                self._wait_for_room(listening)
                return
            with client:
                if not self._hand(client, lines):
                    self._wait_for_room(listening)
                    return

    def _hand(self, client: socket.socket, lines: Sequence[Line]) -> bool:
        for line in lines:
            child = self._children[line.name]
            if child.line is line and child.door.hand(client, CLIENT):
                line.sent_clients += 1
                return True
        log.error("no process takes a connection: it is closed")
        return False

    def _wait_for_room(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening.fileno())

        def listen() -> None:
            if listening.fileno() >= 0:
                loop.add_reader(listening.fileno(), self._accept, listening)

        loop.call_later(LOOK_FOR_ROOM_S, listen)

    def _link(self, asking: str, asked: str, number: int) -> bool:
        """A connection from one process to another."""
        from_child, to_child = self._children.get(asking), self._children.get(asked)
        if from_child is None or to_child is None or not to_child.line.is_ready:
            return False
        near, far = socket.socketpair()
        with near, far:
            return to_child.door.hand(far, SIBLING) and from_child.door.hand(near, LINK, number)


def program_of(module: str) -> list[str]:
    """How a process is run: an interpreter of its own, with nothing of this one but its files."""
    return [sys.executable, "-m", module]
