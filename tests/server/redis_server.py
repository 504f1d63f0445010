"""A real Redis of the tests' own; absent, its tests skip."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from pathlib import Path

PROGRAM = shutil.which("redis-server")


class RedisServer:
    """On a socket in a folder; it can be killed, and started again empty."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "redis.sock"
        self.url = f"unix://{self._socket}"
        self._process: subprocess.Popen[bytes]
        self.start()

    def start(self) -> None:
        assert PROGRAM is not None, "it was asked whether it is here"
        self._socket.unlink(missing_ok=True)
        command = [PROGRAM, "--port", "0", "--unixsocket", str(self._socket), "--save", ""]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, cwd=self._socket.parent
        )
        deadline_s = time.monotonic() + 60
        while not self._socket.exists():
            assert time.monotonic() < deadline_s, "Redis did not start"
            time.sleep(0.02)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def pause(self) -> None:
        """It answers nobody, and forgets nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)
