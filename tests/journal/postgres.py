"""A PostgreSQL server of the tests' own, with data of its own; absent, its tests skip."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

USER = "antiphon"
PASSWORD = "sesame-pg"


def programs() -> Path | None:
    """The folder with `initdb`; Debian keeps it off the path."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return homes[-1].parent if homes else None


class Postgres:
    """A server that can be stopped and started; `url(name)` makes an empty database."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._data = folder / "data"
        self._binaries = binaries
        # It will not run as root.
        self._as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(folder, account.pw_uid, account.pw_gid)
            self._as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run("initdb", "--no-sync", "-U", USER, "-A", "scram-sha-256", f"--pwfile={secret}")

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        self._run("pg_ctl", "-w", "-t", "60", "-l", f"{self._data}.log", "-o", options, "start")

    def stop(self, how: str = "fast") -> None:
        self._run("pg_ctl", "-w", "-m", how, "stop")

    def url(self, database: str) -> str:
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def make(self, database: str) -> str:
        self.sql(f"CREATE DATABASE {database}", "postgres")
        return self.url(database)

    def sql(self, command: str, database: str) -> str:
        return self._called(
            ["psql", "-v", "ON_ERROR_STOP=1", "-At", "-c", command, self.url(database)]
        )

    def files(self) -> Iterator[Path]:
        return (path for path in self._data.rglob("*") if path.is_file())

    def _run(self, program: str, *arguments: str) -> None:
        self._called([str(self._binaries / program), "-D", str(self._data), *arguments])

    def _called(self, command: Sequence[str]) -> str:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            timeout=120,
            **self._as_user,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


_numbers = count(1)


def new_database(server: Postgres) -> str:
    """Its address; it is empty."""
    return server.make(f"journal_{next(_numbers)}")


@contextmanager
def running(folder: Path) -> Iterator[Postgres]:
    binaries = programs()
    assert binaries is not None
    server = Postgres(folder, binaries)
    server.start()
    try:
        yield server
    finally:
        server.stop("immediate")
