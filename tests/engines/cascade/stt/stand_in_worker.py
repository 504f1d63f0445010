"""A worker that understands "hello" in every turn, and says how much of it was lost."""

from __future__ import annotations

from antiphon.engines.cascade.stt.wire import Audio, Cancel, Finish, Heard, Trouble
from antiphon.engines.cascade.worker_wire import WorkerEnd


def main() -> None:
    wire: WorkerEnd[Audio | Finish | Cancel] = WorkerEnd(Audio | Finish | Cancel)
    wire.ready()
    while True:
        arrived = wire.receive()
        assert arrived
        job, command = arrived
        if isinstance(command, Finish):
            wire.send(job, Trouble("too slow", 1.5))
            wire.send(job, Heard("hello", True))


if __name__ == "__main__":
    main()
