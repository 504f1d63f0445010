"""The server as its users run it: a process of its own, on a free port of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

STOP_TIMEOUT_S = 60
KEY = "server-key"
"""Of the server that has one."""


class ServerProcess:
    """`antiphon serve` with the offline engine; as a context manager, it ends well or fails.

    What it logs is in ``log``; a line of level ERROR there fails the test that stops it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        launcher: Sequence[str] = (),
        pass_fds: Sequence[int] = (),
        hears: bool = True,
        **environ: str,
    ) -> None:
        """``hears``: False where nobody speaks to it: it starts sooner without Whisper."""
        self.log = folder / "server.log"
        self._asked = False
        self.expected_errors = 0
        """Lines of level ERROR that a test provokes."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("ANTIPHON_", "OPENAI_"))}
        clean |= {"ANTIPHON_OFFLINE_STT_WORKERS": "1", "ANTIPHON_DRAIN_SECONDS": "10"}
        clean |= {"ANTIPHON_LIMITS_MAX_LATENESS_MS": "0"}  # A busy machine is no failure.
        if not hears:
            clean["ANTIPHON_STT_RECOGNIZER"] = "pocketsphinx"
        clean |= {"XDG_STATE_HOME": str(folder / "state")} | environ
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*launcher, sys.executable, "-m", "antiphon.cli", "serve", "--port", str(port)],
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=folder,
                env=clean,
                pass_fds=pass_fds,
            )
        assert self._process.stdout is not None
        welcome = self._process.stdout.readline().decode()
        if "://" not in welcome:
            self._process.communicate()
            raise AssertionError(f"the server did not start: {self.log.read_text()}")
        self.url = welcome.split()[-1]
        """As http://127.0.0.1:8080, or https:// where the environment sets ANTIPHON_TLS_CERT."""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def websocket_url(self) -> str:
        return self.url.replace("http", "ws", 1)

    def ask_to_stop(self) -> None:
        """Only once: being asked again means at once."""
        if not self._asked:
            self._asked = True
            self._process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Stop it and wait.

        Raises:
            AssertionError: it logged an error, or did not end as it should.
        """
        self.ask_to_stop()
        try:
            self._process.communicate(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise AssertionError(f"the server did not stop: {self.log.read_text()}") from None
        log = self.log.read_text()
        assert self._process.returncode == 0, log
        assert log.count(" ERROR ") == self.expected_errors, log
        assert "Traceback" not in log, log

    def ask_to_reload(self) -> None:
        self._process.send_signal(signal.SIGHUP)

    def freeze(self) -> None:
        """From now on it says nothing and closes nothing, as one behind a cut cable."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a crash would: nobody is told."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
