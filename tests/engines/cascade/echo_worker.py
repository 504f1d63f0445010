"""A worker for the tests of the pool."""

from __future__ import annotations

import os
import sys

from msgspec import Struct

from antiphon.engines.cascade.worker_wire import WorkerEnd


class Echo(Struct, frozen=True, tag="echo"):
    text: str


class Noise(Struct, frozen=True, tag="noise"):
    """Print to stdout, as C libraries do."""


class Fail(Struct, frozen=True, tag="fail"):
    text: str


class Echoed(Struct, frozen=True, tag="echoed"):
    text: str
    pid: int


def main() -> None:
    if "--fail-at-start" in sys.argv:
        raise RuntimeError("SECRET")
    if "--hang-at-start" in sys.argv:
        sys.stdin.read()  # Until nobody wants it any more.
        return
    wire: WorkerEnd[Echo | Noise | Fail] = WorkerEnd(Echo | Noise | Fail)
    wire.ready()
    while True:
        arrived = wire.receive()
        assert arrived
        job, command = arrived
        match command:
            case Echo(text):
                wire.send(job, Echoed(text, os.getpid()))
            case Noise():
                os.write(1, b"noise" * 1000)
            case Fail(text):
                raise ValueError(text)


if __name__ == "__main__":
    main()
